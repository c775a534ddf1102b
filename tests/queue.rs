//! The write queue: many producers, one writer, and whatever may happen to them.
//!
//! `CI_FULL=1` makes them more and heavier.

use crate::harness::{Dir, Dotlock, Outcome, has};
use dotlock::{Change, Entry, Policy, Push, Target};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

fn full() -> bool {
    std::env::var("CI_FULL").is_ok_and(|v| v == "1")
}

/// Much, or less of it.
fn scaled(much: usize, less: usize) -> usize {
    if full() { much } else { less }
}

fn entry(target: &Target, change: Change, text: &str) -> Entry {
    Entry::new(target, change, text.into()).unwrap()
}

/// Random numbers from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Every line is whole, and there once at most; of each producer in order. What was
/// acknowledged is there.
fn check_lines(text: &str, acked: &[(usize, usize)]) {
    let mut last = HashMap::<usize, usize>::new();
    let mut seen = std::collections::HashSet::new();
    for line in text.lines() {
        let whole: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        let of = |key: &str| whole[key].as_u64().unwrap() as usize;
        let (p, n) = (of("p"), of("n"));
        assert!(seen.insert((p, n)), "twice: {line}");
        let before = last.insert(p, n);
        assert!(before.is_none_or(|b| b < n), "producer {p}: {n} after {before:?}");
    }
    for one in acked {
        assert!(seen.contains(one), "acknowledged, and lost: {one:?}");
    }
}

fn line(p: usize, n: usize) -> String {
    json!({ "p": p, "n": n, "filler": "x".repeat(n % 50) }).to_string() + "\n"
}

#[test]
fn what_many_producers_append_is_there_once_and_in_order() {
    let (producers, entries) = (scaled(64, 32), scaled(200, 6));
    let dir = Dir::new();
    std::thread::scope(|scope| {
        for p in 0..producers {
            let dir = &dir;
            scope.spawn(move || {
                for n in 0..entries {
                    dir.dotlock().line("append -q -w 300 f").stdin(line(p, n)).run().ok();
                }
            });
        }
    });
    let all: Vec<_> = (0..producers).flat_map(|p| (0..entries).map(move |n| (p, n))).collect();
    let text = dir.read("f");
    assert_eq!(text.lines().count(), all.len());
    check_lines(&text, &all);
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn the_last_of_a_burst_leaves_nothing_behind() {
    let dir = Dir::new();
    for burst in 0..20 {
        std::thread::scope(|scope| {
            for p in 0..8 {
                let append = dir.dotlock().line("append -q f").stdin(line(p, burst));
                scope.spawn(move || append.run().ok());
            }
        });
        assert_eq!(dir.names(), ["f"], "after burst {burst}");
    }
    assert_eq!(dir.read("f").lines().count(), 160);
}

#[test]
fn producers_and_drainers_who_are_killed_lose_and_repeat_nothing() {
    let (producers, kills) = (scaled(24, 12), scaled(300, 40));
    let dir = Dir::new();
    let (killed, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let acked = std::sync::Mutex::new(Vec::new());
    let fault = |dice: &mut Dice, run: Dotlock| match dice.below(3) {
        0 => run.env("DOTLOCK_FAULT", format!("kill@{}", 1 + dice.below(45))),
        _ => run,
    };
    std::thread::scope(|scope| {
        for p in 0..producers {
            let (dir, killed, acked, over) = (&dir, &killed, &acked, &over);
            scope.spawn(move || {
                let mut dice = Dice(p as u64);
                for n in 0.. {
                    if over.load(SeqCst) {
                        break;
                    }
                    let how = ["append -w 300 f", "append -w 300 --async f"][usize::from(dice.below(4) == 0)];
                    let out = fault(&mut dice, dir.dotlock().line(how).stdin(line(p, n))).run();
                    match out.code {
                        0 => acked.lock().unwrap().push((p, n)),
                        137 if killed.fetch_add(1, SeqCst) + 1 >= kills => over.store(true, SeqCst),
                        137 => {}
                        _ => panic!("{out:?}"),
                    }
                }
            });
        }
        for d in 0..2 {
            let (dir, over) = (&dir, &over);
            scope.spawn(move || {
                let mut dice = Dice(1000 + d);
                while !over.load(SeqCst) {
                    let out = fault(&mut dice, dir.dotlock().line("queue drain -w 300 f")).run();
                    assert!(out.code == 0 || out.code == 137, "{out:?}");
                }
            });
        }
    });
    let cat = dir.dotlock().line("queue cat f").run();
    dir.dotlock().line("queue drain f").run();
    dir.dotlock().line("write x").stdin("x").run().ok();
    let text = dir.read("f");
    check_lines(&text, &acked.into_inner().unwrap());
    assert_eq!(cat.stdout, text, "what was to be is not what is");
    assert!(!dir.join("f.queue.rejected").exists(), "{}", dir.read("f.queue.rejected"));
    dir.dotlock().line("write f").stdin("next").run().ok();
    assert_eq!(dir.names(), ["f", "x"]);
}

/// A plain implementation of RFC 7396, after the text of the standard.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let object = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// A plain reader of journals, after dotlock(7); it believes every checksum.
fn payloads(journal: &[u8]) -> Vec<&[u8]> {
    let u32_at = |at: usize| u32::from_le_bytes(journal[at..at + 4].try_into().unwrap()) as usize;
    assert!(journal.starts_with(b"dotlock queue 1\n"));
    let (mut at, mut all) = (128, Vec::new());
    while at < journal.len() {
        assert_eq!(journal[at..at + 4], [0xD1, b'f', b'r', 0x1B]);
        let (label, length) = (usize::from(journal[at + 7]), u32_at(at + 8));
        all.push(&journal[at + 48 + label..][..length]);
        at += 48 + label + length + 8;
        assert_eq!(u32_at(at - 4), u32_at(at - 8 - length - label - 8));
    }
    all
}

#[test]
fn merge_patches_come_to_what_the_journal_says_in_order() {
    let (producers, entries) = (32, scaled(50, 6));
    let dir = Dir::new();
    let first = json!({ "z": 1, "count": { "all": 0 }, "a": [1, 2.50] });
    let text = first.to_string().replace("2.5", "2.50");
    dir.file("f.json", &text);
    let target = Target::resolve(&dir.join("f.json")).unwrap();
    let how = Push { detached: true, ..Push::default() };
    std::thread::scope(|scope| {
        for p in 0..producers {
            let (target, how) = (&target, &how);
            scope.spawn(move || {
                for n in 0..entries {
                    let drop = format!("w{}", (p + n) % producers);
                    let own = format!("w{p}");
                    let mut patch = json!({ "count": { "all": p * 1000 + n } });
                    patch[&own] = json!({ "n": n, "list": [p, n] });
                    if n % 3 == 2 && drop != own {
                        patch[&drop] = Value::Null;
                    }
                    patch["count"][&own] = n.into();
                    let entry = entry(target, Change::Merge, &patch.to_string());
                    dotlock::push(target, &[entry], &Policy::default(), how).unwrap();
                }
            });
        }
    });
    let journal = std::fs::read(dir.join("f.json.queue")).unwrap();
    let mut expected: Value = serde_json::from_str(&text).unwrap();
    let all = payloads(&journal);
    assert_eq!(all.len(), producers * entries);
    all.iter().for_each(|p| merge(&mut expected, &serde_json::from_slice(p).unwrap()));
    let cat = dir.dotlock().line("queue cat f.json").run().ok().stdout;
    dir.dotlock().line("queue drain f.json").run().ok();
    let found = dir.read("f.json");
    assert_eq!(cat, found);
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), expected);
    // The order of keys, and numbers, as they were.
    assert!(found.starts_with(r#"{"z":1,"count":{"all":"#) && found.contains("2.50"), "{found}");
    assert_eq!(dir.names(), ["f.json"]);
}

#[test]
fn each_its_own_key_by_many_processes_at_once() {
    let (producers, entries) = (scaled(32, 16), scaled(20, 3));
    let dir = Dir::new();
    std::thread::scope(|scope| {
        for p in 0..producers {
            let dir = &dir;
            scope.spawn(move || {
                for n in 1..=entries {
                    let patch = json!({ format!("w{p}"): n, "counts": { format!("w{p}"): n } });
                    let push = dir.dotlock().line("queue push --merge -q -w 300 f");
                    push.stdin(patch.to_string()).run().ok();
                }
            });
        }
    });
    let found: Value = serde_json::from_str(&dir.read("f")).unwrap();
    for p in 0..producers {
        let own = format!("w{p}");
        assert_eq!((&found[&own], &found["counts"][&own]), (&json!(entries), &json!(entries)));
    }
}

#[cfg(unix)]
#[test]
fn a_follower_that_waits_a_little_writes_a_burst_in_a_few_commits() {
    use rustix::process::{Pid, Signal, kill_process};
    let pushes = scaled(10_000, 2_000);
    let dir = Dir::new();
    dir.file("f", "old");
    let target = Target::resolve(&dir.join("f")).unwrap();
    let follower = dir.dotlock().line("queue drain --follow --debounce 100ms --json f").start();
    let how = Push { detached: true, ..Push::default() };
    let push = |text: &str| {
        let entry = entry(&target, Change::Replace, text);
        dotlock::push(&target, &[entry], &Policy::default(), &how).unwrap();
    };
    std::thread::scope(|scope| {
        for w in 0..4 {
            let push = &push;
            scope.spawn(move || (0..pushes / 4).for_each(|n| push(&format!("{w} {n}"))));
        }
    });
    push("the last");
    kill_process(Pid::from_child(&follower.child), Signal::TERM).unwrap();
    let out = follower.end();
    assert_eq!(out.code, 0, "{out:?}");
    let done: Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(dir.read("f"), "the last");
    assert_eq!(done["applied"], pushes + 1);
    let commits = done["commits"].as_u64().unwrap() as usize;
    assert!(commits <= pushes / 100, "{commits} commits for {pushes} pushes");
    assert_eq!(dir.names(), ["f"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_to_the_producer_and_loses_nothing() {
    use crate::harness::Mounted;
    let dir = Dir::new();
    let disk = dir.join("disk");
    let Some(_mounted) = Mounted::disk("size=256k", &disk) else { return };
    std::fs::write(disk.join("f"), "old\n").unwrap();
    dir.dotlock().line("append --async disk/f").stdin("kept\n").run().ok();
    // Into the journal; into the target; and by one who has to wait.
    let big = "x".repeat(300 << 10);
    for line in
        ["append --async disk/f", "append disk/f", "queue push --replace disk/f", "append --in-place disk/f"]
    {
        let out = dir.dotlock().line(line).stdin(&big).run();
        out.fails(1, &["No space left", "free some space"]);
    }
    std::fs::write(disk.join("filler"), vec![0; 230 << 10]).unwrap();
    let before = std::fs::read(disk.join("f")).unwrap();
    for line in ["append disk/f", "append --in-place disk/f"] {
        let out = dir.dotlock().line(line).stdin("y".repeat(20 << 10)).run();
        assert!(out.code == 1 && out.stderr.contains("No space left"), "{out:?}");
    }
    let cat = dir.dotlock().line("queue cat disk/f").run().ok().stdout;
    assert_eq!(cat, "old\nkept\n");
    assert!(before.starts_with(b"old\n"));
    std::fs::remove_file(disk.join("filler")).unwrap();
    dir.dotlock().line("append disk/f").stdin("new\n").run().ok();
    assert_eq!(std::fs::read_to_string(disk.join("f")).unwrap(), "old\nkept\nnew\n");
    let names: Vec<_> = std::fs::read_dir(&disk).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["f"]);
}

/// What is there before a run that meets a fault.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// `old` alone.
    Nothing,
    /// Two entries, each pushed by itself.
    Pending,
    /// The same, but the first is aside: its drainer was killed.
    Aside,
    /// One that will be rejected, and a good one.
    Bad,
}

const ROWS: [(&str, &str, Before); 8] = [
    ("append", "append f", Before::Nothing),
    ("append behind others", "append f", Before::Pending),
    ("append behind the dead", "append f", Before::Aside),
    ("drain", "queue drain f", Before::Pending),
    ("drain after a death", "queue drain f", Before::Aside),
    ("reject", "queue drain f", Before::Bad),
    ("in place", "append --in-place f", Before::Pending),
    ("async", "append --async f", Before::Pending),
];

/// Which mutation of a drain with one entry is the rename: killed there, it has done
/// all but commit.
fn last_step_before_the_rename() -> u32 {
    static STEP: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *STEP.get_or_init(|| {
        let is_before = |n: &u32| {
            let dir = Dir::new();
            prepare(&dir, Before::Nothing);
            dir.dotlock().line("append --async f").stdin("one\n").run().ok();
            let fault = format!("kill@{n}");
            let killed = dir.dotlock().line("queue drain f").env("DOTLOCK_FAULT", fault).run();
            killed.code == 137 && dir.read("f") == "old\n"
        };
        (1..100).take_while(is_before).last().unwrap()
    })
}

fn prepare(dir: &Dir, before: Before) {
    dir.file("f", "old\n");
    let push = |what: &str, text: &str| dir.dotlock().line(what).stdin(text).run().ok();
    match before {
        Before::Nothing => {}
        Before::Pending => {
            push("append --async f", "one\n");
            push("append --async f", "two\n");
        }
        Before::Aside => {
            push("append --async f", "one\n");
            let fault = format!("kill@{}", last_step_before_the_rename());
            let killed = dir.dotlock().line("queue drain f").env("DOTLOCK_FAULT", fault).run();
            assert_eq!((killed.code, dir.read("f").as_str()), (137, "old\n"));
            assert!(dir.join("f.queue.aside").exists() && dir.join("f.lock").exists());
            push("append --async f", "two\n");
        }
        Before::Bad => {
            push("queue push --merge --async f", "{}");
            push("append --async f", "one\n");
            push("append --async f", "two\n");
        }
    }
}

/// Runs one row with one fault; whether that was reached.
fn faulty(row: &(&str, &str, Before), fault: &str, n: u32, git: bool) -> bool {
    let (name, line, before) = *row;
    let dir = Dir::new();
    let log = tempfile::NamedTempFile::new().unwrap();
    prepare(&dir, before);
    let run = dir.dotlock().line(line).stdin("mine\n").env("DOTLOCK_FAULT", format!("{fault}@{n}"));
    let out = run.env("DOTLOCK_FAULT_LOG", log.path()).run();
    let log = std::fs::read_to_string(log.path()).unwrap();
    let reached = !log.is_empty();
    let context = format!("{name} {fault}@{n} ({}) git {git}: {out:?} {:?}", log.trim(), dir.names());
    if git {
        replace_as_git_does(&dir);
    }
    // The next ones: a plain write of something else must not be needed.
    let next = dir.dotlock().line("append -w 20 f").stdin("next\n").run();
    assert_eq!(next.code, 0, "{next:?} after {context}");
    let text = dir.read("f");
    let count = |what: &str| text.lines().filter(|l| *l == what).count();
    let pushes = line.starts_with("append");
    let kept = std::fs::read_to_string(dir.join("f.queue.rejected")).unwrap_or_default();
    let rejected = |what: &str| kept.contains(&format!("{what}\\n"));
    let pending: &[&str] = if before == Before::Nothing { &[] } else { &["one", "two"] };
    for what in pending {
        let at_most_once = count(what) <= 1;
        assert!(at_most_once && (count(what) == 1 || git && rejected(what)), "{what} in {text:?}, {context}");
    }
    match out.code {
        0 if pushes => assert_eq!(count("mine"), 1, "{text:?} after {context}"),
        0 => assert_eq!(count("mine"), 0),
        137 => assert!(fault == "kill" && count("mine") <= 1, "{text:?} after {context}"),
        1 if out.stderr.contains("stays in the queue") || out.stderr.contains("not yet durable") => {
            assert!(count("mine") <= 1, "{text:?} after {context}");
        }
        1 => assert_eq!(count("mine"), 0, "{text:?} after {context}"),
        _ => panic!("an exit code of its own: {context}"),
    }
    if fault == "EINTR" || fault == "short" {
        assert_eq!(out.code, 0, "to be tried again: {context}");
    }
    // In order, and whole.
    let order = ["old", "one", "two", "mine", "next"];
    let places: Vec<_> = text.lines().map(|l| order.iter().position(|o| *o == l)).collect();
    assert!(places.is_sorted() && !places.contains(&None), "{text:?} after {context}");
    assert_eq!(
        before == Before::Bad || !kept.is_empty() && !git,
        before == Before::Bad,
        "{kept:?}, {context}"
    );
    // Another fault may keep what is dealt with from being removed; a next one does.
    let leave = |n: &String| n != "f" && n != "f.queue.rejected" && !n.starts_with("f.broken-");
    if dir.names().iter().any(leave) {
        dir.dotlock().line("append -w 20 f").stdin("last\n").run().ok();
    }
    let left: Vec<_> = dir.names().into_iter().filter(leave).collect();
    assert!(left.is_empty(), "{left:?} after {context}");
    reached
}

/// As another program does that knows the lock and no queue: after the removal of a
/// dead lock, if there is one.
fn replace_as_git_does(dir: &Dir) {
    let lock = dir.join("f.lock");
    if lock.exists() {
        dir.dotlock().line("break-lock --discard --quiet f").run();
    }
    let content = std::fs::read(dir.join("f")).unwrap();
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&lock);
    std::io::Write::write_all(&mut made.unwrap(), &content).unwrap();
    std::fs::rename(&lock, dir.join("f")).unwrap();
}

fn all_faults(rows: &[(&str, &str, Before)], faults: &[&str], git: bool) {
    for row in rows {
        for fault in faults {
            let mut reached = 0;
            while faulty(row, fault, reached + 1, git) {
                reached += 1;
                assert!(reached < 200, "{} never completes", row.0);
            }
            assert!(reached >= 4, "{} {fault}: only {reached} faults, is the hook there?", row.0);
        }
    }
}

#[test]
fn whoever_is_killed_wherever_no_entry_is_lost_or_written_twice() {
    all_faults(&ROWS, &["kill"], false);
}

#[test]
fn whatever_fails_no_entry_is_lost_or_written_twice() {
    all_faults(&ROWS[1..2], &["EIO", "ENOSPC", "EINTR", "short"], false);
    all_faults(&ROWS[4..8], &["EIO"], false);
    if full() {
        all_faults(&ROWS, &["EIO", "ENOSPC", "EACCES", "EINTR", "short"], false);
    }
}

#[test]
fn git_between_a_death_and_the_next_drain_makes_nobody_guess() {
    all_faults(&ROWS[3..4], &["kill"], true);
    if full() {
        all_faults(&ROWS, &["kill"], true);
    }
}

#[test]
fn what_a_dead_drainer_leaves_is_shown_and_taken_up() {
    let dir = Dir::new();
    prepare(&dir, Before::Aside);
    dir.dotlock().line("break-lock --discard --quiet f").run().ok();
    let status = dir.dotlock().line("status f").run().ok().stdout;
    assert!(status.contains("left over") && status.contains("f.queue.aside"), "{status}");
    let list: Value =
        serde_json::from_str(&dir.dotlock().line("queue list --json f").run().ok().stdout).unwrap();
    let states: Vec<_> = list["entries"].as_array().unwrap().iter().map(|e| e["state"].clone()).collect();
    assert_eq!(states, ["being written", "queued"]);
    dir.dotlock().line("queue drain f").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old\none\ntwo\n", vec!["f".to_owned()]));
}

#[test]
fn a_recoverer_that_is_killed_is_recovered_from() {
    let step = scaled(1, 4) as u32;
    for first in (1..60).step_by(step as usize) {
        let mut completed = false;
        for second in (1..60).step_by(step as usize) {
            let dir = Dir::new();
            prepare(&dir, Before::Pending);
            let kill = |n: u32| -> Outcome {
                dir.dotlock().line("queue drain f").env("DOTLOCK_FAULT", format!("kill@{n}")).run()
            };
            completed = kill(first).code == 0;
            let done = kill(second).code == 0;
            dir.dotlock().line("append f").stdin("next\n").run().ok();
            assert_eq!(dir.read("f"), "old\none\ntwo\nnext\n", "{first}, {second}");
            assert_eq!(dir.names(), ["f"], "{first}, {second}");
            if done || completed {
                break;
            }
        }
        if completed {
            assert!(first > 10);
            return;
        }
    }
    panic!("it never completes");
}

#[test]
fn a_torn_tail_is_cut_off_and_said() {
    let dir = Dir::new();
    dir.dotlock().line("append --async f").stdin("one\n").run().ok();
    let whole = std::fs::read(dir.join("f.queue")).unwrap();
    dir.dotlock().line("append --async f").stdin("two\n").run().ok();
    let both = std::fs::read(dir.join("f.queue")).unwrap();
    for cut in [whole.len() + 1, whole.len() + 20, both.len() - 1] {
        std::fs::write(dir.join("f.queue"), &both[..cut]).unwrap();
        let torn = cut - whole.len();
        let list = dir.dotlock().line("queue list --verify f").run();
        assert!(list.code == 0 && list.stderr.contains(&format!("{torn} bytes")), "{list:?}");
        let out = dir.dotlock().line("append --async f").stdin("three\n").run();
        assert_eq!(out.code, 0);
        assert!(out.stderr.contains(&format!("cut {torn} bytes off")), "{out:?}");
        assert_eq!(dir.dotlock().line("queue cat f").run().ok().stdout, "one\nthree\n");
    }
    dir.dotlock().line("append f").stdin("four\n").run().ok();
    assert_eq!(dir.read("f"), "one\nthree\nfour\n");
}

#[test]
fn a_bad_checksum_in_the_middle_stops_everything_and_moves_nothing() {
    let dir = Dir::new();
    dir.file("f", "old\n");
    let mut ends = Vec::new();
    for text in ["one\n", "two\n", "three\n"] {
        dir.dotlock().line("append --async f").stdin(text).run().ok();
        ends.push(dir.join("f.queue").metadata().unwrap().len());
    }
    let mut bytes = std::fs::read(dir.join("f.queue")).unwrap();
    bytes[ends[0] as usize + 50] ^= 1;
    std::fs::write(dir.join("f.queue"), &bytes).unwrap();
    let at = format!("byte {}", ends[0]);
    dir.dotlock().line("queue list --verify f").run().fails(1, &[&at, "bad checksum"]);
    for line in ["queue drain f", "append f", "queue cat f"] {
        let out = dir.dotlock().line(line).stdin("new\n").run();
        out.fails(1, &[&at, "bad checksum", "queue list --verify"]);
        assert_eq!(
            (dir.read("f").as_str(), std::fs::read(dir.join("f.queue")).unwrap()),
            ("old\n", bytes.clone())
        );
    }
    let found: Value = serde_json::from_str(&dir.dotlock().line("queue list --json f").run().stdout).unwrap();
    assert_eq!((&found["damaged"], &found["pending"]), (&json!(true), &json!(1)));
    std::fs::rename(dir.join("f.queue"), dir.join("away")).unwrap();
    dir.dotlock().line("append f").stdin("new\n").run().ok();
    assert_eq!(dir.read("f"), "old\nnew\n");
}

#[test]
fn what_cannot_be_applied_fails_its_own_push_and_holds_up_nobody() {
    let dir = Dir::new();
    dir.file("f", "no json\n");
    let push = |line: &str, text: &str| dir.dotlock().line(line).stdin(text).run();
    push("queue push --merge f", r#"{"a": 1}"#).fails(3, &["not JSON", "f.queue.rejected"]);
    // What could never be applied is not even kept.
    push("queue push --merge f", "{").fails(3, &["not JSON", "nothing was queued"]);
    push("queue push --json-patch f", r#"{"op": "add"}"#).fails(3, &["RFC 6902", "nothing was queued"]);
    push("queue push --replace f", "").fails(3, &["--allow-empty"]);
    push("append --async f", "more\n").ok();
    push("queue push --json-patch --async --label ci f", r#"[{"op": "remove", "path": "/a"}]"#).ok();
    push("append --async f", "\u{1}\n").ok();
    let out = push("queue drain f", "");
    assert!(out.code == 0 && out.stderr.contains("rejected 1 entries"), "{out:?}");
    assert_eq!(dir.read("f"), "no json\nmore\n\u{1}\n");
    let kept = dir.read("f.queue.rejected");
    let kept: Vec<Value> = kept.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(kept.len(), 2);
    assert_eq!((&kept[0]["kind"], &kept[0]["payload"]), (&json!("merge"), &json!("{\"a\": 1}")));
    assert_eq!((&kept[1]["kind"], &kept[1]["label"]), (&json!("json-patch"), &json!("ci")));
    let list = dir.dotlock().line("queue list f").run().ok().stdout;
    assert!(list.contains("nothing is pending") && list.contains("2 were rejected"), "{list}");
    // An operation of several that fails undoes the others.
    push("queue push --replace f", r#"{"a": 1}"#).ok();
    let patch = r#"[{"op": "add", "path": "/b", "value": 2}, {"op": "test", "path": "/a", "value": 2}]"#;
    push("queue push --json-patch f", patch).fails(3, &["cannot be applied"]);
    assert_eq!(dir.read("f"), r#"{"a": 1}"#);
}

#[test]
fn a_push_that_gives_up_takes_its_entry_back() {
    let dir = Dir::new();
    dir.file("f", "old\n");
    let lock = dotlock::acquire(dir.join("f"), &Policy::default()).unwrap();
    dir.dotlock().line("append -n f").stdin("mine\n").run().fails(75, &["is locked"]);
    dir.dotlock().line("append -w 0.2 -E 9 f").stdin("mine\n").run().fails(9, &["is locked"]);
    dir.dotlock().line("append --async f").stdin("kept\n").run().ok();
    lock.roll_back();
    dir.dotlock().line("queue drain f").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old\nkept\n", vec!["f".to_owned()]));
}

#[test]
fn one_who_waits_is_served_by_another() {
    let dir = Dir::new();
    let lock = dotlock::acquire(dir.join("f"), &Policy::default()).unwrap();
    let mut waiter = dir.dotlock().line("append -w 60 -v f").stdin("one\n").start();
    drop(waiter.stdin.take());
    // Its entry is in the journal: it waits.
    let target = Target::resolve(&dir.join("f")).unwrap();
    while dotlock::pending(&target).unwrap().entries.is_empty() {
        std::thread::yield_now();
    }
    let list: Value =
        serde_json::from_str(&dir.dotlock().line("queue list --json f").run().ok().stdout).unwrap();
    assert_eq!(
        (&list["pending"], &list["bytes"], &list["entries"][0]["kind"]),
        (&json!(1), &json!(4), &json!("append"))
    );
    assert_eq!(list["entries"][0]["pid"], waiter.child.id());
    lock.roll_back();
    let out = waiter.end();
    assert_eq!(out.code, 0, "{out:?}");
    assert_eq!((dir.read("f").as_str(), dir.names()), ("one\n", vec!["f".to_owned()]));
}

#[test]
fn the_lock_is_one_and_the_same_for_all_kinds_of_writers() {
    if !has("git") {
        return;
    }
    let rounds = scaled(60, 12);
    let dir = Dir::new();
    dir.file("f", "[a]\n");
    let run = |line: String| move |n: usize| line.replace("{n}", &n.to_string());
    std::thread::scope(|scope| {
        for (who, line) in [
            ("append", "append -q -w 120 f"),
            ("place", "append --in-place -q -w 120 f"),
            ("drain", "append --async f"),
        ] {
            let dir = &dir;
            scope.spawn(move || {
                for n in 0..rounds {
                    dir.dotlock().line(line).stdin(format!("# {who} {n}\n")).run().ok();
                }
            });
        }
        let dir = &dir;
        scope.spawn(move || {
            for n in 0..rounds {
                dotlock::update(
                    dir.join("f"),
                    &Policy::default().wait(None),
                    &dotlock::PublishOptions::default(),
                    |old| {
                        let mut old = old.unwrap();
                        old.extend(format!("# update {n}\n").into_bytes());
                        Ok::<_, dotlock::Error>(old)
                    },
                )
                .unwrap();
            }
        });
        scope.spawn(move || {
            let config = run("k{n}".into());
            for n in 0..rounds {
                let git = || {
                    let mut git = std::process::Command::new("git");
                    git.args(["config", "-f", "f", &format!("a.{}", config(n)), "v"]).current_dir(dir.path());
                    git.output().unwrap().status.success()
                };
                // git does not wait.
                while !git() {
                    std::thread::yield_now();
                }
            }
        });
    });
    dir.dotlock().line("queue drain f").run().ok();
    let text = dir.read("f");
    for n in 0..rounds {
        for who in ["append", "place", "drain", "update"] {
            let line = format!("# {who} {n}");
            assert_eq!(text.lines().filter(|l| *l == line).count(), 1, "{line} in:\n{text}");
        }
        assert_eq!(text.lines().filter(|l| l.trim() == format!("k{n} = v")).count(), 1, "k{n} in:\n{text}");
    }
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn a_reader_of_what_will_be_never_sees_less_than_before() {
    let dir = Dir::new();
    let target = Target::resolve(&dir.join("f")).unwrap();
    let (count, over) = (scaled(2000, 300), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (target, over) = (&target, &over);
        let reader = scope.spawn(move || {
            let (mut seen, mut looks) = (0, 0);
            while !over.load(SeqCst) || looks == 0 {
                let text = String::from_utf8(dotlock::preview(target).unwrap().unwrap_or_default()).unwrap();
                let lines: Vec<usize> = text.lines().map(|l| l.parse().unwrap()).collect();
                assert!(lines.iter().enumerate().all(|(i, &n)| i == n), "{text:?}");
                assert!(lines.len() >= seen, "{} after {seen}", lines.len());
                (seen, looks) = (lines.len(), looks + 1);
            }
        });
        for n in 0..count {
            let how = Push { detached: n % 3 != 0, ..Push::default() };
            let entry = entry(target, Change::Append, &format!("{n}\n"));
            dotlock::push(target, &[entry], &Policy::default(), &how).unwrap();
        }
        over.store(true, SeqCst);
        reader.join().unwrap();
    });
    assert_eq!(dotlock::preview(&target).unwrap().unwrap().iter().filter(|&&b| b == b'\n').count(), count);
}

#[test]
fn lines_go_together_and_stay_in_order() {
    let dir = Dir::new();
    let text: String = (0..500).map(|n| format!("{n}\n")).collect();
    let out = dir.dotlock().line("append --lines -v f").stdin(text.trim_end()).run();
    assert_eq!(out.code, 0, "{out:?}");
    assert_eq!(dir.read("f"), text);
    let pushes = out.stderr.lines().count();
    assert!((5..=50).contains(&pushes), "{pushes} pushes: {}", out.stderr);
    // One line is written while the next one is long in coming.
    let mut running = dir.dotlock().line("append --lines -v g").start();
    std::io::Write::write_all(running.stdin.as_mut().unwrap(), b"first\n").unwrap();
    running.says("1 of");
    assert_eq!(dir.read("g"), "first\n");
    std::io::Write::write_all(running.stdin.as_mut().unwrap(), b"second\n").unwrap();
    assert_eq!(running.end().code, 0);
    assert_eq!(dir.read("g"), "first\nsecond\n");
}

#[test]
fn a_limit_of_pending_entries_makes_producers_write_them() {
    let dir = Dir::new();
    for n in 0..10 {
        dir.dotlock().line("append --async --max-pending 3 f").stdin(format!("{n}\n")).run().ok();
        let target = Target::resolve(&dir.join("f")).unwrap();
        assert!(dotlock::pending(&target).unwrap().entries.len() <= 3);
    }
    dir.dotlock().line("queue drain f").run().ok();
    assert_eq!(dir.read("f"), (0..10).map(|n| format!("{n}\n")).collect::<String>());
}

#[test]
fn names_of_the_queue_are_no_targets_and_strangers_are_left_alone() {
    let dir = Dir::new();
    for name in ["f.queue.aside", "f.queue.rejected"] {
        dir.dotlock().line(&format!("write {name}")).stdin("x").run().fails(3, &["write queue"]);
    }
    dir.dotlock().line("append --async f").stdin("one\n").run().ok();
    dir.dotlock().line("write f.queue").stdin("x").run().fails(3, &["write queue"]);
    // Somebody's own file of that name may be written, but is no queue.
    dir.file(
        "jobs.queue",
        "a file of mine, which is longer than the header of a journal would be: ".repeat(3),
    );
    let mine = dir.read("jobs.queue");
    dir.dotlock().line("append --async jobs").stdin("x\n").run().fails(3, &["not a write queue"]);
    assert_eq!(dir.read("jobs.queue"), mine);
    dir.dotlock().line("write jobs.queue").stdin("new").run().ok();
    dir.dotlock().line("queue cat none").run().fails(1, &["none"]);
    dir.dotlock().line("queue drain none").run().ok();
}

#[test]
fn what_runs_under_a_lock_pushes_under_it() {
    let dir = Dir::new();
    dir.file("f", "old\n");
    dir.dotlock().line("append --async f").stdin("one\n").run().ok();
    let program = env!("CARGO_BIN_EXE_dotlock");
    let run = dir.dotlock().args(["run", "f", "--", program, "append", "f"]).stdin("two\n").run();
    run.ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old\none\ntwo\n", vec!["f".to_owned()]));
}

#[cfg(unix)]
#[test]
fn in_place_the_file_stays_the_same_and_the_queue_is_as_private_as_it() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let dir = Dir::new();
    let f = dir.file("f", "old\n");
    std::fs::set_permissions(&f, PermissionsExt::from_mode(0o640)).unwrap();
    let number = f.metadata().unwrap().ino();
    dir.dotlock().line("append --in-place f").stdin("one\n").run().ok();
    assert_eq!((dir.read("f").as_str(), f.metadata().unwrap().ino()), ("old\none\n", number));
    dir.dotlock().line("append --async f").stdin("two\n").run().ok();
    let mode = |name: &str| dir.join(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!(mode("f.queue"), 0o640);
    // A crash in the middle of it: a part of the entry is in the file.
    dir.dotlock().line("queue drain f").run().ok();
    for n in 1.. {
        let out = dir.dotlock().line("append --in-place f").stdin("a whole line\n");
        let out = out.env("DOTLOCK_FAULT", format!("short@{n},kill@{}", n + 1)).run();
        dir.dotlock().line("write other").stdin("x").run().ok();
        dir.dotlock().line("run f -- true").run().ok();
        let text = dir.read("f");
        assert!(text.lines().skip(3).all(|l| l == "a whole line") && text.ends_with('\n'), "{n}: {text:?}");
        dir.dotlock().line("queue drain f").run().ok();
        if out.code == 0 {
            break;
        }
    }
}
