//! What the system tells of other processes' locks and files: nothing, to
//! somebody who asks by a file's number; by its name, the Restart Manager, which
//! installers ask, tells who uses it.

use super::{narrow, wide};
use crate::sys::FileId;
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_MORE_DATA, ERROR_SUCCESS};
use windows_sys::Win32::System::RestartManager as manager;

/// A table of locks that knows of none: whoever judges opens the file.
#[derive(Debug, Default)]
pub(crate) struct LockTable;

impl LockTable {
    pub fn read() -> LockTable {
        LockTable
    }

    /// Whether a lock of a file there would be in the table.
    pub fn knows(&self, _: &Path) -> bool {
        false
    }

    /// The processes that took the lock of a file.
    pub fn holders(&self, _: FileId) -> &[u32] {
        &[]
    }
}

/// Whether the system tells who has a file open.
pub(crate) const KNOWS_OPENERS: bool = false;

/// Number and name of the processes that have one of the files open.
pub(crate) fn open_in(_: &[FileId]) -> Vec<(FileId, u32, String)> {
    Vec::new()
}

/// Whether a process has a file open: not told here.
pub(crate) fn has_open(_: u32, _: FileId) -> Option<bool> {
    None
}

/// Name and number of the processes that have a file open, as far as the Restart
/// Manager can tell. It takes tens of milliseconds.
pub(super) fn users_of(path: &Path) -> Vec<String> {
    let name = wide(path);
    let mut session = 0;
    let mut key = [0; manager::CCH_RM_SESSION_KEY as usize + 1];
    let mut users = vec![manager::RM_PROCESS_INFO::default(); 16];
    let (mut needed, mut got, mut reasons) = (0, users.len() as u32, 0);
    // SAFETY: the key has its room, the name ends with a zero, and `users` has as
    // many entries as are told; a session that was begun is ended once.
    let status = unsafe {
        if manager::RmStartSession(&mut session, 0, key.as_mut_ptr()) != ERROR_SUCCESS {
            return Vec::new();
        }
        let nothing = std::ptr::null();
        let mut status =
            manager::RmRegisterResources(session, 1, &name.as_ptr(), 0, nothing, 0, nothing.cast());
        if status == ERROR_SUCCESS {
            status = manager::RmGetList(session, &mut needed, &mut got, users.as_mut_ptr(), &mut reasons);
        }
        manager::RmEndSession(session);
        status
    };
    // More than that need not be named.
    let known = match status {
        ERROR_SUCCESS => got as usize,
        ERROR_MORE_DATA => users.len(),
        _ => 0,
    };
    let own = std::process::id();
    let users = users.into_iter().take(known).filter(|user| user.Process.dwProcessId != own);
    users.map(|user| format!("{} (pid {})", narrow(&user.strAppName), user.Process.dwProcessId)).collect()
}
