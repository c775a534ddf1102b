//! What stands beside the target for the time of a lock: directories made for
//! it, staged files that need a name, and a backup until the commit.
//!
//! What needs a name lies in a directory that is called after P's file number.
//! So whoever breaks P knows it without being told, even after a power cut that
//! cost the record. It is made after P and removed before P; only when P is
//! renamed away does it outlive P for a moment, and then the record in S, which
//! is removed still later, names it to the next acquirer.

use super::{Lock, list, not_ended, remove_dirs};
use crate::error::{Error, Result};
use crate::sys::{self, Sync};
use crate::target::Target;
use std::io;
use std::path::{Path, PathBuf};

/// Directories made for one target, removed again unless kept.
#[derive(Debug, Default)]
pub(crate) struct Parents(Vec<PathBuf>);

impl Parents {
    /// Makes those that `target` lacks.
    pub fn make(target: &Target) -> Result<Parents> {
        let missing: Vec<_> = target.dir().ancestors().take_while(|d| !d.exists()).collect();
        let mut made = Parents::default();
        for dir in missing.into_iter().rev() {
            // On the list from the moment it is there.
            let mut list = list();
            not_ended(&list, target)?;
            match sys::create_dir(dir) {
                Ok(()) => {
                    list.dirs.push(dir.to_owned());
                    made.0.push(dir.to_owned());
                }
                // Somebody else made it.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    drop(list);
                    return Err(Error::io("make the directory", dir)(e));
                }
            }
        }
        Ok(made)
    }

    /// They are needed; their names become durable, if that is asked for.
    pub fn keep(mut self, target: &Target, how: Sync) -> Result<()> {
        let made = std::mem::take(&mut self.0);
        list().dirs.retain(|d| !made.contains(d));
        for dir in made.iter().filter(|_| how == Sync::Full).filter_map(|d| d.parent()) {
            let undurable = |source| Error::NotDurable { target: target.path().to_owned(), source };
            sys::sync_dir(dir).map_err(undurable)?;
        }
        Ok(())
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        let mut list = list();
        let mine = |d: &PathBuf| self.0.contains(d);
        if list.dirs.iter().any(mine) {
            list.dirs.retain(|d| !mine(d));
            remove_dirs(&self.0);
        }
    }
}

/// A staged file that was moved beside the target, and what it replaced there.
#[derive(Debug)]
pub(super) struct Placed {
    pub at: PathBuf,
    /// Where that is now.
    older: Older,
}

/// What a staged file replaced when it was moved to its name.
#[derive(Debug)]
enum Older {
    Nothing,
    Kept(PathBuf),
    /// There are no hard links, so it could not be kept: what replaced it stays, as
    /// it has what the target had.
    Gone,
}

impl Placed {
    /// Puts things back as they were.
    pub fn undo(&self) {
        let _ = match &self.older {
            Older::Kept(older) => sys::rename(older, &self.at),
            Older::Nothing => sys::unlink(&self.at),
            Older::Gone => Ok(()),
        };
    }
}

impl Lock {
    /// A directory for files that need a name until the commit, which nobody else
    /// may look into. It goes with the lock.
    pub(crate) fn stage(&self) -> Result<PathBuf> {
        let dir = self.target().stage_dir(self.p.id.number);
        let mut things = self.entry.making()?;
        if !things.staged {
            let made = match sys::create_private_dir(&dir) {
                // Of one who had this number, and whose P was removed by hand.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    sys::remove_tree(&dir).and_then(|()| sys::create_private_dir(&dir))
                }
                made => made,
            };
            made.map_err(Error::io("make the directory", &dir))?;
            things.staged = true;
        }
        Ok(dir)
    }

    /// Moves the staged file `new` to `at`, which must not exist, unless `over`
    /// lets it replace what is there. Undone if the lock is not committed.
    pub(crate) fn place(&self, new: &Path, at: &Path, over: bool) -> io::Result<()> {
        let list = list();
        let ended = |e: Error| io::Error::new(io::ErrorKind::Interrupted, e);
        not_ended(&list, self.target()).map_err(ended)?;
        let mut things = self.entry.things();
        let older = if over {
            let kept = new.with_file_name("older");
            let older = match sys::hard_link(at, &kept) {
                Ok(()) => Older::Kept(kept),
                Err(_) if sys::stat(at).is_ok() => Older::Gone,
                Err(_) => Older::Nothing,
            };
            sys::rename(new, at)?;
            older
        } else {
            sys::rename_new(new, at)?;
            Older::Nothing
        };
        things.placed = Some(Placed { at: at.to_owned(), older });
        Ok(())
    }
}
