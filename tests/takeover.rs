//! Locks of the dead.

use crate::harness::{Dir, Worker, arg, hear, tell};
use dotlock::Policy;
use std::fs::OpenOptions;
use std::time::Duration;

/// Role: acquires, and holds until it is killed or told to end.
pub fn hold() {
    let lock = dotlock::acquire(arg(0), &Policy::default()).unwrap();
    tell("holding");
    hear();
    lock.roll_back();
}

/// Role: on every word from the test acquires once, and makes sure that it is
/// alone.
pub fn contend() {
    let (file, inside) = (arg(0), arg(1));
    while hear().is_some() {
        let lock = dotlock::acquire(&file, &Policy::default().wait(Duration::from_secs(30))).unwrap();
        OpenOptions::new().write(true).create_new(true).open(&inside).expect("two holders at once");
        std::fs::read(&file).unwrap();
        std::fs::remove_file(&inside).unwrap();
        let broke = lock.broke();
        lock.roll_back();
        tell(&broke.to_string());
    }
}

/// A lock whose owner was killed while it held it.
fn dead_lock(file: &std::path::Path) {
    let mut holder = Worker::start("hold", &[file.as_os_str()]);
    assert_eq!(holder.hear(), "holding");
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
}

#[test]
fn of_sixteen_contenders_for_a_dead_lock_one_at_a_time_gets_it() {
    let dir = Dir::new();
    let (file, inside) = (dir.file("f", "content"), dir.join("inside"));
    let args = [file.as_os_str(), inside.as_os_str()];
    let mut contenders: Vec<_> = (0..16).map(|_| Worker::start("contend", &args)).collect();
    let mut broken = 0;
    for round in 0..500 {
        match round % 10 {
            // Really killed...
            0 => dead_lock(&file),
            // ...and what that leaves, made by hand: P alone, as a power cut
            // that lost S leaves it.
            _ => plant_marked(&dir.join("f.lock")),
        }
        contenders.iter_mut().for_each(|c| c.tell("go"));
        let broke: u32 = contenders.iter_mut().map(|c| c.hear().parse::<u32>().unwrap()).sum();
        assert_eq!(broke, 1, "a dead lock is broken once");
        broken += broke;
    }
    assert_eq!(broken, 500);
    contenders.into_iter().for_each(Worker::join);
    assert_eq!(dir.names(), ["f"]);
}

/// A P with the first mark that nobody holds.
#[cfg(target_os = "linux")]
fn plant_marked(path: &std::path::Path) {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o1600).open(path).unwrap();
}

/// Without marks, only a real death leaves what is known to be dead.
#[cfg(not(target_os = "linux"))]
fn plant_marked(path: &std::path::Path) {
    let file = path.with_file_name("f");
    dead_lock(&file);
}

#[test]
fn a_killed_holders_lock_is_taken_over_at_once_with_its_leftovers() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    dead_lock(&file);
    assert_eq!(dir.names(), ["f", "f.lock", "f~owner.lock"]);
    dir.dotlock().line("write -n --no-break f").stdin("new").run().fails(75, &["stale", "its owner is gone"]);
    assert_eq!(dir.read("f"), "old");
    let out = dir.dotlock().line("write -n --json f").stdin("new").run().ok();
    assert!(out.stdout.contains("\"broke\":1"), "{out:?}");
    assert_eq!(dir.read("f"), "new");
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn a_killed_holder_frees_a_waiter_that_sleeps() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let mut holder = Worker::start("hold", &[file.as_os_str()]);
    assert_eq!(holder.hear(), "holding");
    let mut waiter = dir.dotlock().line("write f").stdin("new").start();
    drop(waiter.stdin.take());
    waiter.says("waiting for the lock");
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    assert_eq!(waiter.end().code, 0);
    assert_eq!(dir.read("f"), "new");
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn of_a_foreign_lock_only_age_that_was_asked_for_is_enough() {
    let dir = Dir::new();
    dir.file("f", "old");
    dir.file("f.lock", "");
    let locked = dir.dotlock().line("write -n f").stdin("new").run();
    locked.fails(75, &["foreign", "made by another program", "dotlock status"]);
    dir.dotlock().line("write -n --stale-after 1h f").stdin("new").run().fails(75, &["foreign"]);
    assert_eq!(dir.names(), ["f", "f.lock"]);
    let past = std::time::SystemTime::now() - Duration::from_secs(2 * 3600);
    OpenOptions::new().write(true).open(dir.join("f.lock")).unwrap().set_modified(past).unwrap();
    dir.dotlock().line("write -n --stale-after 1h f").stdin("new").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_staged_private_script_of_the_dead_is_known_as_such() {
    use std::os::unix::fs::OpenOptionsExt;
    // 0700 with the first mark is 01700: were that the second mark, as first
    // designed, this lock would need a human after a power cut that lost S.
    for mode in [0o700, 0o755, 0o644, 0o600, 0o400, 0o4755] {
        let dir = Dir::new();
        dir.file("f", "old");
        OpenOptions::new().write(true).create_new(true).mode(0o1000 | mode).open(dir.join("f.lock")).unwrap();
        dir.dotlock().line("write -n f").stdin("new").run().ok();
        assert_eq!(dir.names(), ["f"], "{mode:o}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_power_cut_between_unmarking_and_renaming_needs_no_human() {
    // Right before the rename the mark is off already. A power cut there
    // may keep P and S, and lose what was written into S.
    let before_rename = |dir: &Dir| {
        dir.file("f", "old");
        let log = dir.join("log");
        for n in 1.. {
            let run = dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", format!("kill@{n}"));
            assert_eq!(run.env("DOTLOCK_FAULT_LOG", &log).run().code, 137);
            if dir.read("log").contains("Rename") {
                return std::fs::remove_file(log).unwrap();
            }
            dir.dotlock().line("write f").stdin("old").run().ok();
        }
    };
    for left in ["", "{\"v\":1,\"lo", "\0\0\0\0"] {
        let dir = Dir::new();
        before_rename(&dir);
        let gate = dir.join("f~owner.lock");
        let time = gate.metadata().unwrap().modified().unwrap();
        std::fs::write(&gate, left).unwrap();
        OpenOptions::new().write(true).open(&gate).unwrap().set_modified(time).unwrap();
        dir.dotlock().line("write -n f").stdin("next").run().ok();
        assert_eq!(dir.names(), ["f"]);
        // Another's lock, with the same left-over beside it, is another's.
        dir.file("f.lock", "");
        dir.file("f~owner.lock", left);
        OpenOptions::new().write(true).open(&gate).unwrap().set_modified(time).unwrap();
        dir.dotlock().line("write -n f").stdin("next").run().fails(75, &["foreign"]);
    }
}
