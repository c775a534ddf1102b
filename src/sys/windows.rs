//! Windows: sharing modes as the kernel lock, attributes as the mark.
//!
//! Whoever holds P or S has it open for writing and shares reading and
//! deleting, but not writing. Whoever judges opens it for writing: a sharing
//! violation says that the holder lives, and the system ends that with the
//! process, however it dies. Byte-range locks would do that too, but they keep
//! readers out, and a file is without one for a moment after its creation.

mod metadata;
mod process;
pub mod signal;

pub(crate) use metadata::keep_metadata;
#[cfg(debug_assertions)]
pub(crate) use process::kill_self;
pub(crate) use process::{host_name, presence, this_host};

use super::{FileId, Grip, Kind, Mark, Op, Stat, Sync, again, fault};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::path::{Component, Path, PathBuf, Prefix};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use windows_sys::Win32::Foundation as err;
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::SystemServices::IO_REPARSE_TAG_AF_UNIX;
use windows_sys::Win32::System::WindowsProgramming::{DRIVE_FIXED, DRIVE_RAMDISK, DRIVE_REMOVABLE};
use windows_sys::core::BOOL;

/// Whether a process that blocks on a kernel lock is woken when it is free.
/// Nobody can wait for a sharing mode.
pub(crate) const WAKES: bool = false;
/// Whether files can bear marks here: on some file systems, as [`fstat`] tells.
pub(crate) const KEEPS_MARKS: bool = true;

/// The first mark is these two attributes together, which a file can be born
/// with. TEMPORARY alone is what the tempfile crate puts on its files, and with
/// it gitoxide on its locks; OFFLINE alone is what a cloud's client puts on a
/// file that it keeps elsewhere, perhaps another's lock. NOT_CONTENT_INDEXED
/// and COMPRESSED are inherited from the directory; HIDDEN and SYSTEM may be
/// the target's own.
const FIRST: u32 = fs::FILE_ATTRIBUTE_TEMPORARY | fs::FILE_ATTRIBUTE_OFFLINE;
/// The second mark may be met on a stranger's file, since nothing is removed
/// because of it.
const SECOND: u32 = fs::FILE_ATTRIBUTE_OFFLINE;
/// File systems that store these attributes. FAT knows them only until the
/// last handle is closed.
const MARKING: [&str; 2] = ["NTFS", "ReFS"];
/// The others that one machine has for itself, if its drive is no share.
const UNMARKING: [&str; 3] = ["FAT", "FAT32", "exFAT"];

/// What a holder of a kernel lock lets others do meanwhile.
const HELD: u32 = fs::FILE_SHARE_READ | fs::FILE_SHARE_DELETE;
const EVERYTHING: u32 = HELD | fs::FILE_SHARE_WRITE;
/// To open a link itself, and directories too.
const ANYTHING: u32 = fs::FILE_FLAG_OPEN_REPARSE_POINT | fs::FILE_FLAG_BACKUP_SEMANTICS;

/// Between 1601, where Windows begins to count, and 1970, in 100 ns.
const EPOCH: i64 = 116_444_736_000_000_000;

impl Mark {
    fn of(attributes: u32, file_system: &str) -> Mark {
        match attributes & FIRST {
            _ if !MARKING.contains(&file_system) => Mark::None,
            FIRST => Mark::First,
            SECOND => Mark::Second,
            _ => Mark::None,
        }
    }

    fn birth_attributes(self) -> u32 {
        match self {
            Mark::First => FIRST,
            Mark::Second => SECOND,
            Mark::None => fs::FILE_ATTRIBUTE_NORMAL,
        }
    }
}

impl Stat {
    /// Of what is no file on a disk: a pipe or a device.
    fn bare(kind: Kind) -> Stat {
        Stat {
            id: FileId { volume: 0, number: 0, birth: None },
            kind,
            size: 0,
            modified: None,
            changed: 0,
            mark: Mark::None,
            mode: 0,
            owner: (0, 0),
        }
    }
}

/// The result of a call that returns false where `GetLastError` tells more.
fn check(done: BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A path for a call: its 16-bit units, and a zero.
fn wide(path: impl AsRef<Path>) -> Vec<u16> {
    path.as_ref().as_os_str().encode_wide().chain([0]).collect()
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

/// What `path` itself is; a symbolic link is not followed.
///
/// A file that was deleted while somebody has it open keeps its name on some
/// file systems until that is closed, and cannot be opened. For us it is gone.
pub(crate) fn stat(path: &Path) -> io::Result<Stat> {
    fstat(&open_for(path, fs::FILE_READ_ATTRIBUTES)?)
}

/// What an open file is.
pub(crate) fn fstat(file: &File) -> io::Result<Stat> {
    // SAFETY: the handle is open.
    match unsafe { fs::GetFileType(file.as_raw_handle()) } {
        fs::FILE_TYPE_PIPE => return Ok(Stat::bare(Kind::Fifo)),
        fs::FILE_TYPE_CHAR => return Ok(Stat::bare(Kind::Device)),
        _ => {}
    }
    let info = by_handle(file)?;
    let basic = basic(file)?;
    let has = |bit: u32| basic.FileAttributes & bit != 0;
    let kind = match () {
        () if has(fs::FILE_ATTRIBUTE_REPARSE_POINT) => match reparse_tag(file)? {
            IO_REPARSE_TAG_AF_UNIX => Kind::Socket,
            // The bit that says: stands for another name. Links and mount points.
            tag if tag & 0x2000_0000 != 0 => Kind::Symlink,
            _ if has(fs::FILE_ATTRIBUTE_DIRECTORY) => Kind::Directory,
            // The data is stored otherwise, and got when it is read.
            _ => Kind::Regular,
        },
        () if has(fs::FILE_ATTRIBUTE_DIRECTORY) => Kind::Directory,
        () => Kind::Regular,
    };
    let nanos = |time: i64| u64::try_from(time - EPOCH).ok().map(|t| t * 100);
    let number = u64::from(info.nFileIndexHigh) << 32 | u64::from(info.nFileIndexLow);
    let file_system = file_system(file).unwrap_or_default();
    let birth = match file_system.as_str() {
        "NTFS" => uses_of(number),
        name if MARKING.iter().chain(&UNMARKING).any(|n| *n == name) => nanos(basic.CreationTime),
        _ => None,
    };
    Ok(Stat {
        id: FileId { volume: info.dwVolumeSerialNumber.into(), number, birth },
        kind,
        size: u64::from(info.nFileSizeHigh) << 32 | u64::from(info.nFileSizeLow),
        modified: nanos(basic.LastWriteTime).map(|n| UNIX_EPOCH + Duration::from_nanos(n)),
        changed: nanos(basic.ChangeTime).unwrap_or_default().into(),
        mark: Mark::of(basic.FileAttributes, &file_system),
        ..Stat::bare(kind)
    })
}

/// What NTFS has in place of a time of birth: the upper 16 bits of a file's
/// number count how often the rest of it was given to a file. The time itself
/// is not to be relied on there. A new file is given that of one with the same
/// name that was just removed, and Samba and Wine, who call themselves NTFS,
/// make one up from the times that they have, anew at each write. With them
/// these bits are 0, which real ones never are.
fn uses_of(number: u64) -> Option<u64> {
    Some(number >> 48).filter(|&uses| uses != 0)
}

fn by_handle(file: &File) -> io::Result<fs::BY_HANDLE_FILE_INFORMATION> {
    let mut info = fs::BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and `info` is what the call fills.
    check(unsafe { fs::GetFileInformationByHandle(file.as_raw_handle(), &mut info) })?;
    Ok(info)
}

/// Attributes and times.
fn basic(file: &File) -> io::Result<fs::FILE_BASIC_INFO> {
    let mut info = fs::FILE_BASIC_INFO::default();
    let size = size_of_val(&info) as u32;
    let to = (&raw mut info).cast();
    // SAFETY: `to` has `size` bytes, of the structure that belongs to the class.
    check(unsafe { fs::GetFileInformationByHandleEx(file.as_raw_handle(), fs::FileBasicInfo, to, size) })?;
    Ok(info)
}

/// Sets a file's attributes, and nothing else.
fn set_attributes(file: &File, attributes: u32) -> io::Result<()> {
    // Zero means "as it was": no attribute at all has a name of its own.
    let attributes = if attributes == 0 { fs::FILE_ATTRIBUTE_NORMAL } else { attributes };
    let info = fs::FILE_BASIC_INFO { FileAttributes: attributes, ..Default::default() };
    let size = size_of_val(&info) as u32;
    let from = (&raw const info).cast();
    // SAFETY: `from` has `size` bytes, of the structure that belongs to the class.
    check(unsafe { fs::SetFileInformationByHandle(file.as_raw_handle(), fs::FileBasicInfo, from, size) })
}

/// What a reparse point stands for.
fn reparse_tag(file: &File) -> io::Result<u32> {
    let mut info = fs::FILE_ATTRIBUTE_TAG_INFO::default();
    let size = size_of_val(&info) as u32;
    let to = (&raw mut info).cast();
    // SAFETY: `to` has `size` bytes, of the structure that belongs to the class.
    check(unsafe {
        fs::GetFileInformationByHandleEx(file.as_raw_handle(), fs::FileAttributeTagInfo, to, size)
    })?;
    Ok(info.ReparseTag)
}

/// Creates the lock file P, which must not exist, born with `mark` and with its
/// kernel lock.
pub(crate) fn create_lock(path: &Path, mark: Mark) -> io::Result<File> {
    create(path, mark.birth_attributes())
}

/// Creates S, which must not exist, with its kernel lock; readable by whom the
/// directory says.
pub(crate) fn create_gate(path: &Path) -> io::Result<File> {
    create(path, fs::FILE_ATTRIBUTE_NORMAL)
}

fn create(path: &Path, attributes: u32) -> io::Result<File> {
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
pub(crate) fn lock(_: &File) -> io::Result<()> {
    fault::at(Op::Lock)
}

/// The kernel lock goes when the file is closed; no child inherits it.
pub(crate) fn unlock(_: &File) {
    let _ = fault::at(Op::Unlock);
}

/// A thread that blocks in [`lock`]: there is none, as nothing blocks there.
pub(crate) struct Waiter;

impl Waiter {
    /// The calling thread.
    pub fn this_thread() -> Waiter {
        Waiter
    }

    /// Ends a blocking call: there is none.
    pub fn poke(&self) {}
}

/// Whether `file` is on a file system that only this machine mounts. A list of
/// types that are known decides, and that the drive is none of the network's;
/// all else counts as shared.
pub(crate) fn is_local(file: &File) -> bool {
    let known = file_system(file).is_some_and(|name| MARKING.iter().chain(&UNMARKING).any(|n| *n == name));
    known && drive_type(file).is_some_and(|t| [DRIVE_FIXED, DRIVE_REMOVABLE, DRIVE_RAMDISK].contains(&t))
}

/// The type of the file system that `file` is on.
fn file_system(file: &File) -> Option<String> {
    let mut name = [0; 64];
    let none = std::ptr::null_mut();
    // SAFETY: `name` has the length that is told; null stands for what is not
    // wanted.
    let done = unsafe {
        let (to, units) = (name.as_mut_ptr(), name.len() as u32);
        let handle = file.as_raw_handle();
        fs::GetVolumeInformationByHandleW(handle, none, 0, none.cast(), none.cast(), none.cast(), to, units)
    };
    check(done).ok().map(|()| narrow(&name))
}

/// What sort of drive `file` is on; `None` for a share that is no drive.
fn drive_type(file: &File) -> Option<u32> {
    // A volume need not have a letter: then it has at least a number.
    let path = final_path(file, fs::VOLUME_NAME_DOS).or_else(|| final_path(file, fs::VOLUME_NAME_GUID))?;
    let Component::Prefix(prefix) = path.components().next()? else { return None };
    let root = match prefix.kind() {
        Prefix::VerbatimDisk(letter) => format!("{}:\\", char::from(letter)),
        Prefix::Verbatim(volume) => format!(r"\\?\{}\", volume.to_str()?),
        _ => return None,
    };
    // SAFETY: the string ends with a zero.
    Some(unsafe { fs::GetDriveTypeW(wide(root).as_ptr()) })
}

/// The path of an open file, with its volume as `form` says.
fn final_path(file: &File, form: u32) -> Option<PathBuf> {
    let mut path = vec![0; 512];
    loop {
        let room = path.len() as u32;
        // SAFETY: `path` has `room` units.
        let n = unsafe { fs::GetFinalPathNameByHandleW(file.as_raw_handle(), path.as_mut_ptr(), room, form) };
        match n {
            0 => return None,
            n if n < room => return Some(narrow(&path).into()),
            more => path.resize(more as usize + 1, 0),
        }
    }
}

/// Takes the marks off `file` unless it is to stay `marked`.
///
/// The permissions are not applied: of them Windows knows only that nobody may
/// write, which would forbid the next commit to replace the file.
pub(crate) fn set_mode(file: &File, _mode: u32, marked: bool) -> io::Result<()> {
    let change = || {
        let attributes = basic(file)?.FileAttributes;
        if marked || attributes & FIRST == 0 { Ok(()) } else { set_attributes(file, attributes & !FIRST) }
    };
    again(Op::Mode, change)
}

/// Renames `from` over `to`, atomically.
///
/// On Windows 10 and later, on a local NTFS, it does not matter who has `to`
/// open, if only they share its deletion. Otherwise nobody may have it open,
/// so it is tried again for a while: readers come and go.
pub(crate) fn rename(from: &Path, to: &Path, _open: &File) -> io::Result<()> {
    let call = || {
        if to.symlink_metadata().is_ok_and(|m| m.is_file() && m.permissions().readonly()) {
            let why = "it is read-only; take that attribute off first (attrib -r)";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        patiently(Duration::from_secs(2), || std::fs::rename(from, to))
    };
    again(Op::Rename, call)
}

/// Removes a name; tries again for a while if somebody has the file open.
pub(crate) fn unlink(path: &Path) -> io::Result<()> {
    let remove = || match std::fs::remove_file(path) {
        // Somebody has removed it already.
        Err(e) if is_pending(&e) => Ok(()),
        done => done,
    };
    again(Op::Unlink, || patiently(Duration::from_secs(1), remove))
}

/// Calls again, for about as long as `limit`, while somebody seems to have the
/// file open.
fn patiently(limit: Duration, mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match call() {
            Err(e) if is_violation(&e) || e.kind() == io::ErrorKind::PermissionDenied => {
                if begun.elapsed() >= limit {
                    let why = "perhaps a program has it open without sharing its deletion: a reader of it, \
                               an indexer, a virus scanner";
                    return Err(io::Error::new(e.kind(), format!("{e}; {why}")));
                }
            }
            done => return done,
        }
        std::thread::sleep(pause);
        // Where readers keep coming, the gaps between them are short.
        pause = (pause * 3 / 2).min(Duration::from_millis(10));
    }
}

/// Replaces what is in a small file by `bytes`.
pub(crate) fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.len() > 0 {
        again(Op::Truncate, || file.set_len(0))?;
        io::Seek::rewind(&mut &*file)?;
    }
    super::write_all(file, bytes)
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

/// Standard input. What std offers: it turns a console's characters into UTF-8,
/// and big reads go past its buffer.
pub(crate) fn raw_stdin() -> impl io::Read {
    io::stdin().lock()
}

/// Hands `sink` what `child` writes to its piped standard output, until the
/// pipe is closed and the child has ended. When `sink` fails the child is ended.
///
/// Unlike on Unix, something that the child left running with its output is
/// waited for: there is no waiting for a pipe and a process at once.
pub(crate) fn read_output(
    child: &mut Child,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<ExitStatus> {
    let Some(mut output) = child.stdout.take() else { return child.wait() };
    let mut buffer = vec![0; 64 << 10];
    let pumped = loop {
        match io::Read::read(&mut output, &mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                if let Err(e) = sink(&buffer[..n]) {
                    break Err(e);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => break Err(e),
        }
    };
    drop(output);
    if pumped.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    pumped.and(status)
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

/// The number of the volume that `dir` is on.
pub(crate) fn volume(dir: &Path) -> io::Result<u64> {
    let mut options = OpenOptions::new();
    options.access_mode(fs::FILE_READ_ATTRIBUTES).share_mode(EVERYTHING);
    let dir = options.custom_flags(fs::FILE_FLAG_BACKUP_SEMANTICS).open(dir)?;
    Ok(by_handle(&dir)?.dwVolumeSerialNumber.into())
}

/// Opens a file only to read what is in it, whatever its holder does meanwhile;
/// no link is followed.
pub(crate) fn open_to_look(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).share_mode(EVERYTHING).custom_flags(fs::FILE_FLAG_OPEN_REPARSE_POINT);
    options.open(path)
}

/// Whether `error` says that a file was opened for reading only.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}
