//! A storm: sixteen actors at once, random commands, random ends, and checkers
//! that know what was acknowledged.
//!
//! `DOTLOCK_STORM_SEED` chooses another storm, `DOTLOCK_STORM_SECONDS` a longer
//! one. The seed fixes who does what and what is done to him; when, only roughly.

use crate::contention::quick;
use crate::harness::{Dir, Worker, arg, has, tell};
use dotlock::{Error, Policy};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::{BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

const ACTORS: u64 = 16;
const SEED: u64 = 0x5EED;
const SECONDS: u64 = 5;
/// No run lasts so long, unless somebody waits for what never comes: it is more
/// than any of them is told to wait.
const HANGS: Duration = Duration::from_secs(100);

/// Random numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// From microseconds to a quarter of a second, each order of magnitude as
    /// often: how long a run lasts depends on the load.
    fn moment(&mut self) -> Duration {
        let scale = 1 << (5 + self.below(13));
        Duration::from_micros(scale + self.below(scale))
    }
}

/// What became of a write.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// It goes on, or ended by force: it may have written, or not.
    Unknown,
    /// It said that it has written.
    Written,
    /// It said that it has not.
    NotWritten,
}

/// One write of a text: which turn it began and ended in, and what it writes.
struct Write {
    begun: u64,
    ended: u64,
    fate: Fate,
    times: usize,
    seen: bool,
}

/// A file that every write replaces as a whole, and all that was done to it.
struct Text {
    name: &'static str,
    path: PathBuf,
    history: Mutex<History>,
}

struct History {
    turn: u64,
    /// By their number, which is what they write.
    writes: Vec<Write>,
    /// When the last of the acknowledged writes began: what had ended by then
    /// was replaced.
    floor: u64,
}

fn body(id: usize, times: usize) -> String {
    format!("{id} ").repeat(times)
}

impl Text {
    fn new(dir: &Dir, name: &'static str) -> Text {
        let first = Write { begun: 0, ended: 0, fate: Fate::Written, times: 1, seen: true };
        let history = Mutex::new(History { turn: 0, writes: vec![first], floor: 0 });
        Text { name, path: dir.file(name, body(0, 1)), history }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    fn begin(&self, times: usize) -> usize {
        let mut history = self.history();
        history.turn += 1;
        let begun = history.turn;
        history.writes.push(Write { begun, ended: u64::MAX, fate: Fate::Unknown, times, seen: false });
        history.writes.len() - 1
    }

    fn end(&self, id: usize, fate: Fate) {
        let mut history = self.history();
        history.turn += 1;
        let now = history.turn;
        let write = &mut history.writes[id];
        (write.ended, write.fate) = (now, fate);
        assert!(fate != Fate::NotWritten || !write.seen, "{}: {id} was written all the same", self.name);
        if fate == Fate::Written {
            history.floor = history.floor.max(history.writes[id].begun);
        }
    }

    /// What is there now is whole, is what somebody has begun to write, and is
    /// not what an acknowledged write has replaced. Returns whose it is.
    fn check(&self) -> usize {
        let floor = self.history().floor;
        let text = std::fs::read_to_string(&self.path).unwrap();
        let mut history = self.history();
        let id = text.split(' ').next().and_then(|id| id.parse().ok());
        let known = id.and_then(|id: usize| Some((id, history.writes.get_mut(id)?)));
        let (name, length, start) = (self.name, text.len(), text.chars().take(40).collect::<String>());
        let Some((id, write)) = known else { panic!("{name}: nobody wrote {start:?}") };
        write.seen = true;
        assert!(text == body(id, write.times), "{name}: {id} is not whole: {length} bytes");
        assert!(write.fate != Fate::NotWritten, "{name}: {id} was written all the same");
        assert!(write.ended >= floor, "{name}: {id} is back, or what replaced it is lost");
        id
    }
}

/// The counters, as a git configuration: ours, and git's own.
fn counters(ours: u64, gits: u64) -> String {
    // Long, so that half a version would show.
    format!("[ours]\n\tn = {ours}\n[gits]\n\tn = {gits}\n# {}\n", ".".repeat(9000))
}

fn counted(text: &str) -> (u64, u64) {
    let mut numbers = text.lines().filter_map(|l| l.strip_prefix("\tn = ")?.parse().ok());
    let (ours, gits) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(text == counters(ours, gits), "not whole: {text:?}");
    (ours, gits)
}

/// Role: adds one to our counter, n times, and says each time what it is now.
pub fn increment() {
    let (file, times) = (arg(0), arg(1));
    for _ in 0..times.to_str().unwrap().parse::<u32>().unwrap() {
        let mut new = 0;
        let change = |old: Option<Vec<u8>>| {
            let (ours, gits) = counted(&String::from_utf8(old.unwrap()).unwrap());
            new = ours + 1;
            Ok::<_, Error>(counters(new, gits).into_bytes())
        };
        dotlock::update(&file, &Policy::default(), &quick(), change).unwrap();
        tell(&new.to_string());
    }
}

/// What is done to a run.
#[derive(Clone, Copy)]
enum Strike {
    Nothing,
    /// A signal after a while, to the leader or to all of its group.
    Signal(Signal, Duration, bool),
    /// It kills itself before its n-th mutation: where chance seldom strikes.
    Inside(u64),
}

struct Storm {
    dir: Dir,
    /// What is written comes from here.
    sources: Dir,
    texts: [Text; 2],
    counter: PathBuf,
    end: Instant,
    /// The numbers that workers said they have counted to.
    acknowledged: Mutex<BTreeSet<u64>>,
    /// Each may have counted once more without saying so.
    killed_workers: AtomicU64,
    gits: AtomicU64,
    runs: AtomicU64,
    killed: AtomicU64,
}

impl Storm {
    fn goes_on(&self) -> bool {
        Instant::now() < self.end
    }

    /// One of the sixteen.
    fn act(&self, actor: u64, mut dice: Dice) {
        let dice = &mut dice;
        while self.goes_on() {
            match dice.below(20) {
                0..6 => self.count(dice),
                6..14 => self.write(actor, dice),
                14 => self.write_nothing(dice),
                15 | 16 => self.look(dice),
                17 | 18 => self.break_one(dice),
                _ => self.abandon(dice),
            }
            for text in &self.texts {
                text.check();
            }
        }
    }

    /// A worker counts, and may be killed at it.
    fn count(&self, dice: &mut Dice) {
        let times = 1 + dice.below(10);
        let mut worker = Worker::start("increment", &[self.counter.as_os_str(), times.to_string().as_ref()]);
        let acknowledge = |n: String| {
            let n = n.parse().unwrap();
            assert!(self.acknowledged.lock().unwrap().insert(n), "two have counted to {n}: one is lost");
        };
        let heard = (0..dice.below(12)).map_while(|_| worker.hear_more()).map(acknowledge);
        let kill = heard.count() < times as usize;
        if kill {
            self.killed_workers.fetch_add(1, SeqCst);
            // A count lasts a millisecond; what it is at, no event tells.
            let strike = Instant::now() + Duration::from_micros(dice.below(2000));
            while Instant::now() < strike {
                std::hint::spin_loop();
            }
            let signal = dice.pick(&[Signal::KILL, Signal::TERM, Signal::INT]);
            kill_process(Pid::from_child(&worker.child), signal).unwrap();
        }
        while let Some(n) = worker.hear_more() {
            acknowledge(n);
        }
        let status = worker.child.wait().unwrap();
        assert!(status.success() || kill && status.signal().is_some(), "a worker: {status}");
        self.note(status);
    }

    /// A write of something new, from wherever content may come.
    fn write(&self, actor: u64, dice: &mut Dice) {
        let text = &self.texts[dice.below(2) as usize];
        // Some are bigger than what is gathered in memory.
        let times = if dice.one_in(40) { 200_000 } else { 1 + dice.below(4000) as usize };
        let id = text.begin(times);
        let source = self.sources.file(&actor.to_string(), body(id, times));
        let (waits, patient) = dice.pick(&[
            ("", true),
            ("", true),
            ("-v", true),
            ("-n", false),
            ("-w 0.05", false),
            ("--retries 3 --max-delay 5ms", false),
            ("--no-break -w 0.1", false),
        ]);
        let more =
            dice.pick(&["", "--sync none", "--sync none --label x", "--sync data", "--mode 640 --json"]);
        let line = format!("write {} {waits} {more}", text.name);

        let mut command = self.dotlock(&line);
        let mut fails = false;
        let (mut strike, way) = (self.strike(dice), dice.below(6));
        match way {
            0 => drop(command.stdin(Stdio::piped())),
            1 => drop(command.stdin(File::open(&source).unwrap())),
            2 => drop(command.arg("--from").arg(&source)),
            3 => drop(command.args(["--", "cat"]).arg(&source)),
            4 => {
                fails = true;
                command.args(["--", "sh", "-c", "cat \"$0\"; exit 7"]).arg(&source);
            }
            _ => {
                let inner = command;
                command = Command::new("sh");
                command.args(["-c", "cat \"$0\" | \"$@\""]).arg(&source);
                command.arg(inner.get_program()).args(inner.get_args()).current_dir(self.dir.path());
                // Nobody can tell that `cat` alone was killed: the manual warns.
                if let Strike::Signal(signal, _, group) = &mut strike {
                    *group = *signal != Signal::STOP;
                }
            }
        }
        let feed = (way == 0).then(|| body(id, times));
        let (status, said) = self.run(command, feed, strike);
        let by_force = !matches!(strike, Strike::Nothing);
        let fate = match status.code() {
            Some(0) if !fails => Fate::Written,
            Some(7) if fails => Fate::NotWritten,
            Some(75) if !patient => Fate::NotWritten,
            // A shell says so of what it has started.
            Some(code) if by_force && code > 128 => Fate::Unknown,
            None if by_force => Fate::Unknown,
            _ => panic!("{line}, in way {way}: {status}, {said}"),
        };
        text.end(id, fate);
    }

    /// A write that takes the lock, and is refused only then.
    fn write_nothing(&self, dice: &mut Dice) {
        let line = format!("write {} {}", dice.pick(&["text0", "text1", "counter"]), dice.pick(&["", "-n"]));
        self.run_of(&line, &[3, 75], dice);
    }

    fn look(&self, dice: &mut Dice) {
        let line =
            dice.pick(&["status", "status --json -r .", "status --check text0 counter", "status text1"]);
        let (status, said) = self.run_of(line, &[0, 4, 5], dice);
        if line.contains("json") && status.success() {
            serde_json::from_str::<serde_json::Value>(&said).unwrap();
        }
    }

    /// Breaks what is dead; what is alive it must not.
    fn break_one(&self, dice: &mut Dice) {
        let line = dice.pick(&[
            "break-lock text0 text1 counter",
            "break-lock --recursive .",
            "break-lock --recursive --dry-run .",
            "break-lock --discard counter",
            // Not that of the counter: git's may be alive.
            "break-lock --force text0",
            "break-lock --force --discard text1",
        ]);
        self.run_of(line, &[0, 3], dice);
    }

    /// Another program makes a lock, and dies; an operator breaks it.
    fn abandon(&self, dice: &mut Dice) {
        let text = &self.texts[dice.below(2) as usize];
        let path = self.dir.join(format!("{}.lock", text.name));
        let Ok(mut lock) = OpenOptions::new().write(true).create_new(true).open(&path) else { return };
        lock.write_all(b"half").unwrap();
        let made = lock.metadata().unwrap();
        drop(lock);
        let still = || path.metadata().is_ok_and(|m| m.ino() == made.ino() && m.ctime() == made.ctime());
        let line = format!("break-lock --force {}", text.name);
        while still() {
            self.run_of(&line, &[0, 3], dice);
        }
    }

    /// git counts, too. It is not killed: nobody would know that its lock is dead.
    fn git(&self) {
        while self.goes_on() {
            let next = self.gits.load(SeqCst) + 1;
            let mut git = Command::new("git");
            git.args(["config", "-f"]).arg(&self.counter).args(["gits.n", &next.to_string()]);
            git.current_dir(self.dir.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", self.dir.path());
            let out = git.env("LC_ALL", "C").output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr);
            match out.status.success() {
                true => self.gits.store(next, SeqCst),
                false => assert!(said.contains("could not lock"), "{said}"),
            }
        }
    }

    /// Looks all the time, as readers do who take no lock.
    fn read(&self) {
        let mut last = [0; 2];
        let mut replaced = [HashSet::new(), HashSet::new()];
        let mut counts = (0, 0);
        while self.goes_on() {
            for (i, text) in self.texts.iter().enumerate() {
                let id = text.check();
                if id != last[i] {
                    replaced[i].insert(last[i]);
                    assert!(!replaced[i].contains(&id), "{}: {id} is back", text.name);
                    last[i] = id;
                }
            }
            let (ours, gits) = self.check_counters();
            assert!(ours >= counts.0 && gits >= counts.1, "{ours}, {gits} after {counts:?}");
            counts = (ours, gits);
        }
    }

    /// Whatever was acknowledged is in them.
    fn check_counters(&self) -> (u64, u64) {
        let least = (self.acknowledged.lock().unwrap().last().copied().unwrap_or(0), self.gits.load(SeqCst));
        let (ours, gits) = counted(&std::fs::read_to_string(&self.counter).unwrap());
        assert!(ours >= least.0 && gits >= least.1, "{ours}, {gits} and not {least:?}: a count is lost");
        (ours, gits)
    }

    fn dotlock(&self, line: &str) -> Command {
        self.dir.dotlock().line(line).command
    }

    fn strike(&self, dice: &mut Dice) -> Strike {
        match dice.below(10) {
            0..5 => Strike::Nothing,
            5..8 => {
                let of = [Signal::KILL, Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP, Signal::STOP];
                let (signal, group) = (dice.pick(&of), dice.one_in(2));
                // Of a group, one that is just being forked may never be continued:
                // Linux forgets a SIGCONT that comes meanwhile.
                Strike::Signal(signal, dice.moment(), group && signal != Signal::STOP)
            }
            _ => Strike::Inside(1 + dice.below(20)),
        }
    }

    /// Runs `line` without input, perhaps to a violent end; without one its exit
    /// code is one of `codes`.
    fn run_of(&self, line: &str, codes: &[i32], dice: &mut Dice) -> (ExitStatus, String) {
        let mut command = self.dotlock(line);
        command.stdin(Stdio::null());
        let strike = self.strike(dice);
        let (status, said) = self.run(command, None, strike);
        let fits = match status.code() {
            Some(code) => codes.contains(&code),
            None => !matches!(strike, Strike::Nothing),
        };
        assert!(fits, "{line}: {status}, {said}");
        (status, said)
    }

    /// Runs it, and all that it has started, to the end; returns what they say.
    fn run(&self, mut command: Command, feed: Option<String>, strike: Strike) -> (ExitStatus, String) {
        // Whatever is started inherits one end: when all are closed, all have ended.
        let (mut said, says) = std::io::pipe().unwrap();
        command.stdout(says.try_clone().unwrap()).stderr(says).process_group(0);
        if let Strike::Inside(n) = strike {
            command.env("DOTLOCK_FAULT", format!("kill@{n}"));
        }
        let line = format!("{command:?}");
        let mut child = command.spawn().unwrap();
        drop(command);
        let begun = Instant::now();
        if let Some(feed) = feed {
            // Whoever is dead reads nothing.
            let _ = child.stdin.take().unwrap().write_all(feed.as_bytes());
        }
        let pid = Pid::from_child(&child);
        let send = |signal, group| match group {
            // Not waited for yet: its number is still its own.
            true => drop(kill_process_group(pid, signal)),
            false => drop(kill_process(pid, signal)),
        };
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        let mut next = match strike {
            Strike::Signal(signal, after, group) => Some((signal, begun + after, group)),
            _ => None,
        };
        loop {
            let until = next.map_or(begun + HANGS, |(_, at, _)| at);
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            if poll(&mut [PollFd::new(&said, PollFlags::IN)], Some(&left)).unwrap() > 0 {
                match said.read(&mut piece).unwrap() {
                    0 => break,
                    n => all.extend_from_slice(&piece[..n]),
                }
                continue;
            }
            let Some((signal, at, group)) = next.take() else {
                send(Signal::KILL, true);
                panic!("it hangs: {line}, {}", String::from_utf8_lossy(&all));
            };
            send(signal, group);
            if signal == Signal::STOP {
                // As if the system had better things to do just then.
                next = Some((Signal::CONT, at + Duration::from_millis(20), group));
            }
        }
        let status = child.wait().unwrap();
        self.note(status);
        (status, String::from_utf8_lossy(&all).into_owned())
    }

    fn note(&self, status: ExitStatus) {
        self.runs.fetch_add(1, SeqCst);
        self.killed.fetch_add(u64::from(status.signal().is_some()), SeqCst);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn in_a_storm_nothing_acknowledged_is_lost_and_nothing_is_left_behind() {
    let seed = number("DOTLOCK_STORM_SEED", SEED);
    let seconds = number("DOTLOCK_STORM_SECONDS", SECONDS);
    println!("DOTLOCK_STORM_SEED={seed} DOTLOCK_STORM_SECONDS={seconds}");
    let dir = Dir::new();
    let storm = Storm {
        texts: [Text::new(&dir, "text0"), Text::new(&dir, "text1")],
        counter: dir.file("counter", counters(0, 0)),
        dir,
        sources: Dir::new(),
        end: Instant::now() + Duration::from_secs(seconds),
        acknowledged: Mutex::default(),
        killed_workers: AtomicU64::new(0),
        gits: AtomicU64::new(0),
        runs: AtomicU64::new(0),
        killed: AtomicU64::new(0),
    };
    let mut dice = Dice(seed);
    let git = has("git");
    std::thread::scope(|scope| {
        let storm = &storm;
        scope.spawn(|| storm.read());
        for actor in u64::from(git)..ACTORS {
            let dice = Dice(dice.roll());
            scope.spawn(move || storm.act(actor, dice));
        }
        if git {
            scope.spawn(|| storm.git());
        }
    });

    let (ours, gits) = storm.check_counters();
    let acknowledged = storm.acknowledged.lock().unwrap().len() as u64;
    let unsaid = storm.killed_workers.load(SeqCst);
    assert!(ours >= acknowledged && ours <= acknowledged + unsaid, "{ours}, not {acknowledged} + {unsaid}");
    assert_eq!(gits, storm.gits.load(SeqCst));
    let writes: usize = storm.texts.iter().map(|t| (t.check(), t.history().writes.len()).1).sum();
    let (runs, killed) = (storm.runs.load(SeqCst), storm.killed.load(SeqCst));
    println!("{runs} runs, {killed} killed; {writes} writes; counted to {ours}, git to {gits}");
    assert!(killed > 0 && acknowledged > 0, "that was no storm");

    // Now that nobody is killed any more: at once, with no option and no human.
    for name in ["text0", "text1", "counter"] {
        storm.dir.dotlock().line("locked-write -w 5s").args([name]).stdin("calm").run().ok();
        assert_eq!(storm.dir.read(name), "calm");
    }
    let left = storm.dir.names().into_iter().filter(|n| !n.contains(".broken-"));
    assert_eq!(left.collect::<Vec<_>>(), ["counter", "text0", "text1"]);
}
