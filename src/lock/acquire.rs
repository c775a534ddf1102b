//! Getting the lock: the gate, then P.

use super::{Armed, Entry, Lock, P, list, nested, not_ended};
use crate::error::{Error, Result};
use crate::evidence::{State, Verdict, show};
use crate::gate::{self, Gate};
use crate::journal;
use crate::owner::{Left, Life, Purpose, Record};
use crate::sys::{self, Mark};
use crate::target::Target;
use crate::token::{self, Token};
use crate::verdict::{self, Look};
use crate::wait::{Policy, Try, Wait, Waited};
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

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
    acquire_with(target, policy, None)
}

/// The same; the file `spool`, which has no name yet, becomes P if it can.
pub(crate) fn acquire_with(target: &Target, policy: &Policy, spool: Option<&File>) -> Result<Lock> {
    match policy.tokens.as_slice() {
        [] => acquire_at(target, policy, spool),
        _ => nested::acquire(target, policy),
    }
}

/// Acquires the locks of several targets, each once, in an order that is the
/// same for everybody: two who want the same ones never wait for each other.
/// The policy's limit of time is that of the whole. Should one not be had, the
/// others are released.
///
/// # Errors
/// As [`acquire`].
pub fn acquire_all(targets: &[Target], policy: &Policy) -> Result<Vec<Lock>> {
    let begun = Instant::now();
    let mut sorted: Vec<&Target> = targets.iter().collect();
    // The directories' links were of no account when each was resolved.
    let place = |t: &Target| -> Option<PathBuf> {
        Some(t.lock_dir().canonicalize().ok()?.join(t.lock_path().file_name()?))
    };
    if targets.len() > 1 {
        sorted.sort_by_cached_key(|t| place(t).unwrap_or_else(|| t.lock_path().to_owned()));
    }
    let mut locks = Vec::<Lock>::new();
    for target in sorted {
        // By another name, or spelled otherwise where case does not count.
        if locks.iter().any(|lock| lock.p.is_at_its_path(target)) {
            continue;
        }
        let left = policy.wait.map(|limit| limit.saturating_sub(begun.elapsed()));
        locks.push(acquire_target(target, &policy.clone().wait(left))?);
    }
    Ok(locks)
}

/// Waits until none of the targets is locked, all at one look, and locks none;
/// what is provably stale counts as free.
///
/// # Errors
/// [`Error::Busy`] when one is not free in time; as [`acquire`].
pub fn wait_free(targets: &[Target], policy: &Policy) -> Result<()> {
    let begun = Instant::now();
    let mut at = 0;
    // From the beginning again whenever one was waited for.
    while let Some(target) = targets.get(at) {
        let look = || Some(verdict::judge(target, Look::Moment).ok()??.verdict);
        let left = policy.wait.map(|limit| limit.saturating_sub(begun.elapsed()));
        let policy = policy.clone().wait(left);
        let mut wait = Wait::begin(&policy, target, look, || held_by_ancestor(target));
        let mut last = None;
        let free = wait.until(|locked| {
            if let Some(file) = locked {
                sys::unlock(&file);
            }
            Ok(match verdict::judge(target, Look::Moment)? {
                Some(found) if found.verdict.state != State::Stale => {
                    last = Some(found.verdict);
                    Try::Busy(found.busy)
                }
                _ => Try::Done(()),
            })
        })?;
        at = match free {
            Waited::TooLong | Waited::Needless => return Err(busy(target, last, begun)),
            Waited::Done(()) if wait.tries() > 1 => 0,
            Waited::Done(()) => at + 1,
        };
    }
    Ok(())
}

fn busy(target: &Target, verdict: Option<Verdict>, begun: Instant) -> Error {
    Error::Busy {
        target: target.path().to_owned(),
        lock: target.lock_path().to_owned(),
        verdict: verdict.map(Box::new),
        waited: begun.elapsed(),
    }
}

/// The holder started us and waits for us to end, or is the script whose command
/// we are: that he lets go is not to be waited for.
fn held_by_ancestor(target: &Target) -> Option<Error> {
    let stat = sys::stat(target.lock_path()).ok()?;
    let record = Left::at(target.gate_path()).record.filter(|r| r.speaks_of(stat.id))?;
    let pid = record.pid();
    let holds = match record.life(&stat, sys::is_local(target.lock_path())) {
        // One who only writes waits for nobody: he has started us for another end.
        _ if record.is_for_itself() || record.lease_end(&stat).is_some() => false,
        _ if !sys::is_ancestor(pid) => false,
        Life::Lives(_) => true,
        // In another container a number is another process's.
        Life::KernelLock => sys::has_open(pid, stat.id) != Some(false),
        Life::Over(_) | Life::Unseen(_) => false,
    };
    let why = format!(
        "it is locked by {}, under which this command runs, so it would wait for itself. The token of that \
         lock did not get here: pass DOTLOCK_HELD on (sudo --preserve-env=DOTLOCK_HELD) or give --token; \
         its lock is {}",
        record.holder(),
        show(target.lock_path()),
    );
    holds.then(|| Error::refused(target.path(), why))
}

/// Acquires `target` itself, under no other lock.
pub(super) fn acquire_at(target: &Target, policy: &Policy, spool: Option<&File>) -> Result<Lock> {
    acquire_if(target, policy, spool, None)?.ok_or_else(|| busy(target, None, Instant::now()))
}

/// Acquires `target`, unless that is needless: `unless` is asked whenever another
/// has the lock. Until it is at the head of the queue, such a one leaves nothing
/// behind, whatever ends it, and all who wait so are woken at once.
///
/// # Errors
/// As [`acquire`].
pub(crate) fn acquire_unless(
    target: &Target,
    policy: &Policy,
    unless: &dyn Fn() -> bool,
) -> Result<Option<Lock>> {
    match policy.tokens.as_slice() {
        [] => acquire_if(target, policy, None, Some(unless)),
        _ => nested::acquire(target, policy).map(Some),
    }
}

fn acquire_if(
    target: &Target,
    policy: &Policy,
    spool: Option<&File>,
    unless: Option<&dyn Fn() -> bool>,
) -> Result<Option<Lock>> {
    let entry = Arc::new(Entry { pid: std::process::id(), target: target.clone(), things: Mutex::default() });
    let look = || Some(verdict::judge(target, Look::Moment).ok()??.verdict);
    let mut wait = Wait::begin(policy, target, look, || held_by_ancestor(target)).unless(unless);
    let begun = Instant::now();
    let secret = if policy.purpose == Purpose::Write { None } else { Some(token::new_secret()?) };

    enlist(&entry)?;
    let armed = Armed(Arc::clone(&entry));

    let gate = match wait.until(|locked| enter(&entry, locked, unless.is_none()))? {
        Waited::Done(gate) => gate,
        Waited::TooLong => return Err(busy(target, look(), begun)),
        Waited::Needless => return Ok(None),
    };
    wait.is_head();
    // Where several machines see the file, kernel locks prove nothing.
    let local = sys::is_local(target.lock_dir());
    let mark = if local { Mark::First } else { Mark::Second };
    let spool = spool.filter(|_| mark == Mark::First);
    let mut taking =
        Taking { entry: &entry, gate: gate.as_deref(), policy, mark, spool, broke: 0, last: None };
    let p = match wait.until(|locked| taking.attempt(locked))? {
        Waited::Done(p) => p,
        Waited::TooLong => return Err(busy(target, taking.last, begun)),
        Waited::Needless => return Ok(None),
    };
    let broke = taking.broke;

    // By the mark, or by a record that knows this very file.
    let proves_life = local && (p.mark == Mark::First || p.id.birth.is_some());
    let mut token = None;
    if let Some(gate) = &gate {
        // One who died between his rename and the end could not remove it.
        if let Some(old) = gate.old_record() {
            let _ = sys::remove_tree(&target.stage_dir(old.number()));
        }
        let mut record = Record::new(p.id, proves_life, policy.label.as_deref());
        if let Some(secret) = &secret {
            record = record.shared(policy.purpose, secret);
        }
        match gate.write(&record) {
            // Another user's S, which can be read only: the kernel lock must do.
            Err(Error::Io { source, .. }) if proves_life && sys::is_read_only(&source) => {}
            other => {
                other?;
                token = secret.map(|secret| Token::new(target, p.id, &secret));
            }
        }
    }
    // While the target tells what became of a journal of the write queue.
    journal::settle(target)?;
    let (waited, tries) = (wait.elapsed(), wait.tries());
    let outers = Vec::new();
    Ok(Some(Lock {
        _armed: armed,
        entry,
        p,
        seen: None,
        token,
        outers,
        policy: policy.clone(),
        waited,
        tries,
        broke,
    }))
}

fn enlist(entry: &Arc<Entry>) -> Result<()> {
    let mut list = list();
    not_ended(&list, &entry.target)?;
    list.entries.push(Arc::clone(entry));
    Ok(())
}

/// One try at the gate.
fn enter(entry: &Entry, locked: Option<File>, announced: bool) -> Result<Try<Option<Arc<Gate>>>> {
    let mut things = entry.making()?;
    Ok(match gate::enter(&entry.target, locked, announced)? {
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
    /// What may become P.
    spool: Option<&'a File>,
    /// Dead locks that were removed.
    broke: u32,
    /// What was in the way the last time.
    last: Option<Verdict>,
}

impl Taking<'_> {
    /// One try. `locked`: that file's kernel lock was waited for, and is ours
    /// now: the P that we made, or else what was in the way.
    fn attempt(&mut self, locked: Option<File>) -> Result<Try<Arc<P>>> {
        let target = &self.entry.target;
        let path = target.lock_path();
        let lock = |p: &P| sys::lock_soon(&p.file).map_err(Error::io("lock", path));
        let mut things = self.entry.making()?;
        let locked = match locked {
            // To be judged anew, by whoever comes first.
            Some(file) if things.p.is_none() => {
                sys::unlock(&file);
                false
            }
            other => other.is_some(),
        };
        let (p, locked) = match &things.p {
            // What we made before, while somebody had its kernel lock for a
            // moment: a judge, who may have taken it for a dead one's.
            Some(p) if p.is_at_its_path(target) => (Arc::clone(p), locked || lock(p)?),
            _ => match self.make() {
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

    /// Makes P. A spool is made P in one step with its kernel lock, which is taken
    /// before: that of a file without a name nobody else can have. Where it has had
    /// a name, and somebody has removed that, it cannot be done again.
    fn make(&self) -> io::Result<File> {
        let path = self.entry.target.lock_path();
        if let Some(spool) = self.spool
            && sys::try_lock(spool, false)?
            && sys::name_lock(spool, path)?
        {
            return spool.try_clone();
        }
        sys::create_lock(path, self.mark)
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
            // The target tells still whether it had committed.
            journal::settle(target)?;
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
        // Its holder's end, or its children's, wakes us.
        Ok(Try::Busy(found.busy))
    }
}
