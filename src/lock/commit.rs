//! The commit: metadata, sync, fence, rename, and what must follow at once.

use super::{GONE, Lock, Things, list, not_ended};
use crate::error::{Error, Result};
use crate::evidence::show;
use crate::sys::{self, FileId, Kind, Mark, Stat, Sync};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The state of the target when it was read: what a commit that builds on it
/// must still find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen(Option<(FileId, u64, Option<std::time::SystemTime>, i128)>);

impl Seen {
    fn of(stat: Option<&Stat>) -> Seen {
        Seen(stat.map(|s| (s.id, s.size, s.modified, s.changed)))
    }

    /// Whether both are of the same file with the same content, whatever else was
    /// changed.
    fn has_content_of(&self, other: &Seen) -> bool {
        let content = |seen: &Seen| seen.0.map(|(id, size, modified, _)| (id, size, modified));
        content(self) == content(other)
    }
}

/// How a commit is to be done.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// How durable it is to be when it returns.
    pub sync: Sync,
    /// Permissions of the file. By default those that it has; for a new file
    /// 0666 less the umask, or what the directory's default ACL says.
    pub mode: Option<u32>,
    /// Where the file cannot be replaced, being a mount point of its own, writes
    /// into it instead: readers may see half of that.
    pub overwrite: bool,
}

/// What a commit did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Committed {
    /// The target did not exist before.
    pub created: bool,
    /// What of the old file's owner, group, ACL and attributes could not be
    /// kept, in words.
    pub lost: Vec<String>,
    /// It was written into instead of replaced.
    pub overwritten: bool,
}

impl Lock {
    /// Reads the target as it is now; `None` if it does not exist. A later
    /// commit makes sure that no stranger has changed it since it was first read.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        if self.see()?.is_none() {
            return Ok(None);
        }
        let path = self.target().path();
        std::fs::read(path).map(Some).map_err(Error::io("read", path))
    }

    /// What the target is, for a content that is made from it: a commit makes sure
    /// that no stranger has changed it since the first such look.
    pub(crate) fn see(&mut self) -> Result<Option<Stat>> {
        let stat = self.stat_target()?;
        self.seen.get_or_insert_with(|| Seen::of(stat.as_ref()));
        Ok(stat)
    }

    /// The present content, for reading; `None` if the target does not exist. A
    /// commit makes sure that no stranger has changed it since.
    pub(crate) fn open_target(&mut self) -> Result<Option<File>> {
        if self.see()?.is_none() {
            return Ok(None);
        }
        let path = self.target().path();
        sys::open_to_look(path).map(Some).map_err(Error::io("read", path))
    }

    /// Whether the target is as it was when it was seen.
    pub(crate) fn is_as_seen(&self) -> Result<bool> {
        let now = |seen: &Seen| Ok(*seen == Seen::of(self.stat_target()?.as_ref()));
        self.seen.as_ref().map_or(Ok(true), now)
    }

    /// Another name was given to the file that was seen: that changes its times,
    /// and must not pass for a stranger's change.
    pub(crate) fn see_new_name(&mut self) -> Result<()> {
        let now = Seen::of(self.stat_target()?.as_ref());
        if let Some(seen) = &mut self.seen
            && seen.has_content_of(&now)
        {
            *seen = now;
        }
        Ok(())
    }

    /// What the target is; it must be a plain file, or not exist.
    pub(crate) fn stat_target(&self) -> Result<Option<Stat>> {
        plain_file(self.entry.target.path())
    }

    /// Makes what was written the target's content, and releases the lock by
    /// the same step. Owner, group, ACLs, extended attributes and permissions
    /// stay those of the target, as far as that is permitted.
    ///
    /// # Errors
    /// [`Error::Lost`] if the lock is not ours any more, or the target was
    /// changed since [`Lock::read`]; [`Error::Interrupted`] if a signal came;
    /// [`Error::Io`]. In all these cases it is rolled back. After
    /// [`Error::NotDurable`] it is committed.
    pub fn commit(self, options: &CommitOptions) -> Result<Committed> {
        self.commit_then(options, || Ok(false))
    }

    /// The same, with a step right after the rename, before anybody else gets the
    /// lock. `then` says whether it has made the directory durable.
    pub(crate) fn commit_then(
        self,
        options: &CommitOptions,
        then: impl FnOnce() -> Result<bool>,
    ) -> Result<Committed> {
        let target = &self.entry.target;
        let path = target.path();
        let staged = &self.p.file;

        // Everything that can fail comes before the rename.
        let old = self.stat_target()?;
        let (kept, lost) = match &old {
            Some(old) => {
                let mine = sys::fstat(staged).map_err(Error::io("examine", target.lock_path()))?;
                let kept = sys::keep_metadata(staged, &mine, path, old);
                let (mode, lost) = kept.map_err(Error::io("keep owner and attributes of", path))?;
                (Some(mode), lost)
            }
            None => (None, Vec::new()),
        };
        let mode = match options.mode.or(kept) {
            Some(mode) => mode,
            None => self.fresh_mode()?,
        };
        // The first mark stays through the sync: a power cut keeps or loses it
        // together with P. The second would leave a target that nobody can
        // read, if we died after the rename; the record, which alone speaks
        // there, stays with P all the same.
        let marked = self.p.mark == Mark::First;
        let no_mode = || Error::io("set the mode of", target.lock_path());
        sys::set_mode(staged, mode, marked).map_err(no_mode())?;
        sys::sync_file(staged, options.sync).map_err(Error::io("sync", target.lock_path()))?;

        let mut list = list();
        not_ended(&list, target)?;
        self.fence()?;
        // A target never bears the mark: `git config` gives its own lock the
        // mode of the file, and that lock would be taken for a dead one of
        // ours. For the time of the rename a stamp says what the mark said.
        let stamped = marked && sys::stamp(staged).map_err(no_mode())?;
        if marked {
            sys::set_mode(staged, mode, false).map_err(no_mode())?;
        }
        match sys::rename(target.lock_path(), path) {
            // A network file system may have done it and lost its own answer.
            Err(e) if e.kind() == io::ErrorKind::NotFound => match sys::stat(path) {
                Ok(there) if there.id == self.p.id => {}
                _ => return Err(self.lost(GONE)),
            },
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && options.overwrite => {
                // It stays a lock for as long as that lasts.
                sys::set_mode(staged, mode, marked).map_err(no_mode())?;
                self.overwrite(options)?;
                // The lock was not spent by that: it goes when it is dropped.
                return Ok(Committed { created: false, lost: Vec::new(), overwritten: true });
            }
            other => other.map_err(Error::io("replace", path))?,
        }
        // From here on P's name is free for others: forget it before anything
        // else can happen, so that no clean-up removes theirs.
        list.entries.retain(|e| !Arc::ptr_eq(e, &self.entry));
        let Things { gate, staged: stage, .. } = std::mem::take(&mut *self.entry.things());
        // A stamp that cannot be taken off means nothing on a target.
        if stamped || !marked {
            let _ = sys::unstamp(staged);
        }
        let then = then();
        let left = stage && !self.entry.remove_staged(&self.p);
        match gate {
            Some(gate) if left && gate.disown().is_ok() => gate.stand(),
            Some(gate) => gate.remove(),
            None => {}
        }
        sys::unlock(staged);
        // The hook would end the process with S still there.
        drop(list);
        // Last, so that others are already at work.
        if !then? && options.sync == Sync::Full {
            let undurable = |source| Error::NotDurable { target: path.to_owned(), source };
            sys::sync_dir(target.dir()).map_err(undurable)?;
        }
        Ok(Committed { created: old.is_none(), lost, overwritten: false })
    }

    /// Copies what is staged into the target. The old content is in the backup
    /// that was placed: it is put back if that fails, and is the only one left
    /// if we die meanwhile. The caller keeps the signal hook waiting.
    fn overwrite(&self, options: &CommitOptions) -> Result<()> {
        let path = self.target().path();
        let failed = || Error::io("write into", path);
        let Some(placed) = self.entry.things().placed.take() else {
            let why = "it is a mount point, and is written into only when there is a backup of it";
            return Err(Error::refused(path, why));
        };
        let to = sys::open_to_overwrite(path).map_err(failed())?;
        // The name of the backup, before the old content goes.
        let named = match options.sync {
            Sync::Full | Sync::Data => sys::sync_dir(self.target().dir()),
            Sync::None => Ok(()),
        };
        let written = named
            .and_then(|()| sys::copy_over(&self.p.file, &to))
            .and_then(|()| options.mode.map_or(Ok(()), |mode| sys::set_mode(&to, mode, false)))
            .and_then(|()| sys::sync_file(&to, options.sync));
        let Err(source) = written else { return Ok(()) };
        let backup = show(&placed.at);
        match sys::open_to_look(&placed.at).and_then(|old| sys::copy_over(&old, &to)) {
            Ok(()) => {
                self.entry.things().placed = Some(placed);
                Err(failed()(source))
            }
            // Not undone: it is all that there is.
            Err(e) => {
                let why = format!("{source}; its old content could not be put back ({e}): it is in {backup}");
                Err(failed()(io::Error::new(source.kind(), why)))
            }
        }
    }

    /// The lock is still ours, and the target is what the new content was made
    /// from. Between this look and the rename nobody can take P away but a
    /// program that removes locks without asking.
    fn fence(&self) -> Result<()> {
        if !self.p.is_at_its_path(&self.entry.target) {
            return Err(self.lost(GONE));
        }
        if let Some(outer) = self.outers.iter().find(|outer| !outer.is_there()) {
            let what = show(outer.place().lock_path());
            return Err(
                self.lost(&format!("{what}, under which this was to be written, is not held any more"))
            );
        }
        match self.is_as_seen()? {
            true => Ok(()),
            false => Err(self.lost("it was changed meanwhile by a program that takes no lock")),
        }
    }

    pub(crate) fn lost(&self, why: &str) -> Error {
        Error::Lost { target: self.entry.target.path().to_owned(), why: why.into() }
    }

    /// The permissions that a new file gets here. A file made for that purpose
    /// tells them: asking for the umask would change it for every thread, and
    /// would not know of default ACLs. S is such a file, if it is new.
    fn fresh_mode(&self) -> Result<u32> {
        let known = self.entry.things().gate.as_ref().and_then(|g| g.fresh_mode());
        known.map_or_else(
            || {
                let target = &self.entry.target;
                let probe = target.stage_path(&std::process::id().to_string());
                let make = || sys::create_unnamed(&probe, 0o666).and_then(|f| sys::fstat(&f));
                let made = match make() {
                    // A dead one's, who had our process number: nobody's now.
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                        sys::unlink(&probe).and_then(|()| make())
                    }
                    other => other,
                };
                made.map(|s| s.mode).map_err(Error::io("create a file in", target.dir()))
            },
            Ok,
        )
    }
}

/// What is at `path`: a plain file, or nothing. All else is an error.
pub(crate) fn plain_file(path: &Path) -> Result<Option<Stat>> {
    match sys::stat(path) {
        Ok(stat) if stat.kind == Kind::Regular => Ok(Some(stat)),
        Ok(stat) => {
            let source = io::Error::other(format!("it is {}, not a file", stat.kind.describe()));
            Err(Error::Io { doing: "replace", path: path.to_owned(), source })
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("examine", path)(e)),
    }
}
