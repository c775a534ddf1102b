//! From input to commit: the one pipeline of everything that replaces a file.
//! Gather or filter, refuse, validate, skip, back up, commit.

mod backup;
mod check;
mod gather;

pub use backup::{Backup, restore};
pub use check::{Precondition, Validator, hex, sha256};
pub use gather::{Gatherer, Input, Progress, Spool};

use crate::error::{Error, Result};
use crate::lock::{CommitOptions, Lock, Parents, acquire_with, plain_file};
use crate::sys::{self, Kind, Stat};
use crate::target::Target;
use crate::token::Token;
use crate::wait::Policy;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// How a file is to be written.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// How the commit is to be done.
    pub commit: CommitOptions,
    /// Lets a file that is not empty become empty; by default that is refused,
    /// as an empty pipe is nearly always an accident.
    pub allow_empty: bool,
    /// Makes the directories that are missing.
    pub parents: bool,
    /// Computes the SHA-256 of the new content.
    pub hash: bool,
    /// What the file has to be.
    pub if_match: Option<Precondition>,
    /// Refuses a file that has other names: a replacement would part them.
    pub refuse_hard_linked: bool,
    /// Does nothing if the file has this content and these permissions already.
    pub skip_unchanged: bool,
    /// Judges the new content.
    pub validator: Option<Validator>,
    /// Keeps the old content under another name.
    pub backup: Option<Backup>,
    /// Is told how far it is.
    pub progress: Progress,
}

/// What was written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The resolved target.
    pub target: PathBuf,
    /// Length of the new content.
    pub bytes: u64,
    /// Its SHA-256, if it was asked for.
    pub sha256: Option<[u8; 32]>,
    /// How long the lock was waited for.
    pub waited: Duration,
    /// How often it was tried.
    pub attempts: u32,
    /// How many dead locks were removed on the way.
    pub broke: u32,
    /// The target did not exist before.
    pub created: bool,
    /// The target was so already, and was left alone.
    pub unchanged: bool,
    /// Where the old content is.
    pub backup: Option<PathBuf>,
    /// The target could not be replaced, and was written into.
    pub overwritten: bool,
    /// What of the old file's owner and attributes could not be kept.
    pub lost: Vec<String>,
}

/// Makes `input` the content of `target`, safely.
///
/// # Errors
/// As [`crate::acquire`] and [`Lock::commit`], and [`Error::Refused`] when an
/// option forbids it.
pub fn publish(
    target: &Target,
    input: Input,
    policy: &Policy,
    options: &PublishOptions,
) -> Result<Published> {
    // A file made elsewhere may have inherited other permissions.
    let spool = match &input {
        Input::Spooled(spool) if spool.dir == target.lock_dir() => Some(&spool.file),
        _ => None,
    };
    let mut draft = Draft::begin_with(target, policy, options, spool)?;
    draft.fill(input)?;
    draft.finish()
}

/// Replaces the content of `path` by what `change` makes of it (`None`: there
/// is no file yet), under the lock. Nothing is changed if `change` fails.
///
/// # Errors
/// Those of `change`; as [`publish`] otherwise.
///
/// ```
/// use dotlock::{Error, Policy, PublishOptions};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("counter");
/// for _ in 0..3 {
///     dotlock::update(&path, &Policy::default(), &PublishOptions::default(), |old| {
///         let n: u32 = old.and_then(|b| String::from_utf8(b).ok()?.parse().ok()).unwrap_or(0);
///         Ok::<_, Error>((n + 1).to_string().into_bytes())
///     })?;
/// }
/// assert_eq!(std::fs::read(&path)?, b"3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn update<E: From<Error>>(
    path: impl AsRef<Path>,
    policy: &Policy,
    options: &PublishOptions,
    change: impl FnOnce(Option<Vec<u8>>) -> Result<Vec<u8>, E>,
) -> Result<Published, E> {
    let target = Target::resolve(path.as_ref())?;
    let mut draft = Draft::begin(&target, policy, options)?;
    let new = change(draft.lock.read()?)?;
    draft.fill(Input::Bytes(new))?;
    Ok(draft.finish()?)
}

/// New content in the making, under the lock. Dropped, it changes nothing.
///
/// [`publish`] and [`update`] are made of it; a program that has the new content
/// from a command takes the steps itself:
///
/// ```
/// # #[cfg(unix)] {
/// use dotlock::{Draft, Policy, PublishOptions, Target};
/// use std::process::{Command, Stdio};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("list");
/// # std::fs::write(&path, "b\na\n")?;
/// let target = Target::resolve(&path)?;
/// let mut draft = Draft::begin(&target, &Policy::default(), &PublishOptions::default())?;
/// let old = draft.open_old()?.map_or_else(Stdio::null, Stdio::from);
/// let mut sort = Command::new("sort").stdin(old).stdout(Stdio::piped()).spawn()?;
/// if draft.take_output(&mut sort)?.success() {
///     draft.finish()?;
/// }
/// assert_eq!(std::fs::read_to_string(&path)?, "a\nb\n");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a draft that is dropped changes nothing"]
pub struct Draft {
    lock: Lock,
    /// Dropped after the lock: then nothing of ours is in them any more.
    made: Parents,
    options: PublishOptions,
    bytes: u64,
    sha256: Option<[u8; 32]>,
    /// What is staged was found to be what the target has, or to be good.
    checked: Option<Checked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checked {
    Unchanged,
    Good,
}

impl Draft {
    /// Acquires the lock of `target`, and looks whether it may be written.
    ///
    /// # Errors
    /// As [`crate::acquire`]; [`Error::Refused`] when an option forbids it.
    pub fn begin(target: &Target, policy: &Policy, options: &PublishOptions) -> Result<Draft> {
        Draft::begin_with(target, policy, options, None)
    }

    /// The same; `spool` has the new content, and becomes the lock where it can.
    fn begin_with(
        target: &Target,
        policy: &Policy,
        options: &PublishOptions,
        spool: Option<&File>,
    ) -> Result<Draft> {
        plain_file(target.path())?;
        if let Some(backup) = &options.backup {
            backup.check(target)?;
        }
        let made = if options.parents { Parents::make(target)? } else { Parents::default() };
        let lock = acquire_with(target, policy, spool)?;
        let mut draft = Draft { lock, made, options: options.clone(), bytes: 0, sha256: None, checked: None };
        if draft.options.refuse_hard_linked
            && let Some(old) = draft.see()?
            && let names = old.links.saturating_sub(backup::names_of(target, &old))
            && names > 1
        {
            let why = format!(
                "it has {names} names (hard links), and to replace it under this one would part them"
            );
            return Err(Error::refused(target.path(), why));
        }
        if let Some(wanted) = draft.options.if_match {
            draft.see()?;
            wanted.check(target.path())?;
        }
        Ok(draft)
    }

    /// What the target is. From now on nobody else may change it before the commit.
    fn see(&mut self) -> Result<Option<Stat>> {
        self.lock.see()
    }

    /// The resolved target.
    pub fn target(&self) -> &Target {
        self.lock.target()
    }

    /// The right to work under this lock, if it was acquired for that.
    pub fn token(&self) -> Option<&Token> {
        self.lock.token()
    }

    /// How long the lock was waited for, and how often it was tried.
    pub fn waited(&self) -> (Duration, u32) {
        (self.lock.waited(), self.lock.tries())
    }

    /// The present content, for reading; `None` if the target does not exist. The
    /// commit makes sure that no stranger has changed it since.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be opened.
    pub fn open_old(&mut self) -> Result<Option<File>> {
        self.lock.open_target()
    }

    /// Stages `input`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read or written.
    pub fn fill(&mut self, input: Input) -> Result<()> {
        let mut sha = self.options.hash.then(Sha256::new);
        let staged = match input {
            Input::Bytes(bytes) => {
                if let Some(sha) = &mut sha {
                    sha.update(&bytes);
                }
                sys::write_all(self.lock.staged(), &bytes).map(|()| bytes.len() as u64)
            }
            Input::File(from) => self.copy(&from, sha.as_mut()),
            Input::Spooled(spool) if self.lock.is_of(&spool.file) => match &mut sha {
                Some(sha) => sys::read_through(&spool.file, |piece| {
                    sha.update(piece);
                    Ok(())
                }),
                None => Ok(spool.bytes),
            },
            Input::Spooled(spool) => self.copy(&spool.file, sha.as_mut()),
        };
        self.is_staged(staged, sha)
    }

    /// Stages what `child` writes to its standard output, which must be piped,
    /// until it ends. It is the caller's to look how it ended.
    ///
    /// # Errors
    /// [`Error::Io`] if that cannot be read or written; [`Error::Lost`] if the
    /// target was changed meanwhile.
    pub fn take_output(&mut self, child: &mut Child) -> Result<ExitStatus> {
        let mut sha = self.options.hash.then(Sha256::new);
        let (to, progress) = (self.lock.staged(), &self.options.progress);
        let failed = || Error::io("write", self.target().lock_path());
        let mut bytes = 0;
        let status = gather::output_of(child, |piece| {
            if let Some(sha) = &mut sha {
                sha.update(piece);
            }
            bytes += piece.len() as u64;
            progress.tell(bytes, None);
            sys::write_all(to, piece).map_err(failed())
        });
        let status = status.map_err(|e| self.unless_interrupted(e))?;
        self.is_staged(Ok(bytes), sha)?;
        if status.success() {
            self.still("print what it is to become instead of changing the file, or use --in-place")?;
        }
        Ok(status)
    }

    /// A command that changed the target itself did not do what it was asked to.
    fn still(&self, advice: &str) -> Result<()> {
        match self.lock.is_as_seen()? {
            true => Ok(()),
            false => Err(self.lock.lost(&format!(
                "it was changed while the command ran; if the command did that, let it {advice}"
            ))),
        }
    }

    /// A private copy of the target under its own name, for a command that changes
    /// files in place or replaces them; an empty file if there is no target. It is
    /// gone when the lock is.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be made.
    pub fn private_copy(&mut self) -> Result<PathBuf> {
        let old = self.open_old()?;
        // Editors look whether they may write.
        let mode = self.lock.stat_target()?.map_or(0o600, |old| old.mode & 0o777 | 0o600);
        check::private_copy(&self.lock, "copy", old.as_ref(), mode)
    }

    /// Stages the file `path`, which [`Draft::private_copy`] has made, as it is
    /// now. To be called again when it was changed again.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is no file any more; [`Error::Io`].
    pub fn take_file(&mut self, path: &Path) -> Result<()> {
        let refused = |what: &str| Err(Error::refused(self.target().path(), what));
        match sys::stat(path) {
            Ok(stat) if stat.kind == Kind::Regular => {}
            Ok(stat) => return refused(&format!("the command left {} in its place", stat.kind.describe())),
            Err(_) => return refused("the command left no file of that name"),
        }
        self.still("work on its copy, for which '{}' stands")?;
        let from = sys::open_to_look(path).map_err(Error::io("read", path))?;
        sys::overwrite(self.lock.staged(), b"").map_err(Error::io("truncate", self.target().lock_path()))?;
        self.fill(Input::File(from))
    }

    /// Moves `path`, which [`Draft::private_copy`] has made, beside the target, where
    /// it stays when the draft is dropped; returns its new path.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be moved.
    pub fn keep_aside(&self, path: &Path) -> Result<PathBuf> {
        let failed = || Error::io("keep what was edited in", path);
        for kept in self.target().dated("edited") {
            match sys::rename_new(path, &kept) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                done => return done.map(|()| kept).map_err(failed()),
            }
        }
        Err(failed()(io::ErrorKind::AlreadyExists.into()))
    }

    fn is_staged(&mut self, bytes: io::Result<u64>, sha: Option<Sha256>) -> Result<()> {
        let bytes = bytes.map_err(Error::io("write", self.target().lock_path()));
        self.bytes = bytes.map_err(|e| self.unless_interrupted(e))?;
        self.sha256 = sha.map(|sha| sha.finalize().into());
        self.checked = None;
        Ok(())
    }

    /// A signal that stopped a copy is not a failure, and told as what it is.
    fn unless_interrupted(&self, error: Error) -> Error {
        match sys::signal::noted() {
            None => error,
            signal => Error::Interrupted { target: self.target().path().to_owned(), signal },
        }
    }

    fn copy(&self, from: &File, mut sha: Option<&mut Sha256>) -> io::Result<u64> {
        let (to, progress) = (self.lock.staged(), &self.options.progress);
        let total = from.metadata().ok().map(|m| m.len()).filter(|&n| n > 0);
        let go_on = |done: u64| match sys::signal::noted() {
            Some(_) => Err(io::ErrorKind::Interrupted.into()),
            None => {
                progress.tell(done, total);
                Ok::<_, io::Error>(())
            }
        };
        let Some(sha) = &mut sha else { return sys::copy(from, to, go_on) };
        let mut done = 0;
        sys::copy_through(from, to, |piece| {
            sha.update(piece);
            done += piece.len() as u64;
            go_on(done)
        })
    }

    /// Looks whether what is staged may be committed: it is not empty by accident,
    /// not what the target is already, and its validator finds it good.
    ///
    /// # Errors
    /// [`Error::Refused`] if it may not; other content can be staged then.
    pub fn check(&mut self) -> Result<()> {
        if self.checked.is_some() {
            return Ok(());
        }
        let path = self.target().path();
        if self.bytes == 0
            && !self.options.allow_empty
            && self.lock.stat_target()?.is_some_and(|o| o.size > 0)
        {
            let why = "the new content is empty and the file is not; --allow-empty permits that";
            return Err(Error::refused(path, why));
        }
        self.checked = Some(match &self.options.validator {
            _ if self.options.skip_unchanged && self.is_unchanged()? => Checked::Unchanged,
            None => Checked::Good,
            Some(validator) => validator.judge(&self.lock).map(|()| Checked::Good)?,
        });
        Ok(())
    }

    fn is_unchanged(&self) -> Result<bool> {
        let path = self.target().path();
        let mode = self.options.commit.mode;
        let has_mode = |old: Stat| mode.is_none_or(|mode| sys::is_mode(&old, mode));
        Ok(self.lock.stat_target()?.is_some_and(has_mode) && check::is_same(&self.lock, self.bytes, path)?)
    }

    /// Makes what is staged the target's content.
    ///
    /// # Errors
    /// As [`Draft::check`] and [`Lock::commit`].
    pub fn finish(mut self) -> Result<Published> {
        self.check()?;
        // Dropped from the last to the first: the directories after the lock in them.
        let Draft { made, mut lock, options, bytes, sha256, checked } = self;
        let target = lock.target().clone();
        let mut published = Published {
            target: target.path().to_owned(),
            bytes,
            sha256,
            waited: lock.waited(),
            attempts: lock.tries(),
            broke: lock.broke(),
            created: false,
            unchanged: checked == Some(Checked::Unchanged),
            backup: None,
            overwritten: false,
            lost: Vec::new(),
        };
        if published.unchanged {
            lock.roll_back();
            return Ok(published);
        }
        if let Some(backup) = &options.backup
            && let Some(old) = lock.see()?
        {
            published.backup =
                Some(backup.make(&mut lock, &old, options.commit.overwrite, options.commit.sync)?);
        }
        let done = match (lock.commit(&options.commit), options.if_match) {
            // In the end by a program that takes no lock: what is it now?
            (Err(lost @ Error::Lost { .. }), Some(wanted)) => {
                wanted.check(target.path())?;
                return Err(lost);
            }
            (done, _) => done?,
        };
        if let (Some(backup), Some(at)) = (&options.backup, &published.backup) {
            backup.prune(&target, at);
        }
        made.keep(&target, options.commit.sync)?;
        Ok(Published { created: done.created, overwritten: done.overwritten, lost: done.lost, ..published })
    }
}
