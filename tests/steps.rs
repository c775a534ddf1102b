//! The steps before a file is replaced: preconditions, backups, validation, and
//! what would change nothing; on every system.

use crate::harness::{Dir, command};
use std::path::Path;
use std::time::SystemTime;

fn modified(path: &Path) -> SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

/// Permissions, on a system that has them.
#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[cfg(unix)]
fn has_mode(path: &Path, mode: u32) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777 == mode
}

#[cfg(windows)]
fn set_mode(_: &Path, _: u32) {}

#[cfg(windows)]
fn has_mode(_: &Path, _: u32) -> bool {
    true
}

#[test]
fn old_content_is_kept_and_put_back() {
    let dir = Dir::new();
    let write =
        |options: &str, text: &str| dir.dotlock().line(&format!("write f {options}")).stdin(text).run();
    // There is nothing to keep yet.
    write("--backup", "1").ok();
    assert_eq!(dir.names(), ["f"]);
    set_mode(&dir.join("f"), 0o640);
    write("--backup", "2").ok();
    write("--backup", "3").ok();
    assert_eq!((dir.read("f.bak").as_str(), dir.read("f").as_str()), ("2", "3"));
    assert!(has_mode(&dir.join("f.bak"), 0o640));
    write("--backup=.orig", "4").ok();
    assert_eq!(dir.read("f.orig"), "3");
    for text in ["5", "6", "7", "8"] {
        write("--backup=numbered --keep 2", text).ok();
    }
    assert_eq!(dir.names(), ["f", "f.bak", "f.orig", "f.~3~", "f.~4~"]);
    assert_eq!((dir.read("f.~3~").as_str(), dir.read("f.~4~").as_str()), ("6", "7"));
    // The last one that was made, whichever kind it is.
    let restore = |options: &str| dir.dotlock().line(&format!("restore f {options}")).run();
    restore("").fails(0, &["f.~4~ again"]);
    assert_eq!(dir.read("f"), "7");
    write("--backup", "9").ok();
    restore("--backup=numbered").fails(0, &["f.bak again"]);
    assert_eq!((dir.read("f").as_str(), dir.read("f.~5~").as_str()), ("7", "9"));
    restore("--from f.orig -q").ok();
    assert_eq!(dir.read("f"), "3");
    restore("--suffix .none --from f.no").fails(1, &["f.no"]);
    // A file that is gone gets the permissions of its backup.
    std::fs::remove_file(dir.join("f")).unwrap();
    restore("--from f.bak -q").ok();
    assert!(has_mode(&dir.join("f"), 0o640));
    // Names that are a lock's, or elsewhere, are none for a backup.
    for bad in ["=.lock", "=~owner", "=/x", "="] {
        write(&format!("--backup{bad}"), "no").fails(3, &["refused"]);
    }
    write("--keep 2", "no").fails(2, &["--backup=numbered"]);
    // What only looks like a number is the user's own; after the last there is none.
    for name in ["f.~01~", "f.~+2~", "f.~x~"] {
        dir.file(name, "mine");
    }
    write("--backup=numbered --keep 1 -q", "7").ok();
    assert_eq!(dir.names(), ["f", "f.bak", "f.orig", "f.~+2~", "f.~01~", "f.~6~", "f.~x~"],);
    dir.file(&format!("f.~{}~", u64::MAX), "last");
    write("--backup=numbered", "no").fails(1, &["cannot make a backup of"]);
    assert_eq!(dir.read("f"), "7");
    let dir = Dir::new();
    dir.file("f", "x");
    dir.dotlock().line("restore f").run().fails(3, &["there is no backup"]);
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn a_precondition_is_looked_at_under_the_lock_and_before_the_rename() {
    let dir = Dir::new();
    let write =
        |wanted: &str, text: &str| dir.dotlock().args(["write", "--if-match", wanted, "f"]).stdin(text).run();
    write("present", "x").fails(3, &["does not exist"]);
    write("absent", "one").ok();
    let hash = "sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    write("absent", "x").fails(3, &["it exists", hash]);
    let report = dir.dotlock().line("status --json f").run().ok().stdout;
    assert!(report.contains(&hash[7..]), "{report}");
    write(hash, "two").ok();
    let found = "sha256:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";
    write(hash, "x").fails(3, &["changed by somebody else", found]);
    write("present", "three").ok();
    write("sha256:12", "x").fails(2, &["64 hexadecimal digits"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("three", vec!["f".to_owned()]));
    // A program that takes no lock comes in between.
    let three = "sha256:8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f";
    for backup in [None, Some("--backup")] {
        dir.file("f", "three");
        let args = ["write", "--if-match", three, "--validate", "echo other > f", "f"];
        let out = dir.dotlock().args(args).args(backup).stdin("x").run();
        out.fails(3, &["changed by somebody else: its content is sha256:"]);
        assert_eq!((dir.read("f").trim_end(), dir.names()), ("other", vec!["f".to_owned()]));
    }
}

#[test]
fn what_would_change_nothing_is_not_written() {
    let dir = Dir::new();
    let file = dir.file("f", "same");
    let before = modified(&file);
    let write = |options: &str, text: &str| {
        dir.dotlock().line(&format!("write f --skip-unchanged {options}")).stdin(text).run()
    };
    write("--backup", "same").fails(0, &["is unchanged"]);
    let report = write("-q --json", "same").ok().stdout;
    assert!(report.contains(r#""unchanged":true"#), "{report}");
    let mut update = dir.dotlock().line("update -q --skip-unchanged f --");
    update = update.args(command::cat("f"));
    update.run().ok();
    assert_eq!((modified(&file), dir.names()), (before, vec!["f".to_owned()]));
    // Where there are permissions, they are something that changes.
    write("-q --mode 600", "same").ok();
    assert!(has_mode(&file, 0o600));
    write("", "sama").ok();
    write("", "sam").ok();
    assert_eq!(dir.read("f"), "sam");
}

#[test]
fn hard_links_are_not_parted_if_that_is_refused() {
    let dir = Dir::new();
    std::fs::hard_link(dir.file("f", "old"), dir.join("g")).unwrap();
    dir.dotlock().line("write f --refuse-hardlinked").stdin("x").run().fails(3, &["2 names"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned(), "g".to_owned()]));
    std::fs::remove_file(dir.join("g")).unwrap();
    dir.dotlock().line("write f --refuse-hardlinked").stdin("new").run().ok();
    // A backup is a name of it until the rename: who dies in between leaves that.
    std::fs::hard_link(dir.join("f"), dir.join("f.bak")).unwrap();
    dir.dotlock().line("write f --refuse-hardlinked --backup").stdin("newer").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.read("f.bak").as_str()), ("newer", "new"));
}

#[test]
fn commands_of_every_system_work_within_an_update() {
    let dir = Dir::new();
    dir.file("f", "old");
    dir.dotlock().args(["update", "f", "--"]).args(command::fail(4)).run().fails(4, &["is unchanged"]);
    dir.dotlock()
        .args(["write", "f", "--validate", "exit 9"])
        .stdin("x")
        .run()
        .fails(3, &["does not accept"]);
    let mut append = vec!["update", "f", "--in-place", "--backup", "--"];
    append.extend(if cfg!(windows) {
        ["cmd", "/d", "/c", "echo more>>{}"]
    } else {
        ["sh", "-c", "echo more>>\"$1\"", "{}"]
    });
    if cfg!(unix) {
        append.insert(8, "sh");
    }
    dir.dotlock().args(append).run().ok();
    assert_eq!(
        (dir.read("f").split_whitespace().collect::<String>().as_str(), dir.read("f.bak").as_str()),
        ("oldmore", "old")
    );
    std::fs::remove_file(dir.join("f.bak")).unwrap();
    dir.file("f", "old");
    dir.file("src", "new");
    dir.dotlock().args(["update", "f", "--"]).args(command::cat("src")).run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned(), "src".to_owned()]));
}
