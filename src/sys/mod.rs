//! The only door to the operating system beyond what `std` offers alike
//! everywhere, and the only place with conditions on the platform.
//!
//! `unix.rs` and `windows.rs` export the same functions. Every mutation of a
//! file system passes through here, and first through [`fault::at`], where a
//! test can make the n-th one fail or kill the process.

#![expect(clippy::disallowed_methods, reason = "they are disallowed everywhere but here")]

mod fault;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

pub(crate) use fault::Op;

/// What a program that lives for a moment gets its memory from: the system's
/// allocator, unless that is slow to start.
#[cfg(all(feature = "cli", target_env = "musl"))]
pub use dlmalloc::GlobalDlmalloc as Allocator;
#[cfg(not(all(feature = "cli", target_env = "musl")))]
pub use std::alloc::System as Allocator;

/// Which file a name or a descriptor leads to, as long as the system runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    /// Device or volume number. It may change from boot to boot, so it is
    /// compared between living descriptors but never recorded.
    pub volume: u64,
    /// Inode number or file index.
    pub number: u64,
    /// When the file was made, in nanoseconds since 1970, where the system
    /// knows: it tells a file from a later one with the same number.
    pub birth: Option<u64>,
}

/// What a lock file is born with that says "made by dotlock".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The kernel lock proves the owner's life: without it the owner is gone.
    First,
    /// Kernel locks prove nothing here; only the record speaks.
    Second,
    /// Not made by dotlock, or on a file system that keeps no marks.
    None,
}

/// What kind of thing a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Regular,
    Directory,
    Symlink,
    Fifo,
    Socket,
    Device,
}

impl Kind {
    /// With its article, for messages.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Regular => "a file",
            Kind::Directory => "a directory",
            Kind::Symlink => "a symbolic link",
            Kind::Fifo => "a FIFO",
            Kind::Socket => "a socket",
            Kind::Device => "a device",
        }
    }
}

/// What the system tells of a file; links are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub id: FileId,
    pub kind: Kind,
    pub size: u64,
    pub modified: Option<SystemTime>,
    /// Time of the last change of anything, in nanoseconds; 0 where unknown.
    pub changed: i128,
    pub mark: Mark,
    /// Permissions without the mark; 0 where the system has no such thing.
    pub mode: u32,
    pub owner: (u32, u32),
    /// How many names it has; 0 for one that was opened when it had none left.
    pub links: u64,
}

/// The outcome of opening a file for its kernel lock.
pub(crate) enum Grip {
    /// Opened, and its kernel lock is ours.
    Taken(File),
    /// Another has the kernel lock. With the descriptor one can wait for it;
    /// without, the system wakes nobody.
    Busy(Option<File>),
}

/// How durable a commit is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Content and name survive a power cut once the commit has returned
    /// (on macOS with `F_FULLFSYNC`).
    #[default]
    Full,
    /// After a power cut the file is the old one or the new one, whole; the
    /// commit does not wait for the name to be durable.
    Data,
    /// Nothing is synced. After a power cut the file may be empty or torn.
    None,
}

/// How long a command may run.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimit {
    /// After so long it is asked to end (Unix: SIGTERM; Windows ends it).
    pub after: Duration,
    /// So much later it is ended.
    pub kill_after: Duration,
}

/// What can be said of the process that a record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Running,
    /// It is gone; why that is certain.
    Gone(&'static str),
    /// It cannot be seen from here; why.
    Unseen(String),
}

/// What tells a process from any other that ever had or will have its number,
/// where the system knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Host {
    /// Which run of the system.
    pub boot: Option<String>,
    /// In which namespace the process's number counts.
    pub pid_namespace: Option<u64>,
    /// When the process started, in units of the system's own.
    pub start: Option<u64>,
}

impl Host {
    /// What is certain of a process there without looking for it, as seen from
    /// `here`; `None` if it can be looked for. `local` says that its record lies
    /// on a file system that only this machine mounts.
    fn elsewhere(&self, here: &Host, local: bool) -> Option<Presence> {
        match (&self.boot, &here.boot) {
            (Some(a), Some(b)) if a == b => {}
            (Some(_), Some(_)) if local => return Some(Presence::Gone("it ran before this boot")),
            (Some(_), Some(_)) => {
                return Some(Presence::Unseen("it ran on another machine, or before this boot".into()));
            }
            _ if !local => return Some(Presence::Unseen("which machine it ran on is not known".into())),
            _ => {}
        }
        let apart = self.pid_namespace != here.pid_namespace;
        apart.then(|| Presence::Unseen("it runs in another pid namespace (container)".into()))
    }
}

/// Writes all of `bytes` at the file's position.
pub(crate) fn write_all(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    write_pieces(bytes, |piece, _| file.write(piece))
}

/// Writes all of `bytes` at `offset`, whatever the file's position.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    write_pieces(bytes, |piece, done| write_some(file, piece, offset + done))
}

/// Calls `write` with what is left of `bytes`, and how much is not, until all is
/// written.
fn write_pieces(bytes: &[u8], mut write: impl FnMut(&[u8], u64) -> io::Result<usize>) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let left = &bytes[done..];
        let most = match fault::at(Op::Write) {
            Ok(()) => left.len(),
            Err(e) if fault::is_short(&e) => left.len().div_ceil(2),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        match write(&left[..most], done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Replaces what is in a small file by `bytes`.
pub(crate) fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.len() > 0 {
        set_len(file, 0)?;
        io::Seek::rewind(&mut &*file)?;
    }
    write_all(file, bytes)
}

/// Reads from `offset` until `bytes` is full or the file ends; how much it was.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match read_some(file, &mut bytes[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// Cuts a file off, or fills it up with zeros.
pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    again(Op::Truncate, || file.set_len(len))
}

/// Reads from `from` until its end and writes to `to`, through a small buffer,
/// showing every piece to `seen`, which may stop the copy.
pub(crate) fn copy_through(
    mut from: impl Read,
    to: &File,
    mut seen: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    read_through(&mut from, |piece| {
        seen(piece)?;
        write_all(to, piece)
    })
}

/// Reads from `from` until its end, and shows every piece to `seen`, which may stop
/// that.
pub(crate) fn read_through(
    mut from: impl Read,
    mut seen: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut buffer = vec![0; 128 << 10];
    let mut total = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        seen(&buffer[..n])?;
        total += n as u64;
    }
}

/// The first `len` bytes of a name, up to an ASCII character.
pub(crate) fn cut_name(name: &OsStr, len: usize) -> OsString {
    let bytes = name.as_encoded_bytes()[..len].to_vec();
    // SAFETY: the bytes come from an OsStr and were cut before an ASCII
    // character, where the encoding may be cut.
    unsafe { OsString::from_encoded_bytes_unchecked(bytes) }
}

/// Tries to take the kernel lock of a file that is ours, and that others only
/// look at: each has it for a moment, so it is tried for a while.
pub(crate) fn lock_soon(file: &File) -> io::Result<bool> {
    Ok(soon(|| Ok(try_lock(file, false)?.then_some(())))?.is_some())
}

/// Tries, for a tenth of a second in all, what others prevent for moments only.
pub(crate) fn soon<T>(mut attempt: impl FnMut() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
    for pause in [0, 0, 1, 1, 2, 5, 10, 20, 50] {
        if let Some(done) = attempt()? {
            return Ok(Some(done));
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
    attempt()
}

/// Copies the whole of `from` over what is in `to`, and nothing else remains there.
pub(crate) fn copy_over(from: &File, to: &File) -> io::Result<()> {
    io::Seek::rewind(&mut &*from)?;
    io::Seek::rewind(&mut &*to)?;
    let copied = copy(from, to, |_| Ok(()))?;
    set_len(to, copied)
}

/// How much is copied inside the kernel between two calls of `seen`.
const KERNEL_COPY: usize = 16 << 20;

/// Copies from the position of `from` to its end, inside the kernel where it can,
/// telling `seen` now and then how much that was, which may stop the copy.
pub(crate) fn copy(from: &File, to: &File, mut seen: impl FnMut(u64) -> io::Result<()>) -> io::Result<u64> {
    let mut total = 0;
    loop {
        seen(total)?;
        match copy_in_kernel(from, to, KERNEL_COPY)? {
            // Files of /proc say that they are empty until they are read.
            None | Some(0) => break,
            Some(n) => total += n as u64,
        }
    }
    let mut through = 0;
    Ok(total
        + copy_through(from, to, |piece| {
            through += piece.len() as u64;
            seen(total + through)
        })?)
}

/// Gives the file `from` another name, which must not exist.
pub(crate) fn hard_link(from: &Path, to: &Path) -> io::Result<()> {
    again(Op::Link, || std::fs::hard_link(from, to))
}

/// Removes a directory with all that is in it; links are not followed. One that
/// is not there is no failure.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match again(Op::Unlink, || std::fs::remove_dir_all(path)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Makes a directory.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    again(Op::MakeDir, || std::fs::create_dir(path))
}

/// Removes an empty directory.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    again(Op::Unlink, || std::fs::remove_dir(path))
}

/// Passes the door, then calls; once more whenever a signal came in between.
fn again<T>(op: Op, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match fault::at(op).and_then(|()| call()) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
