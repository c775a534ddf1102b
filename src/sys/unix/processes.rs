//! What the system tells of other processes: which kernel locks they have, and
//! which files they have open. Only Linux tells, in /proc.

use crate::sys::FileId;
use std::collections::HashMap;
use std::path::Path;

/// The kernel's own table of locks, as it was when it was read.
#[derive(Debug, Default)]
pub(crate) struct LockTable {
    holders: HashMap<(u64, u64), Vec<u32>>,
    /// Locks that processes outside of our pid namespace took are left out of
    /// the table: only in the first namespace is it complete.
    complete: bool,
}

impl LockTable {
    /// The processes that took the lock of `id`. One may have ended since, and
    /// left the lock to a child.
    pub fn holders(&self, id: FileId) -> &[u32] {
        self.holders.get(&(id.volume, id.number)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl LockTable {
    pub fn read() -> LockTable {
        use std::os::unix::fs::MetadataExt;
        // include/linux/proc_ns.h: PROC_PID_INIT_INO.
        const FIRST_NAMESPACE: u64 = 0xEFFF_FFFC;
        let namespace = std::fs::metadata("/proc/self/ns/pid").map(|m| m.ino());
        let Ok(text) = std::fs::read_to_string("/proc/locks") else { return LockTable::default() };
        let mut holders = HashMap::<_, Vec<u32>>::new();
        for line in text.lines() {
            if let Some((file, pid)) = parse(line) {
                holders.entry(file).or_default().push(pid);
            }
        }
        LockTable { holders, complete: namespace.is_ok_and(|n| n == FIRST_NAMESPACE) }
    }

    /// Whether a lock of a file there would be in the table under the number
    /// that `stat` tells: file systems with subvolumes or layers have two.
    pub fn knows(&self, path: &Path) -> bool {
        // ext2-4, xfs, tmpfs, f2fs, vfat, exfat: see is_local.
        const PLAIN: [u32; 6] = [0xEF53, 0x5846_5342, 0x0102_1994, 0xF2F5_2010, 0x4D44, 0x2011_BAB0];
        self.complete && rustix::fs::statfs(path).is_ok_and(|s| PLAIN.contains(&(s.f_type as u32)))
    }
}

/// A line of /proc/locks: `1: FLOCK  ADVISORY  WRITE 708 fe:00:4711 0 EOF`; with
/// `->` it is one who waits (proc_locks(5)).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn parse(line: &str) -> Option<((u64, u64), u32)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let pid = words.nth(2)?.parse().ok()?;
    let mut numbers = words.next()?.split(':');
    let mut device = || u32::from_str_radix(numbers.next()?, 16).ok();
    let device = rustix::fs::makedev(device()?, device()?);
    Some(((device, numbers.next()?.parse().ok()?), pid))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl LockTable {
    pub fn read() -> LockTable {
        LockTable::default()
    }

    pub fn knows(&self, _: &Path) -> bool {
        self.complete
    }
}

/// Whether the system tells who has a file open.
pub(crate) const KNOWS_OPENERS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Number and name of the processes that have one of `files` open, as far as
/// they may be seen.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn open_in(files: &[FileId]) -> Vec<(FileId, u32, String)> {
    use std::os::unix::fs::MetadataExt;
    let numbers = |dir| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|e| Some((e.file_name().to_str()?.parse::<u32>().ok()?, e.path())))
    };
    let mut found = Vec::new();
    let others = numbers(Path::new("/proc").to_path_buf()).filter(|(pid, _)| *pid != std::process::id());
    for (pid, dir) in others {
        for (_, link) in numbers(dir.join("fd")) {
            let Ok(meta) = link.metadata() else { continue };
            let same = |id: &&FileId| (id.volume, id.number) == (meta.dev(), meta.ino());
            if let Some(id) = files.iter().find(same)
                && !found.iter().any(|(i, p, _)| i == id && *p == pid)
            {
                let name = std::fs::read_to_string(dir.join("comm")).unwrap_or_default();
                found.push((*id, pid, name.trim_end().to_owned()));
            }
        }
    }
    found
}

/// Whether the process `pid` has the file `id` open; `None` if that cannot be
/// seen.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn has_open(pid: u32, id: FileId) -> Option<bool> {
    use std::os::unix::fs::MetadataExt;
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let mut files = links.filter_map(|link| link.path().metadata().ok());
    Some(files.any(|meta| (id.volume, id.number) == (meta.dev(), meta.ino())))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn has_open(_: u32, _: FileId) -> Option<bool> {
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn open_in(_: &[FileId]) -> Vec<(FileId, u32, String)> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_the_table_are_read_and_waiters_passed_over() {
        let device = rustix::fs::makedev(0xfe, 0);
        assert_eq!(parse("1: FLOCK  ADVISORY  WRITE 708 fe:00:4711 0 EOF"), Some(((device, 4711), 708)));
        assert_eq!(parse("1: -> FLOCK  ADVISORY  WRITE 709 fe:00:4711 0 EOF"), None);
        assert_eq!(parse("2: POSIX  ADVISORY  WRITE 22247 fe:00:10010753 0 0"), None);
        for garbage in ["", "1:", "1: FLOCK", "1: FLOCK a b c d e", "1: FLOCK ADVISORY WRITE 1 zz:0:1 0 EOF"]
        {
            assert_eq!(parse(garbage), None, "{garbage}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_line_is_read_or_passed_over(
            line in any::<String>(),
            words in proptest::collection::vec("[0-9a-fA-F:>-]{0,20}|FLOCK|POSIX|EOF|\\PC{0,5}", 0..10),
        ) {
            for line in [line, words.join(" "), format!("1: FLOCK {}", words.join(" "))] {
                let read = parse(&line);
                prop_assert!(read.is_none() || line.split_ascii_whitespace().nth(1) == Some("FLOCK"));
            }
        }

        #[test]
        fn a_line_is_read_as_the_kernel_writes_it(major in 0..4096_u32, minor in 0..0x10_0000_u32, inode: u64, pid: u32) {
            let line = format!("12: FLOCK  ADVISORY  READ {pid} {major:02x}:{minor:02x}:{inode} 0 EOF");
            prop_assert_eq!(parse(&line), Some(((rustix::fs::makedev(major, minor), inode), pid)));
        }
    }
}
