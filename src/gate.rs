//! S, the gate: the queue of the waiters, and the place of the record.
//!
//! Whoever has S's kernel lock is the head of the queue and the only one who
//! writes into S or removes it. Mutual exclusion never rests on it: that is
//! P's, in [`crate::lock`].

use crate::error::{Error, Result};
use crate::owner::Record;
use crate::sys::{self, FileId, Grip, Kind};
use crate::target::Target;
use crate::wait::Try;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// S, with its kernel lock.
#[derive(Debug)]
pub(crate) struct Gate {
    file: File,
    path: PathBuf,
    id: FileId,
    /// The permissions that it was made with, if we made it: those that any new
    /// file gets here, by the umask or the directory's default ACL.
    fresh_mode: Option<u32>,
    /// There is a record of somebody before us.
    has_old_record: bool,
}

/// One try at the gate. `locked` is S, whose kernel lock was waited for. Whoever is
/// to be `announced` wants to be the next to have it, and finds it in place.
///
/// `Done(None)`: another user's S, which cannot be opened, is in the way. The
/// queue's order and the record are lost then, not the exclusion.
pub(crate) fn enter(target: &Target, locked: Option<File>, announced: bool) -> Result<Try<Option<Gate>>> {
    let path = target.gate_path();
    let (file, fresh) = match locked {
        Some(file) => (file, false),
        // Opened first, created only then: in a sticky directory the system
        // refuses to open another's file with O_CREAT (fs.protected_regular).
        None => match sys::open_lock(path, false) {
            Ok(Grip::Taken(file)) => (file, false),
            Ok(Grip::Busy(file)) => {
                // Elsewhere the two kinds of kernel locks may be one.
                if let Some(file) = file.as_ref().filter(|_| announced && sys::is_local(target.lock_dir())) {
                    sys::announce(file);
                }
                return Ok(Try::Busy(file));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => match sys::create_gate(path) {
                Ok(file) if sys::try_lock(&file, false).map_err(Error::io("lock", path))? => (file, true),
                // Somebody was faster.
                Ok(file) => return Ok(Try::Busy(Some(file))),
                Err(e) if sys::is_contended(&e, path) => return Ok(Try::Again),
                Err(e) => return Err(cannot_create(target, e)),
            },
            Err(e) => match sys::stat(path) {
                Ok(s) if s.kind != Kind::Regular => return Err(not_a_gate(target, s.kind)),
                Ok(_) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(Try::Done(None)),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(Try::Again),
                _ => return Err(Error::io("open", path)(e)),
            },
        },
    };
    let stat = sys::fstat(&file).map_err(Error::io("examine", path))?;
    if stat.kind != Kind::Regular {
        return Err(not_a_gate(target, stat.kind));
    }
    if stat.links > 1 {
        let why = "it is also another file (a hard link), which the record would overwrite; remove it";
        return Err(Error::refused(path, why));
    }
    let gate = Gate {
        file,
        path: path.to_owned(),
        id: stat.id,
        fresh_mode: fresh.then_some(stat.mode),
        has_old_record: stat.size > 0,
    };
    // Whoever had it before may have removed it: then this file is nobody's.
    if gate.is_at_its_path() {
        return Ok(Try::Done(Some(gate)));
    }
    sys::unlock(&gate.file);
    Ok(Try::Again)
}

fn cannot_create(target: &Target, source: io::Error) -> Error {
    let missing = source.kind() == io::ErrorKind::NotFound;
    let path = target.gate_path();
    if missing && !target.dir().is_dir() {
        let source = io::Error::new(source.kind(), "no such directory (--parents makes it)");
        return Error::Io { doing: "write in", path: target.dir().to_owned(), source };
    }
    Error::Io { doing: "create", path: path.to_owned(), source }
}

fn not_a_gate(target: &Target, kind: Kind) -> Error {
    let why =
        format!("it is {}, where only dotlock puts files; see what made it, and remove it", kind.describe());
    Error::refused(target.gate_path(), why)
}

impl Gate {
    /// The permissions that a new file gets in this directory, if they are known.
    pub fn fresh_mode(&self) -> Option<u32> {
        self.fresh_mode
    }

    /// The record of one who died after P was gone, or let go before he could
    /// remove S.
    pub fn old_record(&self) -> Option<Record> {
        if self.has_old_record { Record::read(&self.file) } else { None }
    }

    /// The time by the clock of its file system.
    pub fn now(&self) -> Option<std::time::SystemTime> {
        sys::touch(&self.file).ok()
    }

    /// Says who holds P.
    pub fn write(&self, record: &Record) -> Result<()> {
        sys::overwrite(&self.file, &record.to_bytes()).map_err(Error::io("write the record into", &self.path))
    }

    /// Says who holds P, so that a power cut does not make it forgotten.
    pub fn write_durably(&self, record: &Record) -> Result<()> {
        self.write(record)?;
        sys::sync_file(&self.file, sys::Sync::Data).map_err(Error::io("sync", &self.path))
    }

    /// Leaves the gate to others, with the record that speaks for P.
    pub fn stand(&self) {
        sys::unlock(&self.file);
    }

    /// Lets the record speak for no P any more, but still name the files that its
    /// holder had staged and could not remove.
    pub fn disown(&self) -> io::Result<()> {
        match Record::read(&self.file) {
            Some(record) => sys::overwrite(&self.file, &record.of_no_file().to_bytes()),
            None => Ok(()),
        }
    }

    /// Empties the record: it speaks for no P any more.
    pub fn clear(&self) -> io::Result<()> {
        sys::overwrite(&self.file, b"")
    }

    fn is_at_its_path(&self) -> bool {
        sys::stat(&self.path).is_ok_and(|s| s.id == self.id)
    }

    /// Leaves the gate for good; its record speaks for no P, which the caller has
    /// seen to. If others sleep on S's kernel lock, the first of them finds it in
    /// place, and the order of the queue is kept: removed, it would send all of
    /// them to look for a new one. If nobody does, it goes.
    pub fn remove(&self) {
        if !(sys::is_awaited(&self.file) && self.clear().is_ok()) {
            return self.unlink();
        }
        sys::unlock(&self.file);
        // Who gave up before that could not remove it. What he saw or we see now:
        // one of us finds it free. With a record in it, it is another's by now.
        let nobodys = || self.file.metadata().is_ok_and(|m| m.len() == 0);
        if !sys::is_awaited(&self.file) && sys::try_lock(&self.file, false).unwrap_or(false) {
            match nobodys() {
                true => self.unlink(),
                false => sys::unlock(&self.file),
            }
        }
    }

    /// The only place that removes S: its kernel lock is ours, its path leads
    /// to it, and its record speaks for no P.
    /// The name goes before the lock, so that whoever gets the lock can tell.
    fn unlink(&self) {
        if self.is_at_its_path() {
            // What is left behind here harms nobody: the next acquirer uses it.
            let _ = sys::unlink(&self.path);
        }
        sys::unlock(&self.file);
    }

    /// Leaves the gate, and removes S unless its record speaks for the P that
    /// stands there.
    pub fn leave(&self, target: &Target) {
        let Some(record) = Record::read(&self.file) else { return self.remove() };
        if sys::stat(target.lock_path()).is_ok_and(|s| record.speaks_of(s.id)) {
            return sys::unlock(&self.file);
        }
        let _ = sys::remove_tree(&target.stage_dir(record.number()));
        self.remove();
    }
}

/// What a waiter does that gives up: it tries S once, and leaves nothing behind
/// where it can.
pub(crate) fn sweep(target: &Target) {
    // Not through `enter`, which would create it.
    if let Ok(Grip::Taken(file)) = sys::open_lock(target.gate_path(), false)
        && let Ok(Try::Done(Some(gate))) = enter(target, Some(file), false)
    {
        gate.leave(target);
    }
}
