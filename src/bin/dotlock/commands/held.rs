//! The locks that this command may work under: those of `DOTLOCK_HELD`, which a
//! `run` above us or `acquire --export` has set, and of `--token`.

use crate::cli::{ExportArg, WaitArgs};
use crate::say;
use anyhow::Context;
use dotlock::{Token, show};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The variable: a JSON array of targets and tokens.
pub const VARIABLE: &str = "DOTLOCK_HELD";

/// Tokens, the innermost lock's last.
#[derive(Debug, Default)]
pub struct Held {
    tokens: Vec<Token>,
}

/// An element of the array. The target is there for people: the token names the
/// lock.
#[derive(Serialize, Deserialize)]
struct Entry {
    target: String,
    token: String,
}

impl Held {
    /// What the environment and the options tell.
    pub fn of(wait: &WaitArgs) -> anyhow::Result<Held> {
        let mut held = Held::of_environment();
        held.add(&wait.tokens)?;
        Ok(held)
    }

    /// What the environment tells. What cannot be read there is ignored, and said.
    pub fn of_environment() -> Held {
        let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
            return Held::default();
        };
        let entries = text.to_str().and_then(|text| serde_json::from_str::<Vec<Entry>>(text).ok());
        let tokens = |entries: Vec<Entry>| entries.iter().map(|e| e.token.parse().ok()).collect();
        let tokens: Option<Vec<Token>> = entries.and_then(tokens);
        if tokens.is_none() {
            say(format_args!("ignored {VARIABLE}: it is not as dotlock writes it"));
        }
        Held { tokens: tokens.unwrap_or_default() }
    }

    /// Adds tokens as they are printed, one or more in a word.
    pub fn add(&mut self, words: &[String]) -> anyhow::Result<()> {
        for word in words.iter().flat_map(|w| w.split_whitespace()) {
            let token: Token =
                word.parse().with_context(|| format!("cannot use the token {}", show(Path::new(word))))?;
            if !self.tokens.contains(&token) {
                self.tokens.push(token);
            }
        }
        Ok(())
    }

    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The same with those of new locks.
    pub fn with(&self, more: impl IntoIterator<Item = Token>) -> Held {
        Held { tokens: self.tokens.iter().cloned().chain(more).collect() }
    }

    /// The same without some.
    pub fn without(&self, gone: &[Token]) -> Held {
        Held { tokens: self.tokens.iter().filter(|t| !gone.contains(t)).cloned().collect() }
    }

    /// The variable's value.
    pub fn to_text(&self) -> String {
        let entry = |t: &Token| Entry { target: t.target().to_string_lossy().into(), token: t.to_string() };
        let entries: Vec<_> = self.tokens.iter().map(entry).collect();
        serde_json::to_string(&entries).unwrap_or_default()
    }

    /// A line by which a shell sets the variable.
    pub fn export(&self, shell: ExportArg) -> String {
        let text = self.to_text();
        match shell {
            ExportArg::Sh => format!("export {VARIABLE}='{}'", text.replace('\'', r"'\''")),
            ExportArg::Fish => {
                format!("set -gx {VARIABLE} '{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
            }
            ExportArg::Powershell => format!("$env:{VARIABLE} = '{}'", text.replace('\'', "''")),
        }
    }

    /// For the message of a wait that was too long.
    pub fn as_a_cause(&self) -> String {
        let files: Vec<_> = self.tokens.iter().map(|t| show(t.target())).collect();
        match files.as_slice() {
            [] => String::new(),
            files => format!(
                "; this command runs under the lock of {}: should its holder wait for that one, neither goes on; \
                 take both at once ('dotlock run A B -- CMD')",
                files.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_quoted_for_every_shell() {
        let path = std::path::absolute("it's").unwrap();
        let encoded = percent_encoding::percent_encode(
            path.as_os_str().as_encoded_bytes(),
            percent_encoding::NON_ALPHANUMERIC,
        );
        let token = format!("2a.7.000102030405060708090a0b0c0d0e0f:{encoded}%2Elock");
        let mut held = Held::default();
        held.add(&[format!(" {token}\n{token} ")]).unwrap();
        assert_eq!(held.tokens().len(), 1);
        let text = held.to_text();
        let token = held.tokens()[0].to_string();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            serde_json::json!([{ "target": path, "token": token }])
        );
        assert!(held.export(ExportArg::Sh).contains(r"it'\''s"));
        assert!(held.export(ExportArg::Fish).contains(r"it\'s"));
        assert!(held.export(ExportArg::Powershell).contains("it''s"));
        assert!(held.add(&["nonsense".into()]).is_err());
        assert!(held.without(held.tokens()).tokens().is_empty());
    }
}
