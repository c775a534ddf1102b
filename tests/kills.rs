//! Sixteen loops of `run`, and a thousand kills of whatever part of them.
//!
//! `DOTLOCK_KILLS` chooses another number.

use crate::harness::Dir;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

const LOOPS: usize = 16;
const KILLS: usize = 1000;
/// The counter: a line for each increment, with the number of lines before it.
/// Two at once would read the same number; one write appends the line.
const INCREMENT: &str = "n=0; while read x; do n=$((n + 1)); done < log; echo $n >> log";

#[test]
fn a_thousand_kills_cost_no_increment_and_no_human() {
    let kills = std::env::var("DOTLOCK_KILLS").map_or(KILLS, |n| n.parse().unwrap());
    let dir = Dir::new();
    dir.file("log", "");
    // The wrapper of each loop, while it runs: it leads a group of its own.
    let running: Vec<Mutex<Option<Pid>>> = (0..LOOPS).map(|_| Mutex::new(None)).collect();
    let (over, done, killed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let loops: Vec<_> = running
            .iter()
            .map(|mine| {
                let (dir, over, done) = (&dir, &over, &done);
                scope.spawn(move || {
                    let mut longest = 0.0_f64;
                    while !over.load(SeqCst) {
                        let mut command = Command::new(env!("CARGO_BIN_EXE_dotlock"));
                        command.args(["run", "-v", "-w", "60", "f", "--", "sh", "-c", INCREMENT]);
                        command.current_dir(dir.path()).process_group(0);
                        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
                        *mine.lock().unwrap() = Some(Pid::from_child(&child));
                        // Its command has the pipe open, too: read the first line only.
                        let mut said = String::new();
                        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
                        std::io::BufRead::read_line(&mut stderr, &mut said).unwrap();
                        if let Some((_, rest)) = said.split_once(" after ") {
                            longest = longest.max(rest.split_once(" s").unwrap().0.parse().unwrap());
                        }
                        // Not waited for in earnest before nobody may kill it any more.
                        let pid = Pid::from_child(&child);
                        let end =
                            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
                        while rustix::process::waitid(rustix::process::WaitId::Pid(pid), end).is_err() {}
                        *mine.lock().unwrap() = None;
                        let code = dotlock::exit_code(child.wait().unwrap());
                        match code {
                            0 => drop(done.fetch_add(1, SeqCst)),
                            137 => {}
                            code => panic!("it ended with {code}: {said}"),
                        }
                    }
                    longest
                })
            })
            .collect();
        // A kill after every completion or two, spread over all the parts.
        let mut seen = 0;
        while killed.load(SeqCst) < kills {
            while done.load(SeqCst) == seen && loops.iter().all(|l| !l.is_finished()) {
                std::thread::yield_now();
            }
            seen = done.load(SeqCst);
            let n = killed.fetch_add(1, SeqCst);
            let Some(wrapper) = *running[n * 7 % LOOPS].lock().unwrap() else { continue };
            let _ = match n % 3 {
                0 => kill_process(wrapper, Signal::KILL),
                1 => kill_process_group(wrapper, Signal::KILL),
                _ => child_of(wrapper).map_or(Ok(()), |child| kill_process(child, Signal::KILL)),
            };
        }
        over.store(true, SeqCst);
        let longest = loops.into_iter().map(|l| l.join().unwrap()).fold(0.0, f64::max);
        println!("{kills} kills, {} completions, longest wait {longest:.3} s", done.load(SeqCst));
    });
    // Whoever still runs without its wrapper ends, and the lock with it.
    dir.dotlock().line("run -w 60 f -- true").run().ok();
    let log = dir.read("log");
    for (n, line) in log.lines().enumerate() {
        assert_eq!(line, n.to_string(), "two had the lock at once:\n{log}");
    }
    let (lines, done) = (log.lines().count(), done.into_inner());
    assert!(done > 0 && lines >= done && lines <= done + kills, "{lines} lines, {done} completions");
    assert_eq!(dir.names(), ["log"]);
}

/// The command of a wrapper, as far as the system tells.
fn child_of(pid: Pid) -> Option<Pid> {
    let pid = pid.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}
