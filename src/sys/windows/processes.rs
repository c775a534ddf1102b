//! What the system tells of other processes' locks and files: nothing, to
//! somebody who asks by a file's number.

use crate::sys::FileId;
use std::path::Path;

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
