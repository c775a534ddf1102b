//! Locks that outlive the command that took them, and work under a lock that is
//! held, on every system: `acquire`, `release`, `renew`, `wait`, tokens. What
//! takes a shell, signals or a terminal is in `hold`.

use crate::contention::quick;
use crate::harness::{Dir, Dotlock, Worker, holder, role, set_role};
use dotlock::{Policy, Purpose};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dotlock");

/// Something that lives until the test ends it.
struct Life(Worker);

impl Life {
    fn new() -> Life {
        Life(Worker::start("live", &[]))
    }

    fn pid(&self) -> String {
        self.0.child.id().to_string()
    }

    fn end(mut self) {
        self.0.child.kill().unwrap();
        self.0.child.wait().unwrap();
    }
}

/// `dotlock LINE` with a command that does nothing.
fn run(dir: &Dir, line: &str) -> Dotlock {
    dir.dotlock().line(line).args(["--", PROGRAM, "wait", "-n", "nothing"])
}

fn acquire(dir: &Dir, options: &[&str]) -> String {
    let out = dir.dotlock().args(["acquire"]).args(options).args(["f"]).run().ok();
    out.stdout.trim().to_owned()
}

#[test]
fn a_command_writes_what_its_own_lock_protects() {
    let dir = Dir::new();
    dir.file("f", "old");
    // In a command that is told to wait for ever: nobody waits for himself.
    let run = dir.dotlock().line("run f --").args([PROGRAM, "run", "f", "--", PROGRAM, "write", "-n", "f"]);
    run.stdin("deep").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("deep", vec!["f".to_owned()]));
}

#[test]
fn those_who_work_under_one_lock_at_once_lose_nothing() {
    let dir = Dir::new();
    let counter = dir.file("counter", "0");
    let token = acquire(&dir, &["--lease", "1h"]);
    let (processes, times) = if cfg!(windows) { (4, 2) } else { (16, 5) };
    std::thread::scope(|scope| {
        for _ in 0..processes {
            scope.spawn(|| {
                for _ in 0..times {
                    let run = dir.dotlock().args(["run", "-w", "100", "--token", &token, "f", "--"]);
                    let mut run = run.args(role());
                    set_role(&mut run.command, "bump", &[counter.as_os_str()]);
                    assert_eq!(run.run().code, 0);
                }
            });
        }
    });
    assert_eq!(dir.read("counter"), (processes * times).to_string());
    dir.dotlock().args(["release", &token]).run().ok();
    assert_eq!(dir.names(), ["counter"]);
}

#[test]
fn a_nested_write_that_would_be_undone_is_refused() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let lock = dotlock::acquire(&file, &Policy::default().purpose(Purpose::Update)).unwrap();
    let token = lock.token().unwrap().to_string();
    let write = dir.dotlock().args(["write", "--token", &token, "f"]).stdin("lost");
    write.run().fails(3, &["whose output will replace it", "write to standard output instead"]);
    let under = Policy::default().under(vec![token.parse().unwrap()]);
    let nested = dotlock::update(&file, &under, &quick(), |_| Ok::<_, dotlock::Error>(b"lost".to_vec()));
    assert!(matches!(nested, Err(dotlock::Error::Refused { .. })), "{nested:?}");
    // What only wants to be alone with the file may be.
    let alone = dir.dotlock().args(["run", "-n", "--token", &token, "f", "--", PROGRAM, "wait", "-n", "g"]);
    alone.run().ok();
    lock.roll_back();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned()]));
}

#[test]
fn a_lock_that_hangs_on_an_ancestor_is_not_waited_for() {
    let dir = Dir::new();
    // This process started the one that waits.
    let token = acquire(&dir, &["--for-pid", &std::process::id().to_string()]);
    let wait = dir.dotlock().args(["run", "--wait", "forever", "f", "--", PROGRAM]);
    wait.run().fails(3, &["under which this command runs", "--preserve-env=DOTLOCK_HELD", "f.lock"]);
    dir.dotlock().args(["release", &token]).run().ok();
    assert_eq!(dir.names(), Vec::<String>::new());
}

#[test]
fn a_token_that_is_none_is_ignored_and_said() {
    let dir = Dir::new();
    dir.file("f", "old");
    let held = holder(&dir, "run f");
    let record: serde_json::Value = serde_json::from_str(&dir.read("f~owner.lock")).unwrap();
    let (number, birth) = (&record["lock"]["number"], &record["lock"]["birth"]);
    let (number, birth) = (number.as_u64().unwrap(), birth.as_u64().unwrap());
    // As the program writes it, which encodes what a shell would take apart.
    let other = dir.dotlock().line("acquire --lease 1h g").run().ok().stdout;
    dir.dotlock().args(["release", other.trim()]).run().ok();
    let lock = other.trim().split_once(':').unwrap().1.replace("g.lock", "f.lock");
    let forged = "0".repeat(32);
    // The right lock, and a secret that is not its.
    let token = format!("{number:x}.{birth:x}.{forged}:{lock}");
    dir.dotlock()
        .args(["write", "-n", "--token", &token, "f"])
        .stdin("no")
        .run()
        .fails(75, &["ignored the token"]);
    // The right secret, and another lock.
    let secret = record["secret"].as_str().unwrap();
    let token = format!("{:x}.{birth:x}.{secret}:{lock}", number + 1);
    let value = format!(r#"[{{"target":"f","token":"{token}"}}]"#);
    let out = dir.dotlock().line("write -n f").env("DOTLOCK_HELD", &value).stdin("no").run();
    out.fails(75, &["ignored the token"]);
    for garbage in ["{}", "[", "[{}]", r#"[{"target":"f","token":"x"}]"#, "\u{1b}[2J"] {
        let out = dir.dotlock().line("write -n f").env("DOTLOCK_HELD", garbage).stdin("no").run();
        let out = out.fails(75, &["ignored DOTLOCK_HELD"]);
        assert!(!out.stderr.trim_end().contains('\u{1b}'));
    }
    dir.dotlock().args(["write", "--token", "x", "f"]).stdin("no").run().fails(1, &["no token"]);
    // It does what it is for, from any process.
    let token = format!("{number:x}.{birth:x}.{secret}:{lock}");
    dir.dotlock().args(["write", "-n", "--token", &token, "f"]).stdin("yes").run().ok();
    // It is the command's lock, not a script's.
    dir.dotlock().args(["release", &token]).run().fails(3, &["a command runs under its lock"]);
    held.end();
    // Outdated.
    let out = dir.dotlock().args(["write", "-n", "--token", &token, "f"]).stdin("after").run();
    out.fails(0, &["ignored the token"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("after", vec!["f".to_owned()]));
}

#[test]
fn the_end_of_the_process_that_a_lock_hangs_on_frees_it_at_once() {
    let dir = Dir::new();
    dir.file("f", "old");
    let life = Life::new();
    let token = dir.dotlock().args(["acquire", "--for-pid", &life.pid(), "f"]).run().ok().stdout;
    assert_eq!(dir.names(), ["f", "f.lock", "f~owner.lock"]);
    dir.dotlock()
        .line("write -n f")
        .stdin("no")
        .run()
        .fails(75, &["the process that it hangs on runs", "(all-"]);
    let mut waiter = run(&dir, "run f").start();
    waiter.says("waiting for the lock");
    life.end();
    assert_eq!(waiter.end().code, 0);
    // Nothing of others' is removed by who comes too late.
    let held = holder(&dir, "run f");
    let late = dir.dotlock().args(["release", token.trim()]).run();
    late.fails(76, &["lost the lock of", "removed or replaced"]);
    run(&dir, "run -n f").run().fails(75, &["held by"]);
    assert_eq!(held.end().code, 0);
}

#[test]
fn a_lease_ends_and_can_be_renewed() {
    let dir = Dir::new();
    dir.file("f", "old");
    let acquire = |time: &str| dir.dotlock().args(["acquire", "--lease", time, "f"]).run().ok().stdout;
    let token = acquire("1h");
    dir.dotlock().line("write -n f").stdin("no").run().fails(75, &["a lease", "its lease runs until"]);
    let out = dir.dotlock().args(["renew", "-v", "--lease", "2h", token.trim()]).run();
    out.fails(0, &["is leased until"]);
    // It is never shortened; to end it is to release it.
    dir.dotlock().args(["renew", "--lease", "1s", token.trim()]).run().ok();
    dir.dotlock().line("write -n f").stdin("no").run().fails(75, &[]);
    dir.dotlock().args(["release", token.trim()]).run().ok();
    assert_eq!(dir.names(), ["f"]);
    dir.dotlock().args(["renew", "--lease", "1h", token.trim()]).run().fails(76, &["lost the lock"]);

    // Over: whoever comes takes it; the holder learns of it.
    let token = acquire("1ms");
    dir.dotlock().line("write f").stdin("new").run().ok();
    dir.dotlock().args(["release", token.trim()]).run().fails(76, &["its lease is over"]);
    // Over, but nobody came: renewed, it is held again.
    let token = acquire("1ms");
    dir.dotlock().args(["renew", "--lease", "1h", token.trim()]).run().ok();
    dir.dotlock().line("write -n f").stdin("no").run().fails(75, &["its lease runs until"]);
    // Whoever works under it keeps it past its end.
    dir.dotlock().args(["release", token.trim()]).run().ok();
    let token = acquire("1ms");
    let held = holder(&dir, &format!("run f --token {}", token.trim()));
    dir.dotlock().line("write -n f").stdin("no").run().fails(75, &["alive (kernel lock)"]);
    assert!(dir.dotlock().line("status f").run().ok().stdout.contains("held"));
    assert_eq!(held.end().code, 0);
    dir.dotlock().line("write -n f").stdin("newer").run().ok();
    assert_eq!(dir.names(), ["f"]);
    // One that hangs on a process has no lease.
    let life = Life::new();
    let token = dir.dotlock().args(["acquire", "--for-pid", &life.pid(), "f"]).run().ok().stdout;
    dir.dotlock()
        .args(["renew", "--lease", "1h", token.trim()])
        .run()
        .fails(3, &["does not hang on a lease"]);
    life.end();
}

#[test]
fn a_release_waits_for_those_who_work_under_the_lock() {
    let dir = Dir::new();
    let token = dir.dotlock().line("acquire --lease 1h f").run().ok().stdout;
    let held = holder(&dir, &format!("run f --token {}", token.trim()));
    dir.dotlock().args(["release", "-w", "0", token.trim()]).run().fails(75, &["is locked", "~inner.lock"]);
    let mut release = dir.dotlock().args(["release", token.trim()]).start();
    release.says("waiting for the lock");
    assert_eq!((held.end().code, release.end().code), (0, 0));
    assert_eq!(dir.names(), Vec::<String>::new());
}

#[test]
fn acquire_wants_to_know_whose_life_and_prints_for_whoever_asks() {
    let dir = Dir::new();
    dir.dotlock().line("acquire f").run().fails(2, &["dotlock acquire --for-pid $$ f"]);
    dir.dotlock().line("acquire --for-pid 1 --lease 1s f").run().fails(2, &["cannot be used with"]);
    for pid in ["0", "4194305"] {
        dir.dotlock().args(["acquire", "--for-pid", pid, "f"]).run().fails(1, &["no such process"]);
    }
    dir.dotlock().line("release").run().fails(2, &["no token"]);
    dir.dotlock().line("acquire --lease 1h --github-env f").run().fails(1, &["GITHUB_ENV is not set"]);
    assert_eq!(dir.names(), Vec::<String>::new());
    let env = dir.file("env", "A=1\n");
    dir.dotlock().line("acquire --lease 1h --github-env f").env("GITHUB_ENV", &env).run().ok();
    let text = dir.read("env");
    let value = text.lines().nth(1).unwrap().strip_prefix("DOTLOCK_HELD=").unwrap();
    dir.dotlock().line("write -n f").env("DOTLOCK_HELD", value).stdin("x").run().ok();
    dir.dotlock().line("release").env("DOTLOCK_HELD", value).run().ok();
    let out = dir.dotlock().line("acquire --lease 1h --json f g").run().ok().stdout;
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let tokens: Vec<_> =
        json["locks"].as_array().unwrap().iter().map(|l| l["token"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), 2);
    dir.dotlock().args(["release"]).args(tokens).run().ok();
    // A token that cannot be handed over is no lock.
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let mut acquire = dir.dotlock().line("acquire --lease 1h f");
        acquire.command.stdout(full);
        acquire.run().fails(1, &["cannot print the token"]);
    }
    assert_eq!(dir.names(), ["env", "f"]);
}

#[test]
fn wait_returns_when_nothing_is_locked_and_takes_nothing() {
    let dir = Dir::new();
    dir.file("f", "");
    dir.dotlock().line("wait -n f g").run().ok();
    let held = holder(&dir, "run f");
    dir.dotlock().line("wait -n -E 9 g f").run().fails(9, &["f is locked"]);
    dir.dotlock().line("wait --timeout 0.1 f").run().fails(75, &["waited 0.1"]);
    let mut wait = dir.dotlock().line("wait g f").start();
    wait.says("waiting for the lock of");
    // It stands in nobody's way meanwhile.
    assert_eq!(dir.names(), ["f", "f.lock", "f~owner.lock"]);
    assert_eq!((held.end().code, wait.end().code), (0, 0));
    // What a dead one left is free.
    let mut dead = holder(&dir, "run -o f");
    dead.child.kill().unwrap();
    dead.child.wait().unwrap();
    dir.dotlock().line("wait -n f").run().ok();
    assert_eq!(dir.names(), ["f", "f.lock", "f~owner.lock"]);
}
