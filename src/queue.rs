//! The write queue: producers hand in entries, and whoever has the lock writes
//! those of all in one commit. "The queue" in the crate's documentation is its
//! protocol.

mod apply;
mod drain;
mod look;

pub use drain::Drained;
pub use look::{Finding, Pending, Queued, pending, preview};

use crate::error::{Error, Result};
use crate::evidence::show;
use crate::journal::{self, Appended, Aside, Change, Draft, Fate, Journal, Kind, LONGEST, Outcome, Stage};
use crate::lock::{CommitOptions, acquire_target, acquire_unless, plain_file};
use crate::sys::{self, FileId, Grip, Sync};
use crate::target::Target;
use crate::wait::Policy;
use drain::Round;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Others have the kernel lock of a journal for moments, and of one set aside for
/// as long as a commit takes; who must have it waits so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing wakes a follower: it looks, at first often, then so often.
const RARELY: Duration = Duration::from_millis(20);

/// What a producer hands in.
#[derive(Clone, Debug)]
pub struct Entry {
    change: Change,
    bytes: Vec<u8>,
}

impl Entry {
    /// What `change` says that is to be done with `bytes`, for `target`.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is too long (256 MiB), or a patch that could never
    /// be applied.
    pub fn new(target: &Target, change: Change, bytes: Vec<u8>) -> Result<Entry> {
        let refuse = |why: String| Err(Error::refused(target.path(), why));
        if bytes.len() > LONGEST {
            return refuse(format!("an entry of the queue has {} bytes; at most {LONGEST} fit", bytes.len()));
        }
        match apply::flaw(change, &bytes) {
            Some(why) => refuse(format!("{why}; nothing was queued")),
            None => Ok(Entry { change, bytes }),
        }
    }
}

/// How entries are handed in, and written.
#[derive(Clone, Debug, Default)]
pub struct Push {
    /// Returns as soon as they are durable in the journal, not in the file.
    pub detached: bool,
    /// Lets appended entries be written behind the file where that stands: readers
    /// may see a part of them, but never for good.
    pub in_place: bool,
    /// Waits while so many are pending.
    pub most: Option<u64>,
    /// How durable they are to be in the file.
    pub sync: Sync,
    /// What others are told of the producer, beside its process.
    pub label: Option<String>,
}

impl Push {
    fn commit(&self) -> CommitOptions {
        CommitOptions { sync: self.sync, ..CommitOptions::default() }
    }
}

/// What became of entries that were handed in.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Pushed {
    /// How many they were.
    pub entries: usize,
    /// Commits that this process did, of what all producers had handed in.
    pub commits: u32,
    /// Bytes at the end of the journal that were cut off: an entry that was never
    /// completed, as its producer was killed or the power was cut.
    pub torn: usize,
    /// How long it took.
    pub waited: Duration,
}

/// Hands entries in, in this order; returns when they are durable in the target,
/// or, if [`Push::detached`], in the journal. If it fails they are not written,
/// but for [`Error::Queued`] and [`Error::NotDurable`].
///
/// # Errors
/// [`Error::Refused`] for one that cannot be applied, which is kept in
/// `<target>.queue.rejected`; as [`crate::acquire`] and [`crate::Lock::commit`].
///
/// ```
/// use dotlock::{Change, Entry, Policy, Push, Target};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("log");
/// let target = Target::resolve(&path)?;
/// let entry = Entry::new(&target, Change::Append, b"a line\n".to_vec())?;
/// dotlock::push(&target, &[entry], &Policy::default(), &Push::default())?;
/// assert_eq!(std::fs::read(&path)?, b"a line\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn push(target: &Target, entries: &[Entry], policy: &Policy, how: &Push) -> Result<Pushed> {
    let begun = Instant::now();
    plain_file(target.path())?;
    let mut done = Pushed { entries: entries.len(), ..Pushed::default() };
    if entries.is_empty() {
        return Ok(done);
    }
    let boot = journal::boot();
    let left = || left(policy, begun);
    // Where kernel locks prove nothing, two could append to the journal at once:
    // there, every producer writes for himself.
    let local = sys::is_local(target.lock_dir());
    if how.detached && !local {
        let why = "several machines may mount its file system, where only a push that waits is safe";
        return Err(Error::refused(target.path(), why));
    }

    // While nobody has the lock this needs no journal: what is pending comes first,
    // then this, in one commit. To write it where the file stands takes a journal.
    let direct = !local || !how.detached && !how.in_place;
    loop {
        let lock = match local {
            true if !direct => None,
            true => acquire_unless(target, &left(), &|| true)?,
            false => Some(acquire_target(target, &left())?),
        };
        let Some(lock) = lock else { break };
        if let Round::All { own, .. } = drain::round(lock, entries, boot, how, &mut done.commits)? {
            done.waited = begun.elapsed();
            return own.map_or(Ok(done), |why| Err(refusal(target, &why)));
        }
    }

    let ticket = loop {
        let end = policy.wait.and_then(|limit| begun.checked_add(limit.max(PATIENCE)));
        match enter(target, entries, boot, how, end, &mut done)? {
            Some(ticket) => break ticket,
            // Full, or something has to be dealt with first.
            None => drop(drain::round(acquire_target(target, &left())?, &[], boot, how, &mut done.commits)?),
        }
    };
    let written = match how.detached {
        true => Ok(()),
        false => see_written(target, &ticket, boot, how, &left, &mut done.commits),
    };
    if let Err(error) = written {
        ticket.take_back(target, error)?;
    }
    if !how.detached {
        ticket.verdict(target)?;
    }
    done.waited = begun.elapsed();
    Ok(done)
}

/// Sees to it that the ticket's entries get into the target: by whoever has the
/// lock, or, when it is free, by ourselves.
fn see_written(
    target: &Target,
    ticket: &Ticket,
    boot: u64,
    how: &Push,
    left: &dyn Fn() -> Policy,
    commits: &mut u32,
) -> Result<()> {
    while !ticket.is_done() {
        let Some(lock) = acquire_unless(target, &left(), &|| ticket.is_done())? else { break };
        drain::round(lock, &[], boot, how, commits)?;
        // `verdict` tells.
        if ticket.is_gone() {
            break;
        }
    }
    Ok(())
}

fn left(policy: &Policy, begun: Instant) -> Policy {
    let left = policy.wait.map(|limit| limit.saturating_sub(begun.elapsed()));
    policy.clone().wait(left)
}

/// Appends the entries to J. `None`: something is to be drained first.
fn enter(
    target: &Target,
    entries: &[Entry],
    boot: u64,
    how: &Push,
    end: Option<Instant>,
    done: &mut Pushed,
) -> Result<Option<Ticket>> {
    let Some(journal) = Journal::open(target, true, end)? else { return Ok(None) };
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let drafts = entries.iter().map(|entry| Draft {
        kind: Kind::Entry(entry.change),
        durable: how.detached,
        in_place: how.in_place,
        seq: 0,
        pid: std::process::id(),
        time,
        boot,
        label: how.label.as_deref().unwrap_or_default(),
        payload: &entry.bytes,
    });
    let (appended, torn) = journal.append(boot, how.most.map(|most| most.max(1)), drafts)?;
    done.torn += torn;
    let Appended::At(places) = appended else { return Ok(None) };
    let id = journal.id();
    let (look, synced) = journal.watch(if how.detached { Sync::Data } else { Sync::None })?;
    let ticket = Ticket { look, id, places };
    if let Err(error) = synced {
        ticket.take_back(target, error)?;
    }
    Ok(Some(ticket))
}

/// Entries that stand in a journal: by it their producer sees what becomes of them.
struct Ticket {
    look: File,
    id: FileId,
    places: Vec<u64>,
}

impl Ticket {
    /// They are dealt with, durably.
    fn is_done(&self) -> bool {
        journal::stage_of(&self.look).is_ok_and(|s| s == Stage::Durable)
    }

    /// Their journal has no name any more.
    fn is_gone(&self) -> bool {
        sys::fstat(&self.look).is_ok_and(|s| s.links == 0)
    }

    /// What became of them, once they are done.
    fn verdict(&self, target: &Target) -> Result<()> {
        let path = target.queue_path();
        let failed = || Error::io("read the queue", &path);
        if journal::stage_of(&self.look).map_err(failed())? != Stage::Durable {
            let why = "somebody has removed it; whether the entry was written is not known";
            return Err(failed()(io::Error::new(io::ErrorKind::NotFound, why)));
        }
        for &at in &self.places {
            if journal::fate_of(&self.look, at).map_err(failed())? == Fate::Rejected {
                return Err(refusal(target, &journal::note_on(&self.look, at).unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Takes them back, as their producer is about to be told of `error`, and may
    /// hand them in again. If they got into the target meanwhile there is none.
    fn take_back(&self, target: &Target, error: Error) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let stays = |error| Error::Queued { target: target.path().to_owned(), source: Box::new(error) };
        while !self.is_done() && !self.is_gone() {
            match Journal::open(target, false, Some(end)) {
                Ok(Some(journal)) if journal.id() == self.id => {
                    return Err(if journal.withdraw(&self.places).is_ok() { error } else { stays(error) });
                }
                Ok(_) => {}
                Err(_) => return Err(stays(error)),
            }
            // Set aside. Whoever works on it has its kernel lock.
            let path = target.aside_path();
            let file = match sys::open_lock(&path, false) {
                Ok(Grip::Taken(file)) => file,
                Ok(Grip::Busy(Some(file))) if sys::WAKES => match sys::wait_unlocked(&file, Some(end)) {
                    Ok(true) => continue,
                    _ => return Err(stays(error)),
                },
                Ok(Grip::Busy(_)) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                // Moved between the two looks, or just removed.
                Err(e) if e.kind() == io::ErrorKind::NotFound && Instant::now() < end => continue,
                _ => return Err(stays(error)),
            };
            let there = sys::fstat(&file).is_ok_and(|s| s.id == self.id)
                && sys::stat(&path).is_ok_and(|s| s.id == self.id);
            if !there {
                sys::unlock(&file);
                continue;
            }
            let Ok(aside) = Aside::read(file, &path) else { return Err(stays(error)) };
            return Err(match aside.outcome(sys::stat(target.path()).ok().as_ref()) {
                Outcome::Pending if aside.withdraw(&self.places).is_ok() => error,
                Outcome::Applied => Error::NotDurable {
                    target: target.path().to_owned(),
                    source: io::Error::other(error.to_string()),
                },
                _ => stays(error),
            });
        }
        Ok(())
    }
}

fn refusal(target: &Target, why: &str) -> Error {
    let kept = show(&target.rejected_path());
    Error::refused(target.path(), format!("the entry cannot be applied: {why}; it is kept in {kept}"))
}

/// Whether anything may be pending, at a glance.
fn is_pending(target: &Target) -> bool {
    [target.queue_path(), target.aside_path()].iter().any(|path| sys::stat(path).is_ok())
}

/// Writes what is pending into the target until nothing is.
///
/// # Errors
/// As [`push`].
pub fn drain(target: &Target, policy: &Policy, how: &Push) -> Result<Drained> {
    let begun = Instant::now();
    let boot = journal::boot();
    plain_file(target.path())?;
    let mut all = Drained::default();
    while is_pending(target) {
        let lock = acquire_target(target, &left(policy, begun))?;
        all.add(&drain::round(lock, &[], boot, how, &mut 0)?.drained());
    }
    Ok(all)
}

/// Stays, and writes whatever comes into the target, until `stop`; then once more.
/// Having seen an entry it waits until none has come for `debounce`, though at most
/// ten times that long. `tell` is told of every time that it wrote.
///
/// # Errors
/// As [`drain()`], but a lock that is not free in time is waited for again.
pub fn follow(
    target: &Target,
    policy: &Policy,
    how: &Push,
    debounce: Duration,
    mut stop: impl FnMut() -> bool,
    mut tell: impl FnMut(&Drained),
) -> Result<Drained> {
    let mut all = Drained::default();
    let mut pause = Duration::from_millis(1);
    let mut last = false;
    loop {
        last = last || stop();
        if is_pending(target) {
            last = last || gather(target, debounce, &mut stop);
            match drain(target, policy, how) {
                Ok(one) => {
                    tell(&one);
                    all.add(&one);
                }
                Err(Error::Busy { .. }) if !last => continue,
                // What stops it came while it was at work.
                Err(Error::Interrupted { .. }) if !last && stop() => {
                    last = true;
                    continue;
                }
                Err(error) => return Err(error),
            }
            pause = Duration::from_millis(1);
        } else if !last {
            std::thread::sleep(pause);
            pause = (pause * 2).min(RARELY);
        }
        if last {
            return Ok(all);
        }
    }
}

/// Waits until no entry has come for a while; whether it is to stop.
fn gather(target: &Target, debounce: Duration, stop: &mut impl FnMut() -> bool) -> bool {
    let size = || sys::stat(&target.queue_path()).map_or(0, |s| s.size);
    let (begun, mut seen, mut since) = (Instant::now(), size(), Instant::now());
    while since.elapsed() < debounce && begun.elapsed() < debounce * 10 {
        if stop() {
            return true;
        }
        std::thread::sleep((debounce / 10).max(Duration::from_millis(1)));
        let now = size();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    false
}
