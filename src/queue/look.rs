//! Looking at the queue without taking part: what is pending, and what the target
//! will be.

use super::apply::Content;
use crate::error::{Error, Result};
use crate::evidence::printable;
use crate::journal::{self, Aside, Change, Fate, Kind, Outcome};
use crate::lock::plain_file;
use crate::sys;
use crate::target::Target;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A look is repeated so often while others change what is looked at.
const TRIES: u32 = 1000;

/// An entry that is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queued {
    /// What it does.
    pub change: Change,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was handed in, by its producer's clock.
    pub time: SystemTime,
    /// The process that did so.
    pub pid: u32,
    /// What that was told to call itself.
    pub label: Option<String>,
    /// It is being written, or was when whoever wrote it died.
    pub aside: bool,
    /// Nobody waits for it: it was handed in to be written some time.
    pub detached: bool,
}

/// What is in the queue of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// In the order in which they will be written.
    pub entries: Vec<Queued>,
    /// Entries that were rejected so far, as far as they are kept.
    pub rejected: u64,
    /// What is wrong with the journal.
    pub findings: Vec<Finding>,
}

/// Something that is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// So many bytes at its end are no whole entry: the next push cuts them off.
    Torn {
        /// Where they begin.
        at: u64,
        /// How many.
        bytes: u64,
    },
    /// An entry was damaged, and whole ones follow: nothing is written until a human
    /// has looked.
    Bad {
        /// Of the journal that was set aside.
        aside: bool,
        /// Where it begins.
        at: u64,
    },
}

/// The queue at one moment.
struct Snapshot {
    /// What is aside, and not in `target`; then the journal.
    journals: Vec<(Aside, bool)>,
    target: Option<File>,
}

/// Opens all at one moment: if nothing has changed places while that was done, what
/// was opened fits together.
fn snapshot(target: &Target) -> Result<Snapshot> {
    let places = [target.aside_path(), target.queue_path(), target.path().to_owned()];
    let open = |path: &Path| match sys::open_to_look(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path)(e)),
    };
    plain_file(target.path())?;
    for attempt in 0..TRIES {
        if attempt > 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
        let [aside, queue, file] = [open(&places[0])?, open(&places[1])?, open(&places[2])?];
        // Held open, their numbers are not given to others.
        let is_there = |file: &Option<File>, path: &Path| {
            let id = file.as_ref().and_then(|f| sys::fstat(f).ok()).map(|s| s.id);
            sys::stat(path).ok().map(|s| s.id) == id
        };
        let read = |file: Option<File>, path: &Path| -> Result<Option<Aside>> {
            let Some(file) = file else { return Ok(None) };
            Aside::look(file, path).map(Some)
        };
        let files = [&aside, &queue, &file];
        let same = |files: &[&Option<File>; 3]| files.iter().zip(&places).all(|(f, p)| is_there(f, p));
        if !same(&files) {
            continue;
        }
        let stat = file.as_ref().and_then(|f| sys::fstat(f).ok());
        // Its name is written before the target changes: read after the target was
        // opened, it tells whether its entries are in that.
        let (aside_again, queue_again) = (
            aside.as_ref().and_then(|f| f.try_clone().ok()),
            queue.as_ref().and_then(|f| f.try_clone().ok()),
        );
        let aside_read = read(aside_again, &places[0])?;
        let queue_read = read(queue_again, &places[1])?;
        if !same(&files) {
            continue;
        }
        let mut journals = Vec::new();
        for (journal, is_aside) in [(aside_read, true), (queue_read, false)] {
            let Some(journal) = journal else { continue };
            match journal.outcome(stat.as_ref()) {
                Outcome::Pending | Outcome::Half(_) => journals.push((journal, is_aside)),
                Outcome::Applied | Outcome::Unknown => {}
            }
        }
        return Ok(Snapshot { journals, target: file });
    }
    let source = io::Error::new(io::ErrorKind::TimedOut, "it changes too fast to be looked at");
    Err(Error::Io { doing: "look at the queue of", path: target.path().to_owned(), source })
}

/// What is pending, in order; `findings` tells what is wrong with the journal.
///
/// # Errors
/// [`Error::Io`] if it cannot be read; [`Error::Refused`] if it is no journal.
pub fn pending(target: &Target) -> Result<Pending> {
    let boot = journal::boot();
    let mut found = Pending::default();
    for (journal, aside) in snapshot(target)?.journals {
        let at = journal.scan.end as u64;
        match journal.scan.tail {
            journal::Tail::Clean => {}
            journal::Tail::Torn(n) => found.findings.push(Finding::Torn { at, bytes: n as u64 }),
            journal::Tail::Bad => found.findings.push(Finding::Bad { aside, at }),
        }
        for frame in journal.entries(boot) {
            let Kind::Entry(change) = frame.kind else { continue };
            found.entries.push(Queued {
                change,
                bytes: frame.payload.len() as u64,
                time: UNIX_EPOCH + Duration::from_millis(frame.time),
                pid: frame.pid,
                label: Some(printable(&frame.label)).filter(|l| !l.is_empty()),
                aside,
                detached: frame.durable,
            });
        }
        found.rejected += journal.scan.frames.iter().filter(|f| f.fate == Fate::Rejected).count() as u64;
    }
    let kept = target.rejected_path();
    found.rejected = match sys::open_to_look(&kept) {
        Ok(file) => {
            let bytes = journal::read_all(&file).map_err(Error::io("read", &kept))?;
            bytes.iter().filter(|&&b| b == b'\n').count() as u64
        }
        Err(_) => 0,
    };
    Ok(found)
}

/// The target's content as it will be once all that is pending is written; `None`
/// if there will be no file.
///
/// # Errors
/// As [`pending`]; also if the journal is damaged.
pub fn preview(target: &Target) -> Result<Option<Vec<u8>>> {
    let boot = journal::boot();
    let Snapshot { journals, target: file } = snapshot(target)?;
    let failed = Error::io("read", target.path());
    let old = file.as_ref().map(journal::read_all).transpose().map_err(failed)?;
    let mut exists = old.is_some();
    let mut content = Content::new(old.unwrap_or_default());
    for (journal, _) in &journals {
        journal.check()?;
        if let Outcome::Half(base) = journal.outcome(file.as_ref().and_then(|f| sys::fstat(f).ok()).as_ref())
        {
            content.cut(base as usize);
        }
        for frame in journal.entries(boot) {
            let Kind::Entry(change) = frame.kind else { continue };
            // One that cannot be applied will be rejected.
            exists |= content.apply(change, journal.payload(frame)).is_ok();
        }
    }
    Ok(exists.then(|| content.finish()))
}
