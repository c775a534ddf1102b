//! Working under a lock that is held already: a command that `run` started, or
//! the next one of a script, with the token of that lock.
//!
//! Those who do so exclude each other by the same protocol on `<target>~inner`,
//! and write into that lock's own file. Whoever has it looks once more whether
//! the lock that he works under is held still. Its holder lets nobody begin any
//! more before he lets go: he empties the record first and looks for an inner
//! lock then, while they make the inner lock first and read the record then. So
//! at least one of the two sees the other.

use super::acquire::acquire_at;
use super::{Lock, P};
use crate::error::{Error, Result};
use crate::owner::{Left, Life, Purpose};
use crate::sys::{self, Grip, Stat};
use crate::target::Target;
use crate::token::{LockId, Token};
use crate::verdict::KernelLock;
use crate::wait::{Event, Policy};
use std::time::Instant;

/// A lock of another process that one works under.
#[derive(Debug)]
pub(super) struct Outer {
    place: Target,
    id: LockId,
    /// A script's P has no process that keeps its kernel lock: meanwhile we do,
    /// so that nobody takes it for dead.
    _grip: Option<KernelLock>,
}

impl Outer {
    /// Whether it is at its path still.
    pub fn is_there(&self) -> bool {
        stat_if(&self.place, self.id).is_some()
    }

    pub fn place(&self) -> &Target {
        &self.place
    }
}

/// Acquires `target`, under the lock of one of the policy's tokens if one is for
/// it and that lock is held still.
pub(super) fn acquire(target: &Target, policy: &Policy) -> Result<Lock> {
    let begun = Instant::now();
    let mine: Vec<_> = policy.tokens.iter().filter(|t| t.target() == target.path()).collect();
    let mut ignored = vec![false; mine.len()];
    loop {
        // The last is the innermost.
        let mut outers = Vec::new();
        for (token, ignored) in mine.iter().zip(&mut ignored) {
            match held_for(token) {
                Some(Purpose::Update) if policy.purpose.replaces() => return Err(undone(target)),
                Some(purpose) => outers.push((*token, purpose)),
                None if *ignored => {}
                None => {
                    *ignored = true;
                    policy.tell(&Event::TokenIgnored { target: target.path() });
                }
            }
        }
        let left = policy.wait.map(|limit| limit.saturating_sub(begun.elapsed()));
        let policy = policy.clone().wait(left);
        let Some((token, purpose)) = outers.pop() else { return acquire_at(target, &policy, None) };
        let mut lock = acquire_at(&token.place().inner()?, &policy, None)?;
        if let Some(outer) = confirm(token, purpose)? {
            let more = outers.iter().map(|(t, _)| Outer { place: t.place(), id: t.id(), _grip: None });
            lock.outers = more.chain([outer]).collect();
            return Ok(lock);
        }
        // It was released, or lost, while we waited: from the beginning.
    }
}

fn undone(target: &Target) -> Error {
    let why = "it is being updated by the command that started this one, whose output will replace it \
               and undo what is written here; write to standard output instead";
    Error::refused(target.path(), why)
}

/// P, if it is the one that `id` names.
fn stat_if(place: &Target, id: LockId) -> Option<Stat> {
    sys::stat(place.lock_path()).ok().filter(|stat| id.is(stat.id))
}

/// What the lock is held for that `token` is for; `None` if it is not held any
/// more, or never was.
fn held_for(token: &Token) -> Option<Purpose> {
    let place = token.place();
    let stat = stat_if(&place, token.id())?;
    let record = Left::at(place.gate_path()).record?;
    record.admits(token.secret()).filter(|_| record.speaks_of(stat.id))
}

/// Looks once more whether that lock is held, now that nobody else works under
/// it; for a script's lock, by taking its kernel lock.
fn confirm(token: &Token, purpose: Purpose) -> Result<Option<Outer>> {
    let place = token.place();
    let outer = |grip| Outer { place: token.place(), id: token.id(), _grip: grip };
    let path = place.lock_path();
    let session = purpose == Purpose::Session;
    let grip = sys::soon(|| match sys::open_lock(path, true) {
        // A judge has it for a moment, or somebody is about to break it.
        Ok(Grip::Busy(_)) if session => Ok(None),
        other => other.map(Some),
    });
    let grip = match grip {
        Ok(None) => return Ok(None),
        Ok(Some(Grip::Busy(_))) => None,
        Ok(Some(Grip::Taken(file))) => Some(KernelLock(file)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("look at the lock", path)(e)),
    };
    // Only now: what was read before says nothing of the moment.
    if held_for(token) != Some(purpose) {
        return Ok(None);
    }
    let Some(grip) = grip else { return Ok(Some(outer(None))) };
    let stat = sys::fstat(&grip.0).map_err(Error::io("examine", path))?;
    if !token.id().is(stat.id) {
        return Ok(None);
    }
    if session {
        return Ok(Some(outer(Some(grip))));
    }
    // Nobody has its kernel lock: where that proves anything, its holder is dead.
    let left = Left::at(place.gate_path());
    let life = left.record.map(|r| r.life(&stat, sys::is_local(path)));
    Ok(matches!(life, Some(Life::Lives(_) | Life::Unseen(_))).then(|| outer(None)))
}

/// Waits for those who work under `lock`, whose record is empty by now, so that
/// nobody begins to; keeps others from it as long as what is returned lives.
pub(super) fn close(target: &Target, p: &P, policy: &Policy) -> Result<Option<Lock>> {
    let inner = target.inner()?;
    if sys::stat(inner.lock_path()).is_err() || !p.is_at_its_path(target) {
        return Ok(None);
    }
    acquire_at(&inner, &policy.clone().wait(None).retries(None), None).map(Some)
}
