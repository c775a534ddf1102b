//! Looking at locks without disturbing them, and breaking them: what an
//! operator does.

use crate::error::{Error, Result};
use crate::evidence::{State, Verdict, printable, show};
use crate::gate;
use crate::journal;
use crate::sys::{self, FileId, Kind, LockTable};
use crate::target::{Target, package_manager};
use crate::verdict::{self, Look};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Younger than this, a lock without kernel lock may be one whose owner is just
/// about to take that.
const NEWBORN: Duration = Duration::from_millis(100);

/// Where to look for locks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope {
    /// In the directories below, too. Links to directories are not followed.
    pub recursive: bool,
    /// Also where another file system is mounted below.
    pub cross: bool,
}

/// A lock, or what is left of one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sighting {
    /// The file that is, or was, protected.
    pub target: PathBuf,
    /// The lock file.
    pub lock: PathBuf,
    /// What is known of the lock; `None`: there is none, only files that went
    /// with one.
    pub verdict: Option<Verdict>,
    /// Files that go with it: gate, readers, staged content, git's note.
    pub parts: Vec<PathBuf>,
    /// Of a foreign lock: the processes that have it open, by number and name.
    pub open_in: Vec<(u32, String)>,
    /// Of a foreign lock: what git wrote down beside it, and what that is worth.
    pub note: Option<String>,
}

/// The lock that an operator means by `path`: that of a file or a directory, or,
/// if the name ends in `.lock`, that lock itself. `None` if there is none.
///
/// # Errors
/// [`Error::Io`] if it cannot be looked at.
pub fn sight(path: &Path) -> Result<Option<Sighting>> {
    let target = named(path)?;
    let mut found = Found::default();
    found.add_own(&target);
    if !parent_exists(target.path()) {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such directory");
        return Err(Error::Io { doing: "look at", path: path.to_owned(), source });
    }
    let mut problems = Vec::new();
    let sighting = found.judge(&mut problems).pop();
    problems.pop().map_or(Ok(sighting), Err)
}

impl Sighting {
    /// Whether this system tells who has a file open.
    pub const KNOWS_OPENERS: bool = sys::KNOWS_OPENERS;
}

/// Looks at what `path` names: the lock of a file; of a directory its own lock,
/// then every lock in it. What cannot be read is told in the second list.
///
/// # Errors
/// [`Error::Io`] if `path` itself cannot be looked at.
pub fn survey(path: &Path, scope: Scope) -> Result<(Vec<Sighting>, Vec<Error>)> {
    let target = named(path)?;
    if !target.path().is_dir() {
        return Ok((sight(path)?.into_iter().collect(), Vec::new()));
    }
    let mut problems = Vec::new();
    let mut found = Found::default();
    found.add_own(&target);
    found.walk(target.path(), scope, &mut problems);
    Ok((found.judge(&mut problems), problems))
}

/// The target that an operator means: a name that ends in `.lock` is that lock
/// itself, unless it is a file with a lock of its own.
fn named(path: &Path) -> Result<Target> {
    let target = Target::resolve_any(path)?;
    let is_lock = target.path().extension() == Some(OsStr::new("lock"));
    match is_lock && sys::stat(target.lock_path()).is_err() {
        true => Ok(Target::of_lock(target.path())),
        false => Ok(target),
    }
}

fn parent_exists(path: &Path) -> bool {
    path.parent().is_none_or(Path::is_dir)
}

/// Names of lock files and what goes with them, by directory and target.
#[derive(Default)]
struct Found {
    /// In the order in which they are shown.
    groups: Vec<Group>,
}

struct Group {
    target: Target,
    locked: bool,
    parts: Vec<PathBuf>,
}

impl Found {
    fn add_own(&mut self, target: &Target) {
        let exists = |path: &PathBuf| sys::stat(path).is_ok();
        let lock = sys::stat(target.lock_path()).ok();
        let staged = lock.as_ref().map(|lock| target.stage_dir(lock.id.number));
        let locked = lock.is_some();
        let parts: Vec<_> = PARTS.iter().map(|end| target.part(end)).chain(staged).filter(exists).collect();
        if locked || !parts.is_empty() {
            self.groups.push(Group { target: target.clone(), locked, parts });
        }
    }

    fn walk(&mut self, top: &Path, scope: Scope, problems: &mut Vec<Error>) {
        let home = sys::volume(top).ok();
        let mut todo = vec![top.to_owned()];
        while let Some(dir) = todo.pop() {
            let mut below = Vec::new();
            if let Err(source) = self.list(&dir, &mut below) {
                problems.push(Error::Io { doing: "read the directory", path: dir, source });
                continue;
            }
            if scope.recursive {
                below.retain(|d| scope.cross || sys::volume(d).ok() == home);
                // From the end of the stack comes the first.
                below.sort_by(|a, b| b.cmp(a));
                todo.append(&mut below);
            }
        }
    }

    fn list(&mut self, dir: &Path, below: &mut Vec<PathBuf>) -> io::Result<()> {
        let mut groups = BTreeMap::<OsString, (bool, Vec<PathBuf>)>::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            if is_dir {
                below.push(entry.path());
            }
            match classify(&name) {
                Some((_, Part::Lock)) if package_manager(&name).is_some() => {}
                Some((base, Part::Lock)) => groups.entry(base).or_default().0 = true,
                Some((base, Part::Other)) if !is_dir => groups.entry(base).or_default().1.push(entry.path()),
                _ => {}
            }
        }
        for (base, (locked, mut parts)) in groups {
            parts.sort();
            let mut lock = dir.join(base).into_os_string();
            lock.push(".lock");
            self.groups.push(Group { target: Target::of_lock(Path::new(&lock)), locked, parts });
        }
        Ok(())
    }

    fn judge(self, problems: &mut Vec<Error>) -> Vec<Sighting> {
        // Read after every lock was seen: what it does not name was not locked
        // when it was there.
        let table = LockTable::read();
        let mut all = Vec::new();
        for group in self.groups {
            let verdict = match group.locked.then(|| judge(&group.target, &table)) {
                Some(Err(error)) => {
                    problems.push(error);
                    continue;
                }
                Some(Ok(verdict)) => verdict,
                None => None,
            };
            // Somebody at the gate, with no lock yet: he comes or goes just now.
            if verdict.is_none() && (group.parts.is_empty() || is_busy(&group.parts, &table)) {
                continue;
            }
            let note =
                verdict.as_ref().filter(|v| v.state == State::Foreign).and_then(|v| git_note(&group, v));
            all.push(Sighting {
                target: group.target.path().to_owned(),
                lock: group.target.lock_path().to_owned(),
                verdict,
                parts: group.parts,
                open_in: Vec::new(),
                note,
            });
        }
        add_openers(&mut all);
        all
    }
}

fn judge(target: &Target, table: &LockTable) -> Result<Option<Verdict>> {
    let look = |how| Ok(verdict::judge(target, how)?.map(|f| f.verdict));
    match look(Look::Table(table))? {
        // That somebody has a lock is certain, that nobody has it is not: the
        // table is read in pieces while others lock. Nobody is there to be
        // disturbed, most likely.
        Some(v) if v.state == State::Stale => {
            wait_for_newborn(&v);
            look(Look::Moment)
        }
        other => Ok(other),
    }
}

/// A lock without kernel lock that is very young may be one whose owner is just
/// about to take that: he needs microseconds.
fn wait_for_newborn(verdict: &Verdict) {
    let age =
        verdict.born.or(verdict.modified).map(|t| SystemTime::now().duration_since(t).unwrap_or_default());
    if verdict.state == State::Stale && age.is_some_and(|a| a < NEWBORN) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a part, the gate, has its kernel lock taken.
fn is_busy(parts: &[PathBuf], table: &LockTable) -> bool {
    let taken = |path: &PathBuf| match table.knows(path) {
        true => sys::stat(path).is_ok_and(|s| !table.holders(s.id).is_empty()),
        false => matches!(sys::open_lock(path, true), Ok(sys::Grip::Busy(_))),
    };
    parts.iter().any(taken)
}

fn add_openers(all: &mut [Sighting]) {
    let is_foreign = |v: &&Verdict| v.state == State::Foreign;
    let ids: Vec<FileId> =
        all.iter().filter_map(|s| s.verdict.as_ref()).filter(is_foreign).map(|v| v.id).collect();
    if ids.is_empty() {
        return;
    }
    for (id, pid, name) in sys::open_in(&ids) {
        for sighting in all.iter_mut().filter(|s| s.verdict.as_ref().is_some_and(|v| v.id == id)) {
            sighting.open_in.push((pid, printable(&name)));
        }
    }
}

enum Part {
    Lock,
    Other,
}

/// What may stand beside a lock, by what is put behind the target's name.
/// A journal of the write queue is no part of a lock, but one that was set aside is
/// what a drainer leaves that dies.
const PARTS: [&str; 5] = ["~owner.lock", "~readers.lock", "~inner.lock", "~pid.lock", ASIDE];
const ASIDE: &str = ".queue.aside";

/// Whose file this is: the target's name, and whether it is the lock.
fn classify(name: &OsStr) -> Option<(OsString, Part)> {
    let bytes = name.as_encoded_bytes();
    if let Some(base) = bytes.strip_suffix(ASIDE.as_bytes()).filter(|b| !b.is_empty()) {
        return Some((sys::cut_name(name, base.len()), Part::Other));
    }
    let stem = bytes.strip_suffix(b".lock")?;
    for part in PARTS {
        if let Some(base) = bytes.strip_suffix(part.as_bytes()).filter(|b| !b.is_empty()) {
            return Some((sys::cut_name(name, base.len()), Part::Other));
        }
    }
    let stage = b"~stage-";
    if let Some(at) = stem.windows(stage.len()).position(|w| w == stage).filter(|&at| at > 0) {
        return Some((sys::cut_name(name, at), Part::Other));
    }
    (!stem.is_empty()).then(|| (sys::cut_name(name, stem.len()), Part::Lock))
}

/// What git (from 2.54, with `core.lockfilePid`) noted beside its lock, believed
/// no more than it deserves: it is made after the lock, and one that survives a
/// crash is not made anew, so an older one speaks of an earlier lock.
fn git_note(group: &Group, verdict: &Verdict) -> Option<String> {
    let path = group.target.part("~pid.lock");
    let stat = sys::stat(&path).ok().filter(|s| s.kind == Kind::Regular)?;
    let mut text = String::new();
    // "pid " and a number.
    sys::open_to_look(&path).ok()?.take(32).read_to_string(&mut text).ok()?;
    let pid: u32 = text.trim_end().strip_prefix("pid ")?.parse().ok()?;
    let older = match (stat.id.birth, verdict.id.birth) {
        (Some(note), Some(lock)) => note < lock,
        _ => stat.modified < verdict.modified,
    };
    Some(match older {
        true => format!("git noted pid {pid}, but before this lock was made"),
        false if sys::is_running(pid) => format!("git noted pid {pid}; a process of that number runs"),
        false => format!("git noted pid {pid}; no process of that number runs"),
    })
}

/// How a lock is to be broken.
#[derive(Clone, Copy, Debug, Default)]
pub struct BreakOptions {
    /// Also one of which nothing is proven; never one that is alive.
    pub force: bool,
    /// Throws away what was staged in it, rather than keeping it beside the file.
    pub discard: bool,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// What became of a lock that was to be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// There was none any more.
    Nothing,
    /// It could be removed; that was not asked for.
    Possible,
    /// It is gone. What was staged in it is kept in this file, if anything was.
    Removed(Option<PathBuf>),
}

/// Breaks the lock that was seen: judged again under its kernel lock, and
/// removed only if it is still the same one.
///
/// # Errors
/// [`Error::Refused`] if nothing proves that its owner is gone, or it is not
/// the one that was seen; [`Error::Io`].
pub fn break_lock(seen: &Sighting, options: BreakOptions) -> Result<Broken> {
    let target = Target::of_lock(&seen.lock);
    let Some(before) = &seen.verdict else {
        // Only what went with a lock: nobody needs it.
        if !options.dry_run {
            gate::sweep(&target);
        }
        return Ok(Broken::Nothing);
    };
    wait_for_newborn(before);
    let Some(found) = verdict::judge(&target, Look::Grip)? else { return Ok(Broken::Nothing) };
    let now = &found.verdict;
    let refused = |why: String| Err(Error::refused(target.path(), why));
    if now.id != before.id {
        return refused("another took the lock meanwhile; look again".into());
    }
    match now.state {
        State::NotALock => {
            return refused(format!("{} is not a lock: {}", show(&seen.lock), now.evidence));
        }
        _ if now.alive => {
            // Our own look says that it is taken; the table may say by whom.
            let pid = now.pid().or(before.pid());
            let end = pid
                .map_or_else(String::new, |pid| format!("; 'kill {pid}' ends it, and the lock goes with it"));
            return refused(format!("the lock is {}; a living lock is never broken{end}", before.describe()));
        }
        State::Foreign | State::Held if !options.force => {
            return refused(format!("the lock is {}; {}", now.describe(), now.advice(target.path())));
        }
        _ => {}
    }
    if found.grip.is_none() {
        let source = io::ErrorKind::PermissionDenied.into();
        return Err(Error::Io { doing: "open the lock", path: seen.lock.clone(), source });
    }
    if options.dry_run {
        return Ok(Broken::Possible);
    }
    // The target tells still whether a drainer of the write queue had committed.
    journal::settle(&target)?;
    let kept = if options.discard || now.size == 0 {
        found.remove(&target)?;
        None
    } else {
        Some(found.keep_content(&target)?)
    };
    // The record speaks of what is gone. If S is not to be had, whoever has it
    // overwrites it.
    gate::sweep(&target);
    Ok(Broken::Removed(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_to_the_lock_that_they_belong_to() {
        let of = |name: &str| {
            let (base, part) = classify(OsStr::new(name))?;
            Some((base.into_string().unwrap(), matches!(part, Part::Lock)))
        };
        assert_eq!(of("f.lock"), Some(("f".into(), true)));
        assert_eq!(of("f.json.lock"), Some(("f.json".into(), true)));
        for part in ["f~owner.lock", "f~readers.lock", "f~inner.lock", "f~pid.lock", "f~stage-1a.lock"] {
            assert_eq!(of(part), Some(("f".into(), false)), "{part}");
        }
        assert_eq!(of("f.queue.aside"), Some(("f".into(), false)));
        for other in [".lock", "f", "f.queue", "f.lock2", "~owner.lock.x", "locks"] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(of("~owner.lock"), Some(("~owner".into(), true)));
    }
}
