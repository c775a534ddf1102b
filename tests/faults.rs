//! The n-th mutation of the file system fails, or kills: n runs upward until a
//! run completes without a fault.

use crate::harness::{Dir, Dotlock, Outcome};
use std::path::Path;

/// A command line that writes `f`, with what is there before.
struct Row {
    name: &'static str,
    line: &'static str,
    /// What `f` holds before; `None`: it does not exist.
    old: Option<&'static str>,
    /// Bigger than what is gathered in memory.
    big: bool,
    prepare: fn(&Dir),
}

const ROWS: [Row; 13] = [
    Row { name: "replace", line: "write f", old: Some("old"), big: false, prepare: |_| {} },
    Row { name: "create", line: "write f", old: None, big: false, prepare: |_| {} },
    Row { name: "spooled", line: "write f --sync data", old: Some("old"), big: true, prepare: |_| {} },
    Row { name: "copied", line: "write f --from src", old: Some("old"), big: false, prepare: source },
    Row { name: "parents", line: "write d/e/g --parents --from src", old: None, big: false, prepare: source },
    Row { name: "takeover", line: "write f", old: Some("old"), big: false, prepare: dead_lock },
    Row { name: "attributes", line: "write f", old: Some("old"), big: false, prepare: attributes },
    Row { name: "update", line: UPDATE, old: Some("old"), big: false, prepare: source },
    Row { name: "in place", line: IN_PLACE, old: Some("old"), big: false, prepare: source },
    Row { name: "backup", line: "write f --backup", old: Some("old"), big: false, prepare: older_backup },
    Row { name: "numbered", line: NUMBERED, old: Some("old"), big: false, prepare: |_| {} },
    Row { name: "checked", line: CHECKED, old: Some("old"), big: false, prepare: |_| {} },
    Row { name: "unsynced", line: "write f --sync none --mode 640", old: None, big: false, prepare: |_| {} },
];

const FAULTS: [&str; 7] = ["kill", "EIO", "ENOSPC", "EACCES", "EINTR", "EINVAL", "short"];

const UPDATE: &str = if cfg!(windows) { "update f -- cmd /d /c type src" } else { "update f -- cat src" };
const IN_PLACE: &str = if cfg!(windows) {
    "update f --in-place -- cmd /d /c copy /y src {}"
} else {
    "update f --in-place -- cp src {}"
};
const NUMBERED: &str = "write f --backup=numbered --keep 1";
/// A validator that is content with anything.
const CHECKED: &str = "write f --validate exit --skip-unchanged";

/// An older backup, which is the one that is left when nothing is written.
fn older_backup(dir: &Dir) {
    dir.file("f.bak", "older");
}

fn source(dir: &Dir) {
    dir.file("src", content(false));
}

/// What a replacement has to take over: an attribute, and another owner.
fn attributes(dir: &Dir) {
    #[cfg(target_os = "linux")]
    {
        let set = rustix::fs::XattrFlags::empty();
        let _ = rustix::fs::setxattr(dir.join("f"), "user.test", b"value", set);
        let _ = std::os::unix::fs::chown(dir.join("f"), Some(1234), Some(4321));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = dir;
}

/// A dead one's P and S, as `kill -9` leaves them.
fn dead_lock(dir: &Dir) {
    let killed = dir.dotlock().line("write f").stdin("dead").env("DOTLOCK_FAULT", "kill@7");
    assert_eq!(killed.run().code, 137);
    assert!(dir.join("f.lock").exists(), "{:?}", dir.names());
}

fn content(big: bool) -> String {
    if big { "n".repeat((1 << 20) + 4321) } else { "new content".into() }
}

#[test]
fn whatever_fails_or_dies_the_file_is_old_or_new_and_nothing_needs_a_human() {
    for row in &ROWS {
        for fault in FAULTS {
            let mut reached = 0;
            for n in 1.. {
                assert!(n < 100, "{} never completes", row.name);
                match one(row, fault, n) {
                    true => reached += 1,
                    false => break,
                }
            }
            let least = if fault == "short" { 1 } else { 10 };
            assert!(reached >= least, "{} {fault}: only {reached} faults, is the hook there?", row.name);
        }
    }
}

/// One run with one fault; false when it completed before the fault's turn.
fn one(row: &Row, fault: &str, n: u32) -> bool {
    let dir = Dir::new();
    let log = tempfile::NamedTempFile::new().unwrap();
    if let Some(old) = row.old {
        dir.file("f", old);
    }
    (row.prepare)(&dir);
    let before = dir.names();
    let others: Vec<_> = before.iter().filter(|n| ["src", "f.bak"].contains(&n.as_str())).cloned().collect();
    let new = content(row.big);
    let file = row.line.split_whitespace().find(|w| w.ends_with('f') || w.ends_with('g')).unwrap();

    let out = faulty(dir.dotlock(), row.line, fault, n, log.path(), &new).run();
    let log = std::fs::read_to_string(log.path()).unwrap();
    let context = format!("{} {fault}@{n} ({}): {out:?}, {:?}", row.name, log.trim(), dir.names());
    let reached = !log.is_empty();
    let struck = reached && !log.contains("passed");

    // The target: old or new, whole.
    let found = std::fs::read_to_string(dir.join(file)).ok();
    let is_new = found.as_deref() == Some(&new);
    assert!(is_new || found.as_deref() == row.old, "neither old nor new: {context}");

    // The exit code and the message.
    let undurable = out.stderr.contains("not yet durable");
    match out.code {
        137 => assert!(fault == "kill" && struck, "{context}"),
        0 => assert!(is_new && fault != "kill" || !struck, "{context}"),
        1 => {
            assert!(struck && is_new == undurable, "{context}");
            assert!(out.stderr.contains(dir.path().to_str().unwrap()), "which path? {context}");
        }
        _ => panic!("an exit code of its own: {context}"),
    }
    if fault == "EINTR" || fault == "short" {
        assert_eq!(out.code, 0, "to be tried again: {context}");
    }
    if fault == "EINVAL" && log.contains("SyncDir") {
        assert_eq!(out.code, 0, "such a directory needs no syncing: {context}");
    }

    // A backup is what the file was before; or all is as it was.
    let keeps = row.line.contains("--backup");
    let name = if row.line.contains("numbered") { "f.~1~" } else { "f.bak" };
    let backup = std::fs::read_to_string(dir.join(name)).ok();
    if keeps && is_new {
        assert_eq!(backup.as_deref(), Some("old"), "{context}");
    } else if keeps && out.code != 137 && !log.contains("Unlink") && !log.contains("Link") {
        assert_eq!(backup.as_deref(), others.first().map(|_| "older"), "{context}");
    } else if let Some(backup) = backup.filter(|_| keeps) {
        assert!(backup == "old" || backup == "older", "{context}");
    }

    // Nothing left behind, unless death or the removal itself prevented it.
    let is_kept = keeps && dir.join(name).exists();
    let clean = || {
        let mut expected = others.clone();
        if is_kept && !expected.iter().any(|n| n == name) {
            expected.push(name.to_owned());
        }
        if dir.join(file).exists() {
            expected.push(file.split('/').next().unwrap().to_owned());
        }
        expected.sort();
        expected
    };
    if out.code != 137 && !log.contains("Unlink") {
        // What the dead one left may still be there when a run fails early.
        let left = dir.names().into_iter().filter(|n| !before.contains(n) || clean().contains(n));
        assert_eq!(left.collect::<Vec<_>>(), clean(), "{context}");
    }

    // The next one, with no option and no human.
    let again = format!("write --wait 5s --parents {file}");
    let next = dir.dotlock().line(&again).stdin("next").run();
    assert_eq!(next.code, 0, "{next:?} after {context}");
    assert_eq!(std::fs::read_to_string(dir.join(file)).unwrap(), "next", "{context}");
    assert_eq!(dir.names(), clean(), "after the next write: {context}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o1000, 0, "the mark is still there: {context}");
    }
    reached
}

fn faulty(run: Dotlock, line: &str, fault: &str, n: u32, log: &Path, new: &str) -> Dotlock {
    run.line(line).env("DOTLOCK_FAULT", format!("{fault}@{n}")).env("DOTLOCK_FAULT_LOG", log).stdin(new)
}

#[test]
fn the_next_one_recovers_even_when_its_own_recoverer_was_killed() {
    for first in 1..30 {
        for second in 1..30 {
            let dir = Dir::new();
            dir.file("f", "old");
            let killed = |n: u32| -> Outcome {
                dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", format!("kill@{n}")).run()
            };
            if killed(first).code == 0 {
                assert!(first > 10);
                return;
            }
            let done = killed(second).code == 0;
            let text = dir.read("f");
            assert!(text == "old" || text == "new", "{text:?} after {first}, {second}");
            dir.dotlock().line("write -w 5s f").stdin("next").run().ok();
            assert_eq!((dir.read("f").as_str(), dir.names()), ("next", vec!["f".to_owned()]));
            if done {
                break;
            }
        }
    }
    panic!("it never completes");
}

#[test]
fn a_kill_during_the_cleaning_up_after_an_error_needs_no_human() {
    let run = |dir: &Dir, plan: &str, log: &Path| {
        let run = dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", plan);
        run.env("DOTLOCK_FAULT_LOG", log).run().code
    };
    for first in 1.. {
        for second in first + 1.. {
            let (dir, log) = (Dir::new(), tempfile::NamedTempFile::new().unwrap());
            dir.file("f", "old");
            let code = run(&dir, &format!("EIO@{first},kill@{second}"), log.path());
            let text = dir.read("f");
            assert!(text == "old" || text == "new", "{text:?} after {first}, {second}");
            dir.dotlock().line("write -n f").stdin("next").run().ok();
            assert_eq!(
                (dir.read("f").as_str(), dir.names()),
                ("next", vec!["f".to_owned()]),
                "{first}, {second}"
            );
            let log = std::fs::read_to_string(log.path()).unwrap();
            if log.is_empty() {
                return assert!(first > 10);
            }
            if code != 137 {
                break;
            }
        }
    }
}

#[test]
#[cfg(unix)]
fn breaking_a_lock_loses_nothing_whatever_fails() {
    for fault in ["kill", "EIO", "EACCES", "EINTR", "EINVAL"] {
        for line in ["break-lock f", "break-lock --discard f"] {
            for n in 1.. {
                let dir = Dir::new();
                dir.file("f", "old");
                dead_lock(&dir);
                let log = tempfile::NamedTempFile::new().unwrap();
                let out = faulty(dir.dotlock(), line, fault, n, log.path(), "").run();
                let context = format!("{line} {fault}@{n}: {out:?} {:?}", dir.names());
                assert!(matches!(out.code, 0 | 1 | 3 | 137), "{context}");
                assert_eq!(dir.read("f"), "old", "{context}");
                // Its content is in the lock still, or kept, or thrown away as asked.
                let kept = dir.names().iter().any(|n| n.starts_with("f.broken-"));
                let there = dir.join("f.lock").exists();
                assert!(kept || there || line.contains("--discard"), "{context}");
                // And the next ones find nothing in their way.
                dir.dotlock().line("break-lock --quiet f").run();
                dir.dotlock().line("write -n f").stdin("next").run().ok();
                let left: Vec<_> = dir.names().into_iter().filter(|n| !n.starts_with("f.broken-")).collect();
                assert_eq!((dir.read("f").as_str(), left), ("next", vec!["f".to_owned()]), "{context}");
                if std::fs::read_to_string(log.path()).unwrap().is_empty() {
                    assert!(n > 3, "{context}");
                    break;
                }
            }
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_everything_as_it_was() {
    use crate::harness::Mounted;
    let dir = Dir::new();
    let disk = dir.join("disk");
    let Some(_mounted) = Mounted::disk("size=256k", &disk) else { return };
    std::fs::write(disk.join("f"), "old").unwrap();
    // Gathered in memory, spooled, and copied from a file.
    dir.file("src", "x".repeat(400 << 10));
    for (line, bytes) in
        [("write disk/f", 400 << 10), ("write disk/f", 3 << 20), ("write disk/f --from src", 0)]
    {
        let out = dir.dotlock().line(line).stdin("x".repeat(bytes)).run();
        out.fails(1, &["No space left", "free some space"]);
        assert_eq!(dir.read("disk/f"), "old");
        let names: Vec<_> = std::fs::read_dir(&disk).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["f"]);
    }
}

#[test]
fn a_gate_that_cannot_be_removed_speaks_for_no_lock_that_is_gone() {
    let mut left = 0;
    for first in 1..30 {
        for second in first + 1..first + 8 {
            let dir = Dir::new();
            dir.file("f", "old");
            let plan = format!("EIO@{first},EIO@{second}");
            let out = dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", plan).run();
            let (lock, gate) = (dir.join("f.lock"), dir.join("f~owner.lock"));
            // Rolled back, P is removed, S could not be.
            if out.code == 1 && dir.read("f") == "old" && !lock.exists() && gate.exists() {
                assert_eq!(
                    gate.metadata().unwrap().len(),
                    0,
                    "{first}, {second}: {}",
                    dir.read("f~owner.lock")
                );
                left += 1;
            }
        }
    }
    assert!(left > 0, "it never happens");
}

/// Whoever removes it, right after the spooled input became the lock or later: it is
/// made anew, or its loss is noticed.
#[test]
#[cfg(target_os = "linux")]
fn a_lock_that_is_removed_by_hand_at_any_step_costs_no_content() {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    let new = content(true);
    let (mut anew, mut lost) = (0, 0);
    for n in 1.. {
        let dir = Dir::new();
        dir.file("f", "old");
        let write = dir.dotlock().line("write f --sync none").stdin(&new);
        let mut write = write.env("DOTLOCK_FAULT", format!("stop@{n}")).start();
        drop(write.stdin.take());
        let pid = Pid::from_child(&write.child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        if !status.stopped() {
            break;
        }
        let removed = std::fs::remove_file(dir.join("f.lock")).is_ok();
        kill_process(pid, Signal::CONT).unwrap();
        let outcome = write.end();
        match (outcome.code, removed) {
            (0, _) => {
                anew += u32::from(removed);
                assert!(dir.read("f") == new, "step {n}: {outcome:?}");
            }
            (76, true) => {
                lost += 1;
                assert_eq!(dir.read("f"), "old", "step {n}");
            }
            _ => panic!("step {n}: {outcome:?}"),
        }
        assert_eq!(dir.names(), ["f"], "step {n}: {outcome:?}");
    }
    assert!(anew > 0 && lost > 0, "{anew}, {lost}");
}
