//! What a new file takes over from the one that it replaces.

use super::identity::{basic, set_attributes, unname};
use super::{EVERYTHING, check, narrow, open_for, refuse_read_only, wide};
use crate::sys::{Op, Stat, again};
use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetKernelObjectSecurity, GetSecurityDescriptorControl,
    SE_DACL_AUTO_INHERIT_REQ, SE_DACL_AUTO_INHERITED, SetKernelObjectSecurity, SetSecurityDescriptorControl,
};
use windows_sys::Win32::Storage::FileSystem as fs;

/// The attributes that say how a file is to be treated. The others tell of its
/// content, or are marks.
const KEPT: u32 =
    fs::FILE_ATTRIBUTE_HIDDEN | fs::FILE_ATTRIBUTE_SYSTEM | fs::FILE_ATTRIBUTE_NOT_CONTENT_INDEXED;
/// A stream that tells from where the old content came.
const ORIGIN: &str = ":Zone.Identifier:$DATA";

/// Gives `new` the attributes and the access rights (the DACL) of `old`.
/// Returns what could not be kept; there are no permissions beside those.
///
/// The owner becomes who writes: hardly anybody may give a file away. Other
/// streams are not copied, and encryption is that of the directory; both are
/// told of.
pub(crate) fn keep_metadata(new: &File, _: &Stat, old: &Path, _: &Stat) -> io::Result<(u32, Vec<String>)> {
    let mut lost = Vec::new();
    // Before anything is made like it.
    refuse_read_only(old)?;
    match open_for(old, fs::READ_CONTROL | fs::FILE_READ_ATTRIBUTES) {
        Ok(old) => {
            keep_attributes(new, &old, &mut lost)?;
            if keep_rights(new, &old).is_err() {
                lost.push("its access rights".into());
            }
        }
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            lost.push("its attributes and access rights".into());
        }
        Err(e) => return Err(e),
    }
    let streams = streams(old);
    lost.extend(streams.iter().filter(|s| *s != ORIGIN).map(|s| format!("the stream {s}")));
    Ok((0, lost))
}

/// No stamp beside the mark: nobody gives his own lock the attributes of the
/// file. For the time of the rename the record speaks, which knows the birth
/// of P wherever marks are kept.
pub(crate) fn stamp(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// There is no stamp, but there may be a name that only a lock has.
pub(crate) fn unstamp(file: &File) -> io::Result<()> {
    unname(file)
}

/// There is no stamp.
pub(crate) fn is_stamped(_: &Path) -> bool {
    false
}

fn keep_attributes(new: &File, old: &File, lost: &mut Vec<String>) -> io::Result<()> {
    let (mine, like) = (basic(new)?.FileAttributes, basic(old)?.FileAttributes);
    if like & !mine & fs::FILE_ATTRIBUTE_ENCRYPTED != 0 {
        lost.push("its encryption".into());
    }
    let wanted = mine & !KEPT | like & KEPT;
    if wanted != mine && again(Op::Attribute, || set_attributes(new, wanted)).is_err() {
        lost.push("its attributes".into());
    }
    Ok(())
}

/// Makes the DACL of `new` that of `old`. Mostly both have inherited the same.
fn keep_rights(new: &File, old: &File) -> io::Result<()> {
    let mut wanted = rights(old)?;
    if rights(new)? == wanted {
        return Ok(());
    }
    let to = wanted.as_mut_ptr().cast();
    // SAFETY: `wanted` is a whole descriptor, as the system gave it; the handle
    // of ReOpenFile is ours to close, and has the right that is wanted.
    again(Op::Owner, || unsafe {
        let (mut control, mut revision) = (0, 0);
        check(GetSecurityDescriptorControl(to, &mut control, &mut revision))?;
        if control & SE_DACL_AUTO_INHERITED != 0 {
            // Without this request the new one would count as written by hand,
            // and later changes to the directory would pass it by.
            check(SetSecurityDescriptorControl(to, SE_DACL_AUTO_INHERIT_REQ, SE_DACL_AUTO_INHERIT_REQ))?;
        }
        let handle = fs::ReOpenFile(new.as_raw_handle(), fs::WRITE_DAC, EVERYTHING, 0);
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        let writable = File::from_raw_handle(handle);
        check(SetKernelObjectSecurity(writable.as_raw_handle(), DACL_SECURITY_INFORMATION, to))
    })
}

/// A file's DACL in its descriptor: aligned, and zero beyond its end.
fn rights(file: &File) -> io::Result<Vec<u64>> {
    let mut descriptor = vec![0_u64; 64];
    loop {
        let room = size_of_val(descriptor.as_slice()) as u32;
        let mut needed = 0;
        let to = descriptor.as_mut_ptr().cast();
        // SAFETY: the handle is open, and `to` has `room` bytes.
        let got = unsafe {
            let handle = file.as_raw_handle();
            check(GetKernelObjectSecurity(handle, DACL_SECURITY_INFORMATION, to, room, &mut needed))
        };
        match got {
            Err(e) if e.raw_os_error() == Some(ERROR_INSUFFICIENT_BUFFER as i32) && needed > room => {
                descriptor.resize(needed.div_ceil(8) as usize, 0);
            }
            Err(e) => return Err(e),
            Ok(()) => {
                descriptor.truncate(needed.div_ceil(8) as usize);
                return Ok(descriptor);
            }
        }
    }
}

/// The names of a file's streams but for its content.
fn streams(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut found = fs::WIN32_FIND_STREAM_DATA::default();
    let to = (&raw mut found).cast();
    // SAFETY: the path ends with a zero, and `to` is what the class fills; a
    // good handle is closed once.
    unsafe {
        let search = fs::FindFirstStreamW(wide(path).as_ptr(), fs::FindStreamInfoStandard, to, 0);
        if search == INVALID_HANDLE_VALUE {
            return names;
        }
        loop {
            names.push(narrow(&found.cStreamName));
            if fs::FindNextStreamW(search, to) == 0 {
                break;
            }
        }
        fs::FindClose(search);
    }
    names.retain(|name| name != "::$DATA");
    names
}
