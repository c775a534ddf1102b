//! The command line: input, options, messages, exit codes.

#[cfg(unix)]
use crate::harness::Dotlock;
use crate::harness::{Dir, command};
use std::path::Path;

#[test]
fn input_comes_from_a_pipe_a_file_or_a_command() {
    let dir = Dir::new();
    dir.dotlock().line("locked-write f").stdin("piped").run().ok();
    assert_eq!(dir.read("f"), "piped");
    dir.file("src", "from a file");
    dir.dotlock().line("write f --from src").run().ok();
    assert_eq!(dir.read("f"), "from a file");
    let mut redirected = dir.dotlock().line("write f").command;
    redirected.stdin(std::fs::File::open(dir.join("src")).unwrap());
    assert!(redirected.status().unwrap().success());
    assert_eq!(dir.read("f"), "from a file");
    dir.dotlock().line("write f --").args(command::echo("from a command")).run().ok();
    assert_eq!(dir.read("f").lines().collect::<Vec<_>>(), ["from a command"]);
    assert_eq!(dir.names(), ["f", "src"]);
}

#[test]
fn all_sizes_arrive_whole() {
    let dir = Dir::new();
    for size in [1, 4096, 65536, 65537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20] {
        let text: String = ('a'..='z').cycle().take(size).collect();
        dir.dotlock().line("write f --sync none").stdin(&text).run().ok();
        assert!(dir.read("f") == text, "{size} by pipe");
        dir.file("src", &text);
        dir.dotlock().line("write f --sync none --json --from src").run().ok();
        assert!(dir.read("f") == text, "{size} from a file");
        dir.dotlock().line("write f --sync none --").args(command::cat("src")).run().ok();
        assert!(dir.read("f") == text, "{size} from a command");
    }
    assert_eq!(dir.names(), ["f", "src"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_says_it_is_empty_until_it_is_read_arrives() {
    let dir = Dir::new();
    dir.dotlock().line("write f --from /proc/version").run().ok();
    assert_eq!(dir.read("f"), std::fs::read_to_string("/proc/version").unwrap());
}

#[test]
fn a_failing_command_changes_nothing_and_its_code_is_passed_on() {
    let dir = Dir::new();
    dir.file("f", "old");
    let run = |command: &[&str]| dir.dotlock().args(["write", "f", "--"]).args(command).run();
    let fails = dir.dotlock().args(["write", "f", "--"]).args(command::fail(42)).run();
    fails.fails(42, &["failed", "is unchanged"]);
    if cfg!(unix) {
        run(&["sh", "-c", "echo half; kill -TERM $$"]).fails(143, &["signal: 15"]);
        run(&["/"]).fails(126, &["cannot run /"]);
    }
    run(&["no-such-command"]).fails(127, &["cannot run no-such-command"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned()]));
}

#[test]
fn nothing_never_replaces_something_by_accident() {
    let dir = Dir::new();
    dir.file("f", "old");
    dir.file("empty", "");
    dir.dotlock().line("write f").run().fails(3, &["refused", "empty", "--allow-empty"]);
    dir.dotlock().line("write f --from empty").run().fails(3, &["refused"]);
    dir.dotlock().line("write f --").args(command::nothing()).run().fails(3, &["refused"]);
    assert_eq!(dir.read("f"), "old");
    dir.dotlock().line("write f --allow-empty").run().ok();
    assert_eq!(dir.read("f"), "");
    // Empty it is already, or not there yet.
    dir.dotlock().line("write f").run().ok();
    dir.dotlock().line("write new").run().ok();
    assert_eq!(dir.names(), ["empty", "f", "new"]);
}

#[test]
fn broken_input_changes_nothing() {
    let dir = Dir::new();
    dir.file("f", "old");
    std::fs::create_dir(dir.join("d")).unwrap();
    dir.dotlock().line("write f --from nowhere").run().fails(1, &["cannot read nowhere"]);
    dir.dotlock().line("write f --from d").run().fails(1, &["cannot read d"]);
    if cfg!(unix) {
        let mut directory = dir.dotlock().line("write f").command;
        directory.stdin(std::fs::File::open(dir.join("d")).unwrap());
        let out = directory.output().unwrap();
        assert_eq!(out.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&out.stderr).contains("cannot read standard input"));
    }
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["d".to_owned(), "f".to_owned()]));
}

#[test]
fn directories_are_made_when_asked_for_and_only_then() {
    let dir = Dir::new();
    dir.dotlock().line("write a/b/c/f").stdin("x").run().fails(1, &["no such directory", "--parents"]);
    assert!(dir.names().is_empty());
    dir.dotlock().line("write --parents a/b/c/f").stdin("x").run().ok();
    assert_eq!(dir.read("a/b/c/f"), "x");
    // A write that fails after they were made leaves none.
    if cfg!(debug_assertions) {
        let fails = dir.dotlock().line("write --parents z/y/f").env("DOTLOCK_FAULT", "EIO@6").stdin("x");
        fails.run().fails(1, &["os error"]);
        assert!(!dir.join("z").exists());
    }
    dir.file("plain", "");
    dir.dotlock().line("write --parents plain/f").stdin("x").run().fails(1, &["plain"]);
}

#[test]
fn json_tells_what_was_done() {
    let dir = Dir::new();
    let out = dir.dotlock().line("write --json f --sync none").stdin("abc").run().ok();
    let said: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
    // FIPS 180-2, appendix B.1.
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (key, value) in [
        ("v", serde_json::json!(1)),
        ("bytes", serde_json::json!(3)),
        ("sha256", serde_json::json!(sha256)),
        ("attempts", serde_json::json!(1)),
        ("broke", serde_json::json!(0)),
        ("synced", serde_json::json!("none")),
        ("created", serde_json::json!(true)),
        ("not_kept", serde_json::json!([])),
    ] {
        assert_eq!(said[key], value, "{key} in {said}");
    }
    assert!(said["waited"].is_f64(), "{said}");
    assert_eq!(Path::new(said["target"].as_str().unwrap()).file_name().unwrap(), "f");
    // The same however it came: from a file, and spooled.
    let big = "y".repeat(3 << 20);
    dir.file("src", &big);
    let hash = |out: &str| serde_json::from_str::<serde_json::Value>(out).unwrap()["sha256"].clone();
    let one = dir.dotlock().line("write --json f --from src").run().ok().stdout;
    let two = dir.dotlock().line("write --json f").stdin(&big).run().ok().stdout;
    assert_eq!(hash(&one), hash(&two));
}

#[test]
fn messages_are_as_many_as_asked_for() {
    let dir = Dir::new();
    let out = dir.dotlock().line("write -v f").stdin("abc").run();
    assert_eq!(out.code, 0);
    assert!(out.stderr.contains("acquired the lock of") && out.stderr.contains("wrote 3 bytes"), "{out:?}");
    dir.file("f.lock", "");
    let out = dir.dotlock().line("write -q -w 0.7 f").stdin("abc").run().fails(75, &["is locked"]);
    assert_eq!(out.stderr.lines().count(), 1, "no message of waiting: {out:?}");
    let out = dir.dotlock().line("write -w 0.7 f").stdin("abc").run().fails(75, &["waiting for the lock of"]);
    assert_eq!(out.stderr.lines().count(), 2, "one message of waiting: {out:?}");
}

#[test]
fn a_wrong_command_line_is_2_and_touches_nothing() {
    let dir = Dir::new();
    for line in [
        "",
        "write",
        "nonsense f",
        "write f extra",
        "write f --wait soon",
        "write f --mode 999",
        "write f --sync maybe",
        "write f -E 256",
        "write f --from a -- b",
        "write f -v -q",
        "completions tcsh",
    ] {
        dir.dotlock().line(line).stdin("x").run().fails(2, &["--help"]);
    }
    assert!(dir.names().is_empty());
}

#[test]
#[cfg(unix)]
fn under_the_name_of_a_command_it_is_that_command() {
    let dir = Dir::new();
    let link = dir.join("locked-write");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dotlock"), &link).unwrap();
    Dotlock::new(&link, dir.path()).line("f").stdin("x").run().ok();
    assert_eq!(dir.read("f"), "x");
}

#[test]
fn every_command_has_help_with_examples() {
    let dir = Dir::new();
    for command in ["locked-write", "status", "break-lock", "completions", "man"] {
        let out = dir.dotlock().args([command, "--help"]).run().ok();
        assert!(out.stdout.contains("Examples:"), "{command}: {}", out.stdout);
    }
    assert!(dir.dotlock().line("--version").run().ok().stdout.starts_with("dotlock "));
}
