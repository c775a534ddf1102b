//! What a replaced file keeps.

use crate::harness::{Dir, Dotlock, has, lacks_right};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn shell(dir: &Dir, before: &str, args: &str) -> Dotlock {
    let text = format!("{before}; exec {} {args}", env!("CARGO_BIN_EXE_dotlock"));
    Dotlock::new("sh", dir.path()).args(["-c", text.as_str()]).stdin("new")
}

#[test]
fn permissions_stay() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    for wanted in [0o600, 0o644, 0o640, 0o755, 0o700, 0o444, 0o400, 0o666, 0o777, 0o4755, 0o2755, 0o610] {
        set_mode(&file, wanted);
        shell(&dir, "umask 077", "write f").run().ok();
        assert_eq!(mode(&file), wanted, "{wanted:o}");
    }
    shell(&dir, "umask 077", "write f --mode 664").run().ok();
    assert_eq!(mode(&file), 0o664);
}

#[test]
fn a_new_file_has_666_less_the_umask_or_what_is_asked_for() {
    for (umask, wanted) in [("022", 0o644), ("077", 0o600), ("002", 0o664), ("000", 0o666), ("0277", 0o400)] {
        let dir = Dir::new();
        shell(&dir, &format!("umask {umask}"), "write f").run().ok();
        assert_eq!(mode(&dir.join("f")), wanted, "{umask}");
        // With an S that was there before, its permissions tell nothing.
        std::fs::remove_file(dir.join("f")).unwrap();
        set_mode(&dir.file("f~owner.lock", ""), 0o600);
        shell(&dir, &format!("umask {umask}"), "write f").run().ok();
        assert_eq!(mode(&dir.join("f")), wanted, "{umask} with an old S");
        assert_eq!(dir.names(), ["f"]);
    }
    let dir = Dir::new();
    shell(&dir, "umask 077", "write f --mode 755").run().ok();
    assert_eq!(mode(&dir.join("f")), 0o755);
}

#[test]
#[cfg(target_os = "linux")]
fn a_mark_that_was_left_on_a_file_goes_with_the_next_write() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    set_mode(&file, 0o1644);
    dir.dotlock().line("write f").stdin("new").run().ok();
    assert_eq!(mode(&file), 0o644);
}

#[test]
#[cfg(target_os = "linux")]
fn a_lock_that_copied_its_mark_from_the_file_is_foreign() {
    let dir = Dir::new();
    for name in ["f", "f.lock"] {
        set_mode(&dir.file(name, "old"), 0o1644);
    }
    dir.dotlock().line("write -n f").stdin("new").run().fails(75, &["foreign"]);
    set_mode(&dir.join("f"), 0o644);
    dir.dotlock().line("write -n f").stdin("new").run().ok();
    assert_eq!(dir.names(), ["f"]);
}

#[test]
fn owner_and_group_stay() {
    if !rustix::process::geteuid().is_root() {
        return lacks_right("giving files away");
    }
    let dir = Dir::new();
    let file = dir.file("f", "old");
    chown(&file, Some(1234), Some(4321)).unwrap();
    set_mode(&file, 0o6750);
    dir.dotlock().line("write f").stdin("new").run().ok();
    let meta = file.metadata().unwrap();
    assert_eq!((meta.uid(), meta.gid(), mode(&file)), (1234, 4321, 0o6750));
}

#[test]
#[cfg(target_os = "linux")]
fn extended_attributes_stay() {
    use rustix::fs::{XattrFlags, lgetxattr, setxattr};
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let long = vec![b'x'; 1500];
    for (name, value) in [("user.one", b"1".as_slice()), ("user.long", &long)] {
        if setxattr(&file, name, value, XattrFlags::empty()).is_err() {
            return lacks_right("extended attributes on this file system");
        }
    }
    dir.dotlock().line("write f").stdin("new").run().ok();
    let mut value = vec![0; 2000];
    let n = lgetxattr(&file, "user.long", value.as_mut_slice()).unwrap();
    assert_eq!(value[..n], long);
    assert_eq!(lgetxattr(&file, "user.one", value.as_mut_slice()), Ok(1));
}

fn acl(path: &Path) -> String {
    let out = Command::new("getfacl").args(["-cpE"]).arg(path).output().unwrap();
    String::from_utf8(out.stdout).unwrap()
}

fn setfacl(args: &[&str], path: &Path) -> bool {
    Command::new("setfacl").args(args).arg(path).status().unwrap().success()
}

#[test]
#[cfg(target_os = "linux")]
fn access_control_lists_stay_and_defaults_count_for_new_files() {
    if !has("setfacl") {
        return;
    }
    let dir = Dir::new();
    let file = dir.file("f", "old");
    if !setfacl(&["-m", "u:1234:rw,g:4321:r,m::rw"], &file) {
        return lacks_right("ACLs on this file system");
    }
    let before = acl(&file);
    assert!(before.contains("user:1234:rw-"), "{before}");
    dir.dotlock().line("write f").stdin("new").run().ok();
    assert_eq!(acl(&file), before);

    // What a directory hands down goes to new files, as if they were made
    // plainly, and not to those that had none.
    let plain = dir.file("plain", "old");
    let before = acl(&plain);
    assert!(setfacl(&["-d", "-m", "u:1234:rw,o::-,m::rw"], dir.path()));
    dir.dotlock().line("write plain").stdin("new").run().ok();
    assert_eq!(acl(&plain), before);
    let made = dir.file("made", "");
    dir.dotlock().line("write ours").stdin("new").run().ok();
    assert_eq!(acl(&dir.join("ours")), acl(&made));
}

#[test]
fn a_replacement_parts_hard_links_and_leaves_open_files_alone() {
    use std::io::Read;
    let dir = Dir::new();
    let file = dir.file("f", "old");
    std::fs::hard_link(&file, dir.join("other")).unwrap();
    let mut open = std::fs::File::open(&file).unwrap();
    dir.dotlock().line("write f").stdin("new").run().ok();
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert_eq!((dir.read("f").as_str(), dir.read("other").as_str(), text.as_str()), ("new", "old", "old"));
    assert_eq!(file.metadata().unwrap().nlink(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_security_label_stays() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    let dir = Dir::new();
    let (file, label) = (dir.file("f", "old"), b"system_u:object_r:etc_t:s0");
    if setxattr(&file, "security.selinux", label, XattrFlags::empty()).is_err() {
        return lacks_right("labelling files");
    }
    dir.dotlock().line("write f").stdin("new").run().ok();
    let mut found = [0; 64];
    let n = getxattr(&file, "security.selinux", &mut found).unwrap();
    assert_eq!(&found[..n], label);
}

#[test]
fn the_time_is_that_of_the_write_unless_nothing_changes() {
    let dir = Dir::new();
    let file = dir.file("f", "old");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let modified = || file.metadata().unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(long_ago).unwrap();
    dir.dotlock().line("write -q --skip-unchanged f").stdin("old").run().ok();
    assert_eq!(modified(), long_ago);
    dir.dotlock().line("write --backup f").stdin("new").run().ok();
    assert!(modified() > long_ago);
    // The old file keeps its own.
    assert_eq!(dir.join("f.bak").metadata().unwrap().modified().unwrap(), long_ago);
}
