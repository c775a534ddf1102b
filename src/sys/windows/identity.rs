//! What a file is, where it is, and what it is marked with.

use super::{EVERYTHING, check, narrow, open_for, wide};
use crate::sys::{FileId, Kind, Mark, Op, Stat, again};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Component, Path, PathBuf, Prefix};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::SystemServices::{FILE_SUPPORTS_USN_JOURNAL, IO_REPARSE_TAG_AF_UNIX};
use windows_sys::Win32::System::WindowsProgramming::{DRIVE_FIXED, DRIVE_RAMDISK, DRIVE_REMOVABLE};

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

/// Between 1601, where Windows begins to count, and 1970, in 100 ns.
const EPOCH: i64 = 116_444_736_000_000_000;

/// From here on, the year 2255, a time of last access is a name and no time: in
/// 100 ns since 1601.
const NO_CLOCK_SHOWS: i64 = 238_868 * 86_400 * 10_000_000;

impl Mark {
    fn of(attributes: u32, volume: &Volume) -> Mark {
        match attributes & FIRST {
            _ if !volume.keeps_marks() => Mark::None,
            FIRST => Mark::First,
            SECOND => Mark::Second,
            _ => Mark::None,
        }
    }

    pub(super) fn birth_attributes(self) -> u32 {
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
            links: 1,
        }
    }
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
    let volume = Volume::of(file).unwrap_or_default();
    // For 15 s a new file is given the time of birth of the one of its name that
    // was removed ("tunnelling"), a stranger's lock that of ours. So births tell
    // files apart only together with their numbers, whose upper 16 bits count
    // on NTFS how often the rest was used. What is finer than the clock's
    // 100 ns repeats that, and is never 0: no other time equals a birth.
    let finer = |time: u64| time + 1 + (number >> 48) % 99;
    let birth = match volume.keeps_births() {
        true => nanos(basic.CreationTime).map(finer),
        // What `name_by_time` has given it.
        false => nanos(basic.LastAccessTime).filter(|_| basic.LastAccessTime >= NO_CLOCK_SHOWS),
    };
    Ok(Stat {
        id: FileId { volume: info.dwVolumeSerialNumber.into(), number, birth },
        kind,
        size: u64::from(info.nFileSizeHigh) << 32 | u64::from(info.nFileSizeLow),
        modified: nanos(basic.LastWriteTime).map(|n| UNIX_EPOCH + Duration::from_nanos(n)),
        changed: nanos(basic.ChangeTime).unwrap_or_default().into(),
        mark: Mark::of(basic.FileAttributes, &volume),
        links: info.nNumberOfLinks.into(),
        ..Stat::bare(kind)
    })
}

fn by_handle(file: &File) -> io::Result<fs::BY_HANDLE_FILE_INFORMATION> {
    let mut info = fs::BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and `info` is what the call fills.
    check(unsafe { fs::GetFileInformationByHandle(file.as_raw_handle(), &mut info) })?;
    Ok(info)
}

/// Attributes and times.
pub(super) fn basic(file: &File) -> io::Result<fs::FILE_BASIC_INFO> {
    let mut info = fs::FILE_BASIC_INFO::default();
    let size = size_of_val(&info) as u32;
    let to = (&raw mut info).cast();
    // SAFETY: `to` has `size` bytes, of the structure that belongs to the class.
    check(unsafe { fs::GetFileInformationByHandleEx(file.as_raw_handle(), fs::FileBasicInfo, to, size) })?;
    Ok(info)
}

/// Sets a file's attributes, and nothing else.
pub(super) fn set_attributes(file: &File, attributes: u32) -> io::Result<()> {
    // Zero means "as it was": no attribute at all has a name of its own.
    let attributes = if attributes == 0 { fs::FILE_ATTRIBUTE_NORMAL } else { attributes };
    set_basic(file, &fs::FILE_BASIC_INFO { FileAttributes: attributes, ..Default::default() })
}

/// Sets the times and attributes that are not zero.
fn set_basic(file: &File, info: &fs::FILE_BASIC_INFO) -> io::Result<()> {
    let size = size_of_val(info) as u32;
    let from = (&raw const *info).cast();
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

/// Puts `mark` on a lock file in place of what it was born with.
pub(crate) fn set_mark(file: &File, mark: Mark) -> io::Result<()> {
    let change = || set_attributes(file, basic(file)?.FileAttributes & !FIRST | mark.birth_attributes());
    again(Op::Mode, change)
}

/// Gives a new lock file a name that no other ever has, where neither mark nor
/// birth would tell it from a later file with its number: a time of last access
/// that no clock shows. Writing does not change that, and whoever reads sets it
/// to the present, which makes the lock a stranger's, not a stranger's lock ours.
///
/// Wine is such a system, and drivers that call theirs NTFS.
pub(super) fn name_by_time(file: &File) -> io::Result<()> {
    if Volume::of(file).is_ok_and(|v| v.keeps_births()) {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100;
    // A tick is of one process, and a process makes one lock in a tick.
    let tick = i64::try_from(now % 100_000_000_000_000).unwrap_or_default() * 64;
    let name = tick + i64::from(std::process::id() / 4 % 64);
    again(Op::Attribute, || set_access_time(file, NO_CLOCK_SHOWS + name))
}

/// Makes the time of last access a time again.
pub(super) fn unname(file: &File) -> io::Result<()> {
    if basic(file)?.LastAccessTime < NO_CLOCK_SHOWS {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100;
    again(Op::Attribute, || set_access_time(file, EPOCH + i64::try_from(now).unwrap_or_default()))
}

fn set_access_time(file: &File, time: i64) -> io::Result<()> {
    set_basic(file, &fs::FILE_BASIC_INFO { LastAccessTime: time, ..Default::default() })
}

/// What a volume says of its file system.
#[derive(Default)]
struct Volume {
    name: String,
    flags: u32,
}

impl Volume {
    fn of(file: &File) -> io::Result<Volume> {
        let mut name = [0; 64];
        let mut flags = 0;
        let none = std::ptr::null_mut();
        // SAFETY: `name` has the length that is told; null stands for what is
        // not wanted.
        check(unsafe {
            let (to, units) = (name.as_mut_ptr(), name.len() as u32);
            let handle = file.as_raw_handle();
            fs::GetVolumeInformationByHandleW(
                handle,
                none,
                0,
                none.cast(),
                none.cast(),
                &mut flags,
                to,
                units,
            )
        })?;
        Ok(Volume { name: narrow(&name), flags })
    }

    /// Samba and Wine call themselves NTFS too; only the real ones have its
    /// journal of changes.
    fn keeps_marks(&self) -> bool {
        MARKING.contains(&self.name.as_str()) && self.flags & FILE_SUPPORTS_USN_JOURNAL != 0
    }

    /// Whether a file's time of birth stays the same. Samba and Wine may make
    /// one up from the times that they have, anew at each write.
    fn keeps_births(&self) -> bool {
        self.keeps_marks() || UNMARKING.contains(&self.name.as_str())
    }
}

/// Opens what `path` leads to, to ask about it.
fn open_followed(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.access_mode(fs::FILE_READ_ATTRIBUTES).share_mode(EVERYTHING);
    options.custom_flags(fs::FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

/// The number of the volume that `dir` is on.
pub(crate) fn volume(dir: &Path) -> io::Result<u64> {
    Ok(by_handle(&open_followed(dir)?)?.dwVolumeSerialNumber.into())
}

/// Whether `path` is on a file system that only this machine mounts. A list of
/// types that are known decides, and that the drive is none of the network's;
/// all else counts as shared.
pub(crate) fn is_local(path: &Path) -> bool {
    let Ok(file) = open_followed(path) else { return false };
    let known = |v: Volume| MARKING.iter().chain(&UNMARKING).any(|n| *n == v.name);
    let own = |t: u32| [DRIVE_FIXED, DRIVE_REMOVABLE, DRIVE_RAMDISK].contains(&t);
    Volume::of(&file).is_ok_and(known) && drive_type(&file).is_some_and(own)
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
    Some(unsafe { fs::GetDriveTypeW(wide(Path::new(&root)).as_ptr()) })
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
