//! Sleeping until a kernel lock is free, but not for ever. `flock` knows no
//! deadline, so a signal ends the call: SIGURG, as by default it is ignored, and
//! a stray one harms nobody.

use super::{lacks_locks, signal};
use crate::sys::{Op, again};
use std::fs::File;
use std::io;
use std::sync::Once;
use std::time::{Duration, Instant};

/// A signal that comes between the look at the clock and the call is lost, so
/// another follows so much later, until it is noticed.
const REMINDER: Duration = Duration::from_millis(1);

/// Blocks until `file`'s kernel lock is ours (true), or `end` has come (false);
/// `shared`, together with others who want it so.
///
/// Nobody is left behind who could win the lock later.
pub(crate) fn lock_until(file: &File, end: Option<Instant>, shared: bool) -> io::Result<bool> {
    again(Op::Lock, || Ok(()))?;
    let Some(end) = end else { return lock(file, shared, || false) };
    static ONCE: Once = Once::new();
    ONCE.call_once(|| signal::interrupt_on(libc::SIGURG));
    // Whoever started us may have blocked it.
    signal::unblock(libc::SIGURG);
    remind(end, || lock(file, shared, || end <= Instant::now()))
}

fn lock(file: &File, shared: bool, is_late: impl Fn() -> bool) -> io::Result<bool> {
    loop {
        let tried = match shared {
            true => fs4::FileExt::lock_shared(file),
            false => fs4::FileExt::lock(file),
        };
        match tried {
            Ok(()) => return Ok(true),
            Err(e) if lacks_locks(&e) => return Ok(true),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                if is_late() {
                    return Ok(false);
                }
            }
            Err(e) => return Err(e),
        }
    }
}

/// Tells whoever has `file`'s kernel lock that it is waited for, until `file` is
/// closed, however that comes about: by a shared lock of the other kind, of which
/// `flock` knows nothing (fcntl_locking(2), "open file description locks"). It
/// keeps nobody out, since nobody asks for such a lock to have it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn announce(file: &File) {
    // Where it cannot be done, nobody learns of it.
    let _ = description_lock(file, libc::F_OFD_SETLK, libc::F_RDLCK);
}

/// Whether somebody has announced that `file`'s kernel lock is waited for: that
/// he would be in the way of such a lock.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_awaited(file: &File) -> bool {
    description_lock(file, libc::F_OFD_GETLK, libc::F_WRLCK).is_ok_and(|kind| kind != libc::F_UNLCK)
}

/// A call for such a lock of the whole file; returns what kind the system says.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn description_lock(file: &File, call: libc::c_int, kind: libc::c_int) -> io::Result<libc::c_int> {
    use std::os::fd::AsRawFd;
    // SAFETY: all zero is a valid value, and stands for the whole file; the call
    // reads and fills it.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = kind as libc::c_short;
        match libc::fcntl(file.as_raw_fd(), call, &mut lock) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(lock.l_type.into()),
        }
    }
}

/// Nobody can be told here that he is waited for.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn announce(_: &File) {}

/// Nobody can be told here that he is waited for.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_awaited(_: &File) -> bool {
    false
}

/// Calls `blocks`, and sends this thread SIGURG from `end` on until that returns:
/// by a timer of the thread's own, which costs no thread and no time to end.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn remind<T>(end: Instant, blocks: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    struct Timer(libc::timer_t);
    impl Drop for Timer {
        fn drop(&mut self) {
            // SAFETY: it was made, and is deleted once.
            unsafe { libc::timer_delete(self.0) };
        }
    }
    let spec = |time: Duration| libc::timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i32::MAX.into()),
        tv_nsec: time.subsec_nanos().into(),
    };
    let left = end.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
    let times = libc::itimerspec { it_value: spec(left), it_interval: spec(REMINDER) };
    // SAFETY: all zero is a valid sigevent; the calls fill or read what they are
    // given, which lives long enough.
    let _timer = unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGURG;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer: libc::timer_t = std::mem::zeroed();
        if libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) != 0 {
            return Err(io::Error::last_os_error());
        }
        let timer = Timer(timer);
        if libc::timer_settime(timer.0, 0, &times, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        timer
    };
    blocks()
}

/// The same by a thread that watches the clock.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn remind<T>(end: Instant, blocks: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    struct Thread(libc::pthread_t);
    // SAFETY: a pthread_t is a name for a thread, usable from any other.
    unsafe impl Send for Thread {}
    impl Thread {
        fn poke(&self) {
            // SAFETY: that thread joins this one before it ends.
            unsafe { libc::pthread_kill(self.0, libc::SIGURG) };
        }
    }
    // SAFETY: pthread_self cannot fail.
    let me = Thread(unsafe { libc::pthread_self() });
    let (done, is_done) = channel::<()>();
    std::thread::scope(|scope| {
        let watch = move || {
            let mut pause = end.saturating_duration_since(Instant::now());
            while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                me.poke();
                pause = REMINDER;
            }
        };
        std::thread::Builder::new().name("wait".into()).spawn_scoped(scope, watch)?;
        let out = blocks();
        drop(done);
        out
    })
}
