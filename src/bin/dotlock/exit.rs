//! The exit codes: a contract with scripts.

use dotlock::Error;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it failed; the target is unchanged unless the message says otherwise.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: refused: it could be done, but not without being told to.
    Refused,
    /// 4: `status --check` found something held or foreign.
    Locked,
    /// 5: `status --check` found only stale locks.
    OnlyStale,
    /// 75, or what `-E` says: the lock was not free in time.
    Busy(u8),
    /// 76: the lock was lost while it was held; the target is unchanged by us.
    Lost,
    /// 124: `run --time-limit` ended CMD.
    TimedOut,
    /// 126: CMD was found, but cannot be run.
    CannotRun,
    /// 127: CMD is not found.
    NotFound,
    /// A command's own; 128+N if signal N ended it.
    Passed(i32),
}

/// For busy locks, unless `-E` says otherwise (`EX_TEMPFAIL` of sysexits).
pub const BUSY: u8 = 75;

/// What the manual says of the exit codes.
pub const TABLE: [(&str, &str); 13] = [
    ("0", "done"),
    ("1", "it failed; the file is unchanged unless the message says otherwise"),
    ("2", "the command line is wrong"),
    ("3", "refused: a precondition is not met, or the name is not one that dotlock may touch"),
    ("4", "status --check: something is held or foreign"),
    ("5", "status --check: there are only stale locks"),
    ("75", "the lock was not free in time (-E changes this code)"),
    ("76", "the lock was lost while it was held; the file is unchanged"),
    ("124", "run --time-limit ended CMD"),
    ("126", "CMD cannot be run"),
    ("127", "CMD is not found"),
    ("128+N", "signal N ended CMD, or dotlock itself, which ends by that signal after cleaning up"),
    ("other", "the exit code of CMD; of a write: which failed, and the file is unchanged"),
];

impl Exit {
    /// The number for the system.
    pub fn code(self) -> i32 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Locked => 4,
            Exit::OnlyStale => 5,
            Exit::Busy(code) => code.into(),
            Exit::Lost => 76,
            Exit::TimedOut => 124,
            Exit::CannotRun => 126,
            Exit::NotFound => 127,
            Exit::Passed(code) => code,
        }
    }

    /// What an error comes to.
    pub fn of(error: &anyhow::Error) -> Exit {
        if let Some(exit) = error.downcast_ref::<WithExit>() {
            return exit.0;
        }
        let error = match error.downcast_ref::<Error>() {
            Some(Error::Queued { source, .. }) => Some(&**source),
            other => other,
        };
        match error {
            Some(Error::Busy { .. }) => Exit::Busy(BUSY),
            Some(Error::Lost { .. }) => Exit::Lost,
            Some(Error::Refused { .. }) => Exit::Refused,
            Some(Error::Interrupted { signal, .. }) => Exit::Passed(128 + signal.unwrap_or(2)),
            _ => Exit::Failed,
        }
    }
}

/// Put on an error whose exit code it does not tell itself.
#[derive(Debug)]
pub struct WithExit(pub Exit, pub String);

impl std::fmt::Display for WithExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1)
    }
}

impl std::error::Error for WithExit {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    fn code(error: Error) -> i32 {
        Exit::of(&error.into()).code()
    }

    #[test]
    fn every_error_has_its_code() {
        let target = PathBuf::from("f");
        let io = || std::io::Error::other("x");
        let busy = Error::Busy {
            target: target.clone(),
            lock: target.clone(),
            verdict: None,
            waited: Duration::ZERO,
        };
        assert_eq!(code(busy), 75);
        assert_eq!(code(Error::Lost { target: target.clone(), why: String::new() }), 76);
        assert_eq!(code(Error::Refused { path: target.clone(), why: String::new() }), 3);
        assert_eq!(code(Error::Interrupted { target: target.clone(), signal: Some(15) }), 143);
        assert_eq!(code(Error::NotDurable { target: target.clone(), source: io() }), 1);
        assert_eq!(code(Error::Io { doing: "x", path: target, source: io() }), 1);
    }

    #[test]
    fn the_table_knows_every_code() {
        use Exit::{
            Busy, CannotRun, Done, Failed, Locked, Lost, NotFound, OnlyStale, Refused, TimedOut, Usage,
        };
        let all = [
            Done,
            Usage,
            Failed,
            Refused,
            Locked,
            OnlyStale,
            Busy(BUSY),
            Lost,
            TimedOut,
            CannotRun,
            NotFound,
        ];
        for exit in all {
            let code = exit.code().to_string();
            assert!(TABLE.iter().any(|(c, _)| *c == code), "{code}");
        }
    }
}
