//! A, the journal set aside, and what becomes of it after a death.

use super::frame::{self, FATE_AT, NAME_AT, STAGE_AT};
use super::{
    Draft, Fate, Frame, HEADER, Header, Kind, Name, Stage, Tail, bad, boot, busy, mark, no_journal, read_all,
};
use crate::error::{Error, Result};
use crate::sys::{self, Grip, Stat, Sync};
use crate::target::Target;
use crate::token::LockId;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long at most it is waited for the kernel lock of a journal set aside.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// Sets J aside: `file`, which is at `path`, and whose kernel lock is ours.
    pub(super) fn take(file: File, path: &Path, target: &Target, boot: u64) -> Result<Option<Aside>> {
        let aside = Aside::read(file, path)?;
        if aside.scan.end <= HEADER || aside.is_over(boot) {
            sys::unlink(path).map_err(Error::io("remove", path))?;
            return Ok(None);
        }
        if let Tail::Torn(_) = aside.scan.tail {
            sys::set_len(&aside.file, aside.scan.end as u64).map_err(Error::io("cut off", path))?;
        }
        let to = target.aside_path();
        sys::rename_new(path, &to).map_err(Error::io("set aside", path))?;
        // Whoever waited for it finds that it is not J any more. Meanwhile an entry
        // may have been taken back.
        sys::unlock(&aside.file);
        sys::lock_until(&aside.file, None).map_err(Error::io("lock", &to))?;
        aside.read_again(&to).map(Some)
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
