//! What a new file takes over from the one that it replaces.

use crate::sys::{Op, Stat, again};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::Path;

/// Gives `new` the owner, the group, the ACLs and the extended attributes
/// (the SELinux label is one) of `old`, whose [`Stat`] is `like`. Returns
/// the permissions that `new` may have, and what could not be kept.
///
/// To be called before the permissions are set: changing the owner clears
/// set-user-ID bits, and an ACL changes the group's permissions.
pub(crate) fn keep_metadata(
    new: &File,
    mine: &Stat,
    old: &Path,
    like: &Stat,
) -> io::Result<(u32, Vec<String>)> {
    let mut lost = Vec::new();
    let mut mode = like.mode;
    let (uid, gid) = like.owner;
    if mine.owner != like.owner {
        let (user, group) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        let own = |user, group| again(Op::Owner, || Ok(rustix::fs::fchown(new, user, group)?));
        match own(Some(user), Some(group)) {
            Ok(()) => {}
            Err(e) if is_denied(&e) => {
                // Without the owner, no program may run with the owner's rights.
                mode &= !0o6000;
                let grouped = match own(None, Some(group)) {
                    Ok(()) => true,
                    Err(e) if is_denied(&e) => mine.owner.1 == gid,
                    Err(e) => return Err(e),
                };
                if mine.owner.0 != uid {
                    lost.push(format!("the owner (user {uid})"));
                }
                if !grouped {
                    lost.push(format!("the group ({gid})"));
                    // Another group gets what all others have.
                    mode = mode & !0o070 | (mode & 0o007) << 3;
                }
            }
            Err(e) => return Err(e),
        }
    }
    copy_attributes(new, old, &mut lost)?;
    #[cfg(target_vendor = "apple")]
    copy_acl(new, old, &mut lost);
    Ok((mode, lost))
}

/// Gives `new` the access control list of `old`, which is no extended attribute
/// there (copyfile(3)).
#[cfg(target_vendor = "apple")]
fn copy_acl(new: &File, old: &Path, lost: &mut Vec<String>) {
    use std::os::fd::AsRawFd;
    let copy = || -> io::Result<()> {
        let old = File::open(old)?;
        let (from, to) = (old.as_raw_fd(), new.as_raw_fd());
        again(Op::Attribute, || {
            // SAFETY: both descriptors are open; no state is asked for.
            match unsafe { libc::fcopyfile(from, to, std::ptr::null_mut(), libc::COPYFILE_ACL) } {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        })
    };
    if copy().is_err() {
        lost.push("the access control list".into());
    }
}

fn is_denied(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::PERM | Errno::ACCESS | Errno::INVAL))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn copy_attributes(_: &File, _: &Path, _: &mut Vec<String>) -> io::Result<()> {
    Ok(())
}

/// Makes the extended attributes of `new` those of `old`. A POSIX ACL is one
/// of them on Linux; a new file may have one already, inherited from its
/// directory.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn copy_attributes(new: &File, old: &Path, lost: &mut Vec<String>) -> io::Result<()> {
    use rustix::fs::{XattrFlags, flistxattr, fremovexattr, fsetxattr, lgetxattr, llistxattr};

    let wanted = names(|list| llistxattr(old, list))?;
    let present = names(|list| flistxattr(new, list))?;
    for name in split(&present).filter(|&n| n == ACL && !split(&wanted).any(|w| w == n)) {
        again(Op::Attribute, || Ok(fremovexattr(new, name)?))?;
    }
    let mut value = Vec::new();
    for name in split(&wanted).filter(|n| !BOUND_TO_CONTENT.contains(n)) {
        value.resize(64 << 10, 0);
        let n = match lgetxattr(old, name, value.as_mut_slice()) {
            Ok(n) => n,
            Err(Errno::NODATA) => continue,
            Err(e) if is_denied(&e.into()) => {
                lost.push(format!("the attribute {}", String::from_utf8_lossy(name)));
                continue;
            }
            Err(e) => return Err(e.into()),
        };
        match again(Op::Attribute, || Ok(fsetxattr(new, name, &value[..n], XattrFlags::empty())?)) {
            Err(e) if is_denied(&e) || Errno::from_io_error(&e) == Some(Errno::OPNOTSUPP) => {
                lost.push(format!("the attribute {}", String::from_utf8_lossy(name)));
            }
            other => other?,
        }
    }
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
const ACL: &[u8] = b"system.posix_acl_access";

/// What speaks of the old content and would be wrong, or dangerous, on the new:
/// capabilities (writing into the file would drop them too) and the hashes of
/// integrity measurement.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
const BOUND_TO_CONTENT: [&[u8]; 4] = [b"security.capability", b"security.ima", b"security.evm", STAMP];

/// An attribute that says of a P that is about to be renamed what the mark said
/// before. Programs that give their own lock the mode of the file do not copy
/// attributes.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
const STAMP: &[u8] = b"user.dotlock.staged";

/// Stamps `file`; false where the file system has no such attributes.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn stamp(file: &File) -> io::Result<bool> {
    use rustix::fs::{XattrFlags, fsetxattr};
    match again(Op::Attribute, || Ok(fsetxattr(file, STAMP, b"1", XattrFlags::empty())?)) {
        Err(e) if is_denied(&e) || lacks_attributes(&e) => Ok(false),
        done => done.map(|()| true),
    }
}

/// Takes the stamp off.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn unstamp(file: &File) -> io::Result<()> {
    again(Op::Attribute, || Ok(rustix::fs::fremovexattr(file, STAMP)?))
}

/// Whether the file at `path` bears the stamp.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) fn is_stamped(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, STAMP, &mut [0; 8]).is_ok()
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn lacks_attributes(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::RANGE))
}

/// Without attributes there is no stamp.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn stamp(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn unstamp(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn is_stamped(_: &Path) -> bool {
    false
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn names(list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut small = [0; 1 << 10];
    let mut names = match list(&mut small) {
        Ok(n) => return Ok(small[..n].to_vec()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(Errno::RANGE) => vec![0; 64 << 10],
        Err(e) => return Err(e.into()),
    };
    let n = list(&mut names)?;
    names.truncate(n);
    Ok(names)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn split(names: &[u8]) -> impl Iterator<Item = &[u8]> {
    names.split(|&b| b == 0).filter(|n| !n.is_empty())
}
