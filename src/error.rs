//! What went wrong: what was being done, to which path, why, and what to do.

use crate::evidence::{Verdict, show};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a lock or its target did not come to pass.
///
/// Except for [`Error::NotDurable`] the target is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A call to the system failed.
    #[error("cannot {doing} {}: {source}{}", show(path), hint_for(source))]
    Io {
        /// What was being done: a verb in the infinitive, fit to follow "cannot".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The lock was not free in time.
    #[error("{}", busy(target, lock, verdict.as_deref(), *waited))]
    Busy {
        /// The file that was to be locked.
        target: PathBuf,
        /// Its lock.
        lock: PathBuf,
        /// What is known of the lock; `None` if it had just vanished.
        verdict: Option<Box<Verdict>>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The lock was lost while it was held; the target was not touched.
    #[error("lost the lock of {}: {why}; nothing was written", show(target))]
    Lost {
        /// The file that was locked.
        target: PathBuf,
        /// What was found.
        why: String,
    },
    /// It could have been done, but must not be without being told to.
    #[error("refused: {}: {why}", show(path))]
    Refused {
        /// What is in question.
        path: PathBuf,
        /// Why, and what to do instead.
        why: String,
    },
    /// A signal came; everything was rolled back.
    #[error("interrupted; {} was not changed", show(target))]
    Interrupted {
        /// The file that was to be changed.
        target: PathBuf,
        /// The signal's number, where known.
        signal: Option<i32>,
    },
    /// An entry could not be written into its target now, nor be taken back.
    #[error(
        "{source}. The entry stays in the queue, and will be written by whoever drains it next: do not \
         hand it in again, but see 'dotlock queue list {}'",
        show(target)
    )]
    Queued {
        /// The file that it is for.
        target: PathBuf,
        /// Why it was not written.
        source: Box<Error>,
    },
    /// The target has its new content, but a power cut could still undo that.
    #[error(
        "{} was written, but it is not yet durable: syncing its directory failed: {source}",
        show(target)
    )]
    NotDurable {
        /// The file that was written.
        target: PathBuf,
        /// Why its directory could not be synced.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: an [`Error::Io`] that says what was being done to what.
    pub(crate) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
        move |source| Error::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn refused(path: &Path, why: impl Into<String>) -> Error {
        Error::Refused { path: path.to_owned(), why: why.into() }
    }
}

fn hint_for(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and try again",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        io::ErrorKind::ResourceBusy => {
            "; the file itself is a mount point, as when a container is given a single file: it cannot be \
             replaced, but written into with --overwrite"
        }
        io::ErrorKind::CrossesDevices => "; the lock must be on the file system of the file",
        _ => "",
    }
}

fn busy(target: &Path, lock: &Path, verdict: Option<&Verdict>, waited: Duration) -> String {
    let waited = waited.as_secs_f64();
    let mut text = format!("{} is locked", show(target));
    match verdict {
        Some(v) => text += &format!(" ({}): {}", show(lock), v.describe()),
        None => text += ": others were faster each time",
    }
    text += &format!("; waited {waited:.1} s");
    if let Some(v) = verdict {
        text += &format!("; {}", v.advice(target));
    }
    text
}
