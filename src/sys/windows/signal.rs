//! Signals, as far as there is such a thing. The `ctrlc` crate hears of Ctrl-C
//! and of a console that closes, on a thread of its own, and calls the hook that
//! cleans up; until it is asked to, the system ends the process. Either way
//! nothing is left to be noted.

use super::process;
use windows_sys::Win32::System::Threading::{
    PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};

use std::os::windows::io::AsRawHandle;

/// How long a command may take to end by itself.
const GRACE_MS: u32 = 100;

/// No limit of a file's size ends a process: a full disk or quota is an error.
pub fn limit_is_an_error() {}

/// Nothing to be installed: see the head of this module.
pub fn install() {}

/// Nothing is ever noted: see the head of this module.
pub fn noted() -> Option<i32> {
    None
}

/// Runs `f`. No thread is interrupted by a signal, so none need be kept from it.
pub fn masked<T>(f: impl FnOnce() -> T) -> T {
    f()
}

/// Ends the process with the code by which shells tell of a signal: a process
/// cannot end by one.
pub fn end_by(signal: i32) -> ! {
    std::process::exit(128 + signal)
}

/// Sees to it that a command ends with us. As a rule the console has told it
/// too, so it is given a moment to end as it likes.
pub fn pass_on(signal: i32, pid: u32) {
    let Ok(process) = process::open(pid, PROCESS_TERMINATE | PROCESS_SYNCHRONIZE) else { return };
    // SAFETY: the handle is open and has the rights that the calls want.
    unsafe {
        WaitForSingleObject(process.as_raw_handle(), GRACE_MS);
        TerminateProcess(process.as_raw_handle(), (128 + signal) as u32);
    }
}

/// What to end by when no number was noted: SIGINT, as shells number it.
pub const DEFAULT: i32 = 2;

/// While a command runs, the console's events are its own affair.
pub(super) fn leave_to_child(_: bool) {}

/// A signal that was passed on to a command: there is none, the console tells
/// both.
pub fn passed_on() -> Option<i32> {
    None
}
