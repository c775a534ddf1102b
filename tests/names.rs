//! Names of targets.

use crate::harness::Dir;
use dotlock::{Policy, Target};
use std::time::Duration;

#[test]
#[cfg(unix)]
fn all_names_of_one_file_are_one_lock() {
    use std::os::unix::fs::symlink;
    let dir = Dir::new();
    std::fs::create_dir(dir.join("sub")).unwrap();
    let file = dir.file("f", "old");
    symlink("f", dir.join("link")).unwrap();
    symlink("sub/../link", dir.join("chain")).unwrap();
    symlink(dir.path(), dir.join("sub/up")).unwrap();
    let lock = dotlock::acquire(&file, &Policy::default()).unwrap();
    for name in
        ["f", "./f", "f/", "f//", "sub/../f", "link", "link/", "chain", "sub/up/f", "sub/up/sub/up/link"]
    {
        dir.dotlock().args(["write", "-n", name]).stdin("x").run().fails(75, &["is locked"]);
    }
    lock.roll_back();
    dir.dotlock().line("write -n chain").stdin("new").run().ok();
    assert_eq!(dir.read("f"), "new");
    assert!(dir.join("link").is_symlink() && dir.join("chain").is_symlink());
    assert_eq!(dir.names(), ["chain", "f", "link", "sub"]);
}

#[test]
#[cfg(unix)]
fn a_dangling_link_leads_to_the_file_that_it_names() {
    use std::os::unix::fs::symlink;
    let dir = Dir::new();
    std::fs::create_dir(dir.join("sub")).unwrap();
    symlink("sub/new", dir.join("link")).unwrap();
    dir.dotlock().line("write link").stdin("x").run().ok();
    assert_eq!(dir.read("sub/new"), "x");
    assert!(dir.join("link").is_symlink());
}

#[test]
#[cfg(unix)]
fn links_in_a_circle_end() {
    let dir = Dir::new();
    std::os::unix::fs::symlink("b", dir.join("a")).unwrap();
    std::os::unix::fs::symlink("a", dir.join("b")).unwrap();
    dir.dotlock().line("write a").stdin("x").run().fails(1, &["too many symbolic links"]);
    assert_eq!(dir.names(), ["a", "b"]);
}

#[test]
fn odd_names_behave() {
    let dir = Dir::new();
    for name in ["..hidden", ".env", "a b", "ümläut", "-", "x.lock", "f~", "tilde~stage"] {
        let path = format!("./{name}");
        dir.dotlock().args(["write", path.as_str()]).stdin(name).run().ok();
        assert_eq!(dir.read(name), name);
        std::fs::remove_file(dir.join(name)).unwrap();
        assert!(dir.names().is_empty(), "{:?}", dir.names());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_no_utf8_behaves() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = Dir::new();
    let name = OsStr::from_bytes(b"a.\xff\xfe");
    let file = dir.join(name);
    let mut write = dir.dotlock().line("write --json").stdin("x");
    write.command.arg(name);
    let out = write.run().ok();
    assert!(out.stdout.contains('\u{FFFD}'), "{out:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"x");
    let lock = dotlock::acquire(&file, &Policy::default()).unwrap();
    assert!(dir.join(OsStr::from_bytes(b"a.\xff\xfe.lock")).exists());
    lock.roll_back();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// Names that differ in case only lead to one file there, so to one lock.
#[test]
#[cfg(windows)]
fn twins_by_case_have_one_lock() {
    let dir = Dir::new();
    dir.file("File.txt", "old");
    let lock = dotlock::acquire(dir.join("FILE.TXT"), &Policy::default()).unwrap();
    dir.dotlock().line("write -n file.txt").stdin("x").run().fails(75, &["is locked"]);
    dir.dotlock().line("run -n file.TXT -- cmd /c rem").run().fails(75, &["is locked"]);
    lock.roll_back();
    dir.dotlock().line("write -n file.txt").stdin("new").run().ok();
    // A dot at the end is no part of the name.
    dir.dotlock().line("write -n file.txt.").stdin("newer").run().ok();
    assert_eq!((dir.read("File.txt").as_str(), dir.names().len()), ("newer", 1));
}

#[test]
#[cfg(windows)]
fn a_long_path_behaves() {
    let dir = Dir::new();
    let deep = (0..8).fold(String::new(), |path, n| path + &format!("{n}{}/", "d".repeat(40)));
    dir.dotlock().args(["write", "--parents", &format!("{deep}f")]).stdin("x").run().ok();
    assert_eq!(dir.read(&format!("{deep}f")), "x");
}

#[test]
#[cfg(windows)]
fn a_read_only_file_is_not_replaced() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let mut rights = file.metadata().unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(&file, rights).unwrap();
    dir.dotlock().line("write f").stdin("new").run().fails(1, &["read-only", "attrib -r"]);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("old", vec!["f".to_owned()]));
    let mut rights = file.metadata().unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "on Windows it gives nobody else rights")]
    rights.set_readonly(false);
    std::fs::set_permissions(&file, rights).unwrap();
}

#[test]
fn what_may_not_be_a_target_is_refused_before_anything_is_made() {
    let dir = Dir::new();
    let long = "x".repeat(231);
    for (name, word) in [
        (long.as_str(), "231 bytes"),
        ("f~owner", "dotlock's own"),
        ("f~pid", "dotlock's own"),
        ("f~stage-1.lock", "dotlock's own"),
        ("Gemfile", "Bundler"),
        ("Cargo", "--lock-file"),
    ] {
        dir.dotlock().args(["write", name]).stdin("x").run().fails(3, &["refused", word]);
        assert!(dir.names().is_empty(), "{:?}", dir.names());
    }
    dir.dotlock().args(["write", "Gemfile", "--lock-file", "gems.lock"]).stdin("x").run().ok();
    assert_eq!(dir.names(), ["Gemfile"]);
    dir.dotlock().args(["write", &"y".repeat(230)]).stdin("x").run().ok();
}

#[test]
fn a_lock_of_dotlock_is_no_target() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let lock = dotlock::acquire(&file, &Policy::default()).unwrap();
    if cfg!(target_os = "linux") {
        dir.dotlock().line("write -n f.lock").stdin("x").run().fails(3, &["name the file that it protects"]);
    }
    lock.commit(&dotlock::CommitOptions::default()).unwrap();
}

#[test]
fn a_path_stays_what_it_was_when_the_directory_changes() {
    // Resolved once, absolute from then on.
    let target = Target::resolve("some/relative/file".as_ref()).unwrap();
    assert!(target.path().is_absolute() && target.lock_path().is_absolute());
    assert!(target.lock_path().ends_with("some/relative/file.lock"));
}

#[test]
fn a_lock_file_elsewhere_protects_the_same_file() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let target = Target::resolve_with_lock(&file, &dir.join("other.lock")).unwrap();
    let policy = Policy::default().wait(Duration::ZERO);
    let lock = dotlock::acquire_target(&target, &policy).unwrap();
    assert_eq!(dir.names(), ["f", "other.lock", "other~owner.lock"]);
    dir.dotlock().line("write -n --lock-file other.lock f").stdin("x").run().fails(75, &["other.lock"]);
    lock.roll_back();
    dir.dotlock().line("write -n --lock-file other.lock f").stdin("new").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
}
