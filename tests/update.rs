//! Changing a file: `update`, `edit`, and the steps before a file is replaced.

use crate::harness::{Dir, Dotlock, has, terminal};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

fn fifo(dir: &Dir, name: &str) {
    assert!(Command::new("mkfifo").arg(dir.join(name)).status().unwrap().success());
}

/// Runs a command line of the shell's.
fn sh(dir: &Dir, script: &str) -> Dotlock {
    dir.sh(script)
}

#[test]
fn what_a_command_makes_of_a_file_becomes_the_file() {
    let dir = Dir::new();
    dir.file("f", "b\na\nb\n");
    sh(&dir, "dotlock update f -- sort -u").run().ok();
    assert_eq!(dir.read("f"), "a\nb\n");
    sh(&dir, "dotlock update f -- awk '{ print NR, $0 }'").run().ok();
    assert_eq!(dir.read("f"), "1 a\n2 b\n");
    sh(&dir, "dotlock update --in-place f -- sed -i s/a/x/ '{}'").run().ok();
    assert_eq!(dir.read("f"), "1 x\n2 b\n");
    if has("jq") {
        dir.file("j.json", r#"{"n": 1, "m": 5}"#);
        sh(&dir, "dotlock update j.json -- jq -c '.n += 1'").run().ok();
        assert_eq!(dir.read("j.json"), "{\"n\":2,\"m\":5}\n");
    }
    if has("python3") {
        let python = "import sys; sys.stdout.write(sys.stdin.read().upper())";
        dir.dotlock().args(["update", "f", "--", "python3", "-c", python]).run().ok();
        assert_eq!(dir.read("f"), "1 X\n2 B\n");
    }
    // In two steps, as tools that decrypt, edit and encrypt again: a file beside
    // the one that they are given, then a rename over that.
    let steps = r#"tr a-z n-za-m < "$1" > "$1.clear" && echo secret >> "$1.clear" &&
        tr a-z n-za-m < "$1.clear" > "$1.new" && rm "$1.clear" && mv "$1.new" "$1""#;
    dir.file("s", "uryyb\n");
    dir.dotlock().args(["update", "--in-place", "s", "--", "sh", "-c", steps, "sh", "{}"]).run().ok();
    assert_eq!(dir.read("s"), "uryyb\nfrperg\n");
    assert!(!dir.names().iter().any(|n| n.contains('~') || n.contains(".lock")), "{:?}", dir.names());
}

#[test]
fn a_command_that_fails_changes_nothing() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let inode = || file.metadata().unwrap().ino();
    let before = inode();
    for (line, code, words) in [
        ("update f -- sh -c 'echo half; exit 7'", 7, "sh failed (exit status: 7)"),
        ("update --in-place f -- sh -c 'echo half > \"$1\"; exit 7' sh {}", 7, "is unchanged"),
        ("update f -- sh -c 'echo half; kill $$'", 128 + 15, "is unchanged"),
        ("update f -- no-such-command", 127, "cannot run no-such-command"),
        ("update f -- ./f", 126, "cannot run ./f"),
        ("update f -- true", 3, "--allow-empty"),
        ("update --in-place f -- rm {}", 3, "left no file"),
        ("update --in-place f -- sh -c 'rm \"$1\"; mkdir \"$1\"' sh {}", 3, "left a directory"),
        (
            "update --in-place f -- sh -c 'rm \"$1\"; ln -s /etc/passwd \"$1\"' sh {}",
            3,
            "left a symbolic link",
        ),
        ("update --in-place f -- true", 2, "'{}'"),
        ("update nothing -- cat", 1, "--create"),
        ("update --if-match present nothing --create -- cat", 3, "does not exist"),
    ] {
        sh(&dir, &format!("dotlock {line}")).run().fails(code, &[words]);
        assert_eq!(
            (dir.read("f").as_str(), dir.names(), inode()),
            ("old", vec!["f".to_owned()], before),
            "{line}"
        );
    }
    sh(&dir, "dotlock update --create new -- sh -c 'cat; echo begun'").run().ok();
    assert_eq!(dir.read("new"), "begun\n");
    sh(&dir, "dotlock update --allow-empty f -- true").run().ok();
    assert_eq!(dir.read("f"), "");
}

#[test]
fn a_command_that_changes_the_file_itself_is_noticed() {
    let dir = Dir::new();
    dir.file("f", "old\n");
    let out = sh(&dir, "dotlock update f -- sed -i s/old/new/ f").run();
    out.fails(76, &["changed while the command ran", "--in-place"]);
    let out = sh(&dir, "dotlock update --in-place f -- sh -c 'echo x >> f' {}").run();
    out.fails(76, &["changed while the command ran", "'{}'"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new\nx\n", vec!["f".to_owned()]));
    // Later than the command, whatever else looks at the file in between.
    let out = sh(&dir, "dotlock update f --backup --validate 'echo other > f' -- sort").run();
    out.fails(76, &["changed meanwhile"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("other\n", vec!["f".to_owned()]));
}

#[test]
fn a_write_within_an_update_of_the_same_file_is_refused() {
    let dir = Dir::new();
    dir.file("f", "old\n");
    let out = sh(&dir, "dotlock update f -- sh -c 'cat; echo no | dotlock write f; echo $?'").run();
    out.fails(0, &["being updated by the command that started this one"]);
    assert_eq!(dir.read("f"), "old\n3\n");
    let out = sh(&dir, "dotlock write f --validate 'echo no | dotlock write -q f' < f").run();
    out.fails(3, &["so it would wait for itself", "--validate does not accept"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old\n3\n", vec!["f".to_owned()]));
}

#[test]
fn whatever_ends_the_program_ends_its_command() {
    if crate::signals::deaf() {
        return;
    }
    for in_place in [false, true] {
        for signal in [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP] {
            let dir = Dir::new();
            dir.file("f", "old");
            fifo(&dir, "ended");
            // The descriptor is closed when the command has ended, and what it started:
            // but of a death by SIGKILL only the command itself is told.
            let last = if signal == Signal::KILL { "exec sleep 1000" } else { "sleep 1000; echo never > f" };
            let script = format!("exec 9> ended; echo started >&2; {last}");
            let options: &[&str] = if in_place { &["--in-place"] } else { &[] };
            let run = dir.dotlock().args(["update", "f"]).args(options);
            let mut run = run.args(["--", "sh", "-c", &script, "{}"]).start();
            // Who opens it to read lets the command go on.
            let ended = dir.join("ended");
            let reader = std::thread::spawn(move || std::fs::read(ended).unwrap());
            run.says("started");
            kill_process(Pid::from_child(&run.child), signal).unwrap();
            reader.join().unwrap();
            assert_eq!(run.end().code, 128 + signal.as_raw());
            if signal != Signal::KILL {
                assert_eq!(dir.names(), ["ended", "f"]);
            }
            dir.dotlock().line("write -w 20s f").stdin("next").run().ok();
            assert_eq!(
                (dir.read("f"), dir.names()),
                ("next".into(), vec!["ended".to_owned(), "f".to_owned()])
            );
        }
    }
}

#[test]
fn ctrl_c_in_a_terminal_ends_an_update_once() {
    if crate::signals::deaf() || !has("setsid") {
        return;
    }
    let dir = Dir::new();
    dir.file("f", "old");
    // It takes its time to tidy up, and is given it.
    let command =
        r#"trap "sleep .2; echo got >> log; exit 1" INT; echo ready >&2; while :; do sleep .1; done"#;
    let seen = terminal(&dir, &format!("dotlock update f -- sh -c '{command}'"), &[("ready", &[3])]);
    assert!(!seen.contains("failed"), "{seen:?}");
    assert_eq!((dir.read("log").as_str(), dir.names()), ("got\n", vec!["f".to_owned(), "log".to_owned()]));
}

#[test]
fn sixteen_processes_count_with_jq() {
    if !has("jq") {
        return;
    }
    let dir = Dir::new();
    dir.file("c.json", r#"{"n": 0}"#);
    let worker = "for i in $(seq 50); do dotlock update -q --sync none c.json -- jq '.n += 1' || exit; done";
    let workers: Vec<_> = (0..16).map(|_| sh(&dir, worker).start()).collect();
    let mut values = 0;
    for worker in workers {
        let text = dir.read("c.json");
        let value: serde_json::Value = serde_json::from_str(&text).expect("valid at every moment");
        values += value["n"].as_u64().unwrap();
        worker.end().ok();
    }
    assert!(values <= 16 * 800);
    assert_eq!(
        (dir.read("c.json").as_str(), dir.names()),
        ("{\n  \"n\": 800\n}\n", vec!["c.json".to_owned()])
    );
}

#[test]
fn updates_that_are_killed_lose_none_that_was_reported() {
    if !has("jq") {
        return;
    }
    let dir = Dir::new();
    dir.file("c.json", r#"{"n": 0}"#);
    let (mut reported, mut killed) = (0, 0);
    let mut random = std::collections::hash_map::RandomState::new();
    for round in 0..12 {
        let mut workers = Vec::new();
        for i in 0..16 {
            use std::hash::BuildHasher;
            let run = dir.dotlock().line("update -q --sync none c.json -- jq").args([".n += 1"]);
            // Half of them die at some step; few take more than 40.
            let step = random.hash_one((round, i)) % 40 + 1;
            let fault = if i % 2 == 0 { format!("kill@{step}") } else { String::new() };
            workers.push(run.env("DOTLOCK_FAULT", fault).start());
        }
        for worker in workers {
            match worker.end().code {
                0 => reported += 1,
                137 => killed += 1,
                code => panic!("exit code {code}"),
            }
            let value: serde_json::Value = serde_json::from_str(&dir.read("c.json")).expect("valid");
            assert!(value["n"].is_u64());
        }
        random = std::collections::hash_map::RandomState::new();
    }
    let value: serde_json::Value = serde_json::from_str(&dir.read("c.json")).unwrap();
    let found = value["n"].as_u64().unwrap();
    assert!(
        killed > 0 && (reported..=reported + killed).contains(&found),
        "{found} of {reported} and {killed}"
    );
    dir.dotlock().line("update -q c.json -- jq .").run().ok();
    assert_eq!(dir.names(), ["c.json"]);
}

// --- Steps before a file is replaced.

#[test]
fn what_a_validator_does_not_accept_is_not_written() {
    let dir = Dir::new();
    dir.file("f.conf", "old");
    let write = |validate: &str, text: &str| {
        dir.dotlock().args(["write", "f.conf", "--validate", validate]).stdin(text).run()
    };
    write("grep -q good {}", "bad").fails(3, &["grep -q good {} failed (exit status: 1)"]);
    write("echo line 3 is wrong >&2; exit 9", "bad").fails(3, &["line 3 is wrong", "(exit status: 9)"]);
    write("no-such-command {}", "bad").fails(3, &["(exit status: 127)"]);
    assert_eq!((dir.read("f.conf").as_str(), dir.names()), ("old", vec!["f.conf".to_owned()]));
    // It is called as the file, is nobody else's to look at, and a copy.
    write(
        "basename {} | grep -qx f.conf && [ $(stat -c %a $(dirname {})) = 700 ]; r=$?; echo x >> {}; exit $r",
        "good",
    )
    .ok();
    assert_eq!(dir.read("f.conf"), "good");
    // Without a name for it, it comes on standard input; what is printed is not shown.
    let out = write("grep better", "better").ok();
    assert_eq!((out.stdout.as_str(), dir.read("f.conf").as_str()), ("", "better"));
    let out = sh(&dir, "dotlock update f.conf --validate 'grep -q x {}' -- tr b y").run();
    out.fails(3, &["does not accept"]);
    // Quotes around the braces do not harm, nor does a name that needs some.
    let dir = Dir::new();
    dir.dotlock().args(["write", "it's one", "--validate", "grep -q x {}"]).stdin("x").run().ok();
    dir.dotlock().args(["write", "plain", "--validate", "grep -q x '{}'"]).stdin("x").run().ok();
    assert_eq!(dir.names(), ["it's one", "plain"]);
    // A name is no command, however the braces are quoted.
    let name = "x; touch oops; #'\"$(touch oops)";
    let write = |validate: &str| dir.dotlock().args(["write", name, "--validate", validate]).stdin("x").run();
    for fine in
        ["grep -q x {}", "grep -q x '{}'", "grep -q 'x' \"{}\"", "test \"$(cat {})\" = x || grep x {}"]
    {
        let out = write(fine);
        assert!(out.code == 0 || fine.contains("\"$(cat") && out.code == 3, "{fine}: {out:?}");
    }
    write("sh -c 'grep -q x {}'").fails(3, &["within quotes"]);
    write("grep -q x \"./{}\"").fails(3, &["within quotes"]);
    assert_eq!(dir.names(), ["it's one", "plain", name]);
}

#[test]
fn a_backup_is_the_old_file_itself() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let inode = file.metadata().unwrap().ino();
    dir.file("f.bak", "older");
    dir.dotlock().line("write f --backup").stdin("new").run().ok();
    let kept = dir.join("f.bak").metadata().unwrap();
    assert_eq!((kept.ino(), kept.nlink(), dir.read("f.bak").as_str()), (inode, 1, "old"));
    // Whoever takes no lock and comes before the backup is in it.
    let write = dir.dotlock().args(["write", "f", "--backup", "--validate", "echo other > f"]);
    write.stdin("newer").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.read("f.bak").as_str()), ("newer", "other\n"));
    assert_eq!(dir.names(), ["f", "f.bak"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_is_a_mount_point_is_written_into_only_if_that_is_asked_for() {
    use crate::harness::Mounted;
    let dir = Dir::new();
    let (disk, file) = (dir.join("disk"), dir.file("f", ""));
    let Some(_disk) = Mounted::disk("size=64k", &disk) else { return };
    let inside = dir.file("disk/inside", "old");
    let Some(_file) = Mounted::new(&["--bind"], &inside, &file) else { return };
    let write =
        |options: &str, text: &str| dir.dotlock().line(&format!("write f {options}")).stdin(text).run();
    write("", "new").fails(1, &["mount point", "--overwrite"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["disk".to_owned(), "f".to_owned()]));
    write("--overwrite --mode 600", "new").fails(0, &["is a mount point: it was written into", "f.bak"]);
    assert_eq!((dir.read("disk/inside").as_str(), dir.read("f.bak").as_str()), ("new", "old"));
    assert_eq!(inside.metadata().unwrap().mode() & 0o777, 0o600);
    // No room for it: the old content is put back, and no backup is left.
    std::fs::remove_file(dir.join("f.bak")).unwrap();
    write("--overwrite", &"x".repeat(200 << 10)).fails(1, &["No space left"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["disk".to_owned(), "f".to_owned()]));
    dir.dotlock().line("restore -q --from disk/inside f --skip-unchanged").run().ok();
    // A file that can be replaced is replaced.
    let plain = dir.file("plain", "old");
    let inode = plain.metadata().unwrap().ino();
    dir.dotlock().line("write plain --overwrite").stdin("new").run().ok();
    assert_ne!(plain.metadata().unwrap().ino(), inode);
    assert_eq!(dir.read("plain.bak"), "old");
}

// --- The editor.

#[test]
fn what_an_editor_makes_of_a_copy_becomes_the_file() {
    let dir = Dir::new();
    let file = dir.file("f", "old\n");
    let inode = || file.metadata().unwrap().ino();
    let edit = |editor: &str, options: &str| {
        dir.dotlock().line(&format!("edit f {options}")).env("VISUAL", editor).run()
    };
    edit("sed -i s/old/new/", "--backup").ok();
    assert_eq!((dir.read("f").as_str(), dir.read("f.bak").as_str()), ("new\n", "old\n"));
    let before = inode();
    edit("true", "").fails(0, &["is unchanged"]);
    edit("touch", "").fails(0, &["is unchanged"]);
    edit("sh -c 'echo x > $1; exit 3' sh", "").fails(3, &["the editor failed (exit code 3)", "is unchanged"]);
    edit("no-such-editor", "").fails(127, &["the editor failed"]);
    let out =
        dir.dotlock().args(["edit", "f", "--validate", "grep -q good {}"]).env("EDITOR", "sed -i s/new/bad/");
    out.run().fails(3, &["does not accept"]);
    assert_eq!((dir.read("f").as_str(), inode(), dir.names().len()), ("new\n", before, 2));
    // What was edited outlives a stranger's change of the file.
    edit("sh -c 'echo mine >> $1; echo other >> f' sh", "").fails(76, &["what was edited is in"]);
    let kept = dir.names().into_iter().find(|n| n.starts_with("f.edited-")).unwrap();
    assert_eq!((dir.read("f").as_str(), dir.read(&kept).as_str()), ("new\nother\n", "new\nmine\n"));
    dir.file("f", "new\n");
    // Only with something in it a new file is made.
    let new = |editor: &str| dir.dotlock().line("edit g").env("EDITOR", editor).run();
    new("true").fails(0, &["is not made"]);
    assert!(!dir.join("g").exists());
    new("cp f").ok();
    assert_eq!(dir.read("g"), "new\n");
}

#[test]
fn an_edit_that_is_not_accepted_can_be_edited_again_kept_or_given_up() {
    if !has("setsid") {
        return;
    }
    let dir = Dir::new();
    dir.file("f", "old\n");
    // Each time the editor adds a line; three are accepted.
    let script = "EDITOR='sh -c \"echo more >> \\$1\" sh' dotlock edit f --validate 'test $(wc -l < {}) -gt 3'; echo code $?";
    let seen =
        terminal(&dir, script, &[("ive up: ", b"e\n"), ("ive up: ", b"nonsense\n"), ("ive up: ", b"e\n")]);
    assert!(seen.contains("code 0") && seen.matches("does not accept").count() == 2, "{seen}");
    assert_eq!(dir.read("f"), "old\nmore\nmore\nmore\n");
    let script = script.replace("-gt 3", "-gt 9");
    let seen = terminal(&dir, &script, &[("ive up: ", b"g\n")]);
    assert!(seen.contains("code 3"), "{seen}");
    assert_eq!(dir.names(), ["f"]);
    let seen = terminal(&dir, &script, &[("ive up: ", b"k\n")]);
    assert!(seen.contains("code 3") && seen.contains("what was edited is in"), "{seen}");
    let kept = dir.names().into_iter().find(|n| n.starts_with("f.edited-")).unwrap();
    assert_eq!(dir.read(&kept).lines().count(), 5);
    assert_eq!((dir.read("f").lines().count(), dir.names().len()), (4, 2));
}

#[test]
fn a_big_copy_shows_a_bar_on_a_terminal_only() {
    if !has("setsid") {
        return;
    }
    let dir = Dir::new();
    fifo(&dir, "slow");
    // A producer that lasts: what comes after the first second is shown.
    let script =
        "(head -c 3000000 /dev/zero; sleep 1.1; head -c 3000000 /dev/zero) | dotlock write f; echo code $?";
    let seen = terminal(&dir, script, &[]);
    assert!(seen.contains("MiB") && seen.contains("code 0"), "{seen:?}");
    let out = sh(&dir, script).run().fails(0, &[]);
    assert_eq!((out.stderr.as_str(), out.stdout.as_str()), ("", "code 0\n"));
}
