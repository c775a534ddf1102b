//! P, the lock: acquire, commit, roll back, and the list that a signal clears.

mod acquire;
mod nested;
mod session;

pub(crate) use acquire::acquire_unless;
pub use acquire::{acquire, acquire_all, acquire_target, wait_free};
pub use session::{Released, hand_over, release, renew};

use crate::error::{Error, Result};
use crate::evidence::show;
use crate::gate::{self, Gate};
use crate::sys::{self, FileId, Kind, Mark, Stat, Sync};
use crate::target::Target;
use crate::token::Token;
use crate::wait::Policy;
use nested::Outer;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A held lock. What is written to it becomes the target's new content when it
/// is committed; dropped, it rolls back.
#[must_use = "a lock that is dropped at once protects nothing"]
#[derive(Debug)]
pub struct Lock {
    /// Rolls back when it is dropped, unless it was committed.
    _armed: Armed,
    entry: Arc<Entry>,
    p: Arc<P>,
    seen: Option<Seen>,
    /// For others to work under it, if it was acquired for that.
    token: Option<Token>,
    /// Those of other processes that it is under, the innermost last.
    outers: Vec<Outer>,
    /// How it was acquired.
    policy: Policy,
    waited: Duration,
    tries: u32,
    broke: u32,
}

/// What this process has made for one lock, and must not leave behind.
#[derive(Debug)]
struct Entry {
    /// The process that acquires: a forked copy of it must not clean up.
    pid: u32,
    target: Target,
    things: Mutex<Things>,
}

#[derive(Debug, Default)]
struct Things {
    gate: Option<Arc<Gate>>,
    p: Option<Arc<P>>,
}

/// P, made by us.
#[derive(Debug)]
struct P {
    file: File,
    id: FileId,
    mark: Mark,
}

/// The locks of this process: the one global, for the signal hook.
///
/// Its mutex covers the fence, the rename and the disarming: a hook that ran in
/// between would remove another's new P. An entry's own mutex, taken while
/// this one is held, covers the creation of S and P with their entry there: a
/// hook that ran in between would leave them behind.
static LIST: Mutex<List> = Mutex::new(List { ended: false, entries: Vec::new(), dirs: Vec::new() });

struct List {
    /// The hook has run: nothing is acquired or committed any more.
    ended: bool,
    entries: Vec<Arc<Entry>>,
    /// Directories that were made for targets which are not written yet.
    dirs: Vec<PathBuf>,
}

fn list() -> MutexGuard<'static, List> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rolls back every lock of this process, and lets it acquire and commit none
/// from now on. For the hook of a program that is about to end by a signal;
/// safe on any thread, but not inside a signal handler.
pub fn roll_back_all() {
    let mut list = list();
    list.ended = true;
    for entry in std::mem::take(&mut list.entries) {
        entry.undo();
    }
    remove_dirs(&std::mem::take(&mut list.dirs));
}

/// Removes directories that were made, the last first. One that is not empty
/// is used by somebody already.
fn remove_dirs(dirs: &[PathBuf]) {
    for dir in dirs.iter().rev() {
        let _ = sys::remove_dir(dir);
    }
}

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

impl Entry {
    fn things(&self) -> MutexGuard<'_, Things> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For making things: the hook waits until they are entered here.
    fn making(&self) -> Result<MutexGuard<'_, Things>> {
        let list = list();
        not_ended(&list, &self.target)?;
        Ok(self.things())
    }

    /// Removes what was made, in the order that leaves something harmless at
    /// every step: the record, P, S. Called twice, it does nothing.
    fn undo(&self) {
        if self.pid != std::process::id() {
            return;
        }
        let Things { gate, p } = std::mem::take(&mut *self.things());
        if let Some(p) = &p {
            if let Some(gate) = &gate {
                let _ = gate.clear();
            }
            p.remove(&self.target);
        }
        match gate {
            Some(gate) if p.is_some() => gate.remove(),
            Some(gate) => gate.leave(&self.target),
            None => gate::sweep(&self.target),
        }
    }
}

impl P {
    /// One of the two places that remove P (the other breaks a dead one): its
    /// kernel lock is ours, which is asked again in case it never was, and its
    /// path leads to it. Failing that P stays, marked and soon without kernel
    /// lock: stale.
    fn remove(&self, target: &Target) {
        if sys::lock_soon(&self.file).unwrap_or(false) {
            if self.is_at_its_path(target) {
                let _ = sys::unlink(target.lock_path());
            }
            sys::unlock(&self.file);
        }
    }

    fn is_at_its_path(&self, target: &Target) -> bool {
        sys::stat(target.lock_path()).is_ok_and(|s| s.id == self.id)
    }
}

/// Takes an entry off the list and undoes it, unless it was taken off before:
/// committed, or undone by the hook.
#[derive(Debug)]
struct Armed(Arc<Entry>);

impl Drop for Armed {
    fn drop(&mut self) {
        let mut list = list();
        let before = list.entries.len();
        list.entries.retain(|e| !Arc::ptr_eq(e, &self.0));
        if list.entries.len() < before {
            // Still under the mutex: the hook must not end the process half-way.
            self.0.undo();
        }
    }
}

fn not_ended(list: &List, target: &Target) -> Result<()> {
    let signal = sys::signal::noted();
    if list.ended || signal.is_some() {
        return Err(Error::Interrupted { target: target.path().to_owned(), signal });
    }
    Ok(())
}

/// The state of the target when it was read: what a commit that builds on it
/// must still find.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen(Option<(FileId, u64, Option<std::time::SystemTime>, i128)>);

impl Seen {
    fn of(stat: Option<&Stat>) -> Seen {
        Seen(stat.map(|s| (s.id, s.size, s.modified, s.changed)))
    }
}

/// Why a lock is lost that is not at its path.
const GONE: &str = "somebody removed or replaced its lock file";

/// How a commit is to be done.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// How durable it is to be when it returns.
    pub sync: Sync,
    /// Permissions of the file. By default those that it has; for a new file
    /// 0666 less the umask, or what the directory's default ACL says.
    pub mode: Option<u32>,
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
}

impl Lock {
    /// The resolved target.
    pub fn target(&self) -> &Target {
        &self.entry.target
    }

    /// How long it was waited for.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How often it was tried.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// How many dead locks were removed on the way.
    pub fn broke(&self) -> u32 {
        self.broke
    }

    /// The staged content, for the pipeline that fills it.
    pub(crate) fn staged(&self) -> &File {
        &self.p.file
    }

    /// Reads the target as it is now; `None` if it does not exist. A later
    /// commit makes sure that no stranger has changed it since.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let path = self.entry.target.path();
        let before = self.stat_target()?;
        self.seen = Some(Seen::of(before.as_ref()));
        match before {
            None => Ok(None),
            Some(_) => std::fs::read(path).map(Some).map_err(Error::io("read", path)),
        }
    }

    /// The same, for copying inside the kernel.
    pub(crate) fn open_target(&mut self) -> Result<Option<File>> {
        let path = self.entry.target.path();
        let before = self.stat_target()?;
        self.seen = Some(Seen::of(before.as_ref()));
        before.map(|_| File::open(path).map_err(Error::io("read", path))).transpose()
    }

    /// Which file P is.
    pub(crate) fn id(&self) -> FileId {
        self.p.id
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
        match sys::rename(target.lock_path(), path, staged) {
            // A network file system may have done it and lost its own answer.
            Err(e) if e.kind() == io::ErrorKind::NotFound => match sys::stat(path) {
                Ok(there) if there.id == self.p.id => {}
                _ => return Err(self.lost(GONE)),
            },
            other => other.map_err(Error::io("replace", path))?,
        }
        // From here on P's name is free for others: forget it before anything
        // else can happen, so that no clean-up removes theirs.
        list.entries.retain(|e| !Arc::ptr_eq(e, &self.entry));
        let Things { gate, .. } = std::mem::take(&mut *self.entry.things());
        // A stamp that cannot be taken off means nothing on a target.
        if stamped || !marked {
            let _ = sys::unstamp(staged);
        }
        let then = then();
        if let Some(gate) = gate {
            gate.remove();
        }
        sys::unlock(staged);
        // The hook would end the process with S still there.
        drop(list);
        // Last, so that others are already at work.
        if !then? && options.sync == Sync::Full {
            let undurable = |source| Error::NotDurable { target: path.to_owned(), source };
            sys::sync_dir(target.dir()).map_err(undurable)?;
        }
        Ok(Committed { created: old.is_none(), lost })
    }

    /// Gives the lock back; the target stays as it is. Dropping does the same,
    /// but for this: those who work under the lock by its token just now are
    /// waited for, until a signal comes.
    pub fn roll_back(self) {
        let Some(gate) = self.token.as_ref().and(self.entry.things().gate.clone()) else { return };
        // From here on nobody begins: see `nested`.
        let cleared = gate.clear();
        let _inner = cleared.ok().and_then(|()| nested::close(self.target(), &self.p, &self.policy).ok());
        drop(self);
    }

    /// What others need to work under the lock, if it was acquired for that and
    /// its record could be written.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Lets every command that is started from now on keep the lock alive until
    /// it ends, and all that it leaves running: should this process be killed,
    /// nobody takes the lock while its work goes on.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub fn let_children_keep_it(&self) -> Result<()> {
        let failed = Error::io("let the command keep", self.entry.target.lock_path());
        sys::let_children_inherit(&self.p.file).map_err(failed)
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
        match &self.seen {
            Some(seen) if *seen != Seen::of(self.stat_target()?.as_ref()) => {
                Err(self.lost("it was changed meanwhile by a program that takes no lock"))
            }
            _ => Ok(()),
        }
    }

    fn lost(&self, why: &str) -> Error {
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

impl Write for Lock {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        sys::write_all(&self.p.file, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
