//! Holding a lock, with shells, signals and terminals: `run`, scripts that
//! `acquire`, and deaths at every step. The rest is in `session`, for every system.

use crate::harness::{Dir, Dotlock, Outcome, Running, has, terminal};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dotlock");

/// `dotlock LINE -- sh -c SCRIPT`, with the program in the path.
fn run(dir: &Dir, line: &str, script: &str) -> Dotlock {
    let bin = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    dir.dotlock().line(line).args(["--", "sh", "-c", script]).env("PATH", path)
}

/// A FIFO that commands of a test wait at.
fn fifo(dir: &Dir, name: &str) {
    assert!(Command::new("mkfifo").arg(dir.join(name)).status().unwrap().success());
}

/// Lets go whoever waits at the FIFO, which he must have open.
fn let_go(dir: &Dir, name: &str) {
    writeln!(std::fs::OpenOptions::new().write(true).open(dir.join(name)).unwrap(), "go").unwrap();
}

/// A holder whose command says "held" and waits at the FIFO "gate".
fn holder(dir: &Dir, line: &str) -> Running {
    if !dir.join("gate").exists() {
        fifo(dir, "gate");
    }
    let mut held = run(dir, line, "echo held >&2; read x < gate").start();
    held.says("held");
    held
}

fn free(dir: &Dir) -> Outcome {
    dir.dotlock().line("run -n f -- true").run().ok()
}

// --- What the cases of flock's own tests are about.

#[test]
fn a_lock_is_not_had_twice() {
    let dir = Dir::new();
    let held = holder(&dir, "run f");
    dir.dotlock().line("run -n -E 123 f -- true").run().fails(123, &["is locked", "held by pid"]);
    dir.dotlock().line("run --nonblock --exclusive f -- true").run().fails(75, &["is locked"]);
    dir.dotlock().line("run --timeout 0.1 --conflict-exit-code 9 f -- true").run().fails(9, &["waited 0.1"]);
    dir.dotlock().line("run -x -w 0.1 f -- true").run().fails(75, &[]);
    let_go(&dir, "gate");
    assert_eq!(held.end().code, 0);
    free(&dir);
    assert_eq!(dir.names(), ["gate"]);
}

#[test]
fn a_waiter_runs_when_the_holders_command_has_ended() {
    let dir = Dir::new();
    let held = holder(&dir, "run f");
    let mut waiter = run(&dir, "run f", "echo second >> order").start();
    waiter.says("waiting for the lock");
    dir.file("order", "first\n");
    let_go(&dir, "gate");
    assert_eq!((held.end().code, waiter.end().code), (0, 0));
    assert_eq!(dir.read("order"), "first\nsecond\n");
}

#[test]
fn the_commands_end_is_passed_on() {
    let dir = Dir::new();
    for code in [0, 1, 42, 255] {
        assert_eq!(run(&dir, "run f", &format!("exit {code}")).run().code, code);
    }
    assert_eq!(run(&dir, "run f", "kill -9 $$").run().code, 137);
    assert_eq!(run(&dir, "run f", "kill -TERM $$").run().code, 143);
    dir.dotlock().line("run f -- no-such-program").run().fails(127, &["cannot run no-such-program"]);
    dir.dotlock().line("run f -- /etc/passwd").run().fails(126, &["cannot run"]);
    let out = run(&dir, "run f", "cat; echo err >&2").stdin("through").run();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (0, "through", "err\n"));
    assert_eq!(dir.names(), Vec::<String>::new());
}

#[test]
fn a_command_line_for_the_shell() {
    let dir = Dir::new();
    let out =
        dir.dotlock().args(["run", "f", "-c", "echo $((1 + 1)) | cat"]).env("SHELL", "/bin/sh").run().ok();
    assert_eq!(out.stdout, "2\n");
    dir.dotlock().args(["run", "f", "g", "-c", "true"]).run().fails(2, &["exactly one FILE"]);
    dir.dotlock().line("run f make all").run().fails(2, &["dotlock run f -- make all"]);
    dir.dotlock().line("run f -o -v --lock-file sub.lock -- true").run().fails(0, &["acquired", "released"]);
}

#[test]
fn files_directories_and_what_does_not_exist_can_be_held() {
    let dir = Dir::new();
    dir.file("f", "content");
    std::fs::create_dir(dir.join("store")).unwrap();
    let out = run(&dir, "run store/ f ./f none link", "ls *.lock").run();
    assert_eq!(
        (out.code, out.stdout.as_str()),
        (
            0,
            "f.lock\nf~owner.lock\nlink.lock\nlink~owner.lock\nnone.lock\nnone~owner.lock\nstore.lock\nstore~owner.lock\n"
        )
    );
    // Two names of one file are one lock.
    std::os::unix::fs::symlink("f", dir.join("sym")).unwrap();
    std::os::unix::fs::symlink(".", dir.join("here")).unwrap();
    run(&dir, "run -n f sym here/f", "true").run().ok();
    assert_eq!(dir.names(), ["f", "here", "store", "sym"]);
    dir.dotlock().line("run no/such/f -- true").run().fails(1, &["no such directory"]);
}

// --- Who keeps the lock, and who does not.

#[test]
fn what_a_command_leaves_running_keeps_the_lock_only_if_the_wrapper_is_killed() {
    let dir = Dir::new();
    fifo(&dir, "gate");
    // Its end is normal: the lock goes though the daemon stays.
    run(&dir, "run f", "(read x < gate) > /dev/null 2>&1 &").run().ok();
    free(&dir);
    let_go(&dir, "gate");
    // Killed, the command too: then the daemon is what the lock is held for.
    let script = "(read x < gate) > /dev/null 2>&1 & echo held >&2; kill -9 $PPID; kill -9 $$";
    let mut held = run(&dir, "run f", script).start();
    held.says("held");
    held.child.wait().unwrap();
    dir.dotlock().line("run -n f -- true").run().fails(75, &["alive"]);
    let_go(&dir, "gate");
    run(&dir, "run f", "true").run();
    free(&dir);
}

/// What is signalled, with what, and what comes of it.
struct Ending {
    whom: Whom,
    signal: Signal,
    /// What the command does about it: a trap, or nothing.
    trap: &'static str,
    code: i32,
    /// Whether the wrapper itself ends by that signal.
    by_signal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Whom {
    Wrapper,
    Command,
    Group,
}

const fn ending(whom: Whom, signal: Signal, trap: &'static str, code: i32, by_signal: bool) -> Ending {
    Ending { whom, signal, trap, code, by_signal }
}

#[test]
fn who_ends_by_what_and_what_is_left() {
    use Whom::{Command as Cmd, Group, Wrapper};
    if crate::signals::deaf() {
        return;
    }
    let rows = [
        // Passed on to the command, which ends by it; so does the wrapper.
        ending(Wrapper, Signal::TERM, "", 143, true),
        ending(Wrapper, Signal::INT, "", 130, true),
        ending(Wrapper, Signal::HUP, "", 129, true),
        ending(Wrapper, Signal::QUIT, "", 131, true),
        ending(Wrapper, Signal::USR1, "", 138, true),
        // A command that knows better decides.
        ending(Wrapper, Signal::TERM, "trap 'exit 7' TERM;", 7, false),
        ending(Wrapper, Signal::INT, "trap 'exit 0' INT;", 0, false),
        ending(Group, Signal::INT, "trap 'exit 0' INT;", 0, false),
        // The command's own end.
        ending(Cmd, Signal::TERM, "", 143, false),
        ending(Cmd, Signal::KILL, "", 137, false),
        ending(Group, Signal::TERM, "", 143, true),
        ending(Group, Signal::HUP, "", 129, true),
        // Nothing is left that needs a human.
        ending(Wrapper, Signal::KILL, "", 137, true),
        ending(Group, Signal::KILL, "", 137, true),
    ];
    for row in rows {
        use std::os::unix::process::ExitStatusExt;
        let dir = Dir::new();
        fifo(&dir, "gate");
        let script = format!("{} echo $$ >&2; read x < gate", row.trap);
        let mut held = run(&dir, "run f", &script);
        held.command.process_group(0);
        let mut held = held.start();
        let mut line = String::new();
        held.read_line(&mut line);
        let command = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        let wrapper = Pid::from_child(&held.child);
        match row.whom {
            Wrapper => kill_process(wrapper, row.signal),
            Cmd => kill_process(command, row.signal),
            Group => kill_process_group(wrapper, row.signal),
        }
        .unwrap();
        let context = format!("{:?} {:?} {}", row.whom, row.signal, row.trap);
        let status = held.child.wait().unwrap();
        assert_eq!(
            (dotlock::exit_code(status), status.signal().is_some()),
            (row.code, row.by_signal),
            "{context}"
        );
        if (row.whom, row.signal) == (Wrapper, Signal::KILL) {
            dir.dotlock().line("run -n f -- true").run().fails(75, &["alive"]);
            let_go(&dir, "gate");
            run(&dir, "run f", "true").run();
        } else if row.signal != Signal::KILL {
            // The very lock is gone with the wrapper, not only free.
            assert_eq!(dir.names(), ["gate"], "{context}");
        }
        free(&dir);
        assert_eq!(dir.names(), ["gate"], "{context}");
    }
}

#[test]
fn nohup_stays_nohup() {
    let dir = Dir::new();
    fifo(&dir, "gate");
    let script = "trap '' HUP; exec dotlock run f -- sh -c 'echo held >&2; read x < gate; echo done >&2'";
    let mut held = dir.sh(script).start();
    held.says("held");
    kill_process(Pid::from_child(&held.child), Signal::HUP).unwrap();
    let_go(&dir, "gate");
    held.says("done");
    assert_eq!(held.end().code, 0);
}

#[test]
fn whoever_ignores_the_end_of_children_gets_an_exit_code_all_the_same() {
    let dir = Dir::new();
    // A parent that wants no zombies hands that down.
    if !has("python3") {
        return;
    }
    let text = format!(
        "import os, signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); \
         os.execv({PROGRAM:?}, ['dotlock', 'run', 'f', '--', 'sh', '-c', 'exit 9'])"
    );
    let out = Dotlock::new("python3", dir.path()).args(["-c", text.as_str()]).run();
    assert_eq!((out.code, out.stderr.as_str()), (9, ""));
}

#[test]
fn a_time_limit_ends_the_command_and_what_it_started() {
    let dir = Dir::new();
    fifo(&dir, "gate");
    let out = run(&dir, "run --time-limit 0.1 f", "sh -c 'read x < gate'; exit 0").run();
    out.fails(124, &["time limit"]);
    free(&dir);
    // One that does not want to.
    let out =
        run(&dir, "run --time-limit 0.1 --kill-after 0.1 -q f", "trap '' TERM; read x < gate; read x < gate");
    assert_eq!(out.run().code, 124);
    free(&dir);
    run(&dir, "run --time-limit 1h f", "exit 5").run().fails(5, &[]);
    assert_eq!(dir.names(), ["gate"]);
}

/// Types Ctrl-C in a terminal in which `script` runs, each time that it has said
/// one of `words`; returns what the terminal showed.
fn ctrl_c(dir: &Dir, script: &str, words: &[&str]) -> String {
    let dialogue: Vec<(&str, &[u8])> = words.iter().map(|&word| (word, &[3][..])).collect();
    terminal(dir, script, &dialogue)
}

#[test]
fn ctrl_c_in_a_terminal_reaches_the_command_once_and_leaves_no_lock() {
    if crate::signals::deaf() || !has("setsid") {
        return;
    }
    // It ends by it.
    let dir = Dir::new();
    fifo(&dir, "gate");
    let script = "trap : INT; dotlock run f -- sh -c 'echo ready; read x < gate'; echo code $?";
    let seen = ctrl_c(&dir, script, &["ready"]);
    assert!(seen.contains("code 130"), "{seen:?}");
    assert_eq!(dir.names(), ["gate"]);
    // It takes its time: a second one leaves no lock either.
    let script = r#"trap : INT; dotlock run f -- sh -c 'n=0; trap "n=\$((n+1)); echo got \$n" INT; echo ready
        while [ $n -lt 2 ]; do read x < gate; done; exit 6'; echo code $?"#;
    let seen = ctrl_c(&dir, script, &["ready", "got 1"]);
    assert!(seen.contains("got 2") && !seen.contains("got 3") && seen.contains("code 6"), "{seen:?}");
    assert_eq!(dir.names(), ["gate"]);
}

// --- Working under a lock that is held.

#[test]
fn a_command_writes_what_its_own_lock_protects() {
    let dir = Dir::new();
    dir.file("f", "old");
    run(&dir, "run f", "echo x | dotlock locked-write f && cat f").run().ok();
    assert_eq!(dir.read("f"), "x\n");
    // Deeper, and through a script in between.
    let deep = "dotlock run f -- sh -c 'dotlock run -n f -- sh -c \"echo deep | dotlock write -n f\"'";
    run(&dir, "run f", deep).run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("deep\n", vec!["f".to_owned()]));
    // Others do not.
    let held = holder(&dir, "run f");
    dir.dotlock().line("write -n f").stdin("no").run().fails(75, &["held by pid"]);
    let_go(&dir, "gate");
    held.end();
    assert_eq!(dir.read("f"), "deep\n");
}

#[test]
fn sixteen_at_once_under_one_lock_lose_nothing() {
    let dir = Dir::new();
    dir.file("c", "0\n");
    // Nothing protects the counter but the lock that each takes under the lock.
    let add = "dotlock run f -- sh -c \"read n < c; echo \\$((n + 1)) > c\"";
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do (for j in 1 2 3 4 5; do {add}; done) & done; wait"
    );
    run(&dir, "run f", &script).run().ok();
    assert_eq!((dir.read("c").as_str(), dir.names()), ("80\n", vec!["c".to_owned()]));
}

#[test]
fn a_lock_of_ones_own_ancestor_is_not_waited_for() {
    let dir = Dir::new();
    dir.file("f", "old");
    // As sudo does it: the environment is dropped.
    let out = run(&dir, "run f", "echo x | env -u DOTLOCK_HELD dotlock write --wait forever f").run();
    out.fails(3, &["under which this command runs", "--preserve-env=DOTLOCK_HELD", "f.lock"]);
    let out =
        dir.sh("dotlock acquire -q --for-pid $$ f > t; echo x | dotlock run --wait forever f -- true").run();
    out.fails(3, &["under which this command runs", "--token"]);
    assert_eq!(dir.read("f"), "old");
}

#[test]
fn two_orders_by_nesting_end_with_a_message_that_names_both() {
    let dir = Dir::new();
    fifo(&dir, "to-a");
    fifo(&dir, "to-b");
    let inner = |file: &str| format!("echo held >&2; read x < to-{file}; dotlock run -w 1 {file} -- true");
    let mut one = run(&dir, "run a", &inner("b")).start();
    let mut two = run(&dir, "run b", &inner("a")).start();
    one.says("held");
    two.says("held");
    let_go(&dir, "to-a");
    let_go(&dir, "to-b");
    let (one, two) = (one.end(), two.end());
    // The first to give up lets the other in, or both give up.
    let busy: Vec<_> =
        [("a", "b", &one), ("b", "a", &two)].into_iter().filter(|(_, _, o)| o.code == 75).collect();
    assert!(!busy.is_empty(), "{one:?} {two:?}");
    for (has, wants, out) in busy {
        let both =
            [format!("/{wants} is locked"), format!("runs under the lock of {}/{has}", dir.path().display())];
        assert!(both.iter().all(|w| out.stderr.contains(w.as_str())), "{out:?}");
    }
}

#[test]
fn whoever_still_works_under_a_lock_is_waited_for_before_it_goes() {
    let dir = Dir::new();
    fifo(&dir, "gate");
    fifo(&dir, "there");
    // The command ends, but something that it left runs under its lock.
    let left = "(dotlock run f -- sh -c 'echo x > there; read x < gate; echo inner >> order' &) ; read x < there; \
                echo command over >&2";
    let mut held = run(&dir, "run -v f", left).start();
    held.says("command over");
    let mut waiter = run(&dir, "run f", "echo waiter >> order").start();
    waiter.says("waiting for the lock");
    let_go(&dir, "gate");
    held.says("released");
    assert_eq!((held.end().code, waiter.end().code), (0, 0));
    assert_eq!(dir.read("order"), "inner\nwaiter\n");
    assert_eq!(dir.names(), ["gate", "order", "there"]);
}

// --- Locks of scripts.

/// Something that lives until the test ends it.
struct Life(Child);

impl Life {
    fn new() -> Life {
        Life(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    fn end(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_script_of_several_steps_works_under_its_lock() {
    let dir = Dir::new();
    dir.file("f", "old");
    let script = "set -e; T=$(dotlock acquire --for-pid $$ f); echo one | dotlock write --token $T f; \
                  ! dotlock run -n g -- false; cat f; DOTLOCK_TOKEN=$T dotlock run f -- sh -c 'echo two > f'; \
                  cat f; dotlock release -v $T; dotlock release $T; dotlock release -q $T";
    let out = dir.sh(script).run().fails(0, &["released the lock of", "is not locked any more"]);
    assert_eq!(out.stdout, "one\ntwo\n");
    assert_eq!(dir.names(), ["f"]);
    let script = "L=$(dotlock acquire --for-pid $$ --export sh f 'g h') || exit; eval \"$L\"; \
                  echo one | dotlock write f; echo two | dotlock write 'g h'; dotlock status f 'g h' | grep -c held; \
                  eval \"$(dotlock release --export sh)\"; echo \"$DOTLOCK_HELD\"";
    let out = dir.sh(script).run().ok();
    assert_eq!(out.stdout, "2\n[]\n");
    assert_eq!((dir.read("f").as_str(), dir.names()), ("one\n", vec!["f".to_owned(), "g h".to_owned()]));
}

#[test]
fn a_script_killed_half_way_lets_the_next_one_in() {
    let dir = Dir::new();
    dir.file("f", "old");
    fifo(&dir, "gate");
    let script = "T=$(dotlock acquire --for-pid $$ f); echo half | dotlock write --token $T f; echo held >&2; read x < gate";
    let mut first = dir.sh(script).start();
    first.says("held");
    let mut next = dir.sh("T=$(dotlock acquire --for-pid $$ f) && dotlock release $T").start();
    next.says("waiting for the lock");
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert_eq!(next.end().code, 0);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("half\n", vec!["f".to_owned(), "gate".to_owned()]));
}

// --- Deaths at every step.

#[test]
fn whoever_dies_at_any_step_of_acquire_release_and_run_leaves_what_needs_no_human() {
    let reached = |log: &tempfile::NamedTempFile| std::fs::metadata(log.path()).unwrap().len() > 0;
    let faulty = |run: Dotlock, n: u32, log: &tempfile::NamedTempFile| {
        run.env("DOTLOCK_FAULT", format!("kill@{n}")).env("DOTLOCK_FAULT_LOG", log.path())
    };
    for step in ["acquire", "release", "run", "nested"] {
        let mut deaths = 0;
        for n in 1.. {
            let dir = Dir::new();
            dir.file("f", "old");
            let log = tempfile::NamedTempFile::new().unwrap();
            let life = Life::new();
            let acquire = || dir.dotlock().args(["acquire", "--for-pid", &life.pid(), "f"]);
            let code = match step {
                "acquire" => faulty(acquire(), n, &log).run().code,
                "release" => {
                    let token = acquire().run().ok().stdout;
                    faulty(dir.dotlock().args(["release", token.trim()]), n, &log).run().code
                }
                "nested" => {
                    let token = acquire().run().ok().stdout;
                    let write = dir.dotlock().args(["write", "--token", token.trim(), "f"]).stdin("new");
                    let out = faulty(write, n, &log).run();
                    let text = dir.read("f");
                    assert!(text == "new" || text == "old" && out.code != 0, "{n}: {text}");
                    out.code
                }
                _ => faulty(dir.dotlock().line("run f -- true"), n, &log).run().code,
            };
            let context = format!("{step} {n}: {}", std::fs::read_to_string(log.path()).unwrap());
            assert_eq!(code, if reached(&log) { 137 } else { 0 }, "{context}");
            // While he lives it is held, or never was; then anybody gets in.
            life.end();
            dir.dotlock().line("write -n f").stdin("next").run().ok();
            if step == "nested" {
                // What is left of the inner lock goes with the next who works there.
                let life = Life::new();
                let token = dir.dotlock().args(["acquire", "--for-pid", &life.pid(), "f"]).run().ok().stdout;
                dir.dotlock().args(["write", "-n", "--token", token.trim(), "f"]).stdin("x").run().ok();
                dir.dotlock().args(["release", token.trim()]).run().ok();
                life.end();
            }
            let left: Vec<_> = dir.names().into_iter().filter(|n| !n.contains("~inner")).collect();
            assert_eq!(left, ["f"], "{context}");
            if !reached(&log) {
                break;
            }
            deaths += 1;
        }
        assert!(deaths >= 5, "{step}: only {deaths} deaths");
    }
}

#[test]
fn a_failure_at_any_step_of_acquire_and_run_leaves_nothing() {
    for line in ["acquire --lease 1h f", "run f -- true"] {
        for fault in ["EIO", "ENOSPC", "EINTR"] {
            let mut reached = 0;
            for n in 1.. {
                let dir = Dir::new();
                dir.file("f", "old");
                let log = tempfile::NamedTempFile::new().unwrap();
                let run = dir.dotlock().line(line).env("DOTLOCK_FAULT", format!("{fault}@{n}"));
                let out = run.env("DOTLOCK_FAULT_LOG", log.path()).run();
                let log = std::fs::read_to_string(log.path()).unwrap();
                let context = format!("{line} {log}: {out:?}");
                assert!(out.code == 0 || (out.code == 1 && fault != "EINTR" && !log.is_empty()), "{context}");
                if out.code == 0 && line.starts_with("acquire") {
                    dir.dotlock().args(["release", out.stdout.trim()]).run().ok();
                }
                // What could not be removed harms nobody.
                dir.dotlock().line("write -n f").stdin("next").run().ok();
                assert_eq!(dir.names(), ["f"], "{context}");
                if log.is_empty() {
                    break;
                }
                reached += 1;
            }
            assert!(reached > 5, "{line} {fault}: only {reached}");
        }
    }
}

#[test]
fn a_signal_to_a_waiter_ends_it_and_leaves_the_holders_files() {
    if crate::signals::deaf() {
        return;
    }
    let dir = Dir::new();
    let held = holder(&dir, "run f");
    let before = dir.names();
    for line in ["acquire --lease 1h f", "run f -- true", "wait f", "write f"] {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::KILL] {
            let mut waiter = dir.dotlock().line(line).stdin("new").start();
            drop(waiter.stdin.take());
            waiter.says("waiting for the lock");
            kill_process(Pid::from_child(&waiter.child), signal).unwrap();
            let status = waiter.child.wait().unwrap();
            let number = std::os::unix::process::ExitStatusExt::signal(&status);
            assert_eq!((number, dir.names()), (Some(signal.as_raw()), before.clone()), "{line}");
        }
    }
    let_go(&dir, "gate");
    assert_eq!(held.end().code, 0);
    assert_eq!(dir.names(), ["gate"]);
}
