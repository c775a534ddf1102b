//! Unix: `flock` as the kernel lock, permission bits as the mark.

mod block;
mod child;
mod local;
mod metadata;
mod process;
mod processes;
pub mod signal;
mod stat;
mod watch;

pub(crate) use block::{announce, is_awaited};
pub use child::exit_code;
pub use child::{EDITOR, posix_shell, shell, spawn, spawn_for_us, wait_for};
pub(crate) use child::{let_children_inherit, read_output};
pub(crate) use local::is_local;
pub(crate) use metadata::{is_stamped, keep_metadata, stamp, unstamp};
pub(crate) use process::{boot, host_name, is_ancestor, is_running, presence, program_of, this_host};
pub(crate) use processes::{KNOWS_OPENERS, LockTable, has_open, open_in};
pub(crate) use stat::{fstat, stat};
pub(crate) use watch::Watch;

use super::{Grip, Mark, Op, Stat, Sync, again, fault};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use rustix::io::Errno;

/// Whether a process that blocks on a kernel lock is woken when it is free.
pub(crate) const WAKES: bool = true;

/// Whether the number of a file that is gone is given to another soon: only
/// together with its birth it tells which file is meant.
pub(crate) const NUMBERS_COME_BACK: bool = true;

/// The first mark is the sticky bit: Linux takes it from `open` itself, so no
/// moment and no power cut parts it from the file; on a plain file it means
/// nothing, and no other program sets it.
const STICKY: u32 = 0o1000;
/// The second mark must survive any sane umask at birth, and must not be what
/// a target's own mode becomes with the first mark (0700 would): a file that
/// its owner may write and execute but not read is nobody's mode.
const SECOND: u32 = 0o1300;
/// Whether files can bear marks here. BSD and macOS clear the sticky bit of
/// files, or refuse it.
const KEEPS_MARKS: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl Mark {
    fn of(mode: u32) -> Mark {
        match mode & 0o7777 {
            _ if !KEEPS_MARKS => Mark::None,
            SECOND => Mark::Second,
            m if m & STICKY != 0 => Mark::First,
            _ => Mark::None,
        }
    }

    fn birth_mode(self) -> u32 {
        match self {
            _ if !KEEPS_MARKS => 0o600,
            Mark::First => 0o600 | STICKY,
            Mark::Second => SECOND,
            Mark::None => 0o600,
        }
    }
}

/// Creates the lock file P, which must not exist, born with `mark`.
/// Its kernel lock is still to be taken.
pub(crate) fn create_lock(path: &Path, mark: Mark) -> io::Result<File> {
    create(path, mark.birth_mode())
}

/// Creates S, which must not exist: readable by whom the umask allows.
pub(crate) fn create_gate(path: &Path) -> io::Result<File> {
    create(path, 0o666)
}

/// Creates a file, which must not exist, with permissions that the umask may
/// still reduce.
pub(crate) fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    again(Op::Create, || options.open(path))
}

/// Makes a directory that only its owner may look into.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    again(Op::MakeDir, || std::fs::DirBuilder::new().mode(0o700).create(path))
}

/// Why no file can have the name that `path`, as it was given, ends with: any can.
pub(crate) fn unfit(_: &Path) -> Option<String> {
    None
}

/// Whether `error` from creating `path` says that somebody has it, rather than
/// that it cannot be made. sshfs says EPERM for EEXIST.
pub(crate) fn is_contended(error: &io::Error, path: &Path) -> bool {
    match error.kind() {
        io::ErrorKind::AlreadyExists => true,
        io::ErrorKind::PermissionDenied => stat(path).is_ok(),
        _ => false,
    }
}

/// Opens an existing file for its kernel lock, `shared` to look only, and
/// tries to take it. No link is followed; a FIFO does not block.
pub(crate) fn open_lock(path: &Path, shared: bool) -> io::Result<Grip> {
    let open = |read: bool, write: bool| {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        OpenOptions::new().read(read).write(write).custom_flags(flags).open(path)
    };
    // NFS wants a descriptor that can write for an exclusive lock; another
    // user's file can perhaps be read only, and the second mark written only.
    let denied = |e: &io::Error| e.kind() == io::ErrorKind::PermissionDenied;
    let file = match open(true, true) {
        Err(e) if denied(&e) => match open(true, false) {
            Err(e) if denied(&e) => open(false, true),
            other => other,
        },
        other => other,
    }?;
    match try_lock(&file, shared)? {
        true => Ok(Grip::Taken(file)),
        false => Ok(Grip::Busy(Some(file))),
    }
}

/// Tries to take `file`'s kernel lock without waiting.
pub(crate) fn try_lock(file: &File, shared: bool) -> io::Result<bool> {
    let call = || {
        let tried = match shared {
            true => fs4::FileExt::try_lock_shared(file),
            false => fs4::FileExt::try_lock(file),
        };
        match tried {
            Ok(()) => Ok(true),
            Err(fs4::TryLockError::WouldBlock) => Ok(false),
            Err(fs4::TryLockError::Error(e)) if lacks_locks(&e) => Ok(true),
            Err(fs4::TryLockError::Error(e)) => Err(e),
        }
    };
    again(Op::Lock, call)
}

/// Blocks until `file`'s kernel lock is ours (true), or `end` has come (false).
pub(crate) fn lock_until(file: &File, end: Option<Instant>) -> io::Result<bool> {
    block::lock_until(file, end, false)
}

/// Lets go of `file`'s kernel lock, for every descriptor that shares it: a
/// child that inherited one would keep the lock otherwise.
pub(crate) fn unlock(file: &File) {
    if fault::at(Op::Unlock).is_ok() {
        let _ = fs4::FileExt::unlock(file);
    }
}

/// A file system without kernel locks is never on the list of local ones, so
/// nothing is concluded there from a lock that could be had.
fn lacks_locks(error: &io::Error) -> bool {
    let Some(errno) = Errno::from_io_error(error) else { return false };
    [Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS].contains(&errno)
}

/// Gives `file` its permissions, and the first mark if it is to stay `marked`.
pub(crate) fn set_mode(file: &File, mode: u32, marked: bool) -> io::Result<()> {
    let bits = if marked && KEEPS_MARKS { mode | STICKY } else { mode };
    again(Op::Mode, || Ok(rustix::fs::fchmod(file, rustix::fs::Mode::from_raw_mode(bits as _))?))
}

/// Whether a file has the permissions `mode`.
pub(crate) fn is_mode(stat: &Stat, mode: u32) -> bool {
    stat.mode == mode
}

/// Puts `mark` on a lock file in place of what it was born with.
pub(crate) fn set_mark(file: &File, mark: Mark) -> io::Result<()> {
    again(Op::Mode, || Ok(rustix::fs::fchmod(file, rustix::fs::Mode::from_raw_mode(mark.birth_mode() as _))?))
}

/// Sets the time of a file's last modification.
pub(crate) fn set_modified(file: &File, time: SystemTime) -> io::Result<()> {
    again(Op::Touch, || file.set_modified(time))
}

/// `text` as one word for sh.
pub(crate) fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A path from the bytes of its name; `None` if no path can be so.
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    let whole = !bytes.contains(&0);
    whole.then(|| std::ffi::OsString::from_vec(bytes).into())
}

/// Renames `from` over `to`, atomically.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    again(Op::Rename, || std::fs::rename(from, to))
}

/// Renames `from` to `to`, which must not exist.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match again(Op::Rename, || Ok(rename_exclusively(from, to)?)) {
        // Not every file system can: there, in two steps.
        Err(e) if [Some(Errno::INVAL), Some(Errno::NOSYS)].contains(&Errno::from_io_error(&e)) => {
            again(Op::Rename, || std::fs::hard_link(from, to))?;
            unlink(from)
        }
        done => done,
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_exclusively(from: &Path, to: &Path) -> rustix::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_exclusively(_: &Path, _: &Path) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// Removes a name.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    again(Op::Unlink, || std::fs::remove_file(path))
}

/// Makes the content of `file` durable.
pub(crate) fn sync_file(file: &File, how: Sync) -> io::Result<()> {
    match how {
        Sync::None => Ok(()),
        // std uses F_FULLFSYNC where plain fsync does not reach the medium.
        Sync::Full => again(Op::SyncFile, || file.sync_all()),
        Sync::Data => again(Op::SyncFile, || data_sync(file)),
    }
}

#[cfg(not(target_vendor = "apple"))]
fn data_sync(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fdatasync(file)?)
}

#[cfg(target_vendor = "apple")]
fn data_sync(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fsync(file)?)
}

/// Makes the names in `dir` durable. Some file systems do not know the
/// operation (EINVAL): there, names need none.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    let open = File::open(dir)?;
    match again(Op::SyncDir, || open.sync_all()) {
        Err(e) if Errno::from_io_error(&e) == Some(Errno::INVAL) => Ok(()),
        done => done,
    }
}

/// A file without a name, on the file system of `path`; where there is no such
/// thing, it is made as `path` and its name removed at once.
pub(crate) fn create_unnamed(path: &Path, mode: u32) -> io::Result<File> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Some(file) = open_tmpfile(dir, mode)? {
        return Ok(file);
    }
    let file = create(path, mode)?;
    unlink(path)?;
    Ok(file)
}

/// A file without a name, on the file system of `path`, which [`name_lock`] can
/// make P: it has the first mark already. It means nothing until then.
pub(crate) fn create_spool(path: &Path) -> io::Result<File> {
    create_unnamed(path, Mark::First.birth_mode())
}

/// Makes `spool`, whose kernel lock is ours, P by giving it the name `path`, which
/// must not exist: so P is born with mark, content and kernel lock. False where that
/// cannot be done, or was done before: a P is to be made in the ordinary way then,
/// and will tell what is wrong.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn name_lock(spool: &File, path: &Path) -> io::Result<bool> {
    use rustix::fs::{AtFlags, CWD, linkat};
    use std::os::fd::AsRawFd;
    // By the descriptor itself only the superuser may do it before Linux 6.10.
    let file = format!("/proc/self/fd/{}", spool.as_raw_fd());
    let link = || Ok(linkat(CWD, file.as_str(), CWD, path, AtFlags::SYMLINK_FOLLOW)?);
    match again(Op::Link, link) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
        Err(_) => Ok(false),
    }
}

/// An unnamed file stays so here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn name_lock(_: &File, _: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_tmpfile(dir: &Path, mode: u32) -> io::Result<Option<File>> {
    use rustix::fs::OFlags;
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(mode).custom_flags(OFlags::TMPFILE.bits() as i32);
    match again(Op::Create, || options.open(dir)) {
        Ok(file) => Ok(Some(file)),
        // What kernels and file systems say that do not have it.
        Err(e) => match Errno::from_io_error(&e) {
            Some(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOSYS) => Ok(None),
            _ => Err(e),
        },
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_tmpfile(_: &Path, _: u32) -> io::Result<Option<File>> {
    Ok(None)
}

/// Copies up to `most` bytes from one file's position to another's inside the
/// kernel. `None`: not possible between these two, copy by hand.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn copy_in_kernel(from: &File, to: &File, most: usize) -> io::Result<Option<usize>> {
    let call = || match rustix::fs::copy_file_range(from, None, to, None, most) {
        Ok(n) => Ok(Some(n)),
        Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => Ok(None),
        Err(e) => Err(e.into()),
    };
    match again(Op::Copy, call) {
        Err(e) if fault::is_short(&e) => copy_in_kernel(from, to, most.div_ceil(2)),
        done => done,
    }
}

/// Copies inside the kernel; not offered here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn copy_in_kernel(_: &File, _: &File, _: usize) -> io::Result<Option<usize>> {
    Ok(None)
}

/// The time by the clock of the file system that `file` is on: the file is
/// touched and its new time read.
pub(crate) fn touch(file: &File) -> io::Result<SystemTime> {
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
    let at = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let times = Timestamps { last_access: at(UTIME_OMIT as _), last_modification: at(UTIME_NOW as _) };
    again(Op::Touch, || Ok(rustix::fs::futimens(file, &times)?))?;
    file.metadata()?.modified()
}

/// Standard input as a file, where it is a regular file: it can be copied
/// inside the kernel and needs no gathering.
pub(crate) fn stdin_file() -> Option<File> {
    // Not std's, which comes with a buffer.
    let stdin = rustix::stdio::stdin();
    let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(stdin).ok()?.st_mode);
    kind.is_file().then(|| stdin.try_clone_to_owned().ok().map(File::from))?
}

/// Whether standard input is a terminal.
pub fn stdin_is_terminal() -> bool {
    rustix::termios::isatty(rustix::stdio::stdin())
}

/// Ends this process as `kill -9` does.
#[cfg(debug_assertions)]
pub(crate) fn kill_self() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

/// Stops this process until it is told to go on.
#[cfg(debug_assertions)]
pub(crate) fn stop_self() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
}

/// The error of that name, for tests.
#[cfg(debug_assertions)]
pub(crate) fn error_named(name: &str) -> io::Error {
    let errno = match name {
        "ENOSPC" => Errno::NOSPC,
        "EACCES" => Errno::ACCESS,
        "EINTR" => Errno::INTR,
        "EINVAL" => Errno::INVAL,
        _ => Errno::IO,
    };
    errno.into()
}

/// The number of the file system that `dir` is on.
pub(crate) fn volume(dir: &Path) -> io::Result<u64> {
    Ok(dir.metadata()?.dev())
}

/// Opens a file only to read what is in it; no link is followed, a FIFO does
/// not block.
pub(crate) fn open_to_look(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens an existing file to write over what is in it; no link is followed.
pub(crate) fn open_to_overwrite(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().write(true).custom_flags(flags).open(path)
}

/// Opens a file to change what is in it, where it stands; no link is followed.
pub(crate) fn open_to_change(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// Lets go of the kernel lock of `file`, which is at `path`; what is returned can
/// be read still. Then makes the content durable: those who do so at the same time
/// share the work.
pub(crate) fn keep_looking(file: File, path: &Path, how: Sync) -> io::Result<(File, io::Result<()>)> {
    let file = match again(Op::Unlock, || fs4::FileExt::unlock(&file)) {
        Ok(()) => file,
        Err(e) if lacks_locks(&e) => file,
        // Kept, it would lock ourselves out: closed, it is free as well.
        Err(_) => {
            let synced = sync_file(&file, how);
            return Ok((open_to_look(path)?, synced));
        }
    };
    let synced = sync_file(&file, how);
    Ok((file, synced))
}

/// Blocks until nobody else has `file`'s kernel lock for himself (true), or `end`
/// has come (false). All who wait so are woken at once; none of them has it then.
pub(crate) fn wait_unlocked(file: &File, end: Option<Instant>) -> io::Result<bool> {
    let done = block::lock_until(file, end, true)?;
    if done {
        unlock(file);
    }
    Ok(done)
}

pub(super) fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.write_at(bytes, offset)
}

pub(super) fn read_some(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

/// Whether `error` says that a file was opened for reading only.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::BADF | Errno::INVAL))
}

/// Standard input without a buffer of its own.
pub(crate) fn raw_stdin() -> impl io::Read {
    struct Raw;
    impl io::Read for Raw {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
        }
    }
    Raw
}
