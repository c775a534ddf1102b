//! Ctrl-C and its kin: the hook that cleans up.
//!
//! Until input is complete nothing needs cleaning up, and signals end the
//! process as they always do. From then on they are noted, and a short write
//! looks for that before it renames. Only before something that may last - a
//! wait, a command, a big copy - the hook is armed, with the thread it needs.

use dotlock::signal;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// The command that runs for us, or 0.
static CHILD: AtomicU32 = AtomicU32::new(0);

/// From now on ending signals are noted rather than obeyed at once.
pub fn note() {
    signal::install();
}

/// From now on an ending signal rolls everything back and ends the process,
/// whatever the other threads are doing.
pub fn arm() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        signal::install();
        signal::masked(|| {
            // Without a thread for it, signals are still noted.
            let _ = ctrlc::set_handler(clean_up);
            signal::install();
        });
    });
}

/// The command that an ending signal is passed on to.
pub fn set_child(pid: u32) {
    CHILD.store(pid, Ordering::SeqCst);
}

/// Ends by the signal that was noted, if one was.
pub fn end_if_interrupted() {
    if let Some(number) = signal::noted() {
        signal::end_by(number);
    }
}

fn clean_up() {
    let number = signal::noted().unwrap_or(signal::DEFAULT);
    let child = CHILD.load(Ordering::SeqCst);
    if child != 0 {
        signal::pass_on(number, child);
    }
    dotlock::roll_back_all();
    signal::end_by(number);
}
