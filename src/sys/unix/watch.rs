//! Noticing at once that another program has let a lock go, where the system tells
//! (Linux: inotify); elsewhere nothing is noticed, and who waits polls.

use std::path::Path;
use std::time::Duration;

/// Sees the file at a path change, lose its name, or get another one.
#[derive(Debug, Default)]
pub(crate) struct Watch(Option<inner::Watch>);

impl Watch {
    /// Watches what is at `path`. True if that has just begun: what happened before
    /// goes unnoticed, so whoever calls has to look once more.
    pub fn begin(&mut self, path: &Path) -> bool {
        if self.0.is_none() {
            self.0 = inner::Watch::new();
        }
        self.0.as_mut().is_some_and(|watch| watch.begin(path))
    }

    /// Sleeps for `time`, or until something is noticed, which ends the watch.
    pub fn sleep(&mut self, time: Duration) {
        match &mut self.0 {
            Some(watch) => watch.sleep(time),
            None => std::thread::sleep(time),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod inner {
    use super::{Duration, Path};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use rustix::io::Errno;
    use std::os::fd::OwnedFd;
    use std::sync::{Mutex, PoisonError};

    /// To close such a descriptor takes the kernel many milliseconds. It must not
    /// cost a lock's holder that: they are kept for later waits, to the end of the
    /// process.
    static IDLE: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

    #[derive(Debug)]
    pub struct Watch {
        /// There until this is dropped.
        queue: Option<OwnedFd>,
        is_on: bool,
    }

    impl Watch {
        pub fn new() -> Option<Watch> {
            let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let queue = idle.or_else(|| init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok())?;
            Some(Watch { queue: Some(queue), is_on: false })
        }

        /// The file itself is watched, not its directory, where others may work; for
        /// one event, after which it is of no interest under its new name. Its number
        /// of names is one of its attributes.
        pub fn begin(&mut self, path: &Path) -> bool {
            let Some(queue) = self.queue.as_ref().filter(|_| !self.is_on) else { return false };
            let once = WatchFlags::ONESHOT | WatchFlags::DONT_FOLLOW;
            let what = WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
            self.is_on = add_watch(queue, path, once | what).is_ok();
            self.is_on
        }

        pub fn sleep(&mut self, time: Duration) {
            let Some(queue) = self.queue.as_ref().filter(|_| self.is_on) else {
                return std::thread::sleep(time);
            };
            let limit = Timespec {
                tv_sec: time.as_secs().try_into().unwrap_or(i32::MAX.into()),
                tv_nsec: time.subsec_nanos().into(),
            };
            if poll(&mut [PollFd::new(queue, PollFlags::IN)], Some(&limit)) != Ok(0) {
                while matches!(rustix::io::read(queue, &mut [0; 4 << 10]), Ok(1..) | Err(Errno::INTR)) {}
                self.is_on = false;
            }
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.queue.take());
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod inner {
    use super::{Duration, Path};

    #[derive(Debug)]
    pub enum Watch {}

    impl Watch {
        pub fn new() -> Option<Watch> {
            None
        }

        pub fn begin(&mut self, _: &Path) -> bool {
            match *self {}
        }

        pub fn sleep(&mut self, _: Duration) {
            match *self {}
        }
    }
}
