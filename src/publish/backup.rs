//! Backups: the old content under another name, made before a file is replaced,
//! and put back when that is asked for.

use super::gather::Gatherer;
use super::{Draft, PublishOptions, Published};
use crate::error::{Error, Result};
use crate::evidence::show;
use crate::lock::Lock;
use crate::sys::{self, Stat, Sync};
use crate::target::Target;
use crate::wait::Policy;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// That the old content is to be kept, and how it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backup {
    /// The file's name with this behind it; replaces the one before.
    Suffix(OsString),
    /// `FILE.~1~`, `FILE.~2~` and so on, as GNU's programs do.
    Numbered {
        /// How many of them are to remain; `None`: all.
        keep: Option<u32>,
    },
}

impl Backup {
    /// What a backup is called where nothing else is said.
    pub const SUFFIX: &'static str = ".bak";

    /// Refuses a suffix that makes no name for a backup.
    pub(super) fn check(&self, target: &Target) -> Result<()> {
        match self {
            Backup::Suffix(suffix) => target.beside(suffix).map(drop),
            Backup::Numbered { .. } => Ok(()),
        }
    }

    /// Makes the backup of the target, which is `old`, and moves it to its name.
    /// It is undone if `lock` is not committed.
    ///
    /// The new content will come by a rename, which leaves the old file alone; so
    /// another name for it is a backup, at no cost and with everything that goes
    /// with the file. Where that is not permitted, or where the file may be
    /// `overwritten`, it is copied, inside the kernel where possible, sharing the
    /// blocks where the file system can.
    pub(super) fn make(&self, lock: &mut Lock, old: &Stat, overwritten: bool, sync: Sync) -> Result<PathBuf> {
        let new = lock.stage()?.join("backup");
        let path = lock.target().path().to_owned();
        let failed = || Error::io("make a backup of", &path);
        // In a sticky directory only its owner can remove a name of the file again.
        let mine = sys::fstat(lock.staged()).map_err(failed())?.owner.0;
        let may_undo = mine == 0 || mine == old.owner.0;
        if overwritten || !may_undo || sys::hard_link(&path, &new).is_err() {
            copy(&path, &new, old, sync).map_err(failed())?;
        }
        let at = self.place(lock, &new)?;
        lock.see_new_name()?;
        Ok(at)
    }

    fn place(&self, lock: &Lock, new: &Path) -> Result<PathBuf> {
        let failed = || Error::io("make a backup of", lock.target().path());
        if let Backup::Suffix(suffix) = self {
            let at = lock.target().beside(suffix)?;
            return lock.place(new, &at, true).map(|()| at).map_err(failed());
        }
        let mut next = numbered(lock.target())?.last().map_or(1, |(n, _)| n.saturating_add(1));
        loop {
            let at = lock.target().beside(format!(".~{next}~").as_ref())?;
            match lock.place(new, &at, false) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && next < u64::MAX => next += 1,
                done => return done.map(|()| at).map_err(failed()),
            }
        }
    }

    /// Removes numbered backups that are too many, the oldest first. What cannot
    /// be removed now is one too many the next time, too. Those after `made` do not
    /// count: the next one may still undo his.
    pub(super) fn prune(&self, target: &Target, made: &Path) {
        let Backup::Numbered { keep: Some(keep) } = self else { return };
        let Ok(all) = numbered(target) else { return };
        let until = all.iter().position(|(_, path)| path == made).map_or(0, |at| at + 1);
        let many = until.saturating_sub((*keep).max(1) as usize);
        for (_, path) in &all[..many] {
            let _ = sys::unlink(path);
        }
    }
}

/// How many names of the file `old` are backups: one who died between his backup and
/// his rename leaves such a name, and it is no other file's.
pub(super) fn names_of(target: &Target, old: &Stat) -> u64 {
    let simple = target.beside(Backup::SUFFIX.as_ref()).ok();
    let numbered = numbered(target).unwrap_or_default().into_iter().map(|(_, path)| path);
    let is_old = |path: &PathBuf| sys::stat(path).is_ok_and(|s| s.id == old.id);
    numbered.chain(simple).filter(is_old).count() as u64
}

fn copy(from: &Path, to: &Path, like: &Stat, sync: Sync) -> io::Result<()> {
    let (old, new) = (sys::open_to_look(from)?, sys::create(to, 0o600)?);
    sys::copy_over(&old, &new)?;
    let (mode, _) = sys::keep_metadata(&new, &sys::fstat(&new)?, from, like)?;
    sys::set_mode(&new, mode, false)?;
    if let Some(modified) = like.modified {
        sys::set_modified(&new, modified)?;
    }
    sys::sync_file(&new, sync)
}

/// The numbered backups of `target`, the oldest first.
fn numbered(target: &Target) -> Result<Vec<(u64, PathBuf)>> {
    let base = target.path().file_name().unwrap_or_default().as_encoded_bytes();
    let number = |name: &OsStr| {
        let digits = name.as_encoded_bytes().strip_prefix(base)?.strip_prefix(b".~")?.strip_suffix(b"~")?;
        let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        // Not "+1" or "01": those are somebody's own.
        (number.to_string().as_bytes() == digits).then_some(number)
    };
    let list = || -> io::Result<Vec<(u64, PathBuf)>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(target.dir())? {
            let entry = entry?;
            all.extend(number(&entry.file_name()).map(|n: u64| (n, entry.path())));
        }
        all.sort();
        Ok(all)
    };
    list().map_err(Error::io("look for backups in", target.dir()))
}

/// The backup of `target` that was made last: a numbered one, or the one with
/// `suffix`.
fn latest(target: &Target, suffix: &OsStr) -> Result<PathBuf> {
    let numbered = numbered(target)?.pop().map(|(_, path)| path);
    let simple = target.beside(suffix)?;
    let name = show(&simple);
    // The time of the last change, since that of the content is the old file's. A
    // file loses a name when it is replaced: that changes it, too.
    let made = |path: PathBuf| Some((sys::stat(&path).ok()?.changed, path));
    let found = [Some(simple), numbered].into_iter().flatten().filter_map(made).max();
    found.map(|(_, path)| path).ok_or_else(|| {
        let why =
            format!("there is no backup of it, neither {name} nor a numbered one; --from names another");
        Error::refused(target.path(), why)
    })
}

/// Makes a backup the content of `target`: `from`, or the one that was made last,
/// numbered or with `suffix`. The backup stays. If the file does not exist it gets
/// the backup's permissions.
///
/// # Errors
/// [`Error::Refused`] if there is no backup; as [`super::publish()`].
pub fn restore(
    target: &Target,
    from: Option<&Path>,
    suffix: &OsStr,
    policy: &Policy,
    options: &PublishOptions,
) -> Result<(PathBuf, Published)> {
    let mut draft = Draft::begin(target, policy, options)?;
    let from = from.map_or_else(|| latest(target, suffix), |from| Ok(from.to_owned()))?;
    let input = Gatherer::new(target, &options.progress).file(&from)?;
    if draft.options.commit.mode.is_none() && draft.see()?.is_none() {
        draft.options.commit.mode = sys::stat(&from).ok().map(|backup| backup.mode);
    }
    draft.fill(input)?;
    Ok((from, draft.finish()?))
}
