//! Which file systems only this machine mounts: there kernel locks prove life.

use std::path::Path;

/// Whether `path` is on a file system that only this machine mounts, and that
/// has kernel locks. A list of types that are known decides; all else counts
/// as shared.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_local(path: &Path) -> bool {
    // Magic numbers from statfs(2) and linux/magic.h: ext2-4, xfs, btrfs,
    // tmpfs, ramfs, overlayfs, f2fs, zfs, bcachefs, jfs, nilfs2, reiserfs,
    // vfat, exfat, ntfs3, ecryptfs, minix, udf, hfs, hfs+.
    const LOCAL: [u32; 21] = [
        0xEF53,
        0x5846_5342,
        0x9123_683E,
        0x0102_1994,
        0x8584_58F6,
        0x794C_7630,
        0xF2F5_2010,
        0x2FC1_2FC1,
        0xCA45_1A4E,
        0x3153_464A,
        0x3434,
        0x5265_4973,
        0x4D44,
        0x2011_BAB0,
        0x7366_746E,
        0xF15F,
        0x138F,
        0x1501_3346,
        0x4244,
        0x482B,
        0x2468,
    ];
    rustix::fs::statfs(path).is_ok_and(|s| LOCAL.contains(&(s.f_type as u32)))
}

/// Whether `path` is on a file system that only this machine mounts.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_local(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|s| s.f_flags as u64 & libc::MNT_LOCAL as u64 != 0)
}
