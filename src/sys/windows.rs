//! Windows: sharing modes as the kernel lock, attributes as the mark.
//!
//! Whoever holds P or S has it open for writing and shares reading and
//! deleting, but not writing. Whoever judges opens it for writing: a sharing
//! violation says that the holder lives, and the system ends that with the
//! process, however it dies. Byte-range locks would do that too, but they keep
//! readers out, and a file is without one for a moment after its creation.

mod child;
mod identity;
mod metadata;
mod process;
mod processes;
pub mod signal;

pub use child::{EDITOR, posix_shell, shell, spawn, spawn_for_us, wait_for};
pub(crate) use child::{let_children_inherit, read_output};
pub(crate) use identity::{fstat, is_local, set_mark, set_mode, stat, volume};
pub(crate) use metadata::{is_stamped, keep_metadata, stamp, unstamp};
pub(crate) use process::{boot, host_name, is_ancestor, is_running, presence, program_of, this_host};
#[cfg(debug_assertions)]
pub(crate) use process::{kill_self, stop_self};
pub(crate) use processes::{KNOWS_OPENERS, LockTable, has_open, open_in};

use super::{Grip, Mark, Op, Sync, again, fault};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::path::{Component, Path, PathBuf, Prefix};
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};

use windows_sys::Win32::Foundation as err;
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::core::BOOL;

/// Whether a process that blocks on a kernel lock is woken when it is free.
/// Nobody can wait for a sharing mode.
pub(crate) const WAKES: bool = false;

/// Whether the number of a file that is gone is given to another soon. Its upper
/// part counts how often the rest was used, and a file that is renamed may be
/// given another birth ("tunnelling").
pub(crate) const NUMBERS_COME_BACK: bool = false;

/// What a holder of a kernel lock lets others do meanwhile.
const HELD: u32 = fs::FILE_SHARE_READ | fs::FILE_SHARE_DELETE;
const EVERYTHING: u32 = HELD | fs::FILE_SHARE_WRITE;
/// To open a link itself, and directories too.
const ANYTHING: u32 = fs::FILE_FLAG_OPEN_REPARSE_POINT | fs::FILE_FLAG_BACKUP_SEMANTICS;

/// The result of a call that returns false where `GetLastError` tells more.
fn check(done: BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An absolute path for a call: its 16-bit units, and a zero. A long one needs
/// the prefix that lifts the old limit, as std gives it to its own calls.
fn wide(path: &Path) -> Vec<u16> {
    let kind = path.components().next().and_then(|first| match first {
        Component::Prefix(prefix) if path.as_os_str().len() > 240 => Some(prefix.kind()),
        _ => None,
    });
    let (prefix, skipped) = match kind {
        Some(Prefix::Disk(_)) => (r"\\?\", 0),
        Some(Prefix::UNC(..)) => (r"\\?\UNC", 1),
        _ => ("", 0),
    };
    prefix.encode_utf16().chain(path.as_os_str().encode_wide().skip(skipped)).chain([0]).collect()
}

/// A name that a call has filled in, up to its zero.
fn narrow(units: &[u16]) -> String {
    String::from_utf16_lossy(units.split(|&u| u == 0).next().unwrap_or_default())
}

/// Opens `path` itself with some rights short of reading or writing: that is
/// possible whatever others share.
fn open_for(path: &Path, access: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.access_mode(access).share_mode(EVERYTHING).custom_flags(ANYTHING);
    options.open(path).map_err(|e| if is_pending(&e) { io::ErrorKind::NotFound.into() } else { e })
}

/// Creates the lock file P, which must not exist, born with `mark` and with its
/// kernel lock.
pub(crate) fn create_lock(path: &Path, mark: Mark) -> io::Result<File> {
    let file = create_with(path, mark.birth_attributes())?;
    identity::name_by_time(&file)?;
    Ok(file)
}

/// Creates S, which must not exist, with its kernel lock; readable by whom the
/// directory says.
pub(crate) fn create_gate(path: &Path) -> io::Result<File> {
    create_with(path, fs::FILE_ATTRIBUTE_NORMAL)
}

/// Creates a file, which must not exist; its permissions are those of the directory.
pub(crate) fn create(path: &Path, _mode: u32) -> io::Result<File> {
    create_with(path, fs::FILE_ATTRIBUTE_NORMAL)
}

/// Makes a directory. Who may look into it, its own directory says.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    super::create_dir(path)
}

fn create_with(path: &Path, attributes: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).share_mode(HELD).attributes(attributes);
    let open = || match options.open(path) {
        // The name is free as soon as others close the file, nearly always at
        // once. Whoever tries again must not do so a thousand times till then.
        Err(e) if is_pending(&e) => {
            std::thread::sleep(Duration::from_millis(1));
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is being deleted, and still open somewhere"))
        }
        done => done,
    };
    again(Op::Create, open)
}

/// Whether `error`, fresh from a call of this thread, is about a file that was
/// deleted while somebody has it open. The code is that of any refusal; only
/// the kernel's own status tells.
fn is_pending(error: &io::Error) -> bool {
    #[link(name = "ntdll")]
    unsafe extern "system" {
        fn RtlGetLastNtStatus() -> err::NTSTATUS;
    }
    match error.raw_os_error().map(|code| code as u32) {
        Some(err::ERROR_DELETE_PENDING) => true,
        // SAFETY: it reads a field of the thread's own.
        Some(err::ERROR_ACCESS_DENIED) => unsafe { RtlGetLastNtStatus() == err::STATUS_DELETE_PENDING },
        _ => false,
    }
}

/// Why no file can have the name that `path`, as it was given, ends with: it is
/// that of a device or of a stream. (A dot or a blank at the end is taken off when
/// the path is made absolute, so that a file has one lock.)
pub(crate) fn unfit(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    // What comes after a dot does not matter, as older systems have it.
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or(stem.strip_prefix("LPT"));
    let is_device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered.is_some_and(|n| n.chars().count() == 1 && n.contains(|c| "123456789¹²³".contains(c)));
    if is_device {
        return Some(format!("{stem} is the name of a device on Windows"));
    }
    if name.contains(':') {
        return Some("this is the name of a stream of a file; name the file itself".to_owned());
    }
    None
}

/// Whether `error` says that somebody has the file open and does not share it.
fn is_violation(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(|code| code as u32);
    matches!(code, Some(err::ERROR_SHARING_VIOLATION | err::ERROR_LOCK_VIOLATION))
}

/// Whether `error` from creating `path` says that somebody has it, rather than
/// that it cannot be made. A share may say that access is denied.
pub(crate) fn is_contended(error: &io::Error, path: &Path) -> bool {
    match error.kind() {
        io::ErrorKind::AlreadyExists => true,
        io::ErrorKind::PermissionDenied => stat(path).is_ok(),
        _ => is_violation(error),
    }
}

/// Opens an existing file for its kernel lock, or, if `shared`, to look whether
/// anybody has it: both meet a holder, but of those who only look, none meets
/// another. No link is followed.
pub(crate) fn open_lock(path: &Path, shared: bool) -> io::Result<Grip> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(fs::FILE_FLAG_OPEN_REPARSE_POINT);
    options.share_mode(if shared { EVERYTHING } else { HELD });
    let open = || match options.open(path) {
        Ok(file) => Ok(Grip::Taken(file)),
        Err(e) if is_violation(&e) => Ok(Grip::Busy(None)),
        Err(e) if is_pending(&e) => Err(io::ErrorKind::NotFound.into()),
        Err(e) => Err(e),
    };
    again(Op::Lock, open)
}

/// A file that is open has its kernel lock already.
pub(crate) fn try_lock(_: &File, _shared: bool) -> io::Result<bool> {
    again(Op::Lock, || Ok(true))
}

/// A file that is open has its kernel lock already.
pub(crate) fn lock_until(_: &File, _: Option<Instant>) -> io::Result<bool> {
    again(Op::Lock, || Ok(true))
}

/// Nobody sleeps on a kernel lock here.
pub(crate) fn announce(_: &File) {}

/// Nobody sleeps on a kernel lock here.
pub(crate) fn is_awaited(_: &File) -> bool {
    false
}

/// The kernel lock goes when the file is closed; no child inherits it.
pub(crate) fn unlock(_: &File) {
    let _ = fault::at(Op::Unlock);
}

/// Whether a file has the permissions `mode`; there are none here.
pub(crate) fn is_mode(_: &super::Stat, _: u32) -> bool {
    true
}

/// Sets the time of a file's last modification.
pub(crate) fn set_modified(file: &File, time: SystemTime) -> io::Result<()> {
    again(Op::Touch, || file.set_modified(time))
}

/// `text` as one word for cmd and PowerShell alike; no name has such a quote in it.
pub(crate) fn shell_quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// A path from the bytes of its name; `None` if no path can be so.
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().filter(|s| !s.contains('\0')).map(Into::into)
}

/// Renames `from` over `to`, atomically.
///
/// On Windows 10 and later, on a local NTFS, it does not matter who has `to`
/// open, if only they share its deletion. Otherwise nobody may have it open,
/// so it is tried again for a while: readers come and go.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let call = || {
        refuse_read_only(to)?;
        patiently(to, || std::fs::rename(from, to))
    };
    again(Op::Rename, call)
}

/// A file with that attribute is not to be replaced; the system's own error
/// would not tell why.
fn refuse_read_only(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|m| m.is_file() && m.permissions().readonly()) {
        let why = "it is read-only; take that attribute off first (attrib -r)";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

/// Renames `from` to `to`, which must not exist.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    // std's own would replace it.
    let (source, from, to) = (from, wide(from), wide(to));
    // SAFETY: both strings end with a zero.
    let call = || check(unsafe { fs::MoveFileExW(from.as_ptr(), to.as_ptr(), 0) });
    again(Op::Rename, || patiently(source, call))
}

/// Removes a name; tries again for a while if somebody has the file open.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    let remove = || match std::fs::remove_file(path) {
        // Somebody has removed it already.
        Err(e) if is_pending(&e) => Ok(()),
        done => done,
    };
    again(Op::Unlink, || patiently(path, remove))
}

/// How long a call is tried again while somebody has the file open. Readers come
/// and go; one that stays has a reason that waiting does not change.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls again, for about as long as [`PATIENCE`], while somebody seems to have
/// the file `path` open.
fn patiently(path: &Path, mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        match call() {
            Err(e) if is_violation(&e) || e.kind() == io::ErrorKind::PermissionDenied => {
                if begun.elapsed() >= PATIENCE {
                    let by = processes::users_of(path);
                    let why = if by.is_empty() {
                        "perhaps a program has it open without sharing its deletion: a reader of it, \
                         an indexer, a virus scanner"
                            .to_owned()
                    } else {
                        format!("it is in use by {}", by.join(", "))
                    };
                    return Err(io::Error::new(e.kind(), format!("{e}; {why}")));
                }
            }
            done => return done,
        }
        // Where readers keep coming, the gaps between them are short: to meet one
        // it is tried often, at first without a pause.
        tries += 1;
        if tries < 8 { std::thread::yield_now() } else { std::thread::sleep(Duration::from_millis(1)) }
    }
}

/// Makes the content of `file` durable. There is one call for it, which writes
/// out everything.
pub(crate) fn sync_file(file: &File, how: Sync) -> io::Result<()> {
    match how {
        Sync::None => Ok(()),
        Sync::Full | Sync::Data => again(Op::SyncFile, || file.sync_all()),
    }
}

/// Makes the names in `dir` durable, as far as that can be asked for: NTFS
/// writes a directory's journal out if it can be opened for writing. Where that
/// is not permitted, or not known, the file is durable by [`sync_file`] under
/// its old name or its new one, since names are journalled in order; the new
/// one follows within seconds.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).share_mode(EVERYTHING).custom_flags(fs::FILE_FLAG_BACKUP_SEMANTICS);
    match again(Op::SyncDir, || options.open(dir)?.sync_all()) {
        Err(e) if is_violation(&e) => Ok(()),
        Err(e) => match e.raw_os_error().map(|code| code as u32) {
            Some(err::ERROR_ACCESS_DENIED | err::ERROR_INVALID_FUNCTION) => Ok(()),
            Some(err::ERROR_INVALID_HANDLE | err::ERROR_INVALID_PARAMETER) => Ok(()),
            _ => Err(e),
        },
        Ok(()) => Ok(()),
    }
}

/// A file that is gone once it is closed, however that comes about. It has the
/// name `path` till then, as every file does here. Nobody else can open it.
pub(crate) fn create_unnamed(path: &Path, _mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).share_mode(0);
    options.attributes(fs::FILE_ATTRIBUTE_TEMPORARY).custom_flags(fs::FILE_FLAG_DELETE_ON_CLOSE);
    again(Op::Create, || options.open(path))
}

/// What other programs do with a lock is not noticed here: who waits polls.
#[derive(Debug, Default)]
pub(crate) struct Watch;

impl Watch {
    pub fn begin(&mut self, _: &Path) -> bool {
        false
    }

    pub fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Such a file for input.
pub(crate) fn create_spool(path: &Path) -> io::Result<File> {
    create_unnamed(path, 0)
}

/// It cannot get another name.
pub(crate) fn name_lock(_: &File, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Copies inside the kernel; not offered here.
pub(crate) fn copy_in_kernel(_: &File, _: &File, _: usize) -> io::Result<Option<usize>> {
    Ok(None)
}

/// The time by the clock of the file system that `file` is on: the file is
/// touched and its new time read. Windows has no "now" for that: on a share it
/// is this machine's time, not the server's, rounded as the server does.
pub(crate) fn touch(file: &File) -> io::Result<SystemTime> {
    again(Op::Touch, || file.set_modified(SystemTime::now()))?;
    file.metadata()?.modified()
}

/// Standard input as a file, where it is a regular file: it needs no gathering.
pub(crate) fn stdin_file() -> Option<File> {
    let file = File::from(io::stdin().as_handle().try_clone_to_owned().ok()?);
    // SAFETY: the call tells a bad handle from a good one itself.
    let on_disk = unsafe { fs::GetFileType(file.as_raw_handle()) } == fs::FILE_TYPE_DISK;
    (on_disk && file.metadata().is_ok_and(|m| m.is_file())).then_some(file)
}

/// Whether standard input is a console.
pub fn stdin_is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stdin())
}

/// Standard input. What std offers: it turns a console's characters into UTF-8,
/// and big reads go past its buffer.
pub(crate) fn raw_stdin() -> impl io::Read {
    io::stdin().lock()
}

/// A process's exit code; 130, as if by SIGINT, if Ctrl-C ended it.
pub fn exit_code(status: ExitStatus) -> i32 {
    match status.code() {
        Some(err::STATUS_CONTROL_C_EXIT) => 128 + signal::DEFAULT,
        code => code.unwrap_or(1),
    }
}

/// The error of that name, for tests.
#[cfg(debug_assertions)]
pub(crate) fn error_named(name: &str) -> io::Error {
    let code = match name {
        "EINTR" => return io::ErrorKind::Interrupted.into(),
        "ENOSPC" => err::ERROR_DISK_FULL,
        "EACCES" => err::ERROR_ACCESS_DENIED,
        "EINVAL" => err::ERROR_INVALID_PARAMETER,
        _ => err::ERROR_IO_DEVICE,
    };
    io::Error::from_raw_os_error(code as i32)
}

/// Opens a file only to read what is in it, whatever its holder does meanwhile;
/// no link is followed.
pub(crate) fn open_to_look(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).share_mode(EVERYTHING).custom_flags(fs::FILE_FLAG_OPEN_REPARSE_POINT);
    options.open(path)
}

/// Opens an existing file to write over what is in it; no link is followed.
pub(crate) fn open_to_overwrite(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).share_mode(EVERYTHING).custom_flags(fs::FILE_FLAG_OPEN_REPARSE_POINT);
    options.open(path)
}

/// Opens a file to change what is in it, where it stands; no link is followed.
pub(crate) fn open_to_change(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).share_mode(EVERYTHING).custom_flags(fs::FILE_FLAG_OPEN_REPARSE_POINT);
    options.open(path)
}

/// Makes the content of `file` durable, which takes the right to write, and lets go
/// of its kernel lock; what is returned can be read still.
pub(crate) fn keep_looking(file: File, path: &Path, how: Sync) -> io::Result<(File, io::Result<()>)> {
    let synced = sync_file(&file, how);
    // Opened while it is locked: so it is the same file.
    let look = open_to_look(path)?;
    unlock(&file);
    drop(file);
    Ok((look, synced))
}

/// Nobody can wait for a sharing mode.
pub(crate) fn wait_unlocked(_: &File, _: Option<Instant>) -> io::Result<bool> {
    again(Op::Lock, || Ok(true))
}

pub(super) fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    file.seek_write(bytes, offset)
}

pub(super) fn read_some(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    match file.seek_read(bytes, offset) {
        // How the system says that there is no more.
        Err(e) if e.raw_os_error() == Some(err::ERROR_HANDLE_EOF as i32) => Ok(0),
        done => done,
    }
}

/// Whether `error` says that a file was opened for reading only.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}
