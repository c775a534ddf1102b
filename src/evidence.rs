//! What is known of a lock, as data and in words: who holds it, what it comes
//! to, and how that is known.

use crate::sys::{self, FileId, Stat};
use std::path::{MAIN_SEPARATOR, Path};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Who holds a lock, as its record says. Control characters are taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Number of its process; `None` for a lease, which is no process's.
    pub pid: Option<u32>,
    /// Name of its program.
    pub program: String,
    /// What it was told to call itself.
    pub label: Option<String>,
    /// Who started it, by its environment.
    pub user: String,
    /// The machine that it runs on.
    pub host: String,
    /// When it got the lock, by its clock.
    pub since: Option<SystemTime>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "pid {pid} ({}", self.program)?,
            None => write!(f, "a lease ({}", self.program)?,
        }
        if let Some(label) = &self.label {
            write!(f, ", {label}")?;
        }
        f.write_str(")")?;
        if !self.user.is_empty() {
            write!(f, " of {}", self.user)?;
        }
        write!(f, " on {}", self.host)?;
        if let Some(since) = self.since {
            write!(f, " since {}", humantime::format_rfc3339_seconds(since))?;
        }
        Ok(())
    }
}

/// What is known of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Somebody has it, or that cannot be excluded.
    Held,
    /// Made by dotlock, and its owner is provably gone.
    Stale,
    /// Made by another program; whether that still works on it is not known.
    Foreign,
    /// No lock at all: a package manager's file, or no plain file.
    NotALock,
}

/// What stands at P, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// What it comes to.
    pub state: State,
    /// Why, in words.
    pub evidence: String,
    /// Who, by a record that speaks of this lock; of a foreign lock, never.
    pub holder: Option<Holder>,
    /// The processes that have its kernel lock, where the system tells.
    pub pids: Vec<u32>,
    /// When the lock was last written, by the clock of its file system.
    pub modified: Option<SystemTime>,
    /// Bytes that are staged in it.
    pub size: u64,
    /// It is held for want of proof only: its owner cannot be seen from here.
    pub(crate) unseen: bool,
    /// Its kernel lock is taken: its owner lives, beyond doubt.
    pub(crate) alive: bool,
    pub(crate) id: FileId,
    /// When the lock was made, where the system knows.
    pub born: Option<SystemTime>,
}

impl State {
    /// As it is printed.
    pub fn name(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Stale => "stale",
            State::Foreign => "foreign",
            State::NotALock => "not a lock",
        }
    }
}

impl Verdict {
    /// With nothing known but what the system tells of the file.
    pub(crate) fn of(stat: &Stat, state: State, evidence: String) -> Verdict {
        Verdict {
            state,
            evidence,
            holder: None,
            pids: Vec::new(),
            modified: stat.modified,
            size: stat.size,
            unseen: false,
            alive: false,
            id: stat.id,
            born: stat.id.birth.map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos)),
        }
    }

    /// In one line, for messages.
    pub fn describe(&self) -> String {
        let by = if self.state == State::Stale { "stale, left by" } else { "held by" };
        match (&self.holder, self.pids.as_slice()) {
            (Some(holder), _) => format!("{by} {holder}, {}", self.evidence),
            (None, [pid, ..]) => format!("{by} pid {pid}, {}", self.evidence),
            (None, []) => format!("{}, {}", self.state.name(), self.evidence),
        }
    }

    /// The process that is known to have it, if one is.
    pub fn pid(&self) -> Option<u32> {
        self.pids.first().copied().or(self.holder.as_ref().and_then(|h| h.pid))
    }

    /// What to do next about the lock of `target`, in words.
    pub fn advice(&self, target: &Path) -> String {
        let name = shell_quoted(target);
        match (self.state, self.pid()) {
            (State::Held, Some(pid)) if !self.unseen => {
                format!("wait longer (--wait), see 'dotlock status {name}', or end pid {pid}")
            }
            (State::Held, _) if !self.unseen => {
                format!("wait longer (--wait), or see 'dotlock status {name}'")
            }
            (State::Held, _) => {
                format!(
                    "see 'dotlock status {name}'; if its owner is gone for sure, 'dotlock break-lock --force {name}' removes it"
                )
            }
            (State::Stale, _) => "try again without --no-break".into(),
            (State::Foreign, _) => format!(
                "see who has it open with 'dotlock status {name}'; if nobody does, \
                 'dotlock break-lock --force {name}' removes it"
            ),
            (State::NotALock, _) => "it is left alone; --lock-file gives the lock another name".into(),
        }
    }
}

/// A path as one word for a shell; what cannot be shown is replaced.
fn shell_quoted(path: &Path) -> String {
    shell_word(&show(path))
}

/// `text` as one word for a shell, quoted if it needs to be.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%~".contains(c) || c == MAIN_SEPARATOR;
    // A shell would take "~" at the beginning for somebody's home.
    let word = !text.is_empty() && !text.starts_with('~') && text.chars().all(plain);
    if word { text.to_owned() } else { sys::shell_quoted(text) }
}

/// A path for a message: control characters, which a terminal would obey, are
/// replaced, as are bytes that are no UTF-8.
pub fn show(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// `text` without control characters, and not endless.
pub(crate) fn printable(text: &str) -> String {
    let clean = |c: char| if c.is_control() || is_bidi(c) { '\u{FFFD}' } else { c };
    text.chars().take(4096).map(clean).collect()
}

/// Characters that reorder what follows them on the line.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
