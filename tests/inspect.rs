//! `status` and `break-lock`: what an operator sees, and may do.

use crate::harness::{Dir, Dotlock, Worker, birth, has, lacks_right};
use serde_json::Value;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The locks that `status` shows, as JSON.
fn status(dir: &Dir, line: &str) -> Vec<Value> {
    let out = dir.dotlock().line("status --json").line(line).run().ok();
    let document: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(document["v"], 1);
    document["locks"].as_array().unwrap().clone()
}

/// The only one, with its state and words of its evidence.
#[track_caller]
fn is(dir: &Dir, line: &str, state: &str, words: &[&str]) -> Value {
    let locks = status(dir, line);
    assert_eq!(locks.len(), 1, "{locks:?}");
    assert_eq!(locks[0]["state"], state, "{locks:?}");
    for word in words {
        assert!(locks[0]["evidence"].as_str().unwrap().contains(word), "{word:?} is not in {locks:?}");
    }
    // People are told the same.
    let table = dir.dotlock().line("status").line(line).run().ok().stdout;
    let shown = state.replace('_', " ");
    assert!(table.lines().count() == 2 && table.contains(&shown), "{table}");
    locks[0].clone()
}

fn hold(file: &Path) -> Worker {
    let mut holder = Worker::start("hold", &[file.as_os_str()]);
    assert_eq!(holder.hear(), "holding");
    holder
}

fn kill(mut holder: Worker) -> u32 {
    let pid = holder.child.id();
    holder.child.kill().unwrap();
    holder.child.wait().unwrap();
    pid
}

/// A P with the second mark, and a record that is made to speak of it.
fn acquired(dir: &Dir, life: &Value) {
    let lock = dir.join("f.lock");
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o1300).open(&lock).unwrap();
    let meta = lock.metadata().unwrap();
    let birth = birth(&lock).unwrap();
    let record = serde_json::json!({
        "v": 1, "lock": { "number": meta.ino(), "birth": birth }, "pid": life["pid"], "program": "script",
        "user": "u", "host": "h", "since": "2026-01-02T03:04:05Z", "life": life,
    });
    dir.file("f~owner.lock", record.to_string());
}

/// What a record says of the process `pid` on this machine, now.
fn life(pid: u32) -> Value {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = std::fs::metadata("/proc/self/ns/pid").unwrap().ino();
    serde_json::json!({ "pid": pid, "start": start, "boot": boot.trim(), "pid_namespace": namespace })
}

#[test]
fn a_living_holder_is_shown_with_all_that_is_known_of_him() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let policy = dotlock::Policy::default().label("nightly".to_owned());
    let mut lock = dotlock::acquire(&file, &policy).unwrap();
    std::io::Write::write_all(&mut lock, b"staged").unwrap();
    let seen = is(&dir, "f", "held", &["its owner is alive (kernel lock)"]);
    assert_eq!(seen["pid"], std::process::id());
    assert_eq!(seen["label"], "nightly");
    assert_eq!(seen["staged_bytes"], 6);
    assert!(seen["age"].as_f64().unwrap() < 3600.0 && seen["since"].is_string(), "{seen}");
    assert!(seen["program"].as_str().unwrap().starts_with("all-") && seen["host"].is_string(), "{seen}");
    assert_eq!(seen["parts"].as_array().unwrap().len(), 1, "the gate is folded into its lock");
    lock.roll_back();
    assert!(status(&dir, "f").is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn every_row_of_the_verdicts_shows_its_evidence() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let reset = || ["f.lock", "f~owner.lock"].iter().for_each(|n| drop(std::fs::remove_file(dir.join(n))));

    // A dead holder, known by the mark.
    let pid = kill(hold(&file));
    assert_eq!(is(&dir, "f", "stale", &["its owner is gone (no kernel lock)"])["pid"], pid);
    reset();

    // No kernel lock, only a record: of one who lives,
    let living = Command::new("sleep").arg("1000").spawn().unwrap();
    let mut alive = life(living.id());
    acquired(&dir, &alive);
    is(&dir, "f", "held", &["its process runs"]);
    dir.dotlock().line("write -n f").stdin("x").run().fails(75, &["held by pid", "script"]);
    reset();
    // of one with the number of a living process, but not him,
    alive["start"] = (alive["start"].as_u64().unwrap() + 1).into();
    acquired(&dir, &alive);
    is(&dir, "f", "stale", &["its process number was given to another"]);
    reset();
    // of one in another pid namespace,
    alive["pid_namespace"] = 1.into();
    acquired(&dir, &alive);
    is(&dir, "f", "held", &["cannot be judged from here", "another pid namespace"]);
    dir.dotlock().line("write -n f").stdin("x").run().fails(75, &["cannot be judged from here"]);
    reset();
    // of one before the last boot,
    let mut old = life(living.id());
    old["boot"] = "00000000-0000-0000-0000-000000000000".into();
    acquired(&dir, &old);
    is(&dir, "f", "stale", &["it ran before this boot"]);
    reset();
    // of one who is gone.
    let gone = life(living.id());
    let mut living = living;
    living.kill().unwrap();
    living.wait().unwrap();
    acquired(&dir, &gone);
    is(&dir, "f", "stale", &["its process is gone"]);
    dir.dotlock().line("write -n f").stdin("new").run().ok();
    assert_eq!(dir.names(), ["f"]);

    // Made by dotlock, with nothing that tells by whom.
    acquired(&dir, &gone);
    std::fs::remove_file(dir.join("f~owner.lock")).unwrap();
    is(&dir, "f", "held", &["nothing tells by whom"]);
    reset();

    // Not made by dotlock.
    dir.file("f.lock", "abc");
    assert_eq!(is(&dir, "f", "foreign", &["made by another program", "no process"])["staged_bytes"], 3);
    let open = std::fs::File::open(dir.join("f.lock")).unwrap();
    let me = format!("pid {}", std::process::id());
    is(&dir, "f", "foreign", &["open in", &me]);
    drop(open);
    reset();

    // No lock at all.
    assert!(Command::new("mkfifo").arg(dir.join("f.lock")).status().unwrap().success());
    is(&dir, "f", "not_a_lock", &["it is a FIFO"]);
    reset();
    dir.file("Gemfile.lock", "");
    is(&dir, "Gemfile", "not_a_lock", &["looks like Bundler's Gemfile.lock"]);
    is(&dir, "Gemfile.lock", "not_a_lock", &["looks like Bundler's Gemfile.lock"]);

    // What is left of a lock.
    dir.file("f~owner.lock", "");
    is(&dir, "f", "left_over", &["no lock, only f~owner.lock"]);
}

/// A file system of that type in a file, mounted; `None` if we may not.
fn mounted(dir: &Dir, make: &str) -> Option<Mounted> {
    let (image, at) = (dir.join("image"), dir.join("disk"));
    std::fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
    std::fs::create_dir(&at).unwrap();
    assert!(Command::new(make).arg(&image).output().unwrap().status.success());
    let mount = Command::new("mount").args(["-o", "loop"]).args([&image, &at]).output();
    if !mount.is_ok_and(|o| o.status.success()) {
        lacks_right("mounting through a loop device");
        return None;
    }
    Some(Mounted(at))
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_file_system_without_marks_the_record_speaks() {
    if !has("mkfs.vfat") || !has("unshare") {
        return;
    }
    let dir = Dir::new();
    let Some(disk) = mounted(&dir, "mkfs.vfat") else { return };
    let file = disk.0.join("f");
    std::fs::write(&file, "old").unwrap();

    let holder = hold(&file);
    is(&dir, "disk/f", "held", &["its owner is alive (kernel lock)"]);
    let pid = kill(holder);
    assert_eq!(is(&dir, "disk/f", "stale", &["its process is gone"])["pid"], pid);
    dir.dotlock().line("write -n disk/f").stdin("new").run().ok();
    assert_eq!(dir.read("disk/f"), "new");

    // One in a container, killed there: from here that cannot be known.
    let mut inside = Dotlock::new("unshare", dir.path()).line("--pid --fork --mount-proc");
    inside.command.arg(env!("CARGO_BIN_EXE_dotlock"));
    // It dies before the new content is renamed: late enough for its record.
    let inside = inside.line("write disk/f").env("DOTLOCK_FAULT", "kill@6").stdin("theirs");
    if inside.run().stderr.contains("unshare failed") {
        return lacks_right("a pid namespace");
    }
    is(&dir, "disk/f", "held", &["cannot be judged from here", "another pid namespace"]);
    dir.dotlock()
        .line("write -n disk/f")
        .stdin("x")
        .run()
        .fails(75, &["cannot be judged", "break-lock --force"]);
    dir.dotlock().line("break-lock disk/f").run().fails(3, &["refused", "another pid namespace"]);
    dir.dotlock().line("break-lock --force --discard disk/f").run().fails(0, &["broke the lock"]);
    assert_eq!(std::fs::read_dir(&disk.0).unwrap().count(), 1);
}

#[test]
fn a_lock_of_git_that_waits_for_an_editor_is_foreign() {
    if !has("git") {
        return;
    }
    let dir = Dir::new();
    let git = |line: &str| {
        let git =
            Dotlock::new("git", dir.path()).args(["-c", "user.name=n", "-c", "user.email=e"]).line(line);
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", dir.path())
            .env("GIT_EDITOR", "echo ready >&2; cat; false")
    };
    git("init -q").run().ok();
    dir.file("file", "1");
    git("add file").run().ok();
    git("commit -q -m one").run().ok();
    dir.file("file", "2");
    let mut commit = git("commit -a").start();
    commit.says("ready");
    is(&dir, ".git/index", "foreign", &["made by another program"]);
    let locks = status(&dir, "--recursive .");
    assert_eq!(locks.len(), 1, "{locks:?}");
    dir.dotlock().line("break-lock .git/index").run().fails(3, &["refused", "foreign", "--force"]);
    assert!(dir.join(".git/index.lock").exists());
    assert_ne!(commit.end().code, 0);
    assert!(status(&dir, "--recursive .").is_empty());
}

#[test]
fn what_git_noted_is_believed_no_more_than_it_deserves() {
    let dir = Dir::new();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    // A note that survived a crash, then the lock of another.
    let born = |path: PathBuf| birth(&path).unwrap();
    let note = born(dir.file("index~pid.lock", format!("pid {}\n", dead.id())));
    // The clock of births ticks every few milliseconds only.
    while born(dir.file("index.lock", "")) == note {
        std::fs::remove_file(dir.join("index.lock")).unwrap();
    }
    is(&dir, "index", "foreign", &[&format!("git noted pid {}, but before this lock", dead.id())]);
    // Written after the lock, it speaks of it.
    std::fs::remove_file(dir.join("index~pid.lock")).unwrap();
    dir.file("index~pid.lock", format!("pid {}\n", dead.id()));
    is(&dir, "index", "foreign", &["no process of that number runs"]);
    std::fs::remove_file(dir.join("index~pid.lock")).unwrap();
    dir.file("index~pid.lock", format!("pid {}\n", std::process::id()));
    is(&dir, "index", "foreign", &["a process of that number runs"]);
    for garbage in
        ["pid -1\n", "pid 99999999999\n", "\x1b[31m", "", "pid 1 and more than fits in here really\n"]
    {
        std::fs::write(dir.join("index~pid.lock"), garbage).unwrap();
        let seen = is(&dir, "index", "foreign", &[]);
        assert!(!seen["evidence"].as_str().unwrap().contains("git noted"), "{seen}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn looking_takes_no_lock_of_the_living() {
    if !has("strace") {
        return;
    }
    let dir = Dir::new();
    let file = dir.file("f", "old");
    kill(hold(&file));
    let lock = dotlock::acquire(dir.join("g"), &dotlock::Policy::default()).unwrap();
    dir.file("h.lock", "");
    let mut traced =
        Dotlock::new("strace", dir.path()).line("-f -e trace=/^(flock|unlink|rename|open) -o trace");
    traced.command.arg(env!("CARGO_BIN_EXE_dotlock"));
    let out = traced.line("status .").run();
    if out.stderr.contains("ptrace") {
        return lacks_right("ptrace");
    }
    assert_eq!(out.stdout.lines().count(), 4, "{out:?}");
    let trace = dir.read("trace");
    let namespace = std::fs::metadata("/proc/self/ns/pid").unwrap().ino();
    // That nobody has a lock the table does not tell for sure: the stale one is
    // asked, shared with others who look. In a container it tells nothing.
    let touched = |l: &&str| l.contains("flock(") || l.contains("unlink") || l.contains("O_CREAT");
    let touching: Vec<_> = trace.lines().filter(touched).collect();
    let shared = |l: &&str| l.contains("LOCK_SH") || l.contains("LOCK_UN");
    assert!(touching.len() <= 2 && touching.iter().all(shared) || namespace != 0xEFFF_FFFC, "{touching:?}");
    assert!(trace.contains("/proc/locks"));
    lock.roll_back();
}

#[test]
fn a_directory_shows_its_own_lock_first_then_those_in_it() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.join("top/a/b")).unwrap();
    std::fs::create_dir(dir.join("elsewhere")).unwrap();
    for name in ["top.lock", "top/z.lock", "top/a.lock", "top/a/x.lock", "top/a/b/y.lock", "elsewhere/e.lock"]
    {
        dir.file(name, "");
    }
    symlink(dir.join("elsewhere"), dir.join("top/link")).unwrap();
    let targets = |line: &str| -> Vec<String> {
        let below = |v: &Value| {
            let path = PathBuf::from(v["target"].as_str().unwrap());
            path.strip_prefix(dir.path()).unwrap().display().to_string()
        };
        status(&dir, line).iter().map(below).collect()
    };
    assert_eq!(targets("top"), ["top", "top/a", "top/z"]);
    assert_eq!(targets("--recursive top"), ["top", "top/a", "top/z", "top/a/x", "top/a/b/y"]);
    assert_eq!(targets("top/a/x top/a/x.lock top/a"), ["top/a/x", "top/a"]);
    let none = dir.dotlock().line("status top/nothing").run().ok();
    assert!(none.stdout.contains("no lock: top/nothing"), "{none:?}");
    dir.dotlock().line("status no/such/dir/f").run().fails(1, &["cannot look at"]);
}

#[test]
fn an_unreadable_directory_is_reported() {
    let Some(nobody) = crate::hostile::Nobody::new() else { return };
    let dir = Dir::new();
    std::fs::create_dir_all(dir.join("closed")).unwrap();
    dir.file("f.lock", "");
    std::fs::set_permissions(dir.join("closed"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let run = nobody.dotlock(&dir).line("status --recursive");
    let out = run.run().fails(1, &["cannot read the directory", "closed", "Permission denied"]);
    assert!(out.stdout.contains("foreign"), "{out:?}");
}

#[test]
fn check_tells_by_its_exit_code_and_filters_choose() {
    let dir = Dir::new();
    let check = |line: &str| dir.dotlock().line("status --check --quiet").line(line).run().code;
    assert_eq!(check("."), 0);
    kill(hold(&dir.file("stale", "")));
    assert_eq!(check("."), 5);
    dir.file("foreign.lock", "");
    assert_eq!((check("."), check("foreign"), check("stale")), (4, 4, 5));
    let lock = dotlock::acquire(dir.join("held"), &dotlock::Policy::default()).unwrap();
    assert_eq!(check("held"), 4);
    let chosen = |line: &str| -> Vec<String> {
        status(&dir, line).iter().map(|v| v["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(chosen(""), ["foreign", "held", "stale"]);
    assert_eq!(chosen("--held"), ["held"]);
    assert_eq!(chosen("--stale --foreign"), ["foreign", "stale"]);
    lock.roll_back();
    // Without --check, looking is no failure.
    dir.dotlock().line("status").run().ok();
}

#[test]
fn a_hostile_record_is_harmless_and_said_to_be_unreadable() {
    let dir = Dir::new();
    dir.file("f", "old");
    let lock = dotlock::acquire(dir.join("f"), &dotlock::Policy::default()).unwrap();
    let deep = "[".repeat(100_000);
    let long = format!(r#"{{"v":1,"program":"{}"}}"#, "x".repeat(1 << 20));
    for record in ["\x1b[2J\x07", "{", r#"{"v":"1"}"#, r#"{"v":2,"pid":1}"#, &deep, &long, "\0\0\0"] {
        std::fs::write(dir.join("f~owner.lock"), record).unwrap();
        let seen = is(&dir, "f", "held", &["unreadable record"]);
        assert!(seen["program"].is_null());
        let out = dir.dotlock().line("status f").run().ok().stdout;
        assert!(!out.contains(|c: char| c.is_control() && c != '\n') && out.len() < 1000, "{out:?}");
        dir.dotlock().line("write -n f").stdin("x").run().fails(75, &["unreadable record"]);
    }
    lock.roll_back();
}

#[test]
fn a_checkout_full_of_package_managers_files_shows_no_lock_and_loses_none() {
    let dir = Dir::new();
    std::fs::create_dir(dir.join("app")).unwrap();
    let files = [
        "Cargo.lock",
        "Gemfile.lock",
        "app/Podfile.lock",
        "app/poetry.lock",
        "flake.lock",
        "yarn.lock",
        "composer.lock",
        "Pipfile.lock",
        "mix.lock",
        "pubspec.lock",
        "uv.lock",
        "app/bun.lock",
        "deno.lock",
        "package-lock.json",
        "pnpm-lock.yaml",
        "MODULE.bazel.lock",
        "app/rails.gemfile.lock",
        ".terraform.lock.hcl",
        "pdm.lock",
        "pixi.lock",
        "Chart.lock",
    ];
    for file in files {
        dir.file(file, format!("content of {file}"));
    }
    assert!(status(&dir, "--recursive").is_empty());
    let out = dir.dotlock().line("break-lock --recursive --force --yes --discard .").run();
    assert_eq!((out.code, out.stderr.as_str()), (0, "dotlock: no lock to break: .\n"));
    for name in files.iter().filter(|f| f.ends_with(".lock")) {
        let one = dir.dotlock().line("break-lock --force --yes --discard").args([name]).run();
        one.fails(3, &["refused", "is not a lock", "looks like"]);
    }
    for file in files {
        assert_eq!(dir.read(file), format!("content of {file}"));
    }
}

#[test]
fn what_is_proven_stale_is_broken_and_its_content_kept() {
    let dir = Dir::new();
    dir.file("f", "old");
    // Killed before its rename, with everything written.
    let killed = dir.dotlock().line("write f").stdin("unfinished").env("DOTLOCK_FAULT", "kill@9").run();
    assert_eq!(killed.code, 137);
    dir.dotlock().line("break-lock --dry-run f").run().fails(0, &["would break the lock of", "left by pid"]);
    assert!(dir.join("f.lock").exists());
    let out = dir.dotlock().line("break-lock f").run().fails(0, &["broke the lock of", "compare it: diff"]);
    let kept = dir.names().into_iter().find(|n| n.starts_with("f.broken-")).unwrap();
    assert!(out.stderr.contains(&kept), "{out:?}");
    assert_eq!(dir.read(&kept), "unfinished");
    assert_eq!(dir.join(&kept).metadata().unwrap().mode() & 0o7000, 0, "it bears no mark");
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned(), kept]));
    dir.dotlock().line("break-lock f").run().fails(0, &["no lock to break"]);
    // Thrown away, where that is asked for.
    let dir = Dir::new();
    dir.file("f", "old");
    dir.dotlock().line("write f").stdin("unfinished").env("DOTLOCK_FAULT", "kill@9").run();
    dir.dotlock().line("break-lock --discard --quiet f").run().ok();
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn a_living_lock_is_never_broken_and_its_end_is_named() {
    let dir = Dir::new();
    let holder = hold(&dir.file("f", "old"));
    let end = format!("'kill {}'", holder.child.id());
    for line in ["break-lock f", "break-lock --force f", "break-lock --force --yes --discard f f.lock"] {
        dir.dotlock().line(line).run().fails(3, &["refused", "a living lock is never broken", &end]);
    }
    dir.dotlock().line("break-lock --recursive --force .").run().fails(0, &["no lock to break"]);
    assert_eq!(dir.names(), ["f", "f.lock", "f~owner.lock"]);
    holder.join();
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn a_foreign_lock_is_broken_by_force_and_a_waiter_goes_on() {
    let dir = Dir::new();
    dir.file("f", "old");
    dir.file("f.lock", "theirs");
    let mut waiter = dir.dotlock().line("write f").stdin("new").start();
    drop(waiter.stdin.take());
    waiter.says("waiting for the lock");
    dir.dotlock().line("break-lock f").run().fails(3, &["foreign", "dotlock status", "break-lock --force"]);
    dir.dotlock().line("break-lock --force f").run().fails(0, &["broke the lock of"]);
    assert_eq!(waiter.end().code, 0);
    assert_eq!(dir.read("f"), "new");
    assert_eq!(dir.names().len(), 2, "f, and the content of the broken lock: {:?}", dir.names());
}

#[test]
fn in_a_tree_only_the_stale_are_broken() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.join("a/b")).unwrap();
    for name in ["a/b/one", "a/two"] {
        kill(hold(&dir.file(name, "")));
    }
    dir.file("a/foreign.lock", "");
    let lock = dotlock::acquire(dir.join("a/held"), &dotlock::Policy::default()).unwrap();
    dir.file("a/b/gone~owner.lock", "");
    dir.dotlock()
        .line("break-lock --recursive .")
        .run()
        .fails(0, &["a/b/one", "a/two", "gone is not locked"]);
    let left: Vec<_> = status(&dir, "--recursive").iter().map(|v| v["state"].clone()).collect();
    assert_eq!(left, ["foreign", "held"]);
    lock.roll_back();
}

#[test]
fn breakers_writers_and_git_at_once_break_no_living_lock() {
    if !has("git") {
        return;
    }
    let dir = Dir::new();
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(dir.path()).args(args).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", dir.path());
        git.output().unwrap().status.success()
    };
    assert!(git(&["init", "-q"]));
    let config = dir.join(".git/config");
    let over = std::sync::atomic::AtomicBool::new(false);
    let going = || !over.load(std::sync::atomic::Ordering::SeqCst);
    // Writers that never lose an update, as long as nobody breaks their lock:
    // 4 with 125 each.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while going() {
                    // --force takes git's locks, too, which only kills git's own
                    // update; so here without: nothing alive is stale.
                    let out = dir.dotlock().line("break-lock .git/config").run();
                    assert!(out.code == 0 || out.code == 3, "{out:?}");
                    assert!(!out.stderr.contains("broke the lock"), "a living lock was broken: {out:?}");
                }
            });
        }
        let counting = scope.spawn(|| {
            let mut set = 0;
            while going() {
                set += u32::from(git(&["config", &format!("git.k{set}"), "1"]));
            }
            set
        });
        let ours: Vec<_> = (0..4)
            .map(|i| {
                let who = format!("ours{i}");
                Worker::start("configure", &[config.as_os_str(), who.as_ref(), "125".as_ref()])
            })
            .collect();
        ours.into_iter().for_each(Worker::join);
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        let set = counting.join().unwrap();
        let text = std::fs::read_to_string(&config).unwrap();
        for i in 0..4 {
            let section = format!("[ours{i}]");
            assert_eq!(text.matches(&section).count(), 125, "{section}");
        }
        let git_set = (0..set).filter(|n| git(&["config", "--get", &format!("git.k{n}")])).count();
        assert_eq!(git_set, set as usize, "keys that git has set");
    });
    assert!(!dir.join(".git/config.lock").exists());
}
