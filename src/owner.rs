//! Who holds a lock: the record that a holder leaves in S, and the verdict on
//! what stands at P.

use crate::error::{Error, Result, printable, show};
use crate::sys::{self, FileId, Grip, Host, Kind, Mark, Presence, Stat};
use crate::target::{Target, package_manager};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Longest record that is read: a few hundred bytes are usual.
const LONGEST_RECORD: u64 = 16 << 10;
const VERSION: u32 = 1;

/// What a holder says of itself, as JSON in S.
///
/// It holds the program's name and the label, never the arguments: they may
/// carry secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    v: u32,
    /// Number and birth time of the P that it speaks of.
    lock: LockId,
    pid: u32,
    program: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    user: String,
    host: String,
    since: String,
    /// Whose life P hangs on, where no kernel lock can prove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    life: Option<Host>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LockId {
    number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birth: Option<u64>,
}

impl Record {
    /// Of this process, which made the P that is `id`. Where P's kernel lock
    /// does not prove that we live, the record has to.
    pub fn new(id: FileId, kernel_lock_proves_life: bool, label: Option<&str>) -> Record {
        let pid = std::process::id();
        let program = std::env::args_os().next().unwrap_or_default();
        let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(std::env::var_os);
        Record {
            v: VERSION,
            lock: LockId { number: id.number, birth: id.birth },
            pid,
            program,
            label: label.map(str::to_owned),
            user: user.unwrap_or_default().to_string_lossy().into_owned(),
            host: sys::host_name(),
            since: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            life: (!kernel_lock_proves_life).then(|| sys::this_host(pid)),
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// `None` for what cannot be read: torn, empty, hostile, of the future.
    pub fn parse(bytes: &[u8]) -> Option<Record> {
        let record: Record = serde_json::from_slice(bytes).ok()?;
        let possible = i32::try_from(record.pid).is_ok_and(|pid| pid > 0);
        (record.v == VERSION && possible).then_some(record)
    }

    /// Reads the record in an open S.
    pub fn read(file: &File) -> Option<Record> {
        let mut bytes = Vec::new();
        let mut from = file;
        std::io::Seek::rewind(&mut from).ok()?;
        from.take(LONGEST_RECORD).read_to_end(&mut bytes).ok()?;
        Record::parse(&bytes)
    }

    /// Reads the record in the S at `path`, whatever may stand there.
    fn read_at(path: &Path) -> Option<Record> {
        if sys::stat(path).ok()?.kind != Kind::Regular {
            return None;
        }
        Record::read(&sys::open_to_look(path).ok()?)
    }

    /// Whether it speaks of the file `id`. Numbers are used again, birth times
    /// are not; where one side has none the number must do.
    pub fn speaks_of(&self, id: FileId) -> bool {
        let births_fit = match (self.lock.birth, id.birth) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        self.lock.number == id.number && births_fit
    }

    fn holder(&self) -> Holder {
        Holder {
            pid: self.pid,
            program: printable(&self.program),
            label: self.label.as_deref().map(printable),
            user: printable(&self.user),
            host: printable(&self.host),
            since: humantime::parse_rfc3339(&self.since).ok(),
        }
    }
}

/// Who holds a lock, as its record says. Control characters are taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Number of its process.
    pub pid: u32,
    /// Name of its program.
    pub program: String,
    /// What it was told to call itself.
    pub label: Option<String>,
    /// Who started it, by its environment.
    pub user: String,
    /// The machine that it runs on.
    pub host: String,
    /// When it got the lock, by its clock.
    pub since: Option<SystemTime>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} ({}", self.pid, self.program)?;
        if let Some(label) = &self.label {
            write!(f, ", {label}")?;
        }
        f.write_str(")")?;
        if !self.user.is_empty() {
            write!(f, " of {}", self.user)?;
        }
        write!(f, " on {}", self.host)?;
        if let Some(since) = self.since {
            write!(f, " since {}", humantime::format_rfc3339_seconds(since))?;
        }
        Ok(())
    }
}

/// What is known of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Somebody has it, or that cannot be excluded.
    Held,
    /// Made by dotlock, and its owner is provably gone.
    Stale,
    /// Made by another program; whether that still works on it is not known.
    Foreign,
    /// No lock at all: a package manager's file, or no plain file.
    NotALock,
}

/// What stands at P, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// What it comes to.
    pub state: State,
    /// Why, in words.
    pub evidence: String,
    /// Who, by a record that speaks of this lock; of a foreign lock, never.
    pub holder: Option<Holder>,
    /// When the lock was last written, by the clock of its file system.
    pub modified: Option<SystemTime>,
    /// Bytes that are staged in it.
    pub size: u64,
    /// It is held for want of proof only: its owner cannot be seen from here.
    pub(crate) unseen: bool,
    id: FileId,
}

impl Verdict {
    /// In one line, for messages.
    pub fn describe(&self) -> String {
        let state = match self.state {
            State::Held => "held",
            State::Stale => "stale",
            State::Foreign => "foreign",
            State::NotALock => "not a lock",
        };
        match &self.holder {
            Some(holder) => format!("{state} by {holder}, {}", self.evidence),
            None => format!("{state}, {}", self.evidence),
        }
    }

    /// What to do next.
    pub(crate) fn advice(&self, lock: &Path) -> String {
        match (self.state, &self.holder) {
            (State::Held, Some(holder)) if !self.unseen => {
                format!("wait longer (--wait), or see what pid {} does", holder.pid)
            }
            (State::Held, None) if !self.unseen => "wait longer (--wait)".into(),
            (State::Held, _) => "see to it that its owner is gone, then use --stale-after".into(),
            (State::Stale, _) => "try again without --no-break".into(),
            (State::Foreign, _) => {
                format!("see who has it open (fuser -v {0}); if nobody does, remove it", show(lock))
            }
            (State::NotALock, _) => "rename it, or give another with --lock-file".into(),
        }
    }
}

/// What was found at P.
pub(crate) struct Found {
    pub verdict: Verdict,
    /// P with its kernel lock, if nobody else has that; let go when dropped.
    pub grip: Option<KernelLock>,
}

/// An open file whose kernel lock is ours until this is dropped.
pub(crate) struct KernelLock(pub File);

impl Drop for KernelLock {
    fn drop(&mut self) {
        sys::unlock(&self.0);
    }
}

/// Judges what stands at P, `None` if nothing does or it vanished meanwhile. `exclusive` takes P's kernel
/// lock, if it can be had at once, so that what was judged can be removed;
/// otherwise it is only looked whether anybody has it.
pub(crate) fn judge(target: &Target, exclusive: bool) -> Result<Option<Found>> {
    let path = target.lock_path();
    let look = |e: std::io::Error| Error::Io { doing: "judge the lock", path: path.to_owned(), source: e };
    let stat = match sys::stat(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(look)?,
    };
    let plain = |state, evidence: String| Verdict {
        state,
        evidence,
        holder: None,
        modified: stat.modified,
        size: stat.size,
        unseen: false,
        id: stat.id,
    };
    if stat.kind != Kind::Regular {
        let verdict = plain(State::NotALock, format!("it is {}", stat.kind.describe()));
        return Ok(Some(Found { verdict, grip: None }));
    }
    if let Some(tool) = path.file_name().and_then(package_manager) {
        let verdict = plain(
            State::NotALock,
            format!("looks like {tool}'s {}", show(Path::new(path.file_name().unwrap_or_default()))),
        );
        return Ok(Some(Found { verdict, grip: None }));
    }
    let record = Record::read_at(target.gate_path());
    let grip = match sys::open_lock(path, !exclusive) {
        Ok(Grip::Taken(file)) => Some(KernelLock(file)),
        Ok(Grip::Busy(_)) => None,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        // Another user's: its kernel lock cannot be asked for. Without proof of
        // death it counts as what its mark says.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            let mut verdict = plain(State::Foreign, "it cannot be opened (permission denied)".into());
            if stat.mark != Mark::None {
                verdict.state = State::Held;
                verdict.unseen = true;
                verdict.holder = record.filter(|r| r.speaks_of(stat.id)).map(|r| r.holder());
            }
            return Ok(Some(Found { verdict, grip: None }));
        }
        Err(e) => return Err(look(e)),
    };
    let Some(grip) = grip else {
        let holder = record.filter(|r| r.speaks_of(stat.id)).map(|r| r.holder());
        let verdict = Verdict { holder, ..plain(State::Held, "its owner is alive (kernel lock)".into()) };
        return Ok(Some(Found { verdict, grip: None }));
    };
    // Look again at what was opened: the name may have led to another file
    // before, and if it does now, the one that was found is gone.
    let stat = sys::fstat(&grip.0).map_err(look)?;
    if sys::stat(path).map(|s| s.id).ok() != Some(stat.id) {
        return Ok(None);
    }
    let record = record.filter(|r| r.speaks_of(stat.id));
    // The mark of a lock whose target is marked too proves nothing: `git config`
    // gives its lock the mode of the file. (A target bears the mark only if a
    // power cut kept the rename and not the taking off before it.)
    let copied = || sys::stat(target.path()).is_ok_and(|t| t.mark != Mark::None);
    let mark = if stat.mark == Mark::First && copied() { Mark::None } else { stat.mark };
    let verdict = judge_free(&stat, mark, record.as_ref(), sys::is_local(&grip.0));
    Ok(Some(Found { verdict, grip: Some(grip) }))
}

/// The rows of the table for a plain file whose kernel lock nobody has.
/// `record` speaks of it; `mark` is what its mark proves.
fn judge_free(stat: &Stat, mark: Mark, record: Option<&Record>, local: bool) -> Verdict {
    let (state, unseen, evidence) = match (mark, record) {
        (Mark::First, _) if local => (State::Stale, false, "its owner is gone (no kernel lock)".into()),
        (_, Some(Record { life: Some(there), pid, .. })) => match sys::presence(*pid, there, local) {
            Presence::Running => (State::Held, false, "its process runs".into()),
            Presence::Unseen(why) => (State::Held, true, format!("it cannot be judged from here: {why}")),
            Presence::Gone(why) => (State::Stale, false, why.into()),
        },
        // The very file by its birth, unmarked: about to be renamed when its
        // owner died, or on a system that keeps no marks.
        (Mark::None, Some(r)) if local && r.lock.birth.is_some() => {
            (State::Stale, false, "its owner is gone (no kernel lock)".into())
        }
        (Mark::None, _) => (State::Foreign, false, "made by another program".into()),
        (_, _) => (State::Held, true, "made by dotlock, but nothing tells by whom".into()),
    };
    Verdict {
        state,
        evidence,
        holder: record.map(Record::holder),
        modified: stat.modified,
        size: stat.size,
        unseen,
        id: stat.id,
    }
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

    /// Removes the lock that was judged. The kernel lock that is held since
    /// before the judgement keeps every other dotlock from removing or
    /// renaming it, so the name still leads to it, unless a program that knows
    /// nothing of kernel locks has been at it: looked at once more.
    pub fn remove(self, target: &Target) -> Result<()> {
        let path = target.lock_path();
        if !sys::stat(path).is_ok_and(|s| s.id == self.verdict.id) {
            return Ok(());
        }
        match sys::unlink(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::io("remove the stale lock", path)),
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
        if let Some(life) = dead.life.as_mut() {
            life.start = life.start.map(|s| s + 1);
        }
        assert_eq!(state(Mark::Second, Some(&dead), false), (State::Stale, false));
    }

    #[test]
    fn another_boot_is_proof_on_a_local_file_system_only() {
        let mut old = record(Mark::Second);
        old.life.as_mut().unwrap().boot = Some("another".into());
        assert_eq!(state(Mark::Second, Some(&old), true), (State::Stale, false));
        assert_eq!(state(Mark::Second, Some(&old), false), (State::Held, true));
    }

    #[test]
    fn another_pid_namespace_cannot_be_judged() {
        let mut other = record(Mark::Second);
        other.life.as_mut().unwrap().pid_namespace = Some(1);
        assert_eq!(state(Mark::Second, Some(&other), true), (State::Held, true));
    }

    #[test]
    fn an_unmarked_file_is_foreign_unless_its_record_knows_its_birth() {
        assert_eq!(state(Mark::None, None, true), (State::Foreign, false));
        let mut r = record(Mark::First);
        assert_eq!(state(Mark::None, Some(&r), true), (State::Stale, false));
        assert_eq!(state(Mark::None, Some(&r), false), (State::Foreign, false));
        r.lock.birth = None;
        assert_eq!(state(Mark::None, Some(&r), true), (State::Foreign, false));
    }

    #[test]
    fn a_record_of_another_file_with_the_same_number_does_not_speak() {
        let r = record(Mark::First);
        assert!(r.speaks_of(ID));
        assert!(!r.speaks_of(FileId { birth: Some(8), ..ID }));
        assert!(!r.speaks_of(FileId { number: 43, ..ID }));
        assert!(r.speaks_of(FileId { birth: None, ..ID }));
    }

    #[test]
    fn records_survive_the_trip_and_garbage_is_unreadable() {
        let r = record(Mark::Second);
        assert_eq!(Record::parse(&r.to_bytes()), Some(r.clone()));
        let torn = &r.to_bytes()[..20];
        for bad in [b"".as_slice(), b"{}", b"[1]", b"\x1b[2J", torn, br#"{"v":2}"#] {
            assert_eq!(Record::parse(bad), None);
        }
        for pid in [0_u32, u32::MAX] {
            assert_eq!(Record::parse(&Record { pid, ..r.clone() }.to_bytes()), None);
        }
        let future = Record { v: 2, ..r };
        assert_eq!(Record::parse(&future.to_bytes()), None);
    }

    #[test]
    fn nothing_of_a_record_reaches_the_terminal_uncleaned() {
        let mut r = record(Mark::First);
        r.label = Some("\x1b[31mred\u{202E}".into());
        r.host = "a\nb".into();
        let text = r.holder().to_string();
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202E}'), "{text:?}");
    }
}
