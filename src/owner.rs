//! Who holds a lock: the record that a holder leaves in S.

use crate::error::{Error, Result};
use crate::evidence::{Holder, printable};
use crate::sys::{self, FileId, Host, Kind, Presence, Stat};
use crate::token::LockId;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    #[serde(default, skip_serializing_if = "Purpose::is_write")]
    purpose: Purpose,
    /// What a token must know to be one for this P.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Whose life P hangs on, where no kernel lock can prove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    life: Option<Host>,
    /// When the lease that P hangs on was to end, in milliseconds since 1970.
    /// Renewed, it ends at P's time of modification: that can be set under P's
    /// kernel lock, while S belongs to whoever waits at the head of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// What a lock is held for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// One write by this process; nobody else works under the lock.
    #[default]
    Write,
    /// A command runs under it, and may use what is protected as it likes.
    Run,
    /// Several commands of a script work under it, one after the other.
    Session,
    /// A command runs whose output will replace the file: what it writes there
    /// itself would be undone, so that is refused.
    Update,
}

impl Purpose {
    fn is_write(&self) -> bool {
        *self == Purpose::Write
    }

    /// Whether the holder is going to replace the file himself.
    pub(crate) fn replaces(self) -> bool {
        matches!(self, Purpose::Write | Purpose::Update)
    }
}

/// Whose life a lock hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// That of a process: once it has ended, the lock is stale.
    Process(u32),
    /// Nobody's: the lock is stale after that time, unless it is renewed.
    Lease(Duration),
}

impl Bond {
    /// Makes sure that there is such a life now.
    ///
    /// # Errors
    /// [`Error::Io`] if no such process runs.
    pub fn check(self) -> Result<()> {
        match self {
            Bond::Process(pid) if pid == 0 || !sys::is_running(pid) => Err(Error::Io {
                doing: "let the lock hang on",
                path: format!("process {pid}").into(),
                source: std::io::Error::new(
                    std::io::ErrorKind::NotFound,
                    "no such process; a script's own number is $$",
                ),
            }),
            _ => Ok(()),
        }
    }
}

/// What a record says of its holder's life.
pub(crate) enum Life {
    /// P's kernel lock must tell.
    KernelLock,
    /// It lives; how that is known.
    Lives(String),
    /// It is over; how that is certain.
    Over(&'static str),
    /// It cannot be seen from here; why.
    Unseen(String),
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
            lock: LockId::of(id),
            pid,
            program,
            label: label.map(str::to_owned),
            user: user.unwrap_or_default().to_string_lossy().into_owned(),
            host: sys::host_name(),
            since: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            purpose: Purpose::Write,
            secret: None,
            life: (!kernel_lock_proves_life).then(|| sys::this_host(pid)),
            until: None,
        }
    }

    /// The same, for others to work under who know the `secret`.
    pub fn shared(self, purpose: Purpose, secret: &str) -> Record {
        Record { purpose, secret: Some(secret.to_owned()), ..self }
    }

    /// The same, no longer of this process, but hanging on `bond`.
    pub fn bound(self, bond: Bond) -> Record {
        match bond {
            Bond::Process(pid) => {
                let program = sys::program_of(pid).unwrap_or(self.program);
                Record { pid, program, life: Some(sys::this_host(pid)), until: None, ..self }
            }
            Bond::Lease(time) => Record { life: None, until: Some(millis(SystemTime::now() + time)), ..self },
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

    /// The file number of the P that it speaks of.
    pub fn number(&self) -> u64 {
        self.lock.number
    }

    /// The same, but speaking of no file: none was made in 1970.
    pub fn of_no_file(self) -> Record {
        Record { lock: LockId { birth: Some(0), ..self.lock }, ..self }
    }

    /// Whether it speaks of the file `id`.
    pub fn speaks_of(&self, id: FileId) -> bool {
        self.lock.is(id)
    }

    /// Whether whoever knows `secret` may work under the lock, and what that is
    /// held for.
    pub fn admits(&self, secret: &str) -> Option<Purpose> {
        (self.secret.as_deref() == Some(secret)).then_some(self.purpose)
    }

    /// Whether it is a script's: no process keeps its kernel lock.
    pub fn is_session(&self) -> bool {
        self.purpose == Purpose::Session
    }

    /// Whether nobody works under the lock but its holder.
    pub fn is_for_itself(&self) -> bool {
        self.secret.is_none()
    }

    /// What can be said from here of the life of the holder of the P that is
    /// `lock`. `local`: it lies on a file system that only this machine mounts.
    pub fn life(&self, lock: &Stat, local: bool) -> Life {
        if let Some(end) = self.lease_end(lock) {
            return match SystemTime::now() < end {
                true => {
                    Life::Lives(format!("its lease runs until {}", humantime::format_rfc3339_seconds(end)))
                }
                false => Life::Over("its lease is over"),
            };
        }
        match self.life.as_ref().map(|there| sys::presence(self.pid, there, local)) {
            None => Life::KernelLock,
            Some(Presence::Running) if self.is_session() => {
                Life::Lives("the process that it hangs on runs".into())
            }
            Some(Presence::Running) => Life::Lives("its process runs".into()),
            Some(Presence::Gone(why)) => Life::Over(why),
            Some(Presence::Unseen(why)) => Life::Unseen(why),
        }
    }

    /// When its lease ends, if it hangs on one.
    pub fn lease_end(&self, lock: &Stat) -> Option<SystemTime> {
        let end = UNIX_EPOCH.checked_add(Duration::from_millis(self.until?))?;
        Some(lock.modified.map_or(end, |renewed| renewed.max(end)))
    }

    /// The same in milliseconds since 1970, as it was at first.
    pub fn until(&self) -> Option<u64> {
        self.until
    }

    /// The process that it names.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    #[cfg(test)]
    pub fn edit_life(&mut self, edit: impl FnMut(&mut Host)) {
        self.life.as_mut().into_iter().for_each(edit);
    }

    pub fn holder(&self) -> Holder {
        Holder {
            // A lease is nobody's: who made it has ended.
            pid: self.until.is_none().then_some(self.pid),
            program: printable(&self.program),
            label: self.label.as_deref().map(printable),
            user: printable(&self.user),
            host: printable(&self.host),
            since: humantime::parse_rfc3339(&self.since).ok(),
        }
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What a holder left in S.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub record: Option<Record>,
    /// There is something in S, but no record: torn, hostile, of a later version.
    pub unreadable: bool,
    /// Whose file S is.
    user: Option<u32>,
}

impl Left {
    /// Looks into the S at `path`, whatever may stand there.
    pub fn at(path: &Path) -> Left {
        let Some(stat) = sys::stat(path).ok().filter(|s| s.kind == Kind::Regular) else {
            return Left::default();
        };
        let file = sys::open_to_look(path).ok().filter(|_| stat.size > 0);
        let record = file.and_then(|f| Record::read(&f));
        Left { unreadable: stat.size > 0 && record.is_none(), record, user: Some(stat.owner.0) }
    }

    /// The record, if it can prove something of the P that is `stat`: it names
    /// that very file by number and birth, and is of the same user. Another
    /// could make it name anybody's file; numbers are used again.
    pub fn proof(&self, stat: &Stat) -> Option<&Record> {
        let record = self.record.as_ref().filter(|_| self.user == Some(stat.owner.0))?;
        let births = record.lock.birth.is_some() && stat.id.birth.is_some();
        (births && record.speaks_of(stat.id)).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    const ID: FileId = FileId { volume: 1, number: 42, birth: Some(7) };

    fn record(proves_life: bool) -> Record {
        Record::new(ID, proves_life, Some("test"))
    }

    #[test]
    fn a_record_of_another_file_with_the_same_number_does_not_speak() {
        let r = record(true);
        assert!(r.speaks_of(ID));
        assert!(!r.speaks_of(FileId { birth: Some(8), ..ID }));
        assert!(!r.speaks_of(FileId { number: 43, ..ID }));
        assert!(r.speaks_of(FileId { birth: None, ..ID }));
    }

    #[test]
    fn records_survive_the_trip_and_garbage_is_unreadable() {
        let r = record(false);
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
        let mut r = record(true);
        r.label = Some("\x1b[31mred\u{202E}".into());
        r.host = "a\nb".into();
        let text = r.holder().to_string();
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202E}'), "{text:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_are_taken_for_a_record(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in any::<Index>()) {
            prop_assert_eq!(Record::parse(&bytes), None);
            let whole = record(false).to_bytes();
            // Without the line feed at its end it is whole still.
            prop_assert_eq!(Record::parse(&whole[..cut.index(whole.len() - 1)]), None);
        }

        #[test]
        fn what_is_read_of_a_damaged_record_is_one(damage in proptest::collection::vec(any::<(Index, u8)>(), 0..3)) {
            let mut bytes = record(false).to_bytes();
            for (at, byte) in damage {
                *at.get_mut(&mut bytes) = byte;
            }
            let Some(r) = Record::parse(&bytes) else { return Ok(()) };
            prop_assert!(r.v == VERSION && i32::try_from(r.pid).is_ok_and(|pid| pid > 0));
            prop_assert!(!r.holder().to_string().contains(char::is_control));
            prop_assert_eq!(Record::parse(&r.to_bytes()), Some(r));
        }

        #[test]
        fn a_record_speaks_of_its_own_file_and_of_no_other(
            number in 0..3_u64, birth in proptest::option::of(0..3_u64), other in 0..3_u64, later in 0..3_u64,
        ) {
            let id = FileId { volume: 1, number, birth };
            let r = Record::new(id, true, None);
            let after_a_boot = FileId { volume: 2, ..id };
            prop_assert!(r.speaks_of(after_a_boot));
            let another = FileId { number: other, ..id };
            prop_assert!(other == number || !r.speaks_of(another));
            let newer = FileId { birth: Some(later), ..id };
            prop_assert!(birth.is_none_or(|b| b == later) || !r.speaks_of(newer));
        }
    }
}
