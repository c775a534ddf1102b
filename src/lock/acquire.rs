//! Getting the lock: the gate, then P.

use super::{Armed, Entry, Lock, P, list, not_ended};
use crate::error::{Error, Result};
use crate::evidence::{State, Verdict};
use crate::gate::{self, Gate};
use crate::owner::Record;
use crate::sys::{self, Mark};
use crate::target::Target;
use crate::verdict::{self, Look};
use crate::wait::{Policy, Try, Wait, Waited};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Acquires the lock of `path`, as `policy` says.
///
/// # Errors
/// [`Error::Busy`] when it was not free in time, [`Error::Refused`] for what is
/// no lock or not ours to lock, [`Error::Interrupted`] after a signal,
/// [`Error::Io`] for all else. Nothing is left behind.
///
/// ```
/// use std::io::Write;
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("state.json");
/// let mut lock = dotlock::acquire(&path, &dotlock::Policy::default())?;
/// lock.write_all(b"{}\n")?;
/// lock.commit(&dotlock::CommitOptions::default())?;
/// assert_eq!(std::fs::read(&path)?, b"{}\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn acquire(path: impl AsRef<Path>, policy: &Policy) -> Result<Lock> {
    acquire_target(&Target::resolve(path.as_ref())?, policy)
}

/// As [`acquire`], for a target that is resolved already.
///
/// # Errors
/// As [`acquire`].
pub fn acquire_target(target: &Target, policy: &Policy) -> Result<Lock> {
    let entry = Arc::new(Entry { pid: std::process::id(), target: target.clone(), things: Mutex::default() });
    let look = || Some(verdict::judge(target, Look::Moment).ok()??.verdict);
    let mut wait = Wait::begin(policy, target.path(), look);
    let busy = |wait: &Wait<'_>, verdict: Option<Verdict>| Error::Busy {
        target: target.path().to_owned(),
        lock: target.lock_path().to_owned(),
        verdict: verdict.map(Box::new),
        waited: wait.elapsed(),
    };

    enlist(&entry)?;
    let armed = Armed(Arc::clone(&entry));

    let gate = match wait.until(|locked| enter(&entry, locked))? {
        Waited::Done(gate) => gate,
        Waited::TooLong => return Err(busy(&wait, look())),
    };
    // Where several machines see the file, kernel locks prove nothing.
    let local = sys::is_local(target.lock_dir());
    let mark = if local { Mark::First } else { Mark::Second };
    let mut taking = Taking { entry: &entry, gate: gate.as_deref(), policy, mark, broke: 0, last: None };
    let p = match wait.until(|locked| taking.attempt(locked.is_some()))? {
        Waited::Done(p) => p,
        Waited::TooLong => return Err(busy(&wait, taking.last)),
    };
    let broke = taking.broke;

    let proves_life = local && (p.mark == Mark::First || !sys::KEEPS_MARKS);
    if let Some(gate) = &gate {
        match gate.write(&Record::new(p.id, proves_life, policy.label.as_deref())) {
            // Another user's S, which can be read only: the kernel lock must do.
            Err(Error::Io { source, .. }) if proves_life && sys::is_read_only(&source) => {}
            other => other?,
        }
    }
    Ok(Lock { _armed: armed, entry, p, seen: None, waited: wait.elapsed(), tries: wait.tries(), broke })
}

fn enlist(entry: &Arc<Entry>) -> Result<()> {
    let mut list = list();
    not_ended(&list, &entry.target)?;
    list.entries.push(Arc::clone(entry));
    Ok(())
}

/// One try at the gate.
fn enter(entry: &Entry, locked: Option<File>) -> Result<Try<Option<Arc<Gate>>>> {
    let mut things = entry.making()?;
    Ok(match gate::enter(&entry.target, locked)? {
        Try::Done(gate) => {
            things.gate = gate.map(Arc::new);
            Try::Done(things.gate.clone())
        }
        Try::Again => Try::Again,
        Try::Busy(file) => Try::Busy(file),
    })
}

/// The tries to make P, from the head of the queue.
struct Taking<'a> {
    entry: &'a Entry,
    gate: Option<&'a Gate>,
    policy: &'a Policy,
    mark: Mark,
    /// Dead locks that were removed.
    broke: u32,
    /// What was in the way the last time.
    last: Option<Verdict>,
}

impl Taking<'_> {
    /// One try. `locked`: the kernel lock of the P that we made was waited for,
    /// and is ours now.
    fn attempt(&mut self, locked: bool) -> Result<Try<Arc<P>>> {
        let target = &self.entry.target;
        let path = target.lock_path();
        let lock = |p: &P| sys::lock_soon(&p.file).map_err(Error::io("lock", path));
        let mut things = self.entry.making()?;
        let (p, locked) = match &things.p {
            // What we made before, while somebody had its kernel lock for a
            // moment: a judge, who may have taken it for a dead one's.
            Some(p) if p.is_at_its_path(target) => (Arc::clone(p), locked || lock(p)?),
            _ => match sys::create_lock(path, self.mark) {
                Ok(file) => {
                    let stat = sys::fstat(&file).map_err(Error::io("examine", path))?;
                    let p = Arc::new(P { file, id: stat.id, mark: stat.mark });
                    things.p = Some(Arc::clone(&p));
                    let locked = lock(&p)?;
                    (p, locked)
                }
                Err(e) if sys::is_contended(&e, path) => {
                    things.p = None;
                    drop(things);
                    return self.in_the_way();
                }
                Err(source) => return Err(Error::Io { doing: "create", path: path.to_owned(), source }),
            },
        };
        Ok(match locked {
            // Only this makes it ours: under its kernel lock its path leads to it.
            true if p.is_at_its_path(target) => Try::Done(p),
            true => Try::Again,
            false => Try::Busy(p.file.try_clone().ok()),
        })
    }

    /// P is there and not ours: remove it if that is allowed, else wait.
    fn in_the_way(&mut self) -> Result<Try<Arc<P>>> {
        let (target, policy, gate) = (&self.entry.target, self.policy, self.gate);
        let breaks = policy.break_stale || policy.stale_after.is_some();
        let Some(found) = verdict::judge(target, if breaks { Look::Grip } else { Look::Moment })? else {
            return Ok(Try::Again);
        };
        if found.verdict.state == State::NotALock {
            return Err(Error::refused(target.lock_path(), found.verdict.evidence));
        }
        let allowed = policy.break_stale || found.verdict.state != State::Stale;
        if allowed && found.may_break(policy.stale_after, || gate?.now()) {
            // What a dead dotlock had staged is worth nothing to anybody; what
            // another program had, may be.
            match found.verdict.state {
                State::Foreign if found.verdict.size > 0 => drop(found.keep_content(target)?),
                _ => found.remove(target)?,
            }
            // S is ours, and its record spoke of what is gone.
            if let Some(gate) = gate {
                let _ = gate.clear();
            }
            self.broke += 1;
            return Ok(Try::Again);
        }
        self.last = Some(found.verdict);
        Ok(Try::Busy(None))
    }
}
