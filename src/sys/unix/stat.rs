//! What the system tells of a file.

use super::STICKY;
use crate::sys::{FileId, Kind, Mark, Stat};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `path` itself is; a symbolic link is not followed.
pub(crate) fn stat(path: &Path) -> io::Result<Stat> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(stat) = with_birth(rustix::fs::CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)? {
        return Ok(stat);
    }
    Ok(Stat::of(&path.symlink_metadata()?))
}

/// What an open file is.
pub(crate) fn fstat(file: &File) -> io::Result<Stat> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(stat) = with_birth(file, c"", rustix::fs::AtFlags::EMPTY_PATH)? {
        return Ok(stat);
    }
    Ok(Stat::of(&file.metadata()?))
}

impl Stat {
    fn of(meta: &Metadata) -> Stat {
        let t = meta.file_type();
        let kind = match () {
            () if t.is_file() => Kind::Regular,
            () if t.is_dir() => Kind::Directory,
            () if t.is_symlink() => Kind::Symlink,
            () if t.is_fifo() => Kind::Fifo,
            () if t.is_socket() => Kind::Socket,
            () => Kind::Device,
        };
        let nanos = |t: SystemTime| t.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
        Stat {
            id: FileId { volume: meta.dev(), number: meta.ino(), birth: meta.created().ok().map(nanos) },
            kind,
            size: meta.len(),
            modified: meta.modified().ok(),
            changed: i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec()),
            mark: Mark::of(meta.mode()),
            mode: permissions(meta.mode()),
            owner: (meta.uid(), meta.gid()),
            links: meta.nlink(),
        }
    }
}

fn permissions(mode: u32) -> u32 {
    mode & 0o7777 & if super::KEEPS_MARKS { !STICKY } else { !0 }
}

/// By `statx`, which alone tells of births; std calls it with some C libraries
/// only, and programs that are linked with different ones must agree on what a
/// file is. `None`: the system does not have it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn with_birth(
    dir: impl std::os::fd::AsFd,
    path: impl rustix::path::Arg,
    flags: rustix::fs::AtFlags,
) -> io::Result<Option<Stat>> {
    use rustix::fs::{FileType, StatxFlags, StatxTimestamp, makedev, statx};
    use rustix::io::Errno;
    use std::time::Duration;

    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let meta = match statx(dir, path, flags, wanted) {
        Err(Errno::NOSYS) => return Ok(None),
        done => done?,
    };
    let nanos = |t: StatxTimestamp| i128::from(t.tv_sec) * 1_000_000_000 + i128::from(t.tv_nsec);
    let time = |t: StatxTimestamp| match u64::try_from(t.tv_sec) {
        Ok(seconds) => UNIX_EPOCH + Duration::new(seconds, t.tv_nsec),
        Err(_) => {
            UNIX_EPOCH - Duration::from_secs(t.tv_sec.unsigned_abs()) + Duration::from_nanos(t.tv_nsec.into())
        }
    };
    let birth = || u64::try_from(nanos(meta.stx_btime)).unwrap_or(0);
    let mode = u32::from(meta.stx_mode);
    Ok(Some(Stat {
        id: FileId {
            volume: makedev(meta.stx_dev_major, meta.stx_dev_minor),
            number: meta.stx_ino,
            birth: (meta.stx_mask & StatxFlags::BTIME.bits() != 0).then(birth),
        },
        kind: match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Kind::Regular,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            _ => Kind::Device,
        },
        size: meta.stx_size,
        modified: Some(time(meta.stx_mtime)),
        changed: nanos(meta.stx_ctime),
        mark: Mark::of(mode),
        mode: permissions(mode),
        owner: (meta.stx_uid, meta.stx_gid),
        links: meta.stx_nlink.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where std calls the same as we do, both see the same; elsewhere all but births.
    #[test]
    fn both_ways_tell_the_same_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "abc").unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("f", &link).unwrap();
        for path in [&file, &link, &dir.path().to_owned(), &"/dev/null".into()] {
            let by_std = Stat::of(&path.symlink_metadata().unwrap());
            let mut ours = stat(path).unwrap();
            if by_std.id.birth.is_none() {
                ours.id.birth = None;
            }
            assert_eq!(ours, by_std, "{}", path.display());
        }
        assert_eq!(fstat(&File::open(&file).unwrap()).unwrap(), stat(&file).unwrap());
        assert_eq!(stat(&dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
