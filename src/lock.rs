//! P, the lock: acquire, commit, roll back, and the list that a signal clears.

mod acquire;
mod commit;
mod nested;
mod session;
mod stage;

pub use acquire::{acquire, acquire_all, acquire_target, wait_free};
pub(crate) use acquire::{acquire_unless, acquire_with};
pub(crate) use commit::plain_file;
pub use commit::{CommitOptions, Committed};
pub use session::{Released, hand_over, release, renew};
pub(crate) use stage::Parents;

use crate::error::{Error, Result};
use crate::gate::{self, Gate};
use crate::sys::{self, FileId, Mark};
use crate::target::Target;
use crate::token::Token;
use crate::wait::Policy;
use commit::Seen;
use nested::Outer;
use stage::Placed;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
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
    /// P's directory for what needs a name was made.
    staged: bool,
    /// What was put beside the target, to be undone unless it is committed.
    placed: Option<Placed>,
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
        let Things { gate, p, staged, placed } = std::mem::take(&mut *self.things());
        let mut left = false;
        if let Some(p) = &p {
            // As long as P stands it tells the next one of what is beside it.
            placed.iter().for_each(Placed::undo);
            left = staged && !self.remove_staged(p);
            if let Some(gate) = &gate {
                let _ = if left { gate.disown() } else { gate.clear() };
            }
            p.remove(&self.target);
        }
        match gate {
            Some(gate) if left => gate.stand(),
            Some(gate) if p.is_some() => gate.remove(),
            Some(gate) => gate.leave(&self.target),
            None => gate::sweep(&self.target),
        }
    }
}

impl Entry {
    /// Whether what was staged under a name is gone.
    fn remove_staged(&self, p: &P) -> bool {
        sys::remove_tree(&self.target.stage_dir(p.id.number)).is_ok()
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

    /// Whether `file` was made the lock, so that its content is staged already.
    pub(crate) fn is_of(&self, file: &File) -> bool {
        sys::fstat(file).is_ok_and(|stat| stat.id == self.p.id)
    }

    /// Which file P is.
    pub(crate) fn id(&self) -> FileId {
        self.p.id
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
}

/// Why a lock is lost that is not at its path.
const GONE: &str = "somebody removed or replaced its lock file";

impl Write for Lock {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        sys::write_all(&self.p.file, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
