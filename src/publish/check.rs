//! What must hold before a file is replaced: what it is now, and what it would
//! become.

use crate::error::{Error, Result};
use crate::lock::{Lock, plain_file};
use crate::sys;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

/// The SHA-256 of the content of the file `path`; `None` if there is none.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, or is no plain file.
pub fn sha256(path: &Path) -> Result<Option<[u8; 32]>> {
    if plain_file(path)?.is_none() {
        return Ok(None);
    }
    let hash = || {
        let (mut from, mut sha) = (sys::open_to_look(path)?, Sha256::new());
        let mut buffer = vec![0; 128 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(sha.finalize().into()),
                Ok(n) => sha.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    };
    hash().map(Some).map_err(Error::io("read", path))
}

/// What the file has to be for a write to go ahead (compare and swap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It does not exist.
    Absent,
    /// It exists.
    Present,
    /// Its content has this SHA-256.
    Sha256([u8; 32]),
}

impl Precondition {
    /// Refuses if the file at `path` is not so; says what it is.
    pub(super) fn check(self, path: &Path) -> Result<()> {
        let found = sha256(path)?;
        let fits = match self {
            Precondition::Absent => found.is_none(),
            Precondition::Present => found.is_some(),
            Precondition::Sha256(wanted) => found == Some(wanted),
        };
        if fits {
            return Ok(());
        }
        let is = found.map_or("it does not exist".into(), |hash| format!("its content is {}", show(&hash)));
        let why = match self {
            Precondition::Absent => format!("it exists, and was to be written only if not; {is}"),
            Precondition::Present => "it does not exist, and was to be written only if it does".into(),
            Precondition::Sha256(wanted) => {
                format!("it was changed by somebody else: {is}, not {}; read it again", show(&wanted))
            }
        };
        Err(Error::refused(path, why))
    }
}

fn show(hash: &[u8; 32]) -> String {
    format!("sha256:{}", hex(hash))
}

/// A hash in hexadecimal.
pub fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

impl FromStr for Precondition {
    type Err = String;

    fn from_str(text: &str) -> Result<Precondition, String> {
        let usage = || "give 'absent', 'present', or sha256: and 64 hexadecimal digits".to_owned();
        match text {
            "absent" => return Ok(Precondition::Absent),
            "present" => return Ok(Precondition::Present),
            _ => {}
        }
        let digits = text.strip_prefix("sha256:").ok_or_else(usage)?;
        let is_hash = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let byte = |i: usize| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap_or_default();
        is_hash.then(|| Precondition::Sha256(std::array::from_fn(byte))).ok_or_else(usage)
    }
}

/// Judges new content before it is committed: what it refuses is not written.
#[derive(Clone)]
pub struct Validator(Arc<Judge>);

type Judge = dyn Fn(&Path) -> Result<(), String> + Send + Sync;

impl Validator {
    /// `judge` is given the path of a private copy, which is called as the file
    /// itself, in a directory of its own. What it returns as an error is the
    /// reason.
    pub fn new(judge: impl Fn(&Path) -> Result<(), String> + Send + Sync + 'static) -> Validator {
        Validator(Arc::new(judge))
    }

    pub(super) fn judge(&self, lock: &Lock) -> Result<()> {
        let copy = private_copy(lock, "check", Some(lock.staged()), 0o600)?;
        (self.0)(&copy).map_err(|why| Error::refused(lock.target().path(), why))
    }
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Validator")
    }
}

/// A copy of `from`, under the name of the target, in a directory called `place`
/// that nobody else may look into and that goes with the lock.
pub(super) fn private_copy(lock: &Lock, place: &str, from: Option<&File>, mode: u32) -> Result<PathBuf> {
    let dir = lock.stage()?.join(place);
    let path = dir.join(lock.target().path().file_name().unwrap_or_default());
    let make = || {
        sys::remove_tree(&dir)?;
        sys::create_private_dir(&dir)?;
        let to = sys::create(&path, mode)?;
        from.map_or(Ok(()), |from| sys::copy_over(from, &to))
    };
    make().map_err(Error::io("make a private copy in", &dir))?;
    Ok(path)
}

/// Whether what is staged is what the file `path` has already.
pub(super) fn is_same(lock: &Lock, bytes: u64, path: &Path) -> Result<bool> {
    let Some(old) = plain_file(path)?.filter(|old| old.size == bytes) else { return Ok(false) };
    let compare = || -> io::Result<bool> {
        let (mut new, mut old) = (lock.staged(), sys::open_to_look(path)?.take(old.size));
        io::Seek::rewind(&mut new)?;
        let mut new = new.take(bytes);
        let (mut a, mut b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        loop {
            let n = fill(&mut new, &mut a)?;
            if n != fill(&mut old, &mut b)? || a[..n] != b[..n] {
                return Ok(false);
            }
            if n == 0 {
                return Ok(true);
            }
        }
    };
    compare().map_err(Error::io("compare with", path))
}

/// Reads until `buffer` is full or nothing is left.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut full = 0;
    while full < buffer.len() {
        match from.read(&mut buffer[full..]) {
            Ok(0) => break,
            Ok(n) => full += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preconditions_are_read_as_they_are_printed() {
        let hash = [0x5a; 32];
        assert_eq!(show(&hash).parse(), Ok(Precondition::Sha256(hash)));
        assert_eq!("absent".parse(), Ok(Precondition::Absent));
        assert_eq!("present".parse(), Ok(Precondition::Present));
        for bad in ["", "sha256:", "sha256:5a", &show(&hash)[7..], &format!("{}0", show(&hash)), "Absent"] {
            assert!(bad.parse::<Precondition>().is_err(), "{bad}");
        }
        assert!(format!("sha256:{}", "ü".repeat(32)).parse::<Precondition>().is_err());
    }
}
