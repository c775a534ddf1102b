//! Signals: their number is noted before anything wakes, ignored ones stay
//! ignored, and the process can end by one.
//!
//! The `ctrlc` crate gives the hook that cleans up, on a thread of its own. It
//! tells no number and replaces even a SIGHUP that `nohup` ignores. So
//! [`install`] is called before it and, through [`masked`], again after it: the
//! second time it wraps ctrlc's handlers and puts back what was ignored.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

/// The signals after which nothing is to be left behind.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// The first ending signal that came, or 0.
static NOTED: AtomicI32 = AtomicI32::new(0);
/// Whether it came from the terminal, which tells the whole group.
static TYPED: AtomicBool = AtomicBool::new(false);
/// What the kernel says of a signal that it sends itself (SI_KERNEL; elsewhere
/// than on Linux it does not tell such signals apart).
const FROM_TERMINAL: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 0x80 } else { 0 };
/// The handler to call after noting: ctrlc's, which only posts a semaphore.
static NEXT: AtomicUsize = AtomicUsize::new(0);
/// Those of `ENDING` that were ignored when the process began, as bits.
static IGNORED: AtomicUsize = AtomicUsize::new(0);

/// To whom ending signals go instead, as kill(2) takes it: a process, a group if
/// negative, or 0 for nobody.
static FORWARD: AtomicI32 = AtomicI32::new(0);
/// The last signal that was forwarded, or 0.
static FORWARDED: AtomicI32 = AtomicI32::new(0);

/// Whether [`install`] was called before.
static INSTALLED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(number: libc::c_int, info: *const libc::siginfo_t, _: *const libc::c_void) {
    // Only atomics and a semaphore's post: all safe in a handler.
    // SAFETY: with SA_SIGINFO the kernel hands in what it points to.
    let code = unsafe { (*info).si_code };
    let to = FORWARD.load(Ordering::SeqCst);
    if to != 0 {
        FORWARDED.store(number, Ordering::SeqCst);
        // What is typed the terminal tells the whole group.
        if to < 0 || code != FROM_TERMINAL {
            // SAFETY: kill takes any numbers, and is safe in a handler; the child
            // has this number for as long as it is here.
            unsafe { libc::kill(to, number) };
        }
        return;
    }
    TYPED.store(code == FROM_TERMINAL, Ordering::SeqCst);
    let _ = NOTED.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
    let next = NEXT.load(Ordering::SeqCst);
    if next != 0 {
        // SAFETY: NEXT holds 0 or what sigaction gave as a plain handler.
        let next: extern "C" fn(libc::c_int) = unsafe { std::mem::transmute(next) };
        next(number);
    }
}

const OURS: extern "C" fn(libc::c_int, *const libc::siginfo_t, *const libc::c_void) = note;

extern "C" fn nothing(_: libc::c_int) {}

/// Makes a file that grows over the limit an error (EFBIG) instead of the
/// process's death.
pub fn limit_is_an_error() {
    // A handler, not SIG_IGN: commands that we start do not inherit it.
    interrupt_on(libc::SIGXFSZ);
}

/// Notes every ending signal from now on. Called again, it wraps the handlers
/// that were installed since.
pub fn install() {
    let ours = OURS as usize;
    let first = !INSTALLED.swap(true, Ordering::SeqCst);
    for (bit, &signal) in ENDING.iter().enumerate() {
        let old = action(signal).sa_sigaction;
        if first && old == libc::SIG_IGN {
            IGNORED.fetch_or(1 << bit, Ordering::SeqCst);
        }
        if IGNORED.load(Ordering::SeqCst) & (1 << bit) != 0 {
            set_action(signal, libc::SIG_IGN, 0);
            continue;
        }
        if old != libc::SIG_DFL && old != libc::SIG_IGN && old != ours {
            NEXT.store(old, Ordering::SeqCst);
        }
        set_action(signal, ours, libc::SA_RESTART | libc::SA_SIGINFO);
    }
}

/// The hook that cleans up and ends the process: `ctrlc` calls it, in time.
pub fn set_hook(_: fn()) {}

/// The ending signal that came, if one did.
pub fn noted() -> Option<i32> {
    Some(NOTED.load(Ordering::SeqCst)).filter(|&n| n != 0)
}

/// The same, and forgets it: it was dealt with, the next one is another.
pub fn take() -> Option<i32> {
    Some(NOTED.swap(0, Ordering::SeqCst)).filter(|&n| n != 0)
}

/// Notes, from now on, every signal that would end this process and may be meant
/// for a child that is about to be started.
pub(super) fn install_for_child() {
    install();
    for signal in [libc::SIGUSR1, libc::SIGUSR2] {
        if action(signal).sa_sigaction == libc::SIG_DFL {
            set_action(signal, OURS as usize, libc::SA_RESTART | libc::SA_SIGINFO);
        }
    }
}

/// Passes every ending signal on to a child from now on, as kill(2) takes it; 0
/// ends that. One that came while the child was being started is passed on now.
pub(super) fn forward_to(child: i32) {
    FORWARD.store(child, Ordering::SeqCst);
    if child == 0 {
        return;
    }
    let early = NOTED.swap(0, Ordering::SeqCst);
    if early != 0 {
        FORWARDED.store(early, Ordering::SeqCst);
        if child < 0 || !TYPED.load(Ordering::SeqCst) {
            send(early);
        }
    }
}

/// Sends a signal to the child that signals are passed on to, if there is one.
pub(super) fn send(signal: i32) {
    let to = FORWARD.load(Ordering::SeqCst);
    if to != 0 {
        // SAFETY: kill takes any numbers; the child has not been waited for.
        unsafe { libc::kill(to, signal) };
    }
}

/// The last signal that was passed on to a child.
pub fn passed_on() -> Option<i32> {
    Some(FORWARDED.load(Ordering::SeqCst)).filter(|&n| n != 0)
}

/// Lets `signal` do what it does by default.
pub(super) fn default_on(signal: i32) {
    set_action(signal, libc::SIG_DFL, 0);
}

/// Runs `f` while every signal waits. A thread that `f` starts goes on with
/// them blocked, so that they reach the thread that works.
pub fn masked<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are initialised by the calls that fill them.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut old = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut old);
        let out = f();
        libc::pthread_sigmask(libc::SIG_SETMASK, &old, std::ptr::null_mut());
        out
    }
}

/// Ends the process by `signal` itself, so that whoever waits for it sees the
/// truth. To be called when everything is cleaned up.
pub fn end_by(signal: i32) -> ! {
    set_action(signal, libc::SIG_DFL, 0);
    unblock(signal);
    // SAFETY: raise takes any number.
    unsafe {
        // To this very thread: it comes before the call returns. Sent to the
        // process it might go to another thread, and be late.
        libc::raise(signal);
    }
    std::process::exit(128 + signal)
}

/// Passes on to a command what ended us, unless the terminal told it too: `to` is
/// a process, or a group of its own if negative.
pub fn pass_on(signal: i32, to: i32) {
    if to < 0 || !TYPED.load(Ordering::SeqCst) {
        // SAFETY: kill takes any numbers; this one is that of our own child.
        unsafe { libc::kill(to, signal) };
    }
}

/// Lets `signal` through to this thread.
pub(crate) fn unblock(signal: i32) {
    // SAFETY: the set is initialised before it is used.
    unsafe {
        let mut one = std::mem::zeroed();
        libc::sigemptyset(&mut one);
        libc::sigaddset(&mut one, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &one, std::ptr::null_mut());
    }
}

/// Lets `signal` end blocking calls early (EINTR), and do nothing else.
pub(crate) fn interrupt_on(signal: i32) {
    set_action(signal, nothing as extern "C" fn(libc::c_int) as usize, 0);
}

fn action(signal: i32) -> libc::sigaction {
    // SAFETY: sigaction fills what it is given; all zero is a valid value.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut old);
        old
    }
}

fn set_action(signal: i32, handler: usize, flags: i32) {
    // SAFETY: the structure is whole, and the handlers do only what is safe in
    // a handler.
    unsafe {
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = handler;
        new.sa_flags = flags;
        libc::sigemptyset(&mut new.sa_mask);
        libc::sigaction(signal, &new, std::ptr::null_mut());
    }
}

/// What to end by when no number was noted.
pub const DEFAULT: i32 = libc::SIGTERM;
