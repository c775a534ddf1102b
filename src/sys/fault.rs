//! The test hook at the door: absent from release builds, where [`at`] is
//! nothing.
//!
//! `DOTLOCK_FAULT=WHAT@N` makes the N-th mutation of this process fail as WHAT
//! says: `kill` (SIGKILL before the call), `stop` (SIGSTOP before it), `short`
//! (half of a write), or an error by name (`EIO`, `ENOSPC`, `EACCES`, `EINTR`,
//! `EINVAL`). Several may be given, separated by commas. What was done is appended
//! to the file that `DOTLOCK_FAULT_LOG` names, so that a test knows when N was
//! past the end.

use std::io;

/// The kinds of mutation, as a test sees them in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Lock,
    Unlock,
    Write,
    Truncate,
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        expect(dead_code, reason = "Linux only")
    )]
    Copy,
    Owner,
    Mode,
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows)),
        expect(dead_code, reason = "no attributes there")
    )]
    Attribute,
    SyncFile,
    SyncDir,
    Rename,
    Link,
    Unlink,
    MakeDir,
    Touch,
}

#[cfg(not(debug_assertions))]
#[inline(always)]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as the real hook")]
pub(crate) fn at(_: Op) -> io::Result<()> {
    Ok(())
}

#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) fn is_short(_: &io::Error) -> bool {
    false
}

#[cfg(debug_assertions)]
pub(crate) use hook::{at, is_short};

#[cfg(debug_assertions)]
mod hook {
    use super::{Op, io};
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    const SHORT: &str = "short write asked for by a test";

    static PLAN: OnceLock<Vec<(String, u64)>> = OnceLock::new();
    static CALLS: AtomicU64 = AtomicU64::new(0);

    pub(crate) fn is_short(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|e| e.to_string() == SHORT)
    }

    pub(crate) fn at(op: Op) -> io::Result<()> {
        let plan = PLAN.get_or_init(|| {
            let text = std::env::var("DOTLOCK_FAULT").unwrap_or_default();
            let parse = |part: &str| {
                let (what, n) = part.split_once('@')?;
                Some((what.to_owned(), n.parse().ok()?))
            };
            text.split(',').filter_map(parse).collect()
        });
        if plan.is_empty() {
            return Ok(());
        }
        let call = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
        let Some((what, _)) = plan.iter().find(|(_, n)| *n == call) else {
            return Ok(());
        };
        // Half a write is only a fault where something is written.
        if what == "short" && !matches!(op, Op::Write | Op::Copy) {
            note(op, call, "passed");
            return Ok(());
        }
        note(op, call, what);
        Err(match what.as_str() {
            "kill" => super::super::kill_self(),
            "stop" => {
                super::super::stop_self();
                return Ok(());
            }
            "short" => io::Error::other(SHORT),
            name => super::super::error_named(name),
        })
    }

    fn note(op: Op, call: u64, what: &str) {
        let Some(path) = std::env::var_os("DOTLOCK_FAULT_LOG") else { return };
        if let Ok(mut log) = OpenOptions::new().append(true).create(true).open(path) {
            let _ = writeln!(log, "{call} {op:?} {what}");
        }
    }
}
