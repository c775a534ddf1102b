//! The journal of the write queue: J, to which producers append, and A, the one
//! set aside whose entries are being written into the target.
//!
//! This file knows how a journal is opened, appended to, set aside, and what a
//! journal set aside comes to after a death. Who drains, and how entries are
//! applied, is [`crate::queue`]'s. [`crate::lock`] calls [`settle`], since it is
//! the next one to change the target who still can tell.

mod aside;
mod frame;

pub(crate) use aside::{Aside, Outcome, fate_of, note_on, settle, stage_of};
pub use frame::Change;
pub(crate) use frame::{Draft, Fate, Frame, HEADER, Header, Kind, LONGEST, Name, Stage, Tail};

use crate::error::{Error, Result};
use crate::sys::{self, FileId, Grip, Mark, Sync};
use crate::target::Target;
use crate::token::LockId;
use frame::{BOOT_AT, FATE_AT};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So much of a journal's end is read at once, to look at the last frame.
const LOOK: u64 = 4096;

/// Which run of the system this is, as a number; 0 where that is not known.
pub(crate) fn boot() -> u64 {
    let hash = |id: String| {
        id.bytes().fold(0xCBF2_9CE4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3))
    };
    sys::boot().map_or(0, hash)
}

/// A file as a name remembers it.
pub(crate) fn id_of(id: FileId) -> LockId {
    LockId { birth: id.birth.filter(|_| sys::NUMBERS_COME_BACK), ..LockId::of(id) }
}

/// A journal, with its kernel lock.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    id: FileId,
    /// It was made just now: its name is not durable yet.
    fresh: bool,
}

/// What became of entries that were to be appended.
pub(crate) enum Appended {
    /// They stand there.
    At(Vec<u64>),
    /// So many are pending that they have to wait.
    Full,
    /// It was set aside once, and a power cut has undone that: to be drained first.
    Named,
}

impl Journal {
    /// Opens J with its kernel lock, and makes sure that its path leads to it; makes
    /// it, or returns `None`, if there is none. Others have the lock for moments
    /// only; they are waited for until `end`.
    pub fn open(target: &Target, make: bool, end: Option<Instant>) -> Result<Option<Journal>> {
        let path = target.queue_path();
        loop {
            let (file, fresh) = match sys::open_lock(&path, false) {
                Ok(Grip::Taken(file)) => (file, false),
                Ok(Grip::Busy(Some(file))) => match sys::lock_until(&file, end) {
                    Ok(true) => (file, false),
                    Ok(false) => return Err(busy(&path)),
                    Err(e) => return Err(Error::io("lock", &path)(e)),
                },
                // The system wakes nobody.
                Ok(Grip::Busy(None)) if end.is_some_and(|end| end <= Instant::now()) => {
                    return Err(busy(&path));
                }
                Ok(Grip::Busy(None)) => {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound && !make => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::NotFound => match create_like(target, &path) {
                    Ok(file) if sys::try_lock(&file, false).map_err(Error::io("lock", &path))? => {
                        (file, true)
                    }
                    // Somebody was faster.
                    Ok(_) => continue,
                    Err(e) if sys::is_contended(&e, &path) => continue,
                    Err(e) if e.kind() == io::ErrorKind::NotFound && !target.dir().is_dir() => {
                        let source = io::Error::new(e.kind(), "no such directory");
                        return Err(Error::io("write in", target.dir())(source));
                    }
                    Err(e) => return Err(Error::io("create", &path)(e)),
                },
                Err(e) => return Err(unfit(&path).unwrap_or_else(|| Error::io("open", &path)(e))),
            };
            let stat = sys::fstat(&file).map_err(Error::io("examine", &path))?;
            if stat.kind != sys::Kind::Regular || stat.links > 1 {
                return Err(unfit(&path).unwrap_or_else(|| no_journal(&path)));
            }
            // It may have been set aside meanwhile.
            if sys::stat(&path).is_ok_and(|s| s.id == stat.id) {
                return Ok(Some(Journal { file, path, id: stat.id, fresh }));
            }
            sys::unlock(&file);
        }
    }

    pub fn id(&self) -> FileId {
        self.id
    }

    /// Appends entries that `draft` makes, given the number of those before; in one
    /// write. Cuts off what an append left that was never completed, and tells how
    /// much that was.
    pub fn append<'a>(
        &self,
        boot: u64,
        most: Option<u64>,
        drafts: impl Iterator<Item = Draft<'a>>,
    ) -> Result<(Appended, usize)> {
        let failed = || Error::io("write into the queue", &self.path);
        let size = sys::fstat(&self.file).map_err(failed())?.size;
        let (size, next, torn) = match self.end(size, boot)? {
            End::At { size, next, torn } => (size, next, torn),
            End::Named => return Ok((Appended::Named, 0)),
        };
        if most.is_some_and(|most| next >= most) {
            return Ok((Appended::Full, torn));
        }
        let mut bytes = if size == 0 { Header::fresh(boot).to_vec() } else { Vec::new() };
        let mut places = Vec::new();
        for (i, draft) in drafts.enumerate() {
            places.push(size + bytes.len() as u64);
            Draft { seq: next + i as u64, ..draft }.write(&mut bytes, size);
        }
        if let Err(e) = sys::write_at(&self.file, &bytes, size) {
            // Nobody has seen it: the kernel lock is ours still.
            if size == 0 {
                let _ = self.remove();
            } else {
                let _ = sys::set_len(&self.file, size);
            }
            return Err(failed()(e));
        }
        Ok((Appended::At(places), torn))
    }

    /// Where the next entry goes; after a kill or a power cut, once what is torn is
    /// cut off.
    fn end(&self, size: u64, boot: u64) -> Result<End> {
        let failed = || Error::io("read the queue", &self.path);
        if size == 0 {
            return Ok(End::At { size, next: 0, torn: 0 });
        }
        let mut head = [0; HEADER];
        let got = sys::read_at(&self.file, &mut head, 0).map_err(failed())?;
        let Some(header) = Header::of(&head[..got]) else {
            // Its first write was never completed, or is lost by a power cut.
            let magic = crate::target::QUEUE_MAGIC;
            let begun = got < HEADER && magic.starts_with(&head[..got.min(magic.len())]);
            if !begun && head[..got].iter().any(|&b| b != 0) {
                return Err(no_journal(&self.path));
            }
            sys::set_len(&self.file, 0).map_err(Error::io("cut off", &self.path))?;
            return Ok(End::At { size: 0, next: 0, torn: size as usize });
        };
        if header.name.is_some() {
            return Ok(End::Named);
        }
        if header.boot == boot && boot != 0 {
            if size == HEADER as u64 {
                return Ok(End::At { size, next: 0, torn: 0 });
            }
            // Within a run of the system writes are not reordered: the last frame
            // is whole, so those before are.
            if let Some(Frame { kind: Kind::Entry(_), seq, .. }) = self.last(size).map_err(failed())? {
                return Ok(End::At { size, next: seq + 1, torn: 0 });
            }
        }
        let bytes = read_all(&self.file).map_err(failed())?;
        let scan = frame::scan(&bytes);
        let torn = match scan.tail {
            Tail::Clean => 0,
            Tail::Torn(n) => {
                sys::set_len(&self.file, scan.end as u64).map_err(Error::io("cut off", &self.path))?;
                n
            }
            Tail::Bad => return Err(bad(&self.path, scan.end)),
        };
        sys::write_at(&self.file, &boot.to_le_bytes(), BOOT_AT)
            .map_err(Error::io("write into the queue", &self.path))?;
        let entries = scan.frames.iter().filter(|f| matches!(f.kind, Kind::Entry(_)));
        let next = entries.map(|f| f.seq + 1).max().unwrap_or(0);
        Ok(End::At { size: scan.end as u64, next, torn })
    }

    /// The last frame, if it is whole.
    fn last(&self, size: u64) -> io::Result<Option<Frame>> {
        let mut look = LOOK.min(size - HEADER as u64);
        loop {
            let mut bytes = vec![0; look as usize];
            let got = sys::read_at(&self.file, &mut bytes, size - look)?;
            let Some(length) = frame::length_before(&bytes).filter(|_| got == bytes.len()) else {
                return Ok(None);
            };
            if length as u64 > size - HEADER as u64 {
                return Ok(None);
            }
            if length <= bytes.len() {
                let found = frame::frame_at(&bytes, bytes.len() - length, size - look);
                return Ok(found.filter(|(_, end)| *end == bytes.len()).map(|(frame, _)| frame));
            }
            look = length as u64;
        }
    }

    /// Takes entries back: nobody will apply them.
    pub fn withdraw(&self, places: &[u64]) -> Result<()> {
        mark(&self.file, places, Fate::Withdrawn).map_err(Error::io("take an entry back from", &self.path))
    }

    /// Lets go of it, but keeps it in sight; what was appended becomes as durable as
    /// `how` says, which is told for itself, as the entries stand there already.
    pub fn watch(self, how: Sync) -> Result<(File, Result<()>)> {
        let (fresh, path) = (self.fresh, self.path);
        let (look, synced) = sys::keep_looking(self.file, &path, how).map_err(Error::io("open", &path))?;
        let dir = path.parent().unwrap_or(Path::new("."));
        let synced =
            synced.map_err(Error::io("sync", &path)).and_then(|()| match fresh && how != Sync::None {
                true => sys::sync_dir(dir).map_err(Error::io("sync", dir)),
                false => Ok(()),
            });
        Ok((look, synced))
    }

    fn remove(&self) -> io::Result<()> {
        let there = sys::stat(&self.path).is_ok_and(|s| s.id == self.id);
        if there { sys::unlink(&self.path) } else { Ok(()) }
    }

    /// Sets it aside, if it holds anything; else removes it. There is no A, and
    /// nobody else can make one, as P is ours. What cannot be read is not moved.
    pub fn set_aside(self, target: &Target, boot: u64) -> Result<Option<Aside>> {
        Aside::take(self.file, &self.path, target, boot)
    }
}

enum End {
    At { size: u64, next: u64, torn: usize },
    Named,
}

/// Makes a file that goes with the target, with its permissions: it holds the same.
pub(crate) fn create_like(target: &Target, path: &Path) -> io::Result<File> {
    match sys::stat(target.path()) {
        Ok(like) => {
            let file = sys::create_lock(path, Mark::None)?;
            // Where there are no such permissions, there is nothing to do.
            let mode = like.mode & 0o666 | 0o600;
            if like.mode != 0 && mode != 0o600 {
                sys::set_mode(&file, mode, false)?;
            }
            Ok(file)
        }
        Err(_) => sys::create_gate(path),
    }
}

fn mark(file: &File, places: &[u64], fate: Fate) -> io::Result<()> {
    places.iter().try_for_each(|at| sys::write_at(file, &[fate.byte()], at + FATE_AT))
}

pub(crate) fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let size = sys::fstat(file)?.size;
    let mut bytes = vec![0; size as usize];
    let got = sys::read_at(file, &mut bytes, 0)?;
    bytes.truncate(got);
    Ok(bytes)
}

fn busy(path: &Path) -> Error {
    let source = io::Error::new(io::ErrorKind::TimedOut, "another process keeps it locked");
    Error::Io { doing: "write into the queue", path: path.to_owned(), source }
}

fn no_journal(path: &Path) -> Error {
    let why =
        "it is not a write queue of dotlock, but has the name of one; see what made it, and move it away";
    Error::refused(path, why)
}

fn unfit(path: &Path) -> Option<Error> {
    let stat = sys::stat(path).ok()?;
    (stat.kind != sys::Kind::Regular || stat.links > 1).then(|| no_journal(path))
}

fn bad(path: &Path, at: usize) -> Error {
    let why = format!(
        "bad checksum at byte {at}, and whole entries behind it; nothing was moved. See 'dotlock queue list \
         --verify', keep a copy of the file, and move it away"
    );
    Error::io("read the queue", path)(io::Error::new(io::ErrorKind::InvalidData, why))
}
