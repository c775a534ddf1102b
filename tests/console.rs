//! Ctrl-C in a console of Windows: Wine turns a SIGINT into that event.
//!
//! `DOTLOCK_TEST_EXE` is the program for Windows, `DOTLOCK_TEST_WINE` what runs
//! it.

use crate::harness::{Dir, Dotlock, Running, skipped};
use rustix::process::{Pid, Signal, kill_process};

fn windows(dir: &Dir) -> Option<Dotlock> {
    let (Some(wine), Some(program)) =
        (std::env::var_os("DOTLOCK_TEST_WINE"), std::env::var_os("DOTLOCK_TEST_EXE"))
    else {
        skipped("DOTLOCK_TEST_WINE and DOTLOCK_TEST_EXE are not set");
        return None;
    };
    Some(Dotlock::new(wine, dir.path()).args([program]))
}

fn press(running: &Running) {
    kill_process(Pid::from_child(&running.child), Signal::INT).unwrap();
}

#[test]
fn ctrl_c_ends_a_waiter_that_leaves_nothing() {
    let dir = Dir::new();
    dir.file("f.lock", "a foreign one's");
    let Some(run) = windows(&dir) else { return };
    let mut waiter = run.line("write -w forever f").stdin("new").start();
    drop(waiter.stdin.take());
    waiter.says("waiting for the lock of");
    press(&waiter);
    assert_eq!(waiter.end().code, 130);
    assert_eq!(dir.names(), ["f.lock"]);
}

#[test]
fn ctrl_c_rolls_a_write_back() {
    let dir = Dir::new();
    dir.file("f", "old");
    let Some(run) = windows(&dir) else { return };
    // The command waits for its input, which stays open.
    let script = "echo half& echo begun>&2& set /p x=";
    let mut writer = run.args(["write", "f", "--", "cmd", "/c", script]).start();
    writer.says("begun");
    press(&writer);
    assert_eq!(writer.end().code, 130);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned()]));
}

#[test]
fn ctrl_c_is_the_affair_of_a_command_that_runs_under_a_lock() {
    let dir = Dir::new();
    let Some(run) = windows(&dir) else { return };
    let script = "echo held>&2& set /p x=& exit 7";
    let mut holder = run.args(["run", "f", "--", "cmd", "/c", script]).start();
    holder.says("held");
    press(&holder);
    // Not told of it, the command goes on, and the lock is held.
    dir.dotlock().line("run -n f -- true").run().fails(75, &["is locked"]);
    assert_eq!(holder.end().code, 7);
    assert_eq!(dir.names(), Vec::<String>::new());
}
