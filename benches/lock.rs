//! What the library costs, in one process: `cargo bench`. For whole commands beside
//! those of others, see commands.sh.

use criterion::{BatchSize, Criterion};
use dotlock::{CommitOptions, Policy, PublishOptions, Sync};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A file to lock, on the file system of the temporary directory (`TMPDIR`).
struct Place {
    _dir: tempfile::TempDir,
    file: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("f");
    std::fs::write(&file, "old").expect("a file there");
    Place { _dir: dir, file }
}

fn commits(c: &mut Criterion) {
    let place = place();
    let content = vec![b'x'; 4096];
    for (name, sync) in [("4 KiB, synced", Sync::Full), ("4 KiB, not synced", Sync::None)] {
        let options = CommitOptions { sync, ..CommitOptions::default() };
        c.bench_function(&format!("acquire, write, commit: {name}"), |b| {
            b.iter(|| {
                let mut lock = dotlock::acquire(&place.file, &Policy::default()).expect("the lock");
                lock.write_all(&content).expect("room");
                lock.commit(&options).expect("a commit")
            });
        });
    }
}

fn roll_backs(c: &mut Criterion) {
    let place = place();
    c.bench_function("acquire, roll back", |b| {
        b.iter(|| dotlock::acquire(&place.file, &Policy::default()).expect("the lock").roll_back());
    });
    c.bench_function("take over a dead lock", |b| {
        // What one who was killed leaves: a marked lock without kernel lock.
        let dead = || {
            let lock = place.file.with_file_name("f.lock");
            std::fs::write(&lock, "").expect("a lock");
            mark(&lock);
        };
        let take = |()| dotlock::acquire(&place.file, &Policy::default()).expect("the lock").roll_back();
        b.iter_batched(dead, take, BatchSize::PerIteration);
    });
}

#[cfg(target_os = "linux")]
fn mark(lock: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(lock, std::fs::Permissions::from_mode(0o1600)).expect("a mark");
}

/// Without marks there is no such lock to be seen: then nothing is taken over.
#[cfg(not(target_os = "linux"))]
fn mark(lock: &std::path::Path) {
    std::fs::remove_file(lock).expect("a lock");
}

/// From one holder to the next, with so many others who want the lock, too.
fn hand_offs(c: &mut Criterion) {
    for others in [1, 7] {
        let place = place();
        let commit = CommitOptions { sync: Sync::None, ..CommitOptions::default() };
        let options = PublishOptions { commit, ..PublishOptions::default() };
        let increment = || {
            dotlock::update(&place.file, &Policy::default(), &options, |old| {
                Ok::<_, dotlock::Error>(old.unwrap_or_default())
            })
            .expect("an update");
        };
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..others {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        increment();
                    }
                });
            }
            c.bench_function(&format!("update, in turn with {others}"), |b| {
                b.iter_custom(|n| {
                    let begun = Instant::now();
                    (0..n).for_each(|_| increment());
                    begun.elapsed()
                });
            });
            over.store(true, Ordering::Relaxed);
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(3)).configure_from_args();
    commits(&mut criterion);
    roll_backs(&mut criterion);
    hand_offs(&mut criterion);
    criterion.final_summary();
}
