//! Signals: who ends, by what, and what is left.

use crate::harness::{Dir, Dotlock, Running, has, lacks_right};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

fn send(run: &Running, signal: Signal) {
    kill_process(Pid::from_child(&run.child), signal).unwrap();
}

/// Whether this process was started with signals ignored, as a shell without job
/// control does for what it puts into the background: then so are they in all
/// that is started here, and stay so.
pub fn deaf() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).unwrap_or("0").trim();
    // HUP, INT, QUIT and TERM, as bits from 1.
    let deaf = u64::from_str_radix(ignored, 16).unwrap_or(0) & (1 | 2 | 4 | 1 << 14) != 0;
    if deaf {
        lacks_right("signals: they are ignored here, as in the background of a script");
    }
    deaf
}

/// A writer that waits behind a lock of another program.
fn waiting(dir: &Dir, before: &str) -> Running {
    dir.file("f", "old");
    dir.file("f.lock", "");
    let shell = format!("{before} exec {} write --wait forever f", env!("CARGO_BIN_EXE_dotlock"));
    let mut run = Dotlock::new("sh", dir.path()).args(["-c", shell.as_str()]).stdin("new").start();
    drop(run.stdin.take());
    run.says("waiting for the lock");
    run
}

#[test]
fn ctrl_c_on_a_pipeline_never_commits_half_a_file() {
    if deaf() {
        return;
    }
    let dir = Dir::new();
    dir.file("f", "old");
    for round in 0..200 {
        let (from_generator, to_dotlock) = std::io::pipe().unwrap();
        let mut generator = Command::new("sh");
        // Writes half, says so, and goes on until it is ended.
        generator.args(["-c", "printf half; echo said >&2; exec sleep 1000"]);
        generator.stdout(to_dotlock).stderr(Stdio::piped()).process_group(0);
        let mut generator_run = generator.spawn().unwrap();
        drop(generator);
        let group = Pid::from_child(&generator_run);

        let mut writer = dir.dotlock().line("write f").command;
        writer.stdin(from_generator).process_group(group.as_raw_nonzero().get());
        let mut writer_run = writer.spawn().unwrap();
        drop(writer);
        // Sometimes before anything is written, sometimes well after.
        if round % 2 == 0 {
            let mut said = [0; 5];
            std::io::Read::read_exact(generator_run.stderr.as_mut().unwrap(), &mut said).unwrap();
        }
        // As the terminal does: the whole group at once.
        kill_process_group(group, Signal::INT).unwrap();
        assert_eq!(generator_run.wait().unwrap().signal(), Some(2));
        assert_eq!(writer_run.wait().unwrap().signal(), Some(2), "round {round}");
        assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned()]), "round {round}");
    }
}

#[test]
fn a_waiter_ends_by_the_signal_itself_and_leaves_nothing() {
    if deaf() {
        return;
    }
    for (signal, number) in [(Signal::INT, 2), (Signal::TERM, 15), (Signal::HUP, 1), (Signal::QUIT, 3)] {
        let dir = Dir::new();
        let mut run = waiting(&dir, "");
        send(&run, signal);
        assert_eq!(run.child.wait().unwrap().signal(), Some(number));
        assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned(), "f.lock".to_owned()]));
    }
}

#[test]
fn a_waiter_behind_a_holder_leaves_the_holders_files() {
    if deaf() {
        return;
    }
    let dir = Dir::new();
    dir.file("f", "old");
    let lock = dotlock::acquire(dir.join("f"), &dotlock::Policy::default()).unwrap();
    let mut run = dir.dotlock().line("write f").stdin("new").start();
    drop(run.stdin.take());
    run.says("waiting for the lock");
    send(&run, Signal::TERM);
    assert_eq!(run.child.wait().unwrap().signal(), Some(15));
    assert_eq!(dir.names(), ["f", "f.lock", "f~owner.lock"]);
    lock.commit(&dotlock::CommitOptions::default()).unwrap();
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn a_hangup_that_was_ignored_stays_ignored() {
    let dir = Dir::new();
    let run = waiting(&dir, "trap '' HUP;");
    send(&run, Signal::HUP);
    std::fs::remove_file(dir.join("f.lock")).unwrap();
    assert_eq!(run.end().code, 0);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
}

#[test]
fn a_signal_during_a_big_copy_leaves_nothing() {
    if deaf() {
        return;
    }
    let dir = Dir::new();
    dir.file("f", "old");
    // Sparse: long to copy, quick to make.
    std::fs::File::create(dir.join("src")).unwrap().set_len(8 << 30).unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut run = dir.dotlock().line("write --sync none f --from src").start();
        while !dir.join("f.lock").exists() {
            assert!(run.child.try_wait().unwrap().is_none(), "it ended too early");
            std::thread::yield_now();
        }
        send(&run, signal);
        assert_eq!(run.child.wait().unwrap().signal(), Some(signal.as_raw()));
        assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned(), "src".to_owned()]));
    }
}

#[test]
fn signals_at_any_moment_leave_old_or_new_and_nothing_else() {
    if deaf() {
        return;
    }
    let dir = Dir::new();
    dir.file("f", "old");
    for round in 0..150_u32 {
        let mut run = dir.dotlock().line("write f").stdin("new").start();
        drop(run.stdin.take());
        // Spread over its few milliseconds by spinning, as no event tells.
        let spin = std::time::Instant::now() + std::time::Duration::from_micros(u64::from(round % 75) * 60);
        while std::time::Instant::now() < spin {
            std::hint::spin_loop();
        }
        let _ = kill_process(Pid::from_child(&run.child), [Signal::TERM, Signal::INT][round as usize % 2]);
        run.child.wait().unwrap();
        let text = dir.read("f");
        assert!(text == "old" || text == "new", "{text:?}");
        assert_eq!(dir.names(), ["f"], "round {round}");
        dir.file("f", "old");
    }
}

#[test]
fn a_file_over_the_limit_is_an_error_and_not_a_death() {
    let dir = Dir::new();
    dir.file("f", "old");
    let shell = format!("ulimit -f 8; exec {} write f", env!("CARGO_BIN_EXE_dotlock"));
    for size in [100 << 10, 2 << 20] {
        let run = Dotlock::new("sh", dir.path()).args(["-c", shell.as_str()]).stdin("x".repeat(size));
        run.run().fails(1, &["File too large"]);
        assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned()]));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_leave_a_lock() {
    let dir = Dir::new();
    let mut run = dir.dotlock().line("write --json f").start();
    drop(run.child.stdout.take());
    std::io::Write::write_all(run.stdin.as_mut().unwrap(), b"new").unwrap();
    let out = run.end();
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
}

#[test]
fn a_signal_is_passed_on_to_the_command() {
    if deaf() {
        return;
    }
    let dir = Dir::new();
    dir.file("f", "old");
    // It tells that it got the signal by closing its stderr at last.
    let command = "trap 'echo got it >&2; exit 0' TERM; echo ready >&2; while :; do :; done";
    let mut run = dir.dotlock().args(["write", "f", "--", "sh", "-c", command]).start();
    run.says("ready");
    send(&run, Signal::TERM);
    run.says("got it");
    assert_eq!(run.child.wait().unwrap().signal(), Some(15));
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned()]));
}

#[test]
fn what_a_command_leaves_running_is_not_waited_for() {
    if !has("sleep") {
        return;
    }
    let dir = Dir::new();
    // The sleeper keeps the pipe open; it is ended through the pid it left.
    let command = "sleep 1000 2>&- & echo $! > pid; echo whole";
    dir.dotlock().args(["write", "f", "--", "sh", "-c", command]).run().ok();
    assert_eq!(dir.read("f"), "whole\n");
    let pid = dir.read("pid").trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn a_signal_at_every_step_before_the_rename_commits_nothing() {
    if deaf() {
        return;
    }
    use rustix::process::{WaitOptions, waitpid};
    let dir = Dir::new();
    dir.file("f", "old");
    let mut after = 0;
    for n in 1.. {
        let log = tempfile::NamedTempFile::new().unwrap();
        // All its input is there, and at an end: only the signal speaks against.
        let run = dir.dotlock().line("write f").stdin("new").env("DOTLOCK_FAULT", format!("stop@{n}"));
        let mut run = run.env("DOTLOCK_FAULT_LOG", log.path()).start();
        drop(run.stdin.take());
        let pid = Pid::from_child(&run.child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        if !status.stopped() {
            assert!(after > 0 && n > 10, "it never got to the rename, but {n} steps");
            assert_eq!(status.exit_status(), Some(0));
            return;
        }
        send(&run, Signal::INT);
        send(&run, Signal::CONT);
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        assert_eq!(status.terminating_signal(), Some(2), "step {n}");
        let log = std::fs::read_to_string(log.path()).unwrap();
        match dir.read("f").as_str() {
            "old" => assert_eq!(after, 0, "old again at step {n}: {log}"),
            "new" => after += 1,
            other => panic!("{other:?} at step {n}"),
        }
        // The last look for a signal comes right before the last two steps to the
        // rename: at those it is too late.
        let steps = ["Attribute", "Mode", "Rename"];
        assert!(after != 1 || steps.iter().any(|s| log.contains(s)), "committed by a signal at {log}");
        assert_eq!(dir.names(), ["f"], "step {n}: {log}");
        if after == 0 {
            continue;
        }
        dir.file("f", "new");
    }
}
