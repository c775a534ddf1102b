//! Many processes, one file.

use crate::harness::{Dir, Worker, arg, role, set_role, tell};
use dotlock::{CommitOptions, Error, Policy, PublishOptions, Sync};
use std::sync::atomic::{AtomicBool, Ordering};

/// Not synced: these tests are about exclusion, not power cuts.
pub fn quick() -> PublishOptions {
    PublishOptions {
        commit: CommitOptions { sync: Sync::None, ..CommitOptions::default() },
        ..PublishOptions::default()
    }
}

/// Role: adds one to a counter, n times.
pub fn count() {
    let (file, times) = (arg(0), arg(1));
    tell("begun");
    for _ in 0..times.to_str().unwrap().parse::<u32>().unwrap() {
        dotlock::update(&file, &Policy::default(), &quick(), |old| {
            let old = String::from_utf8(old.unwrap()).unwrap();
            // Padded, so that half a version would show.
            let n: u64 = old.trim_start_matches('.').trim_end().parse().unwrap();
            Ok::<_, Error>(format!("{:.>9000}\n", n + 1).into_bytes())
        })
        .unwrap();
    }
    tell("done");
}

/// Role: adds one to a counter that nothing else protects.
pub fn bump() {
    let file = arg(0);
    let n: u64 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    std::fs::write(&file, (n + 1).to_string()).unwrap();
}

#[test]
fn eight_processes_increment_a_counter_through_the_program() {
    let dir = Dir::new();
    let counter = dir.file("counter", "0");
    let times = if cfg!(windows) { 4 } else { 25 };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..times {
                    let mut run = dir.dotlock().line("run -w 100 counter --").args(role());
                    set_role(&mut run.command, "bump", &[counter.as_os_str()]);
                    assert_eq!(run.run().code, 0);
                }
            });
        }
    });
    assert_eq!(dir.read("counter"), (8 * times).to_string());
    assert_eq!(dir.names(), ["counter"]);
}

/// What people came for: parallel workers that write one session file.
#[test]
fn a_hundred_rapid_writes_of_one_json_file_by_four_workers() {
    let dir = Dir::new();
    dir.file("session.json", "{}");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                for turn in 0..25 {
                    let session =
                        serde_json::json!({ "worker": worker, "turn": turn, "log": vec!["x"; 100] });
                    let write = dir.dotlock().line("locked-write -q session.json").stdin(session.to_string());
                    write.run().ok();
                    // Whoever reads it meanwhile reads a whole one.
                    let read: serde_json::Value = serde_json::from_str(&dir.read("session.json")).unwrap();
                    assert!(read["turn"].is_u64());
                }
            });
        }
    });
    assert_eq!(dir.names(), ["session.json"]);
}

#[test]
fn a_reader_that_never_rests_makes_no_write_fail() {
    let dir = Dir::new();
    let file = dir.file("f", "0000");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                assert_eq!(std::fs::read(&file).unwrap().len(), 4, "half a file");
            }
        });
        for n in 0..50 {
            dir.dotlock().line("write f --sync none").stdin(format!("{n:04}")).run().ok();
        }
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!((dir.read("f").as_str(), dir.names()), ("0049", vec!["f".to_owned()]));
}

#[test]
fn writers_that_are_killed_lose_nothing_that_was_acknowledged() {
    let dir = Dir::new();
    let file = dir.file("counter", format!("{:.>9000}\n", 0));
    let mut done = 0;
    for n in 0..40_u32 {
        // One is killed at some moment, another goes on to its end.
        let mut victim = Worker::start("count", &[file.as_os_str(), "1000000".as_ref()]);
        assert_eq!(victim.hear(), "begun");
        let mut other = Worker::start("count", &[file.as_os_str(), "5".as_ref()]);
        if n % 2 == 0 {
            assert_eq!(other.hear(), "begun");
        }
        victim.child.kill().unwrap();
        other.join();
        done += 5;
    }
    let text = dir.read("counter");
    let found: u32 = text.trim_start_matches('.').trim_end().parse().unwrap();
    assert!(found >= done, "{found} of {done}");
    // The last one may have been killed after the last other one had ended.
    dotlock::acquire(&file, &Policy::default()).unwrap().roll_back();
    assert_eq!(dir.names(), ["counter"]);
}

#[test]
fn thirty_two_processes_lose_no_update_and_readers_see_whole_versions() {
    let dir = Dir::new();
    let file = dir.file("counter", format!("{:.>9000}\n", 0));
    let over = AtomicBool::new(false);
    // Under Wine every rename has to meet a gap between two readers.
    let processes = if cfg!(windows) { 8 } else { 32 };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !over.load(Ordering::SeqCst) {
                    let text = std::fs::read_to_string(&file).unwrap();
                    assert_eq!(text.len(), 9001, "a part of a version was read");
                    let n: u64 = text.trim_start_matches('.').trim_end().parse().unwrap();
                    assert!(n >= last, "an older version came back");
                    last = n;
                }
            });
        }
        let workers: Vec<_> =
            (0..processes).map(|_| Worker::start("count", &[file.as_os_str(), "25".as_ref()])).collect();
        workers.into_iter().for_each(Worker::join);
        over.store(true, Ordering::SeqCst);
    });
    assert_eq!(dir.read("counter").trim_start_matches('.').trim_end(), (processes * 25).to_string());
    assert_eq!(dir.names(), ["counter"]);
}

#[test]
fn threads_of_one_process_exclude_each_other() {
    let dir = Dir::new();
    let file = dir.file("counter", "0");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    dotlock::update(&file, &Policy::default(), &quick(), |old| {
                        let n: u64 = String::from_utf8(old.unwrap()).unwrap().parse().unwrap();
                        Ok::<_, Error>((n + 1).to_string().into_bytes())
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(dir.read("counter"), "400");
    assert_eq!(dir.names(), ["counter"]);
}

#[test]
fn a_waiter_is_told_who_holds_the_lock_and_gets_it_when_it_is_free() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let policy = Policy::default().label("the-holder".to_owned());
    let lock = dotlock::acquire(&file, &policy).unwrap();
    let mut waiter = dir.dotlock().line("locked-write f --wait forever").stdin("new").start();
    drop(waiter.stdin.take());
    let said = waiter.says("waiting for the lock of");
    let pid = format!("pid {}", std::process::id());
    assert!(
        said.contains(&pid) && said.contains("the-holder") && said.contains("as long as it takes"),
        "{said}"
    );
    lock.roll_back();
    assert_eq!(waiter.end().code, 0);
    assert_eq!(dir.read("f"), "new");
    assert_eq!(dir.names(), ["f"]);
}

/// It would sleep for hours, if nothing woke it.
#[test]
#[cfg(target_os = "linux")]
fn another_programs_letting_go_wakes_a_waiter() {
    for replaces in [false, true] {
        let dir = Dir::new();
        dir.file("f", "old");
        let lock = dir.file("f.lock", "foreign");
        let pauses = "write f --wait forever --min-delay 5h --max-delay 5h";
        let mut waiter = dir.dotlock().line(pauses).stdin("new").start();
        drop(waiter.stdin.take());
        let fds = format!("/proc/{}/fdinfo", waiter.child.id());
        let watches = || {
            let mut fds = std::fs::read_dir(&fds).unwrap().flatten();
            fds.any(|fd| std::fs::read_to_string(fd.path()).is_ok_and(|s| s.contains("inotify wd:")))
        };
        while !watches() {
            assert!(waiter.child.try_wait().unwrap().is_none(), "it did not wait");
            std::thread::yield_now();
        }
        match replaces {
            true => std::fs::rename(&lock, dir.join("f")).unwrap(),
            false => std::fs::remove_file(&lock).unwrap(),
        }
        assert_eq!(waiter.end().code, 0);
        assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
    }
}

#[test]
fn a_wait_ends_at_its_deadline_and_the_waiter_never_gets_the_lock_later() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let lock = dotlock::acquire(&file, &Policy::default()).unwrap();
    let late = dir.dotlock().line("locked-write f -w 0.2").stdin("new").run();
    late.fails(75, &["is locked", "held by pid", "alive (kernel lock)", "waited 0."]);
    // In this process, too: a thread left behind would get it on release.
    let policy = Policy::default().wait(std::time::Duration::from_millis(50));
    let other =
        std::thread::scope(|s| s.spawn(|| dotlock::acquire(&file, &policy).map(drop)).join().unwrap());
    assert!(matches!(other, Err(Error::Busy { .. })));
    lock.roll_back();
    assert_eq!(dir.names(), ["f"]);
    dotlock::acquire(&file, &Policy::default().wait(std::time::Duration::ZERO)).unwrap().roll_back();
}

#[test]
#[cfg(target_os = "linux")]
fn whoever_gives_up_as_the_lock_goes_leaves_no_gate() {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    let (mut rename, mut at) = (None, 1);
    loop {
        let dir = Dir::new();
        dir.file("f", "old");
        let log = tempfile::NamedTempFile::new().unwrap();
        let plan = rename.map_or_else(|| format!("stop@{at}"), |n| format!("stop@{n},stop@{at}"));
        let write = dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", plan);
        let mut first = write.env("DOTLOCK_FAULT_LOG", log.path()).start();
        drop(first.stdin.take());
        let pid = Pid::from_child(&first.child);
        let stops = || waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap().1.stopped();
        let goes_on = || kill_process(pid, Signal::CONT).unwrap();
        let step = || std::fs::read_to_string(log.path()).unwrap().lines().last().unwrap().to_owned();
        assert!(stops(), "it never gets to step {at}");
        if rename.is_none() {
            rename = step().contains("Rename").then_some(at);
            at += 1;
            goes_on();
            first.end();
            continue;
        }
        // It has the lock. Another one waits, and gives up while it lets go.
        let mut second = dir.dotlock().line("write -w 1 f").stdin("late").start();
        drop(second.stdin.take());
        second.says("waiting for the lock");
        goes_on();
        assert!(stops(), "it never empties the gate for whoever waits");
        let found = step().contains("Truncate");
        if found {
            assert_eq!(second.child.wait().unwrap().code(), Some(75));
        }
        goes_on();
        assert_eq!((first.end().code, second.end().code), (0, if found { 75 } else { 0 }));
        assert_eq!(dir.names(), ["f"]);
        if found {
            return;
        }
        at += 1;
    }
}

#[test]
#[cfg(target_os = "linux")]
fn whoever_sleeps_at_the_gate_finds_it_in_place() {
    use std::os::unix::fs::MetadataExt;
    let dir = Dir::new();
    let file = dir.file("f", "old");
    // Both ways to let go, and no new gate for either.
    for commits in [false, true] {
        let lock = dotlock::acquire(&file, &Policy::default()).unwrap();
        // Open, so that no other file gets its number.
        let gate = std::fs::File::open(dir.join("f~owner.lock")).unwrap();
        let number = gate.metadata().unwrap().ino().to_string();
        let waiter = || dir.dotlock().line("run f -- stat -c %i f~owner.lock").start();
        let mut waiters: Vec<_> = (0..3).map(|_| waiter()).collect();
        waiters.iter_mut().for_each(|w| drop(w.says("waiting for the lock")));
        match commits {
            true => drop(lock.commit(&CommitOptions::default()).unwrap()),
            false => lock.roll_back(),
        }
        for waiter in waiters {
            let out = waiter.end();
            assert_eq!((out.code, out.stdout.trim()), (0, number.as_str()), "{out:?}");
        }
        assert_eq!(dir.names(), ["f"]);
    }
}

#[test]
fn one_try_is_one_try() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let lock = dotlock::acquire(&file, &Policy::default()).unwrap();
    dir.dotlock().line("write -n f").stdin("x").run().fails(75, &["waited 0."]);
    dir.dotlock().line("write -n -E 9 f").stdin("x").run().fails(9, &[]);
    dir.dotlock().line("write --retries 3 --min-delay 1ms f").stdin("x").run().fails(75, &["is locked"]);
    let env = dir.dotlock().line("write f").env("DOTLOCK_WAIT", "0").env("DOTLOCK_CONFLICT_EXIT_CODE", "7");
    env.stdin("x").run().fails(7, &[]);
    drop(lock);
    dir.dotlock().line("write -n f").stdin("x").run().ok();
}

#[test]
fn a_lost_lock_and_a_changed_file_are_noticed_at_the_commit() {
    use std::io::Write;
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let policy = Policy::default();
    let done = CommitOptions::default();
    // Changed in place by a program that takes no lock, since we read it.
    let mut lock = dotlock::acquire(&file, &policy).unwrap();
    assert_eq!(lock.read().unwrap().unwrap(), b"old");
    std::fs::write(&file, "a stranger's").unwrap();
    lock.write_all(b"ours").unwrap();
    assert!(matches!(lock.commit(&done), Err(Error::Lost { .. })));
    assert_eq!((dir.read("f").as_str(), dir.names()), ("a stranger's", vec!["f".to_owned()]));
    // Removed by hand, and taken by another program: nothing of his is touched.
    let mut lock = dotlock::acquire(&file, &policy).unwrap();
    lock.write_all(b"ours").unwrap();
    std::fs::remove_file(dir.join("f.lock")).unwrap();
    dir.file("f.lock", "his");
    assert!(matches!(lock.commit(&done), Err(Error::Lost { .. })));
    assert_eq!((dir.read("f").as_str(), dir.read("f.lock").as_str()), ("a stranger's", "his"));
    assert_eq!(dir.names(), ["f", "f.lock"]);
}
