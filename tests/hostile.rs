//! A directory in which others have put what they like.

use crate::harness::Dir;
#[cfg(unix)]
use crate::harness::{Dotlock, birth, lacks_right};
use std::fs::File;
use std::path::Path;
#[cfg(unix)]
use std::{
    fs::OpenOptions,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink},
    process::Command,
};

#[cfg(unix)]
fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Every write ends at once, with a clean message; the file and the directory
/// are as before.
fn survives(dir: &Dir, code: i32, words: &[&str]) {
    let before = dir.names();
    let out = dir.dotlock().line("write -n f").stdin("new").run();
    assert!(!out.stderr.trim_end().contains(|c: char| c.is_control()), "{out:?}");
    out.fails(code, words);
    assert_eq!(dir.read("f"), "old");
    assert_eq!(dir.names(), before);
}

#[test]
fn no_plain_file_in_place_of_the_lock_is_no_lock() {
    type Make = fn(&Path);
    let make: &[(Make, &str)] = &[
        (|p| std::fs::create_dir(p).unwrap(), "a directory"),
        #[cfg(unix)]
        (|p| symlink("/etc/passwd", p).unwrap(), "a symbolic link"),
        #[cfg(unix)]
        (|p| symlink("/nonexistent/x", p).unwrap(), "a symbolic link"),
        #[cfg(unix)]
        (fifo, "a FIFO"),
    ];
    for name in ["f.lock", "f~owner.lock"] {
        for (make, word) in make.iter().copied() {
            let dir = Dir::new();
            dir.file("f", "old");
            make(&dir.join(name));
            survives(&dir, 3, &["refused", name, word]);
        }
    }
}

#[test]
#[cfg(unix)]
fn a_socket_in_place_of_the_gate_is_refused() {
    let dir = Dir::new();
    dir.file("f", "old");
    let _socket = std::os::unix::net::UnixListener::bind(dir.join("f~owner.lock")).unwrap();
    survives(&dir, 3, &["a socket"]);
}

#[test]
fn a_huge_lock_is_not_read_and_a_huge_gate_is_used() {
    let dir = Dir::new();
    dir.file("f", "old");
    File::create(dir.join("f.lock")).unwrap().set_len(1 << 30).unwrap();
    survives(&dir, 75, &["foreign"]);
    std::fs::remove_file(dir.join("f.lock")).unwrap();
    File::create(dir.join("f~owner.lock")).unwrap().set_len(1 << 30).unwrap();
    dir.dotlock().line("write -n f").stdin("new").run().ok();
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
}

#[test]
#[cfg(unix)]
fn nothing_of_a_hostile_record_reaches_the_terminal() {
    let dir = Dir::new();
    dir.file("f", "old");
    let lock = dotlock::acquire(dir.join("f"), &dotlock::Policy::default()).unwrap();
    let meta = dir.join("f.lock").metadata().unwrap();
    let birth = birth(&dir.join("f.lock")).unwrap();
    for label in ["\\u001b[31mred\\u001b]0;title\\u0007", "a\\nb", "\\u202eback", "x"] {
        let label = if label == "x" { "x".repeat(12_000) } else { label.to_owned() };
        let record = format!(
            r#"{{"v":1,"lock":{{"number":{},"birth":{birth}}},"pid":4711,"program":"p","label":"{label}","user":"u","host":"h","since":"s","unknown":[]}}"#,
            meta.ino(),
        );
        std::fs::write(dir.join("f~owner.lock"), record).unwrap();
        let out = dir.dotlock().line("write -n f").stdin("new").run().fails(75, &["pid 4711"]);
        assert!(!out.stderr.trim_end().contains(|c: char| c.is_control() || c == '\u{202E}'), "{out:?}");
        assert!(out.stderr.len() < 10_000);
    }
    for garbage in ["\u{1b}[2J", "{", "[]", r#"{"v":99}"#, &"x".repeat(1 << 20)] {
        std::fs::write(dir.join("f~owner.lock"), garbage).unwrap();
        let out = dir.dotlock().line("write -n f").stdin("new").run().fails(75, &["its owner is alive"]);
        assert!(!out.stderr.trim_end().contains(char::is_control), "{out:?}");
    }
    lock.roll_back();
}

#[test]
#[cfg(unix)]
fn a_name_with_control_characters_is_shown_without() {
    let dir = Dir::new();
    let out = dir.dotlock().args(["write", "no\x1b[31m/f"]).stdin("x").run().fails(1, &["no such directory"]);
    assert!(!out.stderr.trim_end().contains(char::is_control), "{out:?}");
}

#[test]
fn what_is_no_plain_file_is_no_target() {
    let dir = Dir::new();
    std::fs::create_dir(dir.join("d")).unwrap();
    let mut what = vec![("d", "a directory")];
    #[cfg(unix)]
    {
        fifo(&dir.join("p"));
        symlink("d", dir.join("l")).unwrap();
        what.extend([("l", "a directory"), ("p", "a FIFO"), ("/dev/null", "a device")]);
    }
    for (name, word) in &what {
        dir.dotlock().args(["write", name]).stdin("x").run().fails(1, &["cannot replace", word]);
    }
    #[cfg(windows)]
    for name in ["NUL", "con.txt", "d/COM1", "LPT¹", "ff:stream", "CONIN$"] {
        dir.dotlock().args(["write", name]).stdin("x").run().fails(3, &["refused"]);
    }
    dir.dotlock().line("write no/such/f").stdin("x").run().fails(1, &["no such directory", "--parents"]);
    dir.dotlock().line("write .").stdin("x").run().fails(1, &["a directory"]);
    assert_eq!(dir.names(), if cfg!(unix) { vec!["d", "l", "p"] } else { vec!["d"] });
}

#[cfg(unix)]
/// The program for another user, in a place within his reach.
pub struct Nobody(tempfile::TempDir);

#[cfg(unix)]
impl Nobody {
    /// `None` if we may not become another user.
    pub fn new() -> Option<Nobody> {
        if !rustix::process::geteuid().is_root() {
            lacks_right("becoming another user");
            return None;
        }
        let reach = tempfile::tempdir().unwrap();
        std::fs::set_permissions(reach.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let program = reach.path().join("dotlock");
        // A link, as a fresh copy may be open for writing in a child that another
        // test is just starting (ETXTBSY).
        if std::fs::hard_link(env!("CARGO_BIN_EXE_dotlock"), &program).is_err() {
            assert!(
                Command::new("cp")
                    .args([env!("CARGO_BIN_EXE_dotlock").as_ref(), program.as_os_str()])
                    .status()
                    .unwrap()
                    .success()
            );
        }
        Some(Nobody(reach))
    }

    pub fn dotlock(&self, dir: &Dir) -> Dotlock {
        use std::os::unix::process::CommandExt;
        let mut run = Dotlock::new(self.0.path().join("dotlock"), dir.path());
        run.command.uid(65534).gid(65534);
        run
    }

    fn write(&self, dir: &Dir, content: &str) -> Dotlock {
        self.dotlock(dir).line("write -n f").stdin(content)
    }
}

#[test]
#[cfg(unix)]
fn another_users_files_in_a_shared_directory_stop_nobody_for_good() {
    let Some(nobody) = Nobody::new() else { return };
    let protected = Path::new("/proc/sys/fs/protected_regular");
    struct Restored<'a>(&'a Path, Vec<u8>);
    impl Drop for Restored<'_> {
        fn drop(&mut self) {
            let _ = std::fs::write(self.0, &self.1);
        }
    }
    let _restored = Restored(protected, std::fs::read(protected).unwrap_or_default());
    for setting in ["0", "2"] {
        if std::fs::write(protected, setting).is_err() {
            lacks_right("setting fs.protected_regular");
        }
        // As /tmp: anybody makes files, only their owner removes them.
        let dir = Dir::new();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o1777)).unwrap();
        nobody.write(&dir, "theirs").run().ok();
        assert_eq!((dir.read("f").as_str(), dir.names()), ("theirs", vec!["f".to_owned()]));

        // Our S is left behind, one that they can read and one that they cannot.
        for mode in [0o644, 0o600] {
            let gate = dir.file("f~owner.lock", "");
            std::fs::set_permissions(&gate, PermissionsExt::from_mode(mode)).unwrap();
            nobody.write(&dir, "still").run().ok();
            assert_eq!(dir.read("f"), "still");
            assert_eq!(dir.names(), ["f", "f~owner.lock"], "another's file stays in a sticky directory");
            dir.dotlock().line("write -n f").stdin("ours").run().ok();
            assert_eq!(dir.names(), ["f"]);
            std::fs::remove_file(dir.join("f")).unwrap();
            nobody.write(&dir, "theirs").run().ok();
        }

        // Our lock, alive and dead: they can tell neither, and touch neither.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o1600).open(dir.join("f.lock")).unwrap();
        nobody.write(&dir, "x").run().fails(75, &["cannot be opened"]);
        assert_eq!(dir.names(), ["f", "f.lock"]);
        // We can.
        dir.dotlock().line("write -n f").stdin("ours").run().ok();
        assert_eq!(dir.names(), ["f"]);
    }
}

#[test]
#[cfg(unix)]
fn in_a_directory_without_permission_nothing_is_made() {
    let dir = Dir::new();
    dir.file("f", "old");
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let Some(nobody) = Nobody::new() else { return };
    nobody.write(&dir, "x").run().fails(1, &["cannot create", "Permission denied"]);
    assert_eq!(dir.names(), ["f"]);
    chown(dir.path(), Some(65534), Some(65534)).unwrap();
    // The owner cannot be kept by one who may not give files away; he is told.
    let out = nobody.write(&dir, "new").run();
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.stderr.contains("could not keep the owner (user 0), the group (0)"), "{out:?}");
    assert_eq!(dir.join("f").metadata().unwrap().uid(), 65534);
}
