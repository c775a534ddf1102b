//! Real git, and gitoxide, on the same files.

use crate::contention::quick;
use crate::harness::{Dir, Worker, arg, has, tell};
use dotlock::{Error, Policy};
use std::path::Path;
use std::process::{Command, Output};

fn git(dir: &Path, args: &[&str]) -> Output {
    let mut git = Command::new("git");
    git.current_dir(dir).args(args).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", dir).env("LC_ALL", "C");
    git.output().unwrap()
}

fn repository() -> Dir {
    let dir = Dir::new();
    assert!(git(dir.path(), &["init", "-q"]).status.success());
    dir
}

/// Role: sets keys `<who>.k0`, `<who>.k1`... in a git configuration, by hand.
pub fn configure() {
    let (file, who, times) = (arg(0), arg(1), arg(2));
    for n in 0..times.to_str().unwrap().parse::<u32>().unwrap() {
        dotlock::update(&file, &Policy::default(), &quick(), |old| {
            let mut text = String::from_utf8(old.unwrap()).unwrap();
            text += &format!("[{}]\n\tk{n} = {n}\n", who.display());
            Ok::<_, Error>(text.into_bytes())
        })
        .unwrap();
    }
    tell("done");
}

#[test]
fn git_and_dotlock_on_one_configuration_lose_no_key() {
    if !has("git") {
        return;
    }
    let dir = repository();
    let config = dir.join(".git/config");
    std::thread::scope(|scope| {
        for who in 0..4 {
            let dir = &dir;
            scope.spawn(move || {
                for n in 0..30 {
                    // git does not wait: it says that the file is locked.
                    let key = format!("git{who}.k{n}");
                    loop {
                        let out = git(dir.path(), &["config", &key, &n.to_string()]);
                        if out.status.success() {
                            break;
                        }
                        let said = String::from_utf8_lossy(&out.stderr);
                        assert!(
                            said.contains("could not lock config file") && said.contains("File exists"),
                            "{said}"
                        );
                    }
                }
            });
        }
        let ours: Vec<_> = (0..4)
            .map(|i| {
                let who = format!("ours{i}");
                Worker::start("configure", &[config.as_os_str(), who.as_ref(), "30".as_ref()])
            })
            .collect();
        ours.into_iter().for_each(Worker::join);
    });
    for who in 0..4 {
        for kind in ["git", "ours"] {
            for n in 0..30 {
                let got = git(dir.path(), &["config", "--get", &format!("{kind}{who}.k{n}")]);
                assert_eq!(String::from_utf8(got.stdout).unwrap().trim(), n.to_string(), "{kind}{who}.k{n}");
            }
        }
    }
    let left: Vec<_> = std::fs::read_dir(dir.join(".git")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|n| n.to_string_lossy().ends_with(".lock")), "{left:?}");
}

#[test]
fn a_lock_of_git_is_foreign_and_ours_stops_git() {
    if !has("git") {
        return;
    }
    let dir = repository();
    let index = dir.file(".git/index.lock", "");
    dir.dotlock().line("write -n .git/index").stdin("x").run().fails(75, &["foreign", "index.lock"]);
    std::fs::remove_file(index).unwrap();

    let lock = dotlock::acquire(dir.join(".git/config"), &Policy::default()).unwrap();
    let out = git(dir.path(), &["config", "a.b", "c"]);
    assert!(!out.status.success());
    lock.roll_back();

    dir.file("file", "x");
    let lock = dotlock::acquire(dir.join(".git/index"), &Policy::default()).unwrap();
    let out = git(dir.path(), &["add", "file"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("Unable to create") && said.contains("index.lock': File exists"), "{said}");
    lock.roll_back();
    assert!(git(dir.path(), &["add", "file"]).status.success());
}

#[test]
fn gitoxide_and_dotlock_exclude_each_other() {
    use gix_lock::acquire::Fail;
    let dir = Dir::new();
    let file = dir.file("f", "old");

    let theirs = gix_lock::Marker::acquire_to_hold_resource(&file, Fail::Immediately, None, 0).unwrap();
    dir.dotlock().line("write -n f").stdin("x").run().fails(75, &["foreign"]);
    drop(theirs);

    let ours = dotlock::acquire(&file, &Policy::default()).unwrap();
    assert!(gix_lock::Marker::acquire_to_hold_resource(&file, Fail::Immediately, None, 0).is_err());
    ours.roll_back();

    // A waiter of ours sees it when theirs is gone.
    let theirs = gix_lock::Marker::acquire_to_hold_resource(&file, Fail::Immediately, None, 0).unwrap();
    let mut waiter = dir.dotlock().line("write f").stdin("new").start();
    drop(waiter.stdin.take());
    waiter.says("waiting for the lock");
    drop(theirs);
    assert_eq!(waiter.end().code, 0);
    assert_eq!((dir.read("f").as_str(), dir.names()), ("new", vec!["f".to_owned()]));
}

#[test]
fn gitoxide_and_dotlock_count_together() {
    use gix_lock::acquire::Fail;
    use std::io::Write;
    use std::time::Duration;
    let dir = Dir::new();
    let file = dir.file("counter", format!("{:.>9000}\n", 0));
    let next = |text: &str| -> String {
        let n: u64 = text.trim_start_matches('.').trim_end().parse().unwrap();
        format!("{:.>9000}\n", n + 1)
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let patience = Fail::AfterDurationWithBackoff(Duration::from_secs(60));
                    let mut lock =
                        gix_lock::File::acquire_to_update_resource(&file, patience, None, 0).unwrap();
                    let text = std::fs::read_to_string(&file).unwrap();
                    lock.write_all(next(&text).as_bytes()).unwrap();
                    lock.commit().unwrap();
                }
            });
        }
        let ours: Vec<_> =
            (0..4).map(|_| Worker::start("count", &[file.as_os_str(), "50".as_ref()])).collect();
        ours.into_iter().for_each(Worker::join);
    });
    assert_eq!(dir.read("counter").trim_start_matches('.').trim_end(), "300");
    assert_eq!(dir.names(), ["counter"]);
}
