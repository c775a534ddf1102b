//! Tokens: what lets another process work under a lock that is held already,
//! or release it.
//!
//! A token names P by number and birth, so that no later P is taken for it, and
//! carries a secret that only P's record knows. It is one word without anything
//! that a shell would touch: `NUMBER.BIRTH.SECRET:LOCK`, in hexadecimal and with
//! the path percent-encoded; behind the secret comes `.END` for a lease, and a
//! second `:` and path where the lock is not called as its file.

use crate::error::{Error, Result};
use crate::sys::{self, FileId};
use crate::target::Target;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What stays as it is in a path: all else could mean something to a shell.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
/// Bytes of a secret.
const SECRET: usize = 16;

/// Number and birth time of a P, as a record and a token remember it: not the
/// device number, which changes from boot to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockId {
    pub number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<u64>,
}

impl LockId {
    pub fn of(id: FileId) -> LockId {
        LockId { number: id.number, birth: id.birth }
    }

    /// Whether it is the file `id`. Numbers are used again, birth times are not;
    /// where one side has none the number must do.
    pub fn is(self, id: FileId) -> bool {
        let births_fit = match (self.birth, id.birth) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        self.number == id.number && births_fit
    }
}

/// The right to work under a held lock, and to release one that was acquired
/// for a script.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    target: PathBuf,
    lock: PathBuf,
    id: LockId,
    secret: String,
    /// When the lease was to end at first, in milliseconds since 1970.
    until: Option<u64>,
}

/// A secret that nobody guesses.
pub(crate) fn new_secret() -> Result<String> {
    let mut bytes = [0; SECRET];
    getrandom::fill(&mut bytes).map_err(|e| Error::Io {
        doing: "get random numbers for the token from",
        path: "the system".into(),
        source: std::io::Error::other(e),
    })?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

impl Token {
    pub(crate) fn new(target: &Target, id: FileId, secret: &str) -> Token {
        Token {
            target: target.path().to_owned(),
            lock: target.lock_path().to_owned(),
            id: LockId::of(id),
            secret: secret.to_owned(),
            until: None,
        }
    }

    /// The same for a lock that hangs on a lease.
    pub(crate) fn leased(self, until: Option<u64>) -> Token {
        Token { until, ..self }
    }

    /// Whether it is for a lease whose first end is past.
    pub(crate) fn is_over(&self) -> bool {
        let end = self.until.and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
        end.is_some_and(|end| end <= SystemTime::now())
    }

    /// The file whose lock it is about.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The lock that it is about, as what is protected by it.
    pub(crate) fn place(&self) -> Target {
        Target::with_lock(&self.target, &self.lock)
    }

    pub(crate) fn id(&self) -> LockId {
        self.id
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

/// Does not show the secret: messages and logs are read by others.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("lock", &self.lock).finish_non_exhaustive()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.", self.id.number)?;
        match self.id.birth {
            Some(birth) => write!(f, "{birth:x}")?,
            None => f.write_str("0")?,
        }
        let path = |path: &Path| percent_encode(path.as_os_str().as_encoded_bytes(), ENCODED).to_string();
        write!(f, ".{}", self.secret)?;
        if let Some(until) = self.until {
            write!(f, ".{until:x}")?;
        }
        write!(f, ":{}", path(&self.lock))?;
        match Target::of_lock(&self.lock).path() == self.target {
            true => Ok(()),
            false => write!(f, ":{}", path(&self.target)),
        }
    }
}

/// It is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token; 'dotlock acquire' prints one")]
pub struct NoToken;

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Token, NoToken> {
        let mut parts = text.split(':');
        let (numbers, lock, target) = (parts.next(), parts.next(), parts.next());
        let mut numbers = numbers.unwrap_or_default().split('.');
        let mut number = || u64::from_str_radix(numbers.next()?, 16).ok();
        let (Some(id), Some(birth)) = (number(), number()) else { return Err(NoToken) };
        let secret =
            numbers.next().filter(|s| s.len() == 2 * SECRET && s.bytes().all(|b| b.is_ascii_hexdigit()));
        let path = |text: &str| {
            let path = sys::path_from_bytes(percent_decode_str(text).collect())?;
            path.is_absolute().then_some(path)
        };
        let until = numbers.next().map(|n| u64::from_str_radix(n, 16)).transpose().map_err(|_| NoToken)?;
        let (Some(secret), Some(lock), None, None) =
            (secret, lock.and_then(path), numbers.next(), parts.next())
        else {
            return Err(NoToken);
        };
        let target = match target {
            Some(target) => path(target).ok_or(NoToken)?,
            None => Target::of_lock(&lock).path().to_owned(),
        };
        let id = LockId { number: id, birth: (birth != 0).then_some(birth) };
        Ok(Token { target, lock, id, secret: secret.to_owned(), until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(target: &Target, birth: Option<u64>) -> Token {
        let id = FileId { volume: 1, number: 42, birth };
        Token::new(target, id, &"0f".repeat(SECRET))
    }

    #[test]
    fn a_token_is_one_word_and_survives_the_trip() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["f", "two words", "$(rm -rf x);'\"", "ümläut", "a=b,c", "%41"] {
            for birth in [None, Some(7), Some(u64::MAX)] {
                let t = token(&Target::with_lock(&dir.path().join(name), &dir.path().join("x.lock")), birth);
                let text = t.to_string();
                assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.-_%:".contains(&b)), "{text}");
                assert_eq!(text.parse(), Ok(t.clone()));
                let leased = t.leased(Some(1_700_000_000_000));
                assert!(leased.is_over());
                assert_eq!(leased.to_string().parse(), Ok(leased));
                let plain = token(&Target::resolve(&dir.path().join(name)).unwrap(), birth);
                assert_eq!(plain.to_string().parse(), Ok(plain));
            }
        }
    }

    #[test]
    fn a_secret_is_not_shown_and_not_twice_the_same() {
        let t = token(&Target::resolve(Path::new("f")).unwrap(), None);
        assert!(!format!("{t:?}").contains("0f0f"));
        assert_ne!(new_secret().unwrap(), new_secret().unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn anything_is_a_token_or_refused(text in prop_oneof![
            any::<String>(),
            "[0-9a-f]{0,17}\\.[0-9a-f]{0,17}\\.[0-9a-f]{31,33}(\\.[0-9a-f]{1,17})?:[/a-z%0-9]{0,20}(:[/a-z]{0,9})?",
        ]) {
            if let Ok(token) = text.parse::<Token>() {
                prop_assert_eq!(token.to_string().parse(), Ok(token));
            }
        }
    }
}
