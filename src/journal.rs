//! The journal of the write queue: J, to which producers append, and A, the one
//! set aside whose entries are being written into the target.
//!
//! This file knows how a journal is opened, appended to, set aside, and what a
//! journal set aside comes to after a death. Who drains, and how entries are
//! applied, is [`crate::queue`]'s. [`crate::lock`] calls [`settle`], since it is
//! the next one to change the target who still can tell.

mod frame;

pub use frame::Change;
pub(crate) use frame::{Draft, Fate, Frame, HEADER, Header, Kind, LONGEST, Name, Stage, Tail};

use crate::error::{Error, Result};
use crate::sys::{self, FileId, Grip, Mark, Stat, Sync};
use crate::target::Target;
use crate::token::LockId;
use frame::{BOOT_AT, FATE_AT, NAME_AT, STAGE_AT};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long at most it is waited for the kernel lock of a journal set aside.
const PATIENCE: Duration = Duration::from_secs(10);
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

    /// Lets go of it, but keeps it in sight; and where it was made just now, whose
    /// name is to be made durable.
    pub fn watch(self) -> Result<(File, bool)> {
        let (fresh, path) = (self.fresh, self.path);
        let look = sys::keep_looking(self.file, &path).map_err(Error::io("open", &path))?;
        Ok((look, fresh))
    }

    fn remove(&self) -> io::Result<()> {
        let there = sys::stat(&self.path).is_ok_and(|s| s.id == self.id);
        if there { sys::unlink(&self.path) } else { Ok(()) }
    }

    /// Sets it aside, if it holds anything; else removes it. There is no A, and
    /// nobody else can make one, as P is ours. What cannot be read is not moved.
    pub fn set_aside(self, target: &Target, boot: u64) -> Result<Option<Aside>> {
        let aside = Aside::read(self.file, &self.path)?;
        if aside.scan.end <= HEADER || aside.is_over(boot) {
            sys::unlink(&self.path).map_err(Error::io("remove", &self.path))?;
            return Ok(None);
        }
        if let Tail::Torn(_) = aside.scan.tail {
            let failed = Error::io("cut off", &self.path);
            sys::set_len(&aside.file, aside.scan.end as u64).map_err(failed)?;
        }
        let path = target.aside_path();
        sys::rename_new(&self.path, &path).map_err(Error::io("set aside", &self.path))?;
        // Whoever waited for it finds that it is not J any more. Meanwhile an entry
        // may have been taken back.
        sys::unlock(&aside.file);
        sys::lock_until(&aside.file, None).map_err(Error::io("lock", &path))?;
        aside.read_again(&path).map(Some)
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

/// A, the journal set aside, with its kernel lock. Whoever has P works on it; its
/// kernel lock keeps producers from taking entries back meanwhile.
#[derive(Debug)]
pub(crate) struct Aside {
    file: Locked,
    path: PathBuf,
    pub bytes: Vec<u8>,
    pub header: Header,
    pub scan: frame::Scan,
}

/// Lets go of its kernel lock when it is dropped: a command that was started would
/// keep it otherwise.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        sys::unlock(&self.0);
    }
}

impl std::ops::Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

/// What became of the entries of a journal that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They are not in the target.
    Pending,
    /// They are.
    Applied,
    /// Perhaps a part of them is, behind so many bytes of it: to be completed.
    Half(u64),
    /// That cannot be told.
    Unknown,
}

impl Aside {
    /// Opens A, which the caller, having P, has for himself.
    pub fn open(target: &Target) -> Result<Option<Aside>> {
        let path = target.aside_path();
        match sys::stat(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("examine", &path))?,
        };
        // Producers who wait to append have it for a moment, till they look; a drainer
        // has it till he is done, which he may be after P is free.
        let end = Instant::now() + PATIENCE;
        let file = loop {
            match sys::open_lock(&path, false) {
                Ok(Grip::Taken(file)) => break file,
                Ok(Grip::Busy(Some(file))) => match sys::lock_until(&file, Some(end)) {
                    Ok(true) => break file,
                    Ok(false) => return Err(busy(&path)),
                    Err(e) => return Err(Error::io("lock", &path)(e)),
                },
                Ok(Grip::Busy(None)) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                Ok(Grip::Busy(None)) => return Err(busy(&path)),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(Error::io("open", &path)(e)),
            }
        };
        let stat = sys::fstat(&file).map_err(Error::io("examine", &path))?;
        if stat.kind != sys::Kind::Regular {
            return Err(no_journal(&path));
        }
        // He is done, and has removed it; nobody has made another, as P is ours.
        if !sys::stat(&path).is_ok_and(|s| s.id == stat.id) {
            sys::unlock(&file);
            return Ok(None);
        }
        Aside::read(file, &path).map(Some)
    }

    /// Reads what `file` holds, which is at `path`, and whose kernel lock is ours. One
    /// that is damaged is an error.
    pub fn read(file: File, path: &Path) -> Result<Aside> {
        let aside = Aside::look(file, path)?;
        aside.check()?;
        Ok(aside)
    }

    /// That it is not damaged.
    pub fn check(&self) -> Result<()> {
        if self.scan.tail == Tail::Bad { Err(bad(&self.path, self.scan.end)) } else { Ok(()) }
    }

    /// Reads what `file` holds, whoever works on it.
    pub fn look(file: File, path: &Path) -> Result<Aside> {
        let bytes = read_all(&file).map_err(Error::io("read the queue", path))?;
        let scan = frame::scan(&bytes);
        let header = match Header::of(&bytes) {
            Some(header) => header,
            // What a power cut leaves of one that was not durable.
            None if bytes.len() < HEADER || bytes[..HEADER].iter().all(|&b| b == 0) => {
                Header { boot: 0, stage: Stage::Pending, name: None }
            }
            None => return Err(no_journal(path)),
        };
        Ok(Aside { file: Locked(file), path: path.to_owned(), bytes, header, scan })
    }

    fn read_again(self, path: &Path) -> Result<Aside> {
        let bytes = read_all(&self.file).map_err(Error::io("read the queue", path))?;
        let scan = frame::scan(&bytes);
        Ok(Aside { path: path.to_owned(), bytes, scan, ..self })
    }

    /// The entries that are to be applied, in order.
    ///
    /// One whose producer waited for it, and that no power cut could spare, is none
    /// after the system has ended: its producer ended with it, was told nothing, and
    /// the name that would tell that it is in the target may be lost.
    pub fn entries(&self, boot: u64) -> impl Iterator<Item = &Frame> {
        let extends = matches!(self.header.name, Some(Name::Extend { .. }));
        let lives = move |f: &&Frame| f.durable || f.boot == boot || extends;
        self.scan
            .frames
            .iter()
            .filter(|f| f.fate == Fate::Open && matches!(f.kind, Kind::Entry(_)))
            .filter(lives)
    }

    pub fn payload(&self, frame: &Frame) -> &[u8] {
        &self.bytes[frame.payload.clone()]
    }

    /// Nothing in it is to be applied.
    fn is_over(&self, boot: u64) -> bool {
        self.header.name.is_none() && self.entries(boot).next().is_none()
    }

    /// What became of its entries, by what the target is now.
    ///
    /// The target itself is the sign of a commit: it is the file that the name
    /// announced, or still the one that was there before. When it is neither,
    /// another has replaced it since, and what was noted after the commit tells. A
    /// dotlock settles this before it replaces the target, or removes P; so only
    /// another program can take both signs away, and only if the drainer died
    /// between its rename and its next step, or somebody has removed its P by hand.
    pub fn outcome(&self, now: Option<&Stat>) -> Outcome {
        let (stage, is) = (self.header.stage, |id: LockId| now.is_some_and(|s| id.is(s.id)));
        match self.header.name {
            _ if stage == Stage::Durable => Outcome::Applied,
            None => Outcome::Pending,
            Some(Name::Replace { new, .. }) if is(new) => Outcome::Applied,
            // Before the note: that may survive a power cut which undid the rename.
            Some(Name::Replace { old, .. }) if old.map_or(now.is_none(), is) => Outcome::Pending,
            Some(Name::Extend { old, base }) if is(old) => self.extent(base, now),
            Some(_) if stage == Stage::Applied => Outcome::Applied,
            Some(_) => Outcome::Unknown,
        }
    }

    fn extent(&self, base: u64, now: Option<&Stat>) -> Outcome {
        let size = now.map_or(0, |s| s.size);
        if size < base { Outcome::Unknown } else { Outcome::Half(base) }
    }

    /// Writes down what the commit is about to do; durably, if it matters. It does
    /// unless every entry is void after a power cut anyway.
    pub fn name(&mut self, name: Name, boot: u64) -> Result<()> {
        self.header.name = Some(name);
        let failed = || Error::io("write into the queue", &self.path);
        sys::write_at(&self.file, &name.to_bytes(), NAME_AT).map_err(failed())?;
        let extends = matches!(name, Name::Extend { .. });
        if boot == 0 || extends || self.scan.frames.iter().any(|f| f.durable) {
            self.sync()?;
        }
        if extends {
            let dir = self.path.parent().unwrap_or(Path::new("."));
            sys::sync_dir(dir).map_err(Error::io("sync", dir))?;
        }
        Ok(())
    }

    /// The commit did not come to pass.
    pub fn clear_name(&mut self) -> Result<()> {
        self.header.name = None;
        let failed = Error::io("write into the queue", &self.path);
        sys::write_at(&self.file, &[0; 8], NAME_AT).map_err(failed)?;
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        sys::sync_file(&self.file, Sync::Data).map_err(Error::io("sync", &self.path))
    }

    /// Notes how far it has come.
    pub fn set_stage(&mut self, stage: Stage) -> Result<()> {
        self.header.stage = stage;
        let failed = Error::io("write into the queue", &self.path);
        sys::write_at(&self.file, &stage.word(), STAGE_AT).map_err(failed)
    }

    /// Lets an entry's producer know that it cannot be applied, and why.
    pub fn reject(&mut self, at: u64, why: &str, boot: u64) -> Result<()> {
        let draft = Draft {
            kind: Kind::Note(at),
            durable: false,
            in_place: false,
            seq: 0,
            pid: std::process::id(),
            time: 0,
            boot,
            label: "",
            payload: why.as_bytes(),
        };
        let mut note = Vec::new();
        draft.write(&mut note, self.scan.end as u64);
        let failed = || Error::io("write into the queue", &self.path);
        sys::write_at(&self.file, &note, self.scan.end as u64).map_err(failed())?;
        self.scan.end += note.len();
        mark(&self.file, &[at], Fate::Rejected).map_err(failed())?;
        self.scan.frames.iter_mut().filter(|f| f.at == at).for_each(|f| f.fate = Fate::Rejected);
        Ok(())
    }

    /// Takes entries back, as nobody works on it just now.
    pub fn withdraw(&self, places: &[u64]) -> Result<()> {
        mark(&self.file, places, Fate::Withdrawn).map_err(Error::io("take an entry back from", &self.path))
    }

    /// It is dealt with: whoever waits for an entry of it is told, and it goes.
    pub fn finish(mut self) -> Result<()> {
        self.set_stage(Stage::Durable)?;
        match sys::unlink(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(Error::io("remove", &self.path)),
        }
    }

    /// What was to be written behind the target where that stands.
    fn extension(&self, boot: u64) -> Vec<u8> {
        self.entries(boot).flat_map(|f| self.payload(f)).copied().collect()
    }

    /// Writes the entries behind the first `base` bytes of the target, where it
    /// stands. Done twice, it changes nothing the second time; what somebody else
    /// has put there is not overwritten.
    pub fn extend(&self, target: &Target, base: u64, boot: u64, how: Sync) -> Result<bool> {
        let path = target.path();
        let failed = || Error::io("append to", path);
        let bytes = self.extension(boot);
        let file = sys::open_to_change(path).map_err(failed())?;
        let mut there = vec![0; bytes.len()];
        let got = sys::read_at(&file, &mut there, base).map_err(failed())?;
        // A power cut may keep a file's length and lose what is in it.
        if there[..got].iter().zip(&bytes).any(|(a, b)| a != b && *a != 0) {
            return Ok(false);
        }
        if (there != bytes || got < bytes.len())
            && let Err(e) = sys::write_at(&file, &bytes, base)
        {
            // As it was, unless there was a part of it before.
            if got == 0 {
                let _ = sys::set_len(&file, base);
            }
            return Err(failed()(e));
        }
        sys::sync_file(&file, how).map_err(Error::io("sync", path))?;
        Ok(true)
    }
}

/// By what a producer sees how far its journal has come, through a descriptor that
/// it has kept.
pub(crate) fn stage_of(look: &File) -> io::Result<Stage> {
    let mut word = [0; 8];
    sys::read_at(look, &mut word, STAGE_AT)?;
    Ok(Stage::of(word))
}

/// The same for what became of one entry.
pub(crate) fn fate_of(look: &File, at: u64) -> io::Result<Fate> {
    let mut byte = [0];
    sys::read_at(look, &mut byte, at + FATE_AT)?;
    Ok(Fate::of(byte[0]))
}

/// What was noted of the entry at `at`.
pub(crate) fn note_on(look: &File, at: u64) -> Option<String> {
    let bytes = read_all(look).ok()?;
    let notes = frame::scan(&bytes).frames;
    let note = notes.iter().find(|f| f.kind == Kind::Note(at))?;
    Some(String::from_utf8_lossy(&bytes[note.payload.clone()]).into_owned())
}

/// Settles what became of a journal set aside, for whoever has P and is about to
/// change the target, or is about to remove the P of a dead one: afterwards the
/// target could not tell any more. Costs a look for A, which is hardly ever there.
pub(crate) fn settle(target: &Target) -> Result<()> {
    if sys::stat(&target.aside_path()).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    // One that cannot be read or written stays as it is: then nobody will claim
    // to know what became of it.
    let Ok(Some(mut aside)) = Aside::open(target) else { return Ok(()) };
    let now = sys::stat(target.path()).ok();
    match (aside.header.name, aside.outcome(now.as_ref())) {
        (None, _) | (_, Outcome::Unknown) => {}
        (_, Outcome::Applied) if aside.header.stage != Stage::Pending => {}
        (_, Outcome::Applied) => drop(aside.set_stage(Stage::Applied)),
        (_, Outcome::Pending) => drop(aside.clear_name()),
        (_, Outcome::Half(base)) => {
            if aside.extend(target, base, boot(), Sync::Data)? {
                let _ = aside.finish();
            }
        }
    }
    Ok(())
}
