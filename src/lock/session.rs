//! Locks that outlive the process that acquired them: for the commands of a
//! script, which work under a token, and release it in the end.

use super::acquire::acquire_at;
use super::{GONE, Lock, list};
use crate::error::{Error, Result};
use crate::gate;
use crate::owner::{Bond, Left, Purpose, Record};
use crate::sys::{self, Grip, Mark, Sync};
use crate::target::Target;
use crate::token::Token;
use crate::verdict::KernelLock;
use crate::wait::Policy;
use std::io;
use std::time::{Duration, SystemTime};

/// What a release found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// The lock was ours, and is free now.
    Now,
    /// There was no lock any more, though nothing says that it was lost.
    Before,
}

/// Leaves `locks`, which were acquired for a [`Purpose::Session`], standing when
/// this process ends: from then on they hang on `bond`. `announce` hands their
/// tokens to whoever is to release them; if it fails, they are rolled back.
///
/// The records are durable before the kernel locks go: a power cut leaves locks
/// that can be judged.
///
/// # Errors
/// [`Error::Refused`] where no record can be left; [`Error::Io`].
pub fn hand_over(
    locks: Vec<Lock>,
    bond: Bond,
    announce: impl FnOnce(&[Token]) -> io::Result<()>,
) -> Result<()> {
    let mut tokens = Vec::new();
    for lock in &locks {
        tokens.push(lock.bind(bond)?);
    }
    announce(&tokens).map_err(Error::io("print the token of", locks[0].target().path()))?;
    for lock in locks {
        lock.leave_standing();
    }
    Ok(())
}

impl Lock {
    /// The second mark comes last: until then the kernel lock proves our life,
    /// and from then on only the record speaks.
    fn bind(&self, bond: Bond) -> Result<Token> {
        let target = self.target();
        let gate = self.entry.things().gate.clone();
        let (Some(gate), Some(token)) = (gate, &self.token) else {
            let why = "its queue is another user's file, so nothing can be written down about who holds it";
            return Err(Error::refused(target.gate_path(), why));
        };
        let record = Record::new(self.p.id, true, self.policy.label.as_deref());
        let record = record.shared(Purpose::Session, token.secret()).bound(bond);
        gate.write_durably(&record)?;
        sys::sync_dir(target.lock_dir()).map_err(Error::io("sync", target.lock_dir()))?;
        sys::set_mark(&self.p.file, Mark::Second).map_err(Error::io("mark", target.lock_path()))?;
        Ok(token.clone().leased(record.until()))
    }

    /// Forgets the lock without removing anything.
    fn leave_standing(self) {
        let mut list = list();
        list.entries.retain(|e| !std::sync::Arc::ptr_eq(e, &self.entry));
        let things = std::mem::take(&mut *self.entry.things());
        sys::unlock(&self.p.file);
        if let Some(gate) = things.gate {
            gate.stand();
        }
    }
}

/// Releases the lock that `token` is for, once nobody works under it any more;
/// `policy` says how long to wait for those. From any process.
///
/// # Errors
/// [`Error::Lost`] if it is another's lock by now; [`Error::Refused`] if a
/// command runs under it that will release it itself; as [`super::acquire()`].
pub fn release(token: &Token, policy: &Policy) -> Result<Released> {
    let place = token.place();
    if sys::stat(place.lock_path()).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        return before(token);
    }
    let _inner = acquire_at(&place.inner()?, policy, None)?;
    let Some(grip) = grip(token, &place, false)? else { return before(token) };
    // Its kernel lock is ours, its path leads to it: nobody else removes it.
    let done = match sys::unlink(place.lock_path()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => before(token),
        done => done.map(|()| Released::Now).map_err(Error::io("remove the lock", place.lock_path())),
    };
    drop(grip);
    // Whoever waits at the head of the queue has S, and writes his own record.
    gate::sweep(&place);
    done
}

/// Lets the lease that `token` is for end `time` from now, if it would end
/// before; returns when it ends. From any process.
///
/// # Errors
/// [`Error::Lost`] if the lock is not held any more; [`Error::Refused`] if it
/// does not hang on a lease; [`Error::Io`].
pub fn renew(token: &Token, time: Duration) -> Result<SystemTime> {
    let place = token.place();
    let path = place.lock_path();
    // Shared with those who work under it; who breaks it would want it alone.
    let Some(grip) = grip(token, &place, true)? else { return Err(lost(token)) };
    let stat = sys::fstat(&grip.0).map_err(Error::io("examine", path))?;
    let record = Left::at(place.gate_path()).record;
    let Some(end) = record.and_then(|r| r.lease_end(&stat)) else {
        return Err(Error::refused(
            token.target(),
            "its lock does not hang on a lease, so there is none to renew",
        ));
    };
    let new = SystemTime::now() + time;
    if new <= end {
        return Ok(end);
    }
    sys::set_modified(&grip.0, new)
        .and_then(|()| sys::sync_file(&grip.0, Sync::Data))
        .map_err(Error::io("renew the lease of", path))?;
    Ok(new)
}

/// There is no lock: released before, unless others could have had it since.
fn before(token: &Token) -> Result<Released> {
    if !token.is_over() {
        return Ok(Released::Before);
    }
    let why = "its lease is over and the lock gone: released before, or taken over by another since";
    Err(Error::Lost { target: token.target().to_owned(), why: why.into() })
}

fn lost(token: &Token) -> Error {
    Error::Lost { target: token.target().to_owned(), why: GONE.into() }
}

/// P with its kernel lock, if it is the one that `token` is for; `None` if there
/// is none at all.
fn grip(token: &Token, place: &Target, shared: bool) -> Result<Option<KernelLock>> {
    let path = place.lock_path();
    let failed = || Error::io("take the lock", path);
    let left = Left::at(place.gate_path());
    let purpose = left.record.as_ref().and_then(|r| r.admits(token.secret()));
    let taken = sys::soon(|| match sys::open_lock(path, shared) {
        Ok(Grip::Taken(file)) => Ok(Some(Some(file))),
        Ok(Grip::Busy(_)) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Some(None)),
        Err(e) => Err(e),
    });
    match taken.map_err(failed())? {
        Some(None) => Ok(None),
        Some(Some(file)) => {
            let grip = KernelLock(file);
            let id = sys::fstat(&grip.0).map_err(failed())?.id;
            let at_path = || sys::stat(path).is_ok_and(|s| s.id == id);
            if token.id().is(id) && at_path() { Ok(Some(grip)) } else { Err(lost(token)) }
        }
        // Somebody has it for good.
        None if sys::stat(path).is_ok_and(|s| token.id().is(s.id)) && purpose != Some(Purpose::Session) => {
            Err(Error::refused(token.target(), "a command runs under its lock, which goes when that ends"))
        }
        None => Err(lost(token)),
    }
}
