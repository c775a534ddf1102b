//! Made-up names, records and locks: whatever they hold, nothing panics or
//! hangs, nothing outside the directory is touched, and nothing reaches the
//! terminal uncleaned.
//!
//! `PROPTEST_CASES` says how many cases each test tries, `PROPTEST_RNG_SEED` which.

use crate::harness::{Dir, Outcome, birth};
use dotlock::{Error, Policy, Scope, Sighting, State, Target};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// It says what has failed; a file for that would litter the source.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// What names are made of, beside chance: what leads somewhere in [`Tree`], what
/// means something to dotlock, to a shell, to a terminal.
const PIECES: [&str; 33] = [
    "..", ".", "f", "sub", "link", "dangling", "circle", "out", "up", "tmp", "etc", "f.lock", ".lock",
    "~owner", "~pid", "~readers", "~stage-", "Gemfile", "Cargo", "uv", "\0", "\n", "\x1b[31m", "\u{202E}",
    "\u{9b}", "é", " ", "-", "~", "'", "\\", "$(id)", "*",
];

/// Names as somebody might give them, and as nobody does.
fn name() -> impl Strategy<Value = OsString> {
    let piece = prop_oneof![
        6 => select(&PIECES[..]).prop_map(|p| p.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
        1 => any::<String>().prop_map(String::into_bytes),
        1 => (select(vec!["x", "é", "/"]), 100..260_usize).prop_map(|(c, n)| c.repeat(n).into_bytes()),
    ];
    let joined = |pieces: Vec<(Vec<u8>, bool)>| {
        pieces.into_iter().flat_map(|(piece, slash)| [piece, vec![b'/'; slash.into()]].concat()).collect()
    };
    vec((piece, any::<bool>()), 0..6).prop_map(joined).prop_map(OsString::from_vec)
}

/// A directory with files and links, inside one that is watched.
struct Tree(Dir);

impl Tree {
    fn new() -> Tree {
        let dir = Dir::new();
        for made in ["in/sub", "outside"] {
            std::fs::create_dir_all(dir.join(made)).unwrap();
        }
        for (name, to) in [
            ("link", "f"),
            ("dangling", "sub/new"),
            ("circle", "circle"),
            ("out", "../outside/f"),
            ("up", "..///"),
            ("sub/etc", "../../outside/"),
        ] {
            symlink(to, dir.join("in").join(name)).unwrap();
        }
        dir.file("in/f", "old");
        dir.file("outside/f", "old");
        Tree(dir)
    }

    /// `name`, taken from the inner directory, even where it begins with a slash.
    fn path(&self, name: &OsStr) -> OsString {
        let mut path = self.0.join("in/.").into_os_string();
        path.push("/");
        path.push(name);
        path
    }

    /// Whether what is made for `target` is made under our eyes; `None` if its
    /// directory does not exist.
    fn watches(&self, target: &Target) -> Option<bool> {
        let dir = target.lock_path().parent().unwrap().canonicalize().ok()?;
        Some(dir.starts_with(self.0.path().canonicalize().unwrap()))
    }

    /// All that is there: files by their content, with their number and mode.
    fn state(&self) -> BTreeMap<PathBuf, String> {
        let mut all = BTreeMap::new();
        let mut todo = vec![self.0.path().to_owned()];
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let meta = path.symlink_metadata().unwrap();
                let content = match meta {
                    ref m if m.is_dir() => String::new(),
                    ref m if m.is_symlink() => format!("{:?}", path.read_link()),
                    _ => format!("{} {:?}", meta.ino(), std::fs::read(&path)),
                };
                if meta.is_dir() {
                    todo.push(path.clone());
                }
                all.insert(path, format!("{:o} {content}", meta.mode()));
            }
        }
        all
    }
}

/// Nothing that a terminal would obey.
fn clean(text: &str) -> bool {
    !text.contains(|c: char| {
        c.is_control()
            || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    })
}

/// It has ended as a program ends that knows what it does.
fn behaves(out: &Outcome) -> bool {
    [0, 1, 2, 3, 75].contains(&out.code)
        && [&out.stdout, &out.stderr].iter().all(|text| text.split('\n').all(clean))
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn any_name_is_resolved_or_refused(name in name(), lock in name()) {
        let path = Path::new(&name);
        if let Ok(target) = Target::resolve(path) {
            prop_assert!(target.path().is_absolute());
            let file = target.path().as_os_str().as_bytes();
            prop_assert_eq!([file, b".lock"].concat(), target.lock_path().as_os_str().as_bytes());
        }
        let _ = Target::resolve_with_lock(path, Path::new(&lock));
        let _ = dotlock::sight(path);
        prop_assert!(clean(&dotlock::show(path)));
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn whatever_it_is_called_only_the_lock_and_its_gate_are_made_and_both_go(name in name()) {
        let tree = Tree::new();
        let before = tree.state();
        let path = tree.path(&name);
        let Ok(target) = Target::resolve(path.as_ref()) else { return Ok(()) };
        let watched = tree.watches(&target);
        if watched == Some(false) {
            return Ok(());
        }
        match dotlock::acquire_target(&target, &Policy::default().wait(Duration::ZERO)) {
            Ok(lock) => {
                prop_assert_eq!(watched, Some(true));
                let made: Vec<_> = tree.state().into_keys().filter(|p| !before.contains_key(p)).collect();
                let dir = target.lock_path().parent().unwrap().canonicalize().unwrap();
                let file = target.path().file_name().unwrap();
                let beside = |end: &str| dir.join(OsStr::from_bytes(&[file.as_bytes(), end.as_bytes()].concat()));
                prop_assert_eq!(made, [beside(".lock"), beside("~owner.lock")]);
                lock.roll_back();
            }
            Err(error) => prop_assert!(clean(&error.to_string()), "{error:?}"),
        }
        prop_assert_eq!(tree.state(), before);
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn the_program_stands_any_name(name in name().prop_filter("no argument", |n| !n.as_bytes().contains(&0))) {
        let tree = Tree::new();
        let path = tree.path(&name);
        let looked = tree.0.dotlock().args(["status".as_ref(), path.as_os_str()]).run();
        prop_assert!(behaves(&looked), "{looked:?}");
        if Target::resolve(path.as_ref()).is_ok_and(|t| tree.watches(&t) == Some(false)) {
            return Ok(());
        }
        let before = tree.state();
        let written = tree.0.dotlock().args(["write".as_ref(), "-n".as_ref(), path.as_os_str()]).stdin("new").run();
        prop_assert!(behaves(&written), "{written:?}");
        let mut after = tree.state();
        after.retain(|path, state| before.get(path) != Some(state));
        prop_assert_eq!(after.len(), usize::from(written.code == 0), "{:?}, {:?}", written, after);
    }
}

/// Any JSON, with texts that would do harm.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(&PIECES[..]).prop_map(Value::from),
        Just(Value::from("x\u{1b}]0;y\u{7}".repeat(2000))),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        let map = proptest::collection::btree_map("[a-z]{0,9}", inner.clone(), 0..5);
        let objects = map.prop_map(|m| Value::Object(m.into_iter().collect()));
        prop_oneof![vec(inner, 0..5).prop_map(Value::from), objects]
    })
}

/// What may be found in a gate.
#[derive(Clone, Debug)]
enum Left {
    Bytes(Vec<u8>),
    /// A record that speaks of the lock, with some of its fields replaced.
    Record(Vec<(String, Value)>),
}

fn left() -> impl Strategy<Value = Left> {
    const FIELDS: [&str; 9] = ["v", "lock", "pid", "program", "label", "user", "host", "since", "x"];
    let life = (any::<bool>(), any::<u64>(), any::<u32>());
    let life = life.prop_map(|(here, start, pid)| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        json!({ "boot": if here { boot.trim() } else { "?" }, "start": start, "pid_namespace": pid })
    });
    let field = prop_oneof![
        (select(&FIELDS[..]), any_json()),
        (Just("life"), prop_oneof![life, any_json()]),
        (Just("pid"), select(vec![0, 1, std::process::id(), i32::MAX as u32]).prop_map(Value::from)),
    ];
    prop_oneof![
        1 => vec(any::<u8>(), 0..300).prop_map(Left::Bytes),
        1 => any_json().prop_map(|json| Left::Bytes(json.to_string().into_bytes())),
        3 => vec(field.prop_map(|(name, value)| (name.to_owned(), value)), 0..5).prop_map(Left::Record),
    ]
}

/// A lock with any content and mode, what is left in its gate, git's note.
fn lock() -> impl Strategy<Value = (Vec<u8>, u32, Left, Option<String>)> {
    let mode = select(vec![0o600, 0o644, 0o1600, 0o1600, 0o1300, 0o1300, 0o4755, 0]);
    let note = prop_oneof!["pid [0-9]{1,12}\n?", any::<String>()];
    (vec(any::<u8>(), 0..50), mode, left(), option::of(note))
}

fn plant((content, mode, left, note): &(Vec<u8>, u32, Left, Option<String>)) -> Dir {
    let dir = Dir::new();
    dir.file("f", "old");
    let path = dir.join("f.lock");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(*mode).open(&path).unwrap();
    file.write_all(content).unwrap();
    let meta = path.metadata().unwrap();
    let birth = birth(&path);
    let bytes = match left {
        Left::Bytes(bytes) => bytes.clone(),
        Left::Record(fields) => {
            let mut record = json!({
                "v": 1, "lock": { "number": meta.ino(), "birth": birth }, "pid": 4711, "program": "p",
                "user": "u", "host": "h", "since": "2026-01-02T03:04:05Z",
            });
            for (name, value) in fields {
                record[name] = value.clone();
            }
            record.to_string().into_bytes()
        }
    };
    dir.file("f~owner.lock", bytes);
    if let Some(note) = note {
        dir.file("f~pid.lock", note);
    }
    dir
}

/// All that is said of a lock.
fn said(seen: &Sighting) -> Vec<String> {
    let mut all: Vec<_> = seen.note.iter().cloned().collect();
    all.extend(seen.open_in.iter().map(|(_, name)| name.clone()));
    if let Some(v) = &seen.verdict {
        all.extend([v.evidence.clone(), v.describe(), v.advice(&seen.target)]);
        if let Some(h) = &v.holder {
            all.extend([h.to_string(), h.program.clone(), h.user.clone(), h.host.clone()]);
            all.extend(h.label.clone());
        }
    }
    all
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn no_lock_or_record_misleads_or_reaches_the_terminal(lock in lock()) {
        let dir = plant(&lock);
        let mut seen = vec![dotlock::sight(&dir.join("f")).unwrap(), dotlock::sight(&dir.join("f.lock")).unwrap()];
        let (all, problems) = dotlock::survey(dir.path(), Scope::default()).unwrap();
        prop_assert!(problems.is_empty() && all.len() == 1, "{problems:?}, {all:?}");
        seen.extend(all.into_iter().map(Some));
        for seen in seen {
            let seen = seen.unwrap();
            prop_assert_eq!(&seen.lock, &dir.join("f.lock"));
            let verdict = seen.verdict.as_ref().unwrap();
            prop_assert!(verdict.state != State::NotALock);
            // Nobody has its kernel lock: no record makes it look as if.
            prop_assert!(verdict.pids.is_empty() && !verdict.evidence.contains("alive"));
            prop_assert!(said(&seen).iter().all(|text| clean(text)), "{:?}", seen);
        }
        prop_assert_eq!(dir.read("f"), "old");
    }
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn the_program_stands_any_lock_and_record(lock in lock()) {
        let dir = plant(&lock);
        for line in ["status", "status --json", "break-lock --dry-run f", "write -n f"] {
            let out = dir.dotlock().line(line).stdin("new").run();
            prop_assert!(behaves(&out), "{line}: {out:?}");
        }
        let new = dir.read("f") == "new";
        prop_assert_eq!(new, !dir.join("f.lock").exists(), "written iff the lock was stale");
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn a_name_in_a_command_that_is_advised_is_one_word(names in vec(name(), 1..8)) {
        let dir = Dir::new();
        dir.file("f.lock", "");
        let verdict = dotlock::sight(&dir.join("f")).unwrap().unwrap().verdict.unwrap();
        let word = |name: &OsString| {
            let advice = verdict.advice(name.as_ref());
            let (_, from) = advice.split_once("'dotlock status ").unwrap();
            from.rsplit_once("'; if nobody does").unwrap().0.to_owned()
        };
        let script = format!("printf '%s\\0' {} end", names.iter().map(word).collect::<Vec<_>>().join(" "));
        let out = Command::new("sh").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
        let mut expected: Vec<_> = names.iter().map(|n| dotlock::show(n.as_ref()) + "\0").collect();
        expected.push("end\0".into());
        prop_assert_eq!(String::from_utf8(out.stdout).unwrap(), expected.concat(), "{}", script);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn whatever_the_delays_a_wait_ends_in_time(min: Duration, max: Duration, micros in 0..3000_u64, age: Duration) {
        let dir = Dir::new();
        let theirs = dir.file("f.lock", "");
        let policy = Policy::default().wait(Duration::from_micros(micros)).delays(min, max);
        let tried = dotlock::acquire(dir.join("f"), &policy);
        prop_assert!(matches!(tried, Err(Error::Busy { .. })), "{tried:?}");
        // Older than it is.
        let tried = dotlock::acquire(dir.join("f"), &policy.clone().stale_after(age.saturating_add(Duration::from_secs(3600))));
        prop_assert!(matches!(tried, Err(Error::Busy { .. })), "{tried:?}");
        prop_assert_eq!(dir.names(), ["f.lock"]);
        // A wait without end ends as well, when it is free.
        std::fs::remove_file(theirs).unwrap();
        dotlock::acquire(dir.join("f"), &policy.wait(Duration::MAX)).unwrap().roll_back();
    }
}
