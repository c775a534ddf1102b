//! Ctrl-C and its kin: the hook that cleans up.
//!
//! Until input is complete nothing needs cleaning up, and signals end the
//! process as they always do. From then on they are noted, and a short write
//! looks for that before it renames. Only before something that may last - a
//! wait, a command, a big copy - the hook is armed, with the thread it needs.

use dotlock::signal;
use std::io;
use std::process::{Child, Command};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// The command that runs for us, as a signal is passed on to it, or 0.
static CHILD: Mutex<i32> = Mutex::new(0);

/// Tells of its end.
static ENDED: Condvar = Condvar::new();

/// So long a command may take to tidy up after a signal, before it is told to end
/// at once.
const GRACE: Duration = Duration::from_secs(2);

/// Whether a command runs under our locks, to which signals are passed on. The
/// hook keeps it to itself while it cleans up: nothing is started meanwhile.
static RUNS: Mutex<bool> = Mutex::new(false);

fn runs() -> MutexGuard<'static, bool> {
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on ending signals are noted rather than obeyed at once.
pub fn note() {
    signal::install();
}

/// From now on an ending signal rolls everything back and ends the process,
/// whatever the other threads are doing.
pub fn arm() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        signal::set_hook(clean_up);
        signal::install();
        signal::masked(|| {
            // Without a thread for it, signals are still noted.
            let _ = ctrlc::set_handler(clean_up);
            signal::install();
        });
    });
}

/// Starts a command that works for us, hands it to `work`, and returns what that
/// makes of it. An ending signal that comes meanwhile ends us, and it with us.
pub fn with_child<T>(command: &mut Command, work: impl FnOnce(&mut Child) -> T) -> io::Result<T> {
    arm();
    // The hook waits until it is known which it is.
    let mut known = this_child();
    let (mut child, to) = dotlock::spawn_for_us(command)?;
    *known = to;
    drop(known);
    let done = work(&mut child);
    *this_child() = 0;
    ENDED.notify_all();
    // How it ended is not of interest then.
    if signal::noted().is_some() {
        clean_up();
    }
    Ok(done)
}

fn this_child() -> MutexGuard<'static, i32> {
    CHILD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a command under our locks. Until [`over`], ending signals are passed on
/// to it, and nothing is cleaned up because of them. `None` if one came before.
pub fn start(command: &mut Command, apart: bool) -> io::Result<Option<Child>> {
    note();
    let mut runs = runs();
    if signal::noted().is_some() {
        return Ok(None);
    }
    let child = dotlock::spawn(command, apart)?;
    *runs = true;
    Ok(Some(child))
}

/// The command has ended.
pub fn over() {
    *runs() = false;
}

/// Ends by the signal that was noted, if one was.
pub fn end_if_interrupted() {
    if let Some(number) = signal::noted() {
        signal::end_by(number);
    }
}

fn clean_up() {
    let runs = runs();
    if *runs {
        return;
    }
    let number = signal::noted().unwrap_or(signal::DEFAULT);
    let child = this_child();
    let to = *child;
    if to != 0 {
        signal::pass_on(number, to);
        let waited = ENDED.wait_timeout_while(child, GRACE, |child| *child != 0);
        let over = waited.unwrap_or_else(PoisonError::into_inner).1;
        // What is forked just as a signal comes may lose it, in a shell. A group
        // keeps its number for as long as anything is in it.
        if over.timed_out() || to < 0 {
            signal::pass_on(signal::DEFAULT, to);
        }
    }
    dotlock::roll_back_all();
    signal::end_by(number);
}
