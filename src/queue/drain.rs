//! Draining: whoever has P sets the journal aside, makes all its entries into one
//! new content, and commits that.

use super::Entry;
use super::apply::Content;
use super::{PATIENCE, Push};
use crate::error::{Error, Result};
use crate::journal::{self, Aside, Change, Frame, Journal, Name, Outcome, Stage};
use crate::lock::Lock;
use crate::sys::{self, Sync};
use crate::target::Target;
use std::fs::File;
use std::io;
use std::time::{Instant, SystemTime};

/// Appended entries are put together up to this size before they are written.
const GATHERED: usize = 1 << 20;

/// What was drained.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Drained {
    /// Entries that are in the target now.
    pub applied: u64,
    /// Entries that could not be applied; they are kept in `<target>.queue.rejected`.
    pub rejected: u64,
    /// Commits that it took.
    pub commits: u32,
    /// Bytes of an entry that was never completed.
    pub torn: u64,
}

impl Drained {
    pub(super) fn add(&mut self, other: &Drained) {
        self.applied += other.applied;
        self.rejected += other.rejected;
        self.commits += other.commits;
        self.torn += other.torn;
    }
}

/// What one hold of the lock came to.
pub(super) enum Round {
    /// All that was pending, and our own entries; of these, why one is rejected.
    All { own: Option<String>, drained: Drained },
    /// A journal that was set aside before; there is another, which comes before
    /// our own.
    Before(Drained),
}

impl Round {
    pub fn drained(self) -> Drained {
        match self {
            Round::All { drained, .. } | Round::Before(drained) => drained,
        }
    }
}

/// Whose an entry is: a frame's, by its place, or our own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Frame(u64),
    Own,
}

struct Item<'a> {
    whose: Whose,
    change: Change,
    payload: &'a [u8],
}

/// Writes what is pending into the target of `lock`, and `own` behind it, in one
/// commit.
pub(super) fn round(lock: Lock, own: &[Entry], boot: u64, how: &Push, commits: &mut u32) -> Result<Round> {
    let target = lock.target().clone();
    let mut drained = Drained::default();
    let (batch, more) = loop {
        // One that was set aside before comes first: to put the next one in its
        // place would lose it.
        let (batch, more) = match Aside::open(&target)? {
            Some(aside) => (aside, sys::stat(&target.queue_path()).is_ok()),
            None => {
                let journal = Journal::open(&target, false, Some(Instant::now() + PATIENCE))?;
                match journal.map(|j| j.set_aside(&target, boot)).transpose()?.flatten() {
                    Some(aside) => (aside, false),
                    None => break (None, false),
                }
            }
        };
        let now = sys::stat(target.path()).ok();
        match batch.outcome(now.as_ref()) {
            Outcome::Pending => break (Some(batch), more),
            Outcome::Applied => settle(batch, &target, how)?,
            Outcome::Half(base) if batch.extend(&target, base, boot, how.sync)? => batch.finish()?,
            // Nobody can tell any more. They are not written a second time, nor lost.
            Outcome::Half(_) | Outcome::Unknown => {
                let why = "it may be in the file, or not: whoever was writing it died, and another program has \
                           changed the file since, so that this cannot be told; look, and hand it in again if \
                           it is not there";
                let mut batch = batch;
                drained.rejected += give_up(&mut batch, &target, boot, why)?;
                batch.finish()?;
            }
        }
        // Some systems keep the name while a producer has it open to look, perhaps
        // ourselves: he is done, and about to close it.
        if sys::stat(&target.aside_path()).is_ok() {
            lock.roll_back();
            return Ok(Round::Before(drained));
        }
    };
    let own = if more { &[] } else { own };
    let refused = write(lock, &target, batch, own, boot, how, &mut drained)?;
    *commits += drained.commits;
    Ok(match more {
        true => Round::Before(drained),
        false => Round::All { own: refused, drained },
    })
}

/// Its entries are in the target: once that is durable, their producers are told.
fn settle(batch: Aside, target: &Target, how: &Push) -> Result<()> {
    if how.sync == Sync::Full {
        sys::sync_dir(target.dir()).map_err(Error::io("sync", target.dir()))?;
    }
    batch.finish()
}

fn give_up(batch: &mut Aside, target: &Target, boot: u64, why: &str) -> Result<u64> {
    let frames: Vec<Frame> = batch.entries(boot).cloned().collect();
    for frame in &frames {
        reject(batch, target, frame, boot, why)?;
    }
    Ok(frames.len() as u64)
}

/// Keeps an entry that cannot be applied, and tells its producer.
fn reject(batch: &mut Aside, target: &Target, frame: &Frame, boot: u64, why: &str) -> Result<()> {
    let journal::Kind::Entry(change) = frame.kind else { return Ok(()) };
    keep(target, change, batch.payload(frame), Some(frame), why)?;
    batch.reject(frame.at, why, boot)
}

/// Adds a line to `<target>.queue.rejected`, durably. P is ours, so nobody else
/// does.
fn keep(target: &Target, change: Change, payload: &[u8], frame: Option<&Frame>, why: &str) -> Result<()> {
    let path = target.rejected_path();
    let failed = || Error::io("keep a rejected entry in", &path);
    let (file, fresh) = match sys::open_to_change(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            (journal::create_like(target, &path).map_err(failed())?, true)
        }
        other => (other.map_err(failed())?, false),
    };
    let stat = sys::fstat(&file).map_err(failed())?;
    if stat.kind != sys::Kind::Regular || stat.links > 1 {
        return Err(Error::refused(&path, "it is no plain file of its own; see what made it, and remove it"));
    }
    let time = |t| humantime::format_rfc3339_millis(t).to_string();
    let mut line = serde_json::json!({
        "v": 1,
        "rejected": time(SystemTime::now()),
        "reason": why,
        "kind": change.name(),
        "pid": frame.map_or(std::process::id(), |f| f.pid),
    });
    if let Some(label) = frame.map(|f| &f.label).filter(|l| !l.is_empty()) {
        line["label"] = label.as_str().into();
    }
    match std::str::from_utf8(payload) {
        Ok(text) => line["payload"] = text.into(),
        Err(_) => line["payload_hex"] = payload.iter().map(|b| format!("{b:02x}")).collect::<String>().into(),
    }
    let mut bytes = Vec::new();
    // A line that a dead one has left half stands for itself.
    let mut last = [b'\n'];
    if stat.size > 0 {
        sys::read_at(&file, &mut last, stat.size - 1).map_err(failed())?;
    }
    if last != [b'\n'] {
        bytes.push(b'\n');
    }
    bytes.extend(line.to_string().into_bytes());
    bytes.push(b'\n');
    if let Err(e) = sys::write_at(&file, &bytes, stat.size) {
        let _ = sys::set_len(&file, stat.size);
        return Err(failed()(e));
    }
    sys::sync_file(&file, Sync::Data).map_err(Error::io("sync", &path))?;
    match fresh {
        true => sys::sync_dir(target.dir()).map_err(Error::io("sync", target.dir())),
        false => Ok(()),
    }
}

/// Makes the batch, and our own entries behind it, the target's content. Returns why
/// one of our own cannot be applied.
fn write(
    mut lock: Lock,
    target: &Target,
    batch: Option<Aside>,
    own: &[Entry],
    boot: u64,
    how: &Push,
    drained: &mut Drained,
) -> Result<Option<String>> {
    let frames: Vec<Frame> = batch.iter().flat_map(|b| b.entries(boot)).cloned().collect();
    let mut items = Vec::with_capacity(frames.len() + own.len());
    for frame in &frames {
        if let (journal::Kind::Entry(change), Some(batch)) = (frame.kind, &batch) {
            items.push(Item { whose: Whose::Frame(frame.at), change, payload: batch.payload(frame) });
        }
    }
    items.extend(own.iter().map(|e| Item { whose: Whose::Own, change: e.change, payload: &e.bytes }));
    if items.is_empty() {
        // Withdrawn, rejected, or void since the system has ended.
        batch.map(Aside::finish).transpose()?;
        return Ok(None);
    }

    let old = lock.stat_target()?;
    let all_in_place = own.is_empty() && frames.iter().all(|f| f.in_place);
    let appends = items.iter().all(|i| i.change == Change::Append);
    if let (Some(old), true, true) = (&old, all_in_place, appends) {
        drop(items);
        let Some(mut batch) = batch else { return Ok(None) };
        batch.name(Name::Extend { old: journal::id_of(old.id), base: old.size }, boot)?;
        match batch.extend(target, old.size, boot, how.sync) {
            Ok(true) => {}
            // Somebody who takes no lock has appended meanwhile.
            Ok(false) => return Err(lost(target)),
            Err(error) => {
                if sys::stat(target.path()).is_ok_and(|s| s.size == old.size) {
                    let _ = batch.clear_name();
                }
                return Err(error);
            }
        }
        // As above.
        let _ = batch.finish();
        drained.applied += frames.len() as u64;
        drained.commits += 1;
        lock.roll_back();
        return Ok(None);
    }

    let (refused, kept) = stage(&mut lock, &items)?;
    let total = items.len();
    let own_refused = refused.iter().find(|(i, _)| items[*i].whose == Whose::Own).map(|(_, why)| why.clone());
    for (i, why) in refused.iter().filter(|(i, _)| items[*i].whose == Whose::Own) {
        keep(target, items[*i].change, items[*i].payload, None, why)?;
    }
    let refused_frames: Vec<(Frame, String)> = refused
        .iter()
        .filter_map(|(i, why)| match items[*i].whose {
            Whose::Frame(at) => Some((frames.iter().find(|f| f.at == at)?.clone(), why.clone())),
            Whose::Own => None,
        })
        .collect();
    drop(items);
    let mut batch = batch;
    if let Some(batch) = &mut batch {
        for (frame, why) in &refused_frames {
            reject(batch, target, frame, boot, why)?;
        }
    }
    drained.rejected += refused.len() as u64;
    if !kept {
        batch.map(Aside::finish).transpose()?;
        lock.roll_back();
        return Ok(own_refused);
    }

    let committed = match batch {
        None => lock.commit(&how.commit()),
        Some(mut batch) => {
            let new = journal::id_of(lock.id());
            batch.name(Name::Replace { old: old.map(|o| journal::id_of(o.id)), new }, boot)?;
            lock.commit_then(&how.commit(), || {
                // It is in the target. Whatever cannot be noted of that the next one
                // finds out, and tells those who wait.
                let _ = batch.set_stage(Stage::Applied);
                let full = how.sync == Sync::Full;
                if full {
                    let undurable = |source| Error::NotDurable { target: target.path().to_owned(), source };
                    sys::sync_dir(target.dir()).map_err(undurable)?;
                }
                let _ = batch.finish();
                Ok(full)
            })
        }
    };
    committed?;
    drained.applied += (total - refused.len()) as u64;
    drained.commits += 1;
    Ok(own_refused)
}

fn lost(target: &Target) -> Error {
    let why = "it was changed meanwhile by a program that takes no lock".into();
    Error::Lost { target: target.path().to_owned(), why }
}

/// Stages the new content in P. Returns which of the items cannot be applied, and
/// why; and whether any could.
fn stage(lock: &mut Lock, items: &[Item<'_>]) -> Result<(Vec<(usize, String)>, bool)> {
    // What comes before the last replacement is seen by nobody.
    let first = items.iter().rposition(|i| i.change == Change::Replace).unwrap_or(0);
    let (head, rest) = match items[first].change {
        Change::Replace => (Some(items[first].payload), &items[first + 1..]),
        _ => (None, items),
    };
    let unwritable = |lock: &Lock| {
        let path = lock.target().lock_path().to_owned();
        move |source| Error::Io { doing: "write", path, source }
    };
    if rest.iter().all(|i| i.change == Change::Append) {
        match head {
            Some(bytes) => sys::write_all(lock.staged(), bytes).map_err(unwritable(lock))?,
            None => {
                if let Some(from) = lock.open_target()? {
                    copy(&from, lock)?;
                }
            }
        }
        let mut gathered = Vec::new();
        for item in rest {
            gathered.extend_from_slice(item.payload);
            if gathered.len() >= GATHERED {
                sys::write_all(lock.staged(), &gathered).map_err(unwritable(lock))?;
                gathered.clear();
            }
        }
        sys::write_all(lock.staged(), &gathered).map_err(unwritable(lock))?;
        return Ok((Vec::new(), true));
    }
    let old = match head {
        Some(bytes) => bytes.to_vec(),
        None => lock.read()?.unwrap_or_default(),
    };
    let mut content = Content::new(old);
    let mut refused = Vec::new();
    let base = items.len() - rest.len();
    for (i, item) in rest.iter().enumerate() {
        if let Err(why) = content.apply(item.change, item.payload) {
            refused.push((base + i, why));
        }
    }
    let kept = refused.len() < items.len();
    if kept {
        sys::write_all(lock.staged(), &content.finish()).map_err(unwritable(lock))?;
    }
    Ok((refused, kept))
}

/// Copies the target into P, inside the kernel where it can; where blocks can be
/// shared that costs nothing.
fn copy(from: &File, lock: &Lock) -> Result<()> {
    let to = lock.staged();
    let go_on = || match sys::signal::noted() {
        Some(_) => Err(io::ErrorKind::Interrupted.into()),
        None => Ok::<_, io::Error>(()),
    };
    match sys::copy(from, to, |_| go_on()) {
        Ok(_) => Ok(()),
        Err(_) if sys::signal::noted().is_some() => {
            let target = lock.target().path().to_owned();
            Err(Error::Interrupted { target, signal: sys::signal::noted() })
        }
        Err(source) => Err(Error::Io { doing: "write", path: lock.target().lock_path().to_owned(), source }),
    }
}
