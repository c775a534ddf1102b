//! Locks of the dead.

#[cfg(unix)]
use crate::harness::birth;
use crate::harness::{Dir, Running, Worker, arg, hear, holder, tell};
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
    // Where every round costs a process it is fewer.
    let rounds = if cfg!(target_os = "linux") { 500 } else { 40 };
    for round in 0..rounds {
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
    assert_eq!(broken, rounds);
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

/// Kills the `run` alone; its command goes on.
fn kill_wrapper(mut held: Running) -> Running {
    held.child.kill().unwrap();
    held.child.wait().unwrap();
    held
}

#[test]
fn a_killed_wrappers_lock_is_held_until_its_command_ends_and_is_free_at_once() {
    let dir = Dir::new();
    dir.file("f", "old");
    let mut held = kill_wrapper(holder(&dir, "run f"));
    let write = || dir.dotlock().line("write f").stdin("new");
    let nonblock = dir.dotlock().line("write -n f").stdin("no");
    nonblock.run().fails(75, &["its owner is alive (kernel lock)"]);
    let mut waiter = write().start();
    drop(waiter.stdin.take());
    waiter.says("waiting for the lock");
    // That ends the command.
    drop(held.stdin.take());
    assert_eq!(waiter.end().code, 0);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
}

#[test]
fn with_close_a_killed_wrappers_lock_is_free() {
    let dir = Dir::new();
    dir.file("f", "old");
    let _held = kill_wrapper(holder(&dir, "run -o f"));
    dir.dotlock().line("write -n f").stdin("new").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
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
fn who_dies_right_before_the_rename_needs_no_human() {
    // The mark is off by then. A power cut may also lose what was written into
    // S, or S itself.
    for left in [None, Some(""), Some("{\"v\":1,\"lo"), Some("\0\0\0\0")] {
        let dir = Dir::new();
        dir.file("f", "old");
        die_at(&dir, "Rename");
        let (lock, gate) = (dir.join("f.lock"), dir.join("f~owner.lock"));
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&lock.metadata().unwrap()) & 0o7777, 0o644);
        match left {
            Some(left) => std::fs::write(&gate, left).unwrap(),
            None => std::fs::remove_file(&gate).unwrap(),
        }
        dir.dotlock().line("write -n f").stdin("next").run().ok();
        assert_eq!(dir.names(), ["f"]);
        assert_eq!(attributes(&dir.join("f")), 0, "the stamp went with the old file");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_stamp_that_was_left_on_a_file_means_nothing_and_goes() {
    let dir = Dir::new();
    dir.file("f", "old");
    // Killed after the rename, with the stamp still on.
    let mut n = 0;
    while attributes(&dir.join("f")) == 0 {
        n += 1;
        dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", format!("kill@{n}")).run();
        assert!(n < 40, "it never happens");
    }
    assert_eq!(dir.read("f"), "new");
    dir.dotlock().line("write -n f").stdin("next").run().ok();
    assert_eq!((attributes(&dir.join("f")), dir.names()), (0, vec!["f".to_owned()]));
}

#[cfg(target_os = "linux")]
fn attributes(path: &std::path::Path) -> usize {
    rustix::fs::llistxattr(path, &mut [0; 256]).unwrap()
}

/// Writes `f`, and is killed before the first step of that name.
#[cfg(target_os = "linux")]
fn die_at(dir: &Dir, step: &str) {
    for n in 1.. {
        let log = tempfile::NamedTempFile::new().unwrap();
        let run = dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", format!("kill@{n}"));
        assert_eq!(run.env("DOTLOCK_FAULT_LOG", log.path()).run().code, 137);
        if std::fs::read_to_string(log.path()).unwrap().contains(step) {
            return;
        }
        dir.dotlock().line("write f").stdin("old").run().ok();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_record_of_another_user_proves_nothing() {
    use std::os::unix::fs::{MetadataExt, chown};
    if !rustix::process::geteuid().is_root() {
        return crate::harness::lacks_right("giving files away");
    }
    let dir = Dir::new();
    dir.file("f", "old");
    let lock = dir.file("f.lock", "theirs");
    let meta = lock.metadata().unwrap();
    let birth = birth(&lock).unwrap();
    let record = serde_json::json!({
        "v": 1, "lock": { "number": meta.ino(), "birth": birth }, "pid": 1, "program": "p", "user": "u",
        "host": "h", "since": "s",
    });
    let gate = dir.file("f~owner.lock", record.to_string());
    chown(&gate, Some(65534), Some(65534)).unwrap();
    dir.dotlock().line("write -n f").stdin("new").run().fails(75, &["foreign"]);
    assert_eq!(dir.read("f.lock"), "theirs");
}

#[test]
fn a_gate_that_is_another_file_too_is_not_overwritten() {
    let dir = Dir::new();
    dir.file("f", "old");
    let precious = dir.file("precious", "content");
    std::fs::hard_link(&precious, dir.join("f~owner.lock")).unwrap();
    dir.dotlock().line("write -n f").stdin("new").run().fails(3, &["hard link"]);
    assert_eq!((dir.read("f").as_str(), dir.read("precious").as_str()), ("old", "content"));
}

#[test]
fn locks_of_others_made_and_removed_all_the_time_are_never_broken() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let dir = Dir::new();
    let (file, lock) = (dir.file("f", "0"), dir.join("f.lock"));
    let over = AtomicBool::new(false);
    let spin = || {
        let until = std::time::Instant::now() + Duration::from_millis(1);
        while std::time::Instant::now() < until && !over.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    };
    std::thread::scope(|scope| {
        // As git does: exclusively, with the mode of the file, for a moment.
        let foreign = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(Ordering::SeqCst) {
                let Ok(mine) = OpenOptions::new().write(true).create_new(true).open(&lock) else { continue };
                mine.set_permissions(file.metadata().unwrap().permissions()).unwrap();
                spin();
                std::fs::remove_file(&lock).expect("a living lock of another program was broken");
                rounds += 1;
                // Then it is the others' turn.
                spin();
            }
            rounds
        });
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let options = crate::contention::quick();
                        let add = |old: Option<Vec<u8>>| {
                            let n: u64 = String::from_utf8(old.unwrap()).unwrap().parse().unwrap();
                            Ok::<_, dotlock::Error>((n + 1).to_string().into_bytes())
                        };
                        dotlock::update(&file, &Policy::default(), &options, add).unwrap();
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        over.store(true, Ordering::SeqCst);
        assert!(foreign.join().unwrap() > 0);
    });
    assert_eq!(dir.read("f"), "300");
}

#[test]
#[cfg(target_os = "linux")]
fn who_was_taken_for_dead_before_his_kernel_lock_finds_out() {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    for n in 1.. {
        let dir = Dir::new();
        let file = dir.file("f", "old");
        let log = tempfile::NamedTempFile::new().unwrap();
        let slow =
            dir.dotlock().line("write -w 0.3 f").stdin("slow").env("DOTLOCK_FAULT", format!("stop@{n}"));
        let mut slow = slow.env("DOTLOCK_FAULT_LOG", log.path()).start();
        drop(slow.stdin.take());
        let pid = Pid::from_child(&slow.child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "it never comes to the lock of P");
        // P is made, its kernel lock is the next step.
        if !(dir.join("f.lock").exists() && std::fs::read_to_string(log.path()).unwrap().contains("Lock")) {
            kill_process(pid, Signal::KILL).unwrap();
            slow.end();
            continue;
        }
        dir.dotlock().line("break-lock f").run().fails(0, &["broke the lock of"]);
        // An operator clears the gate away, too; then another gets the lock.
        std::fs::remove_file(dir.join("f~owner.lock")).unwrap();
        let lock = dotlock::acquire(&file, &Policy::default().wait(Duration::ZERO)).unwrap();
        kill_process(pid, Signal::CONT).unwrap();
        // Not 76: it never believes that it has the lock.
        slow.end().fails(75, &["is locked", "alive (kernel lock)"]);
        lock.commit(&dotlock::CommitOptions::default()).unwrap();
        assert_eq!((dir.read("f").as_str(), dir.names()), ("", vec!["f".to_owned()]));
        return;
    }
}
