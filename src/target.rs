//! The file that is protected, and the names of the files that protect it.

use crate::error::{Error, Result};
use crate::sys::{self, Kind, Mark};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Longest name of a target, in bytes: the longest name that is derived from
/// it must still fit into the 255 bytes that file systems allow.
const LONGEST_NAME: usize = 230;
/// The same for the name of an inner lock, which gets only the gate's suffix.
const LONGEST_INNER: usize = 255 - "~owner.lock".len();
/// As many links in a chain as Linux itself follows.
const MOST_LINKS: usize = 40;

/// Names of the write queue's files, behind that of the target.
const QUEUE: &str = ".queue";
const ASIDE: &str = ".queue.aside";
const REJECTED: &str = ".queue.rejected";
/// With what a journal begins.
pub(crate) const QUEUE_MAGIC: &[u8; 16] = b"dotlock queue 1\n";

/// A resolved target: two names of one file give the same one.
///
/// Hard links and bind mounts cannot be seen; they are different targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
    lock: PathBuf,
    gate: PathBuf,
}

impl Target {
    /// Resolves `path`: made absolute, trailing slashes stripped, symbolic
    /// links followed to the file. The file need not exist; a dangling link
    /// leads to the file it points to.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that dotlock itself uses, one that is too
    /// long, or whose lock's name is that of a package manager's file.
    pub fn resolve(path: &Path) -> Result<Target> {
        let path = follow(path)?;
        check_name(&path)?;
        let lock = with_suffix(&path, ".lock");
        if let Some(tool) = package_manager(lock.file_name().unwrap_or_default()) {
            let why = format!(
                "{} is the name of {tool}'s lock file, not of a lock; give another with --lock-file",
                lock.file_name().unwrap_or_default().display(),
            );
            return Err(Error::refused(&path, why));
        }
        Ok(Target { gate: with_suffix(&path, "~owner.lock"), lock, path })
    }

    /// The same target, to be written, protected by a lock file of another name,
    /// which must be on the same file system: it becomes the file.
    ///
    /// # Errors
    /// [`Error::Refused`] as for [`Target::resolve`].
    pub fn resolve_with_lock(path: &Path, lock: &Path) -> Result<Target> {
        let target = Target::resolve_with_lock_anywhere(path, lock)?;
        // As near as there is a directory: it may still have to be made.
        let volume = |path: &Path| parent(path).ancestors().find_map(|d| sys::volume(d).ok());
        if volume(&target.lock) != volume(&target.path) {
            let why = "the lock file must be on the file system of the file that it becomes";
            return Err(Error::refused(&target.lock, why));
        }
        Ok(target)
    }

    /// The same target, to be held and not written: its lock file may be anywhere.
    ///
    /// # Errors
    /// [`Error::Refused`] as for [`Target::resolve`].
    pub fn resolve_with_lock_anywhere(path: &Path, lock: &Path) -> Result<Target> {
        let path = follow(path)?;
        check_name(&path)?;
        let lock = absolute(lock)?;
        if let Some(tool) = package_manager(lock.file_name().unwrap_or_default()) {
            return Err(Error::refused(&lock, format!("this is {tool}'s lock file, not a lock")));
        }
        if lock == path {
            return Err(Error::refused(&lock, "a file cannot be its own lock"));
        }
        let stem = stem(&lock);
        check_name(&stem)?;
        Ok(Target { gate: with_suffix(&stem, "~owner.lock"), lock, path })
    }

    /// For looking, not for locking: whatever the name may be.
    pub(crate) fn resolve_any(path: &Path) -> Result<Target> {
        let path = follow(path)?;
        Ok(Target { lock: with_suffix(&path, ".lock"), gate: with_suffix(&path, "~owner.lock"), path })
    }

    /// What is protected by `lock`, a path as [`Target::lock_path`] gives it.
    pub(crate) fn of_lock(lock: &Path) -> Target {
        let path = stem(lock);
        Target { lock: lock.to_owned(), gate: with_suffix(&path, "~owner.lock"), path }
    }

    /// `path`, protected by a lock of whatever name, both as another process
    /// resolved them.
    pub(crate) fn with_lock(path: &Path, lock: &Path) -> Target {
        Target { path: path.to_owned(), ..Target::of_lock(lock) }
    }

    /// The same target for those who work under its lock: they exclude each other
    /// by a lock of their own, `<target>~inner.lock`.
    ///
    /// # Errors
    /// [`Error::Refused`] when so many are nested that the name would not fit.
    pub(crate) fn inner(&self) -> Result<Target> {
        let stem = with_suffix(&stem(&self.lock), "~inner");
        if stem.file_name().unwrap_or_default().len() > LONGEST_INNER {
            let why = "too many commands are nested under its lock; the next lock's name would not fit";
            return Err(Error::refused(&self.path, why));
        }
        Ok(Target::with_lock(&self.path, &with_suffix(&stem, ".lock")))
    }

    /// The resolved file, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// P: `<target>.lock`.
    pub fn lock_path(&self) -> &Path {
        &self.lock
    }

    /// S: `<target>~owner.lock`.
    pub(crate) fn gate_path(&self) -> &Path {
        &self.gate
    }

    /// J, the journal of the write queue: `<target>.queue`.
    pub(crate) fn queue_path(&self) -> PathBuf {
        self.part(QUEUE)
    }

    /// The journal that is being written into the target: `<target>.queue.aside`.
    pub(crate) fn aside_path(&self) -> PathBuf {
        self.part(ASIDE)
    }

    /// What could not be written into the target: `<target>.queue.rejected`.
    pub(crate) fn rejected_path(&self) -> PathBuf {
        self.part(REJECTED)
    }

    /// The directory that the lock is in.
    pub(crate) fn lock_dir(&self) -> &Path {
        parent(&self.lock)
    }

    /// The directory that the target is in.
    pub(crate) fn dir(&self) -> &Path {
        parent(&self.path)
    }

    /// What is called as the target, with `suffix` behind it.
    pub(crate) fn part(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.path, suffix)
    }

    /// Names beside it that tell what is kept there, and when that came about, to
    /// the second: the first that is free is to be taken.
    pub(crate) fn dated(&self, what: &'static str) -> impl Iterator<Item = PathBuf> {
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let time: String = time.chars().filter(|c| !"-:".contains(*c)).collect();
        // One letter fits behind the longest name.
        let letters = ('a'..='z').map(String::from);
        let more = std::iter::once(String::new()).chain(letters).chain((10..1000).map(|n| n.to_string()));
        more.map(move |more| self.part(&format!(".{what}-{time}{more}")))
    }

    /// A file of the user's own beside it, with `suffix` behind its name.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that is a lock's, or cannot be had.
    pub(crate) fn beside(&self, suffix: &OsStr) -> Result<PathBuf> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        let why = match () {
            () if suffix.is_empty() => "a suffix is needed",
            () if path.parent() != self.path.parent() => "the suffix must not lead into another directory",
            () if path.file_name().is_none_or(|name| name.len() > 255) => "the name would be too long",
            () if path.extension() == Some("lock".as_ref()) => "it would have the name of a lock",
            () => return check_not_ours(&path).map(|()| path),
        };
        Err(Error::refused(&path, why))
    }

    /// The beginning and the end of the names of staging files. Between them
    /// comes something unique.
    pub(crate) fn stage_name(&self) -> (OsString, &'static str) {
        let mut prefix = self.path.file_name().unwrap_or_default().to_owned();
        prefix.push("~stage-");
        (prefix, ".lock")
    }

    /// The directory for what the holder of the P with this file number stages
    /// under a name.
    pub(crate) fn stage_dir(&self, number: u64) -> PathBuf {
        // In few enough characters for the longest name, whatever the number.
        let mut digits = Vec::new();
        let mut rest = number;
        while rest > 0 || digits.is_empty() {
            digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or_default());
            rest /= 36;
        }
        self.stage_path(&digits.iter().rev().collect::<String>())
    }

    /// A staging file's path.
    pub(crate) fn stage_path(&self, token: &str) -> PathBuf {
        let (mut name, end) = self.stage_name();
        name.push(token);
        name.push(end);
        self.lock.with_file_name(name)
    }
}

/// A lock's path without `.lock`.
fn stem(lock: &Path) -> PathBuf {
    match lock.extension() {
        Some(end) if end == "lock" => lock.with_file_name(lock.file_stem().unwrap_or_default()),
        _ => lock.to_owned(),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Error::refused(path, "the name is empty"));
    }
    if let Some(why) = sys::unfit(path) {
        return Err(Error::refused(path, why));
    }
    std::path::absolute(path).map_err(Error::io("resolve", path))
}

/// Pushes bytes: `Path::with_extension` would mangle `..hidden` and names that
/// are not UTF-8.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The last component's links, followed; those of the directories before it
/// need not be, as every name of a directory leads to the same lock file.
fn follow(path: &Path) -> Result<PathBuf> {
    let mut at = absolute(path)?;
    for _ in 0..MOST_LINKS {
        // Neither "..", nor "/", has a name of its own to put a suffix on.
        let Some(name) = at.file_name() else {
            return at.canonicalize().map_err(Error::io("resolve", path));
        };
        // Rebuilt, so that trailing slashes are gone.
        at = parent(&at).join(name);
        match std::fs::read_link(&at) {
            Ok(to) => at = parent(&at).join(to),
            Err(_) => return Ok(at),
        }
    }
    let source = std::io::Error::other("too many symbolic links, one after the other");
    Err(Error::Io { doing: "resolve", path: path.to_owned(), source })
}

fn check_name(path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    let bytes = name.as_encoded_bytes();
    if bytes.len() > LONGEST_NAME {
        let why =
            format!("the name has {} bytes; its lock would not fit (at most {LONGEST_NAME})", bytes.len());
        return Err(Error::refused(path, why));
    }
    check_not_ours(path)
}

fn check_not_ours(path: &Path) -> Result<()> {
    let bytes = path.file_name().unwrap_or_default().as_encoded_bytes();
    let ours = [b"~owner".as_slice(), b"~pid", b"~readers", b"~inner"];
    let stage = b"~stage-";
    if ours.iter().any(|end| bytes.ends_with(end)) || bytes.windows(stage.len()).any(|w| w == stage) {
        return Err(Error::refused(path, "names like this are dotlock's own, or git's"));
    }
    if [ASIDE, REJECTED].iter().any(|end| bytes.ends_with(end.as_bytes())) {
        return Err(Error::refused(
            path,
            "it belongs to the write queue of another file, which dotlock keeps",
        ));
    }
    if bytes.ends_with(QUEUE.as_bytes()) && is_journal(path) {
        let why = "it is a write queue of dotlock itself; name the file that it is for";
        return Err(Error::refused(path, why));
    }
    if bytes.ends_with(b".lock")
        && sys::stat(path).is_ok_and(|s| s.kind == Kind::Regular && s.mark != Mark::None)
    {
        return Err(Error::refused(path, "it is a lock of dotlock itself; name the file that it protects"));
    }
    Ok(())
}

/// Whether it begins as a journal of the write queue does.
fn is_journal(path: &Path) -> bool {
    let is_file = sys::stat(path).is_ok_and(|s| s.kind == Kind::Regular);
    let mut begin = [0; QUEUE_MAGIC.len()];
    let read = |file: std::fs::File| sys::read_at(&file, &mut begin, 0).is_ok();
    is_file && sys::open_to_look(path).is_ok_and(read) && begin == *QUEUE_MAGIC
}

/// Lock files of package managers: data that belongs in version control and
/// only looks like a lock. Name, and the tool that it belongs to.
const PACKAGE_LOCKS: [(&str, &str); 41] = [
    ("Berksfile.lock", "Berkshelf"),
    ("Cargo.lock", "Cargo"),
    ("Chart.lock", "Helm"),
    ("Gemfile.lock", "Bundler"),
    ("Gopkg.lock", "dep"),
    ("Package.resolved", "the Swift Package Manager"),
    ("Pipfile.lock", "Pipenv"),
    ("Podfile.lock", "CocoaPods"),
    ("Puppetfile.lock", "librarian-puppet"),
    ("buf.lock", "Buf"),
    ("bun.lock", "Bun"),
    ("bun.lockb", "Bun"),
    ("cabal.project.freeze", "Cabal"),
    ("composer.lock", "Composer"),
    ("conda-lock.yml", "conda-lock"),
    ("deno.lock", "Deno"),
    ("devbox.lock", "Devbox"),
    ("devenv.lock", "devenv"),
    ("flake.lock", "Nix"),
    ("gems.locked", "Bundler"),
    ("glide.lock", "Glide"),
    ("mise.lock", "mise"),
    ("mix.lock", "Mix"),
    ("npm-shrinkwrap.json", "npm"),
    ("package-lock.json", "npm"),
    ("packages.lock.json", "NuGet"),
    ("packrat.lock", "Packrat"),
    ("paket.lock", "Paket"),
    ("pdm.lock", "PDM"),
    ("pixi.lock", "pixi"),
    ("pnpm-lock.yaml", "pnpm"),
    ("poetry.lock", "Poetry"),
    ("project.lock.json", "NuGet"),
    ("pubspec.lock", "Dart's pub"),
    ("pylock.toml", "pip"),
    ("rebar.lock", "Rebar3"),
    ("renv.lock", "renv"),
    ("shard.lock", "Shards"),
    ("stack.yaml.lock", "Stack"),
    ("symfony.lock", "Symfony Flex"),
    ("yarn.lock", "Yarn"),
];
/// The same, by the end of the name.
const PACKAGE_LOCK_ENDS: [(&str, &str); 4] = [
    (".bazel.lock", "Bazel"),
    (".gemfile.lock", "Bundler"),
    (".terraform.lock.hcl", "Terraform"),
    ("uv.lock", "uv"),
];

/// The package manager that `name` belongs to, if it looks like one's.
///
/// Compared without regard to case, as some file systems do.
pub(crate) fn package_manager(name: &OsStr) -> Option<&'static str> {
    let name = name.to_str()?;
    let whole = PACKAGE_LOCKS.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    let end = || {
        let ends = |end: &str| {
            let cut = name.len().checked_sub(end.len());
            cut.and_then(|at| name.get(at..)).is_some_and(|n| n.eq_ignore_ascii_case(end))
        };
        PACKAGE_LOCK_ENDS.iter().find(|(e, _)| ends(e) && (!e.starts_with("uv") || name.len() == e.len()))
    };
    whole.or_else(end).map(|(_, tool)| *tool)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(path: impl AsRef<Path>) -> Result<Target> {
        Target::resolve(path.as_ref())
    }

    #[test]
    fn names_are_pushed_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["f.json", "..hidden", ".dot", "two.dots.x", "no-dot"] {
            let t = target(dir.path().join(name)).unwrap();
            assert_eq!(t.lock_path().file_name().unwrap(), OsStr::new(&format!("{name}.lock")));
            assert_eq!(t.gate_path().file_name().unwrap(), OsStr::new(&format!("{name}~owner.lock")));
        }
    }

    #[test]
    fn long_names_and_our_own_are_refused() {
        assert!(target("x".repeat(LONGEST_NAME)).is_ok());
        assert!(target("x".repeat(LONGEST_NAME + 1)).is_err());
        for name in ["f~owner", "f~pid", "f~readers", "f~inner", "f~stage-1.lock", "a~stage-b", "~owner"] {
            assert!(matches!(target(name), Err(Error::Refused { .. })), "{name}");
        }
        assert!(target("f~other").is_ok());
        assert!(target("").is_err());
    }

    #[test]
    fn every_name_that_is_derived_from_the_longest_one_fits() {
        let t = target("x".repeat(LONGEST_NAME)).unwrap();
        for path in [t.gate_path(), &t.stage_dir(u64::MAX), &t.part(".broken-20261231T235959Zz")] {
            assert!(path.file_name().unwrap().len() <= 255, "{path:?}");
        }
        assert!(t.stage_dir(0) != t.stage_dir(1) && t.stage_dir(36) != t.stage_dir(1));
    }

    #[test]
    fn package_managers_files_are_no_locks() {
        let all = PACKAGE_LOCKS.iter().chain(&PACKAGE_LOCK_ENDS);
        for (name, tool) in all {
            assert_eq!(package_manager(OsStr::new(name)), Some(*tool));
            assert_eq!(package_manager(OsStr::new(&name.to_uppercase())), Some(*tool));
        }
        assert_eq!(package_manager(OsStr::new("rails_7.gemfile.lock")), Some("Bundler"));
        for name in ["app.json.lock", "menuv.lock", "index.lock", "config.lock", "xCargo.lock"] {
            assert_eq!(package_manager(OsStr::new(name)), None, "{name}");
        }
        let refused = target("Gemfile").unwrap_err().to_string();
        assert!(refused.contains("Bundler") && refused.contains("--lock-file"), "{refused}");
    }

    #[test]
    fn another_lock_file_is_taken_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (f, l) = (dir.path().join("Gemfile"), dir.path().join("gems.lock"));
        let t = Target::resolve_with_lock(&f, &l).unwrap();
        assert_eq!(t.lock_path(), l);
        assert_eq!(t.gate_path(), dir.path().join("gems~owner.lock"));
        assert!(Target::resolve_with_lock(&f, &f).is_err());
        assert!(Target::resolve_with_lock(&f, &dir.path().join("Cargo.lock")).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_name_is_a_package_managers_only_if_it_ends_like_one(
            name in prop_oneof![
                any::<String>(),
                (any::<String>(), proptest::sample::select(&PACKAGE_LOCKS[..])).prop_map(|(s, (n, _))| s + n),
                (any::<String>(), proptest::sample::select(&PACKAGE_LOCK_ENDS[..])).prop_map(|(s, (n, _))| s + n),
            ],
        ) {
            let tool = package_manager(OsStr::new(&name));
            let lower = name.to_ascii_lowercase();
            let mut known = PACKAGE_LOCKS.iter().chain(&PACKAGE_LOCK_ENDS).filter(|(_, t)| Some(*t) == tool);
            prop_assert!(tool.is_none() || known.any(|(n, _)| lower.ends_with(&n.to_ascii_lowercase())));
            prop_assert_eq!(package_manager(OsStr::new(&lower)), tool);
        }
    }
}
