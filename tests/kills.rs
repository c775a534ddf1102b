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
    let over = AtomicBool::new(false);
    // A kill counts that ended something; one may come too late for that.
    let (done, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let loops: Vec<_> = running
            .iter()
            .map(|mine| {
                let (dir, over, done, killed) = (&dir, &over, &done, &killed);
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
                            137 => drop(killed.fetch_add(1, SeqCst)),
                            code => panic!("it ended with {code}: {said}"),
                        }
                    }
                    longest
                })
            })
            .collect();
        // A kill after every completion or two, spread over all the parts.
        let mut seen = 0;
        for n in 0.. {
            if killed.load(SeqCst) >= kills || loops.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
            while done.load(SeqCst) == seen && loops.iter().all(|l| !l.is_finished()) {
                std::thread::yield_now();
            }
            seen = done.load(SeqCst);
            // Most of them wait, so every second kill is for whoever has the lock.
            let is_holder =
                |l: &Mutex<Option<Pid>>| holder(&dir).is_some_and(|h| *l.lock().unwrap() == Some(h));
            let holder = running.iter().position(is_holder).filter(|_| n % 2 == 0);
            // Kept, so that it is not waited for, and its number another's.
            let wrapper = running[holder.unwrap_or(n * 7 % LOOPS)].lock().unwrap();
            let Some(pid) = *wrapper else { continue };
            let _ = match n % 3 {
                0 => kill_process(pid, Signal::KILL),
                1 => kill_process_group(pid, Signal::KILL),
                _ => child_of(pid).map_or(Ok(()), |child| kill_process(child, Signal::KILL)),
            };
        }
        over.store(true, SeqCst);
        let longest = loops.into_iter().map(|l| l.join().unwrap()).fold(0.0, f64::max);
        let (killed, done) = (killed.load(SeqCst), done.load(SeqCst));
        println!("{killed} kills, {done} completions, longest wait {longest:.3} s");
    });
    // Whoever still runs without its wrapper ends, and the lock with it.
    dir.dotlock().line("run -w 60 f -- true").run().ok();
    let log = dir.read("log");
    for (n, line) in log.lines().enumerate() {
        assert_eq!(line, n.to_string(), "two had the lock at once:\n{log}");
    }
    let (lines, done, killed) = (log.lines().count(), done.into_inner(), killed.into_inner());
    assert!(killed >= kills, "{killed} kills");
    assert!(done > 0 && lines >= done && lines <= done + killed, "{lines} lines, {done} completions");
    assert_eq!(dir.names(), ["log"]);
}

/// Who has the lock, if its record can be read just now.
fn holder(dir: &Dir) -> Option<Pid> {
    let record = std::fs::read(dir.join("f~owner.lock")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&record).ok()?;
    Pid::from_raw(record["pid"].as_i64()?.try_into().ok()?)
}

/// The command of a wrapper, as far as the system tells.
fn child_of(pid: Pid) -> Option<Pid> {
    let pid = pid.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}
