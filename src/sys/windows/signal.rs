//! The console's events, as signals: Ctrl-C, Ctrl-Break, a console that closes,
//! a user who logs off, a machine that shuts down.
//!
//! The system calls a handler on a thread of its own, the last installed first.
//! Ours notes the event. Then `ctrlc`, if it was asked to, calls the hook that
//! cleans up on its thread; but it answers at once, and after the answer to one
//! of the closing events the system ends the process. So for those ours calls
//! the hook itself, or, where the main thread is about to be done, keeps the
//! system waiting, which it does for five seconds at least.

use super::process;
use std::os::windows::io::AsRawHandle;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::time::Duration;

use windows_sys::Win32::System::Console as console;
use windows_sys::Win32::System::Threading::{
    PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};
use windows_sys::core::BOOL;

/// How long a command may take to end by itself.
const GRACE_MS: u32 = 100;
/// How long the system is kept waiting for the main thread.
const CLOSING: Duration = Duration::from_secs(4);

/// The first event that came, as a signal's number, or 0.
static NOTED: AtomicI32 = AtomicI32::new(0);
/// Whether a command runs whose affair the events are.
static LEFT_TO_CHILD: AtomicBool = AtomicBool::new(false);
/// The last event that came meanwhile, or 0.
static PASSED_ON: AtomicI32 = AtomicI32::new(0);
/// What cleans up and ends the process.
static HOOK: OnceLock<fn()> = OnceLock::new();

/// The numbers that C runtimes give to these events.
const fn number(event: u32) -> i32 {
    match event {
        console::CTRL_C_EVENT => 2,
        console::CTRL_BREAK_EVENT => 21,
        console::CTRL_CLOSE_EVENT => 1,
        _ => 15,
    }
}

/// Says whether it has dealt with the event: if not, the next handler is asked,
/// and the system's own ends the process.
unsafe extern "system" fn note(event: u32) -> BOOL {
    let closing = !matches!(event, console::CTRL_C_EVENT | console::CTRL_BREAK_EVENT);
    if LEFT_TO_CHILD.load(SeqCst) {
        PASSED_ON.store(number(event), SeqCst);
        if closing {
            std::thread::sleep(CLOSING);
        }
        return 1;
    }
    let _ = NOTED.compare_exchange(0, number(event), SeqCst, SeqCst);
    match HOOK.get() {
        Some(hook) if closing => hook(),
        Some(_) => return 0,
        // The main thread looks before it renames.
        None if closing => std::thread::sleep(CLOSING),
        None => {}
    }
    1
}

/// No limit of a file's size ends a process: a full disk or quota is an error.
pub fn limit_is_an_error() {}

/// Notes every event from now on. Called again, it comes before the handlers
/// that were installed since.
pub fn install() {
    // SAFETY: the function has the type that is asked for, and stays.
    unsafe {
        console::SetConsoleCtrlHandler(Some(note), 0);
        console::SetConsoleCtrlHandler(Some(note), 1);
    }
}

/// The hook that cleans up and ends the process.
pub fn set_hook(hook: fn()) {
    HOOK.get_or_init(|| hook);
}

/// The event that came, if one did, as a signal's number.
pub fn noted() -> Option<i32> {
    Some(NOTED.load(SeqCst)).filter(|&n| n != 0)
}

/// The same, and forgets it: it was dealt with, the next one is another.
pub fn take() -> Option<i32> {
    Some(NOTED.swap(0, SeqCst)).filter(|&n| n != 0)
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
pub fn pass_on(signal: i32, pid: i32) {
    let Ok(process) = process::open(pid as u32, PROCESS_TERMINATE | PROCESS_SYNCHRONIZE) else { return };
    // SAFETY: the handle is open and has the rights that the calls want.
    unsafe {
        WaitForSingleObject(process.as_raw_handle(), GRACE_MS);
        TerminateProcess(process.as_raw_handle(), (128 + signal) as u32);
    }
}

/// What to end by when no number was noted: SIGINT, as shells number it.
pub const DEFAULT: i32 = 2;

/// While a command runs, the console's events are its own affair: the console
/// tells it as it tells us, and we outlive them to wait for it.
pub(super) fn leave_to_child(left: bool) {
    LEFT_TO_CHILD.store(left, SeqCst);
    if left {
        install();
    }
}

/// The event that came while a command ran, as a signal's number.
pub fn passed_on() -> Option<i32> {
    Some(PASSED_ON.load(SeqCst)).filter(|&n| n != 0)
}
