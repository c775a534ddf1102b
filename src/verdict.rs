//! Judging what stands at P: held, stale, foreign, or not a lock.

use crate::error::{Error, Result};
use crate::evidence::{State, Verdict, show};
use crate::owner::{Left, Life, Record};
use crate::sys::{self, Grip, Kind, Mark, Stat};
use crate::target::{Target, package_manager};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What was found at P.
pub(crate) struct Found {
    pub verdict: Verdict,
    /// P with its kernel lock, if nobody else has that; let go when dropped.
    pub grip: Option<KernelLock>,
    /// P, whose kernel lock another has, and can be waited for.
    pub busy: Option<File>,
}

/// An open file whose kernel lock is ours until this is dropped.
#[derive(Debug)]
pub(crate) struct KernelLock(pub File);

impl Drop for KernelLock {
    fn drop(&mut self) {
        sys::unlock(&self.0);
    }
}

/// How to find out whether anybody has P's kernel lock.
#[derive(Clone, Copy)]
pub(crate) enum Look<'a> {
    /// By the system's own table, without touching P, where that can be relied on.
    Table(&'a sys::LockTable),
    /// By having it for a moment, together with others who look.
    Moment,
    /// By taking it, so that what was judged can be removed.
    Grip,
}

/// Judges what stands at P; `None` if nothing does, or it vanished meanwhile.
pub(crate) fn judge(target: &Target, how: Look<'_>) -> Result<Option<Found>> {
    let path = target.lock_path();
    let look = |e: io::Error| Error::Io { doing: "judge the lock", path: path.to_owned(), source: e };
    let stat = match sys::stat(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(look)?,
    };
    let only = |verdict| Ok(Some(Found { verdict, grip: None, busy: None }));
    if stat.kind != Kind::Regular {
        return only(Verdict::of(&stat, State::NotALock, format!("it is {}", stat.kind.describe())));
    }
    let name = path.file_name().unwrap_or_default();
    if let Some(tool) = package_manager(name) {
        let what = format!("looks like {tool}'s {}", show(Path::new(name)));
        return only(Verdict::of(&stat, State::NotALock, what));
    }

    let left = Left::at(target.gate_path());
    let unreadable = if left.unreadable { "; unreadable record" } else { "" };
    let holder = || left.record.as_ref().filter(|r| r.speaks_of(stat.id)).map(Record::holder);
    let alive = |pids: Vec<u32>| {
        let verdict =
            Verdict::of(&stat, State::Held, "its owner is alive (kernel lock)".to_owned() + unreadable);
        Verdict { holder: holder(), alive: true, pids, ..verdict }
    };
    let table = match how {
        Look::Table(table) => Some(table).filter(|t| t.knows(path)),
        _ => None,
    };
    let (grip, local) = if let Some(table) = table {
        match table.holders(stat.id) {
            [] => (None, sys::is_local(path)),
            pids => return only(alive(pids.to_vec())),
        }
    } else {
        match sys::open_lock(path, !matches!(how, Look::Grip)) {
            Ok(Grip::Taken(file)) => (Some(KernelLock(file)), sys::is_local(path)),
            Ok(Grip::Busy(busy)) => {
                return Ok(Some(Found { verdict: alive(Vec::new()), grip: None, busy }));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Another user's: its kernel lock cannot be asked for, so its death
            // cannot be proven.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let state = if stat.mark == Mark::None { State::Foreign } else { State::Held };
                let what = "it cannot be opened (permission denied)".to_owned() + unreadable;
                let verdict = Verdict::of(&stat, state, what);
                return only(Verdict { holder: holder(), unseen: state == State::Held, ..verdict });
            }
            Err(e) => return Err(look(e)),
        }
    };
    // The name may have led to another file before it was opened, or the table
    // read; if it does now, the one that was found is gone.
    let now = match &grip {
        Some(grip) => sys::fstat(&grip.0).map_err(look)?,
        None => stat.clone(),
    };
    if now.id != stat.id || sys::stat(path).map(|s| s.id).ok() != Some(stat.id) {
        return Ok(None);
    }
    // A mark that the target bears as well proves nothing, if it came with the
    // whole mode: `git config` gives its lock the mode of the file.
    let same_mode = |t: &Stat| t.mark == now.mark && t.mode == now.mode;
    let copied = now.mark == Mark::First && sys::stat(target.path()).is_ok_and(|t| same_mode(&t));
    let mark = match now.mark {
        Mark::None | Mark::First if sys::is_stamped(path) => Mark::First,
        Mark::First if copied => Mark::None,
        mark => mark,
    };
    let verdict = judge_free(&now, mark, left.proof(&now), local);
    // Those who work under a script's lock share its kernel lock with us, who
    // only look: its lease may be over, but theirs is not.
    let session = left.record.as_ref().is_some_and(Record::is_session);
    let shared = session && matches!(how, Look::Moment) && verdict.state == State::Stale;
    let mut found = Found { verdict, grip, busy: None };
    if shared {
        // Not on top of it: a sharing mode stays as it was when the file was opened.
        found.grip = None;
        match sys::open_lock(path, false) {
            Ok(Grip::Busy(busy)) => return Ok(Some(Found { verdict: alive(Vec::new()), busy, ..found })),
            Ok(Grip::Taken(file)) => found.grip = Some(KernelLock(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(look(e)),
        }
    }
    // A foreign lock is nobody's that we know of, whatever S says.
    if found.verdict.state != State::Foreign {
        found.verdict.holder = holder();
    }
    found.verdict.evidence += unreadable;
    Ok(Some(found))
}

/// The rows of the table for a plain file whose kernel lock nobody has.
/// `mark` is what its mark or its stamp proves, `record` proves the rest.
fn judge_free(stat: &Stat, mark: Mark, record: Option<&Record>, local: bool) -> Verdict {
    let gone = "its owner is gone (no kernel lock)";
    let (state, unseen, evidence) = match (mark, record.map(|r| r.life(stat, local))) {
        (Mark::First, _) if local => (State::Stale, false, gone.into()),
        (_, Some(Life::Lives(how))) => (State::Held, false, how),
        (_, Some(Life::Unseen(why))) => (State::Held, true, format!("it cannot be judged from here: {why}")),
        (_, Some(Life::Over(why))) => (State::Stale, false, why.into()),
        // On a system, or a file system, that keeps no marks or no stamps.
        (Mark::None, Some(Life::KernelLock)) if local => (State::Stale, false, gone.into()),
        (Mark::None, _) => (State::Foreign, false, "made by another program".into()),
        (_, _) => (State::Held, true, "made by dotlock, but nothing tells by whom".into()),
    };
    Verdict { holder: record.map(Record::holder), unseen, ..Verdict::of(stat, state, evidence) }
}

impl Found {
    /// Whether it may be removed: proven stale, or older than `stale_after` by
    /// the file system's own clock where nothing can be proven.
    pub fn may_break(&self, stale_after: Option<Duration>, now: impl FnOnce() -> Option<SystemTime>) -> bool {
        let v = &self.verdict;
        match v.state {
            _ if self.grip.is_none() => false,
            State::Stale => true,
            State::Foreign => is_older(v.modified, stale_after, now),
            State::Held if v.unseen => is_older(v.modified, stale_after, now),
            State::Held | State::NotALock => false,
        }
    }

    /// Moves what was staged in the lock to a name beside `target`, which ends
    /// the lock as removing it does; returns that name.
    pub fn keep_content(self, target: &Target) -> Result<PathBuf> {
        let path = target.lock_path();
        let failed = || Error::io("keep the content of", path);
        let Some(grip) = &self.grip else { return Err(failed()(io::ErrorKind::PermissionDenied.into())) };
        if !sys::stat(path).is_ok_and(|s| s.id == self.verdict.id) {
            return Err(Error::refused(path, "another took the lock meanwhile; look again"));
        }
        self.remove_stage(target);
        // Many may be broken in a second.
        for name in target.dated("broken") {
            match sys::rename_new(path, &name) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    return Err(Error::refused(path, "it vanished"));
                }
                done => {
                    done.map_err(failed())?;
                    // Without its mark it is a plain file again. Only now: who
                    // dies in between leaves a lock that is known for what it is.
                    if let Ok(stat) = sys::fstat(&grip.0) {
                        let _ = sys::set_mode(&grip.0, stat.mode, false);
                    }
                    return Ok(name);
                }
            }
        }
        Err(failed()(io::ErrorKind::AlreadyExists.into()))
    }

    /// Removes the lock that was judged. The kernel lock that is held since
    /// before the judgement keeps every other dotlock from removing or
    /// renaming it, so the name still leads to it, unless a program that knows
    /// nothing of kernel locks has been at it: looked at once more.
    pub fn remove(self, target: &Target) -> Result<()> {
        let path = target.lock_path();
        if !sys::stat(path).is_ok_and(|s| s.id == self.verdict.id) {
            return Ok(());
        }
        self.remove_stage(target);
        match sys::unlink(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::io("remove the stale lock", path)),
        }
    }

    /// Removes what the dead one had staged under a name; P, which tells that
    /// name, is still there.
    fn remove_stage(&self, target: &Target) {
        let dir = target.stage_dir(self.verdict.id.number);
        if self.verdict.state == State::Stale && sys::stat(&dir).is_ok() {
            let _ = sys::remove_tree(&dir);
        }
    }
}

fn is_older(
    modified: Option<SystemTime>,
    limit: Option<Duration>,
    now: impl FnOnce() -> Option<SystemTime>,
) -> bool {
    let (Some(modified), Some(limit)) = (modified, limit) else { return false };
    now().is_some_and(|now| now.duration_since(modified).is_ok_and(|age| age >= limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::FileId;

    const ID: FileId = FileId { volume: 1, number: 42, birth: Some(7) };

    fn file(mark: Mark) -> Stat {
        Stat {
            id: ID,
            kind: Kind::Regular,
            size: 0,
            modified: None,
            changed: 0,
            mark,
            mode: 0o600,
            owner: (0, 0),
            links: 1,
        }
    }

    fn record(mark: Mark) -> Record {
        Record::new(ID, mark == Mark::First, Some("test"))
    }

    fn state(mark: Mark, record: Option<&Record>, local: bool) -> (State, bool) {
        let v = judge_free(&file(mark), mark, record, local);
        (v.state, v.unseen)
    }

    #[test]
    fn the_first_mark_without_kernel_lock_is_stale_on_a_local_file_system_only() {
        assert_eq!(state(Mark::First, None, true), (State::Stale, false));
        assert_eq!(state(Mark::First, None, false), (State::Held, true));
    }

    #[test]
    fn a_record_of_a_running_process_holds_and_of_a_dead_one_does_not() {
        let alive = record(Mark::Second);
        assert_eq!(state(Mark::Second, Some(&alive), true), (State::Held, false));
        assert_eq!(state(Mark::Second, Some(&alive), false), (State::Held, false));
        // The same number, given to a process that started at another time.
        let mut dead = record(Mark::Second);
        dead.edit_life(|life| life.start = life.start.map(|s| s + 1));
        assert_eq!(state(Mark::Second, Some(&dead), false), (State::Stale, false));
    }

    #[test]
    fn another_boot_is_proof_on_a_local_file_system_only() {
        let mut old = record(Mark::Second);
        old.edit_life(|life| life.boot = Some("another".into()));
        assert_eq!(state(Mark::Second, Some(&old), true), (State::Stale, false));
        assert_eq!(state(Mark::Second, Some(&old), false), (State::Held, true));
    }

    #[test]
    fn another_pid_namespace_cannot_be_judged() {
        let mut other = record(Mark::Second);
        other.edit_life(|life| life.pid_namespace = Some(1));
        assert_eq!(state(Mark::Second, Some(&other), true), (State::Held, true));
    }

    #[test]
    fn an_unmarked_file_is_foreign_unless_its_record_knows_its_birth() {
        assert_eq!(state(Mark::None, None, true), (State::Foreign, false));
        let r = record(Mark::First);
        assert_eq!(state(Mark::None, Some(&r), true), (State::Stale, false));
        assert_eq!(state(Mark::None, Some(&r), false), (State::Foreign, false));
    }
}
