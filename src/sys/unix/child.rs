//! Commands that run for us.

use super::signal;
use crate::sys::TimeLimit;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;

/// To see that a child has ended, and leave it to be waited for.
const END_ONLY: WaitIdOptions = WaitIdOptions::EXITED.union(WaitIdOptions::NOWAIT);

/// Hands `sink` what `child` writes to its piped standard output, until the
/// child has ended: something that it left running may keep the pipe open for
/// ever. When `sink` fails the child is asked to end.
pub(crate) fn read_output(
    child: &mut Child,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<ExitStatus> {
    use rustix::event::{PollFd, PollFlags, poll};
    use std::io::Read;

    let Some(mut output) = child.stdout.take() else { return child.wait() };
    rustix::io::ioctl_fionbio(&output, true)?;
    let pid = Pid::from_child(child);
    let ended = match End::of(pid) {
        Ok(ended) => ended,
        Err(e) => {
            let _ = kill_process(pid, Signal::TERM);
            let _ = child.wait();
            return Err(e);
        }
    };
    let mut buffer = vec![0; 64 << 10];
    let mut pump = || -> io::Result<()> {
        loop {
            let mut fds = [PollFd::new(&output, PollFlags::IN), PollFd::new(&ended.fd, PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            // Once it has ended, what is in the pipe is all that it wrote; others
            // may go on writing for ever.
            let over = !fds[1].revents().is_empty();
            let mut left = if over { rustix::io::ioctl_fionread(&output)? } else { u64::MAX };
            while left > 0 {
                let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                match output.read(&mut buffer[..most]) {
                    Ok(0) => return Ok(()),
                    Ok(n) => {
                        sink(&buffer[..n])?;
                        left -= n as u64;
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) => return Err(e),
                }
                if !over {
                    break;
                }
            }
            if over {
                return Ok(());
            }
        }
    };
    let pumped = pump();
    drop(output);
    if pumped.is_err() {
        let _ = kill_process(pid, Signal::TERM);
    }
    let status = child.wait();
    if let Some(watcher) = ended.watcher {
        let _ = watcher.join();
    }
    pumped.and(status)
}

/// The end of a child, as something that can be polled.
struct End {
    /// Becomes readable, or is hung up.
    fd: OwnedFd,
    watcher: Option<JoinHandle<()>>,
}

impl End {
    fn of(pid: Pid) -> io::Result<End> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Ok(fd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            return Ok(End { fd, watcher: None });
        }
        // A thread tells of it by closing its end of this pipe.
        let (fd, end) = io::pipe()?;
        let watcher = std::thread::Builder::new().name("child".into()).spawn(move || {
            while matches!(waitid(WaitId::Pid(pid), END_ONLY), Err(Errno::INTR)) {}
            drop(end);
        })?;
        Ok(End { fd: fd.into(), watcher: Some(watcher) })
    }
}

/// A process's exit code; 128 and the signal's number if one ended it.
pub fn exit_code(status: ExitStatus) -> i32 {
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    status.code().or(signal.map(|n| 128 + n)).unwrap_or(1)
}

/// Lets every process that is started from now on inherit `file`, and with it
/// its kernel lock.
pub(crate) fn let_children_inherit(file: &File) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())?)
}

/// A command that has the user's shell run `text`, or `sh`.
pub fn shell(text: &OsStr) -> Command {
    let shell = std::env::var_os("SHELL").filter(|s| !s.is_empty());
    let mut command = Command::new(shell.unwrap_or_else(|| "/bin/sh".into()));
    command.arg("-c").arg(text);
    command
}

/// The editor of those who have said nothing of theirs.
pub const EDITOR: &str = "vi";

/// A command that has `text` run by the shell that every system of this kind has,
/// whatever shell the user likes.
pub fn posix_shell(text: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(text);
    command
}

/// Starts a command that works for this process alone: whatever ends this process
/// ends it, too. To be told of a signal, it goes by the second value, as
/// [`signal::pass_on`] takes it.
///
/// Without a terminal it gets a process group of its own, so that such a signal
/// reaches what it started; with one it could not read from that then, and what is
/// typed there reaches all of the group anyway.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn_for_us(command: &mut Command) -> io::Result<(Child, i32)> {
    signal::default_on(libc::SIGCHLD);
    end_with_us(command);
    let apart = File::open("/dev/tty").is_err();
    if apart {
        command.process_group(0);
    }
    let child = command.spawn()?;
    let pid = child.id() as i32;
    Ok((child, if apart { -pid } else { pid }))
}

/// Should this process be killed, that ends what `command` starts.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn end_with_us(command: &mut Command) {
    let tell = || Ok(rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?);
    // SAFETY: between fork and exec the closure makes one system call, and no more.
    unsafe { command.pre_exec(tell) };
}

/// Nothing tells a child of its parent's end here, but the pipe between them.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn end_with_us(_: &mut Command) {}

/// Starts `command`. Its end can be waited for even if whoever started us asked
/// not to be told of the end of children (SIGCHLD ignored).
///
/// With `apart` it gets a process group of its own, which a time limit ends as a
/// whole; from a terminal it could not read then.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn(command: &mut Command, apart: bool) -> io::Result<Child> {
    signal::default_on(libc::SIGCHLD);
    signal::install_for_child();
    if apart {
        command.process_group(0);
    }
    let child = command.spawn()?;
    signal::forward_to(child.id() as i32 * if apart { -1 } else { 1 });
    Ok(child)
}

/// Waits for the end of what [`spawn`] has started, and tells whether `limit`
/// ended it. Meanwhile signals that would end this process go to it instead.
///
/// # Errors
/// [`io::Error`] if it cannot be waited for.
pub fn wait_for(child: &mut Child, limit: Option<TimeLimit>) -> io::Result<(ExitStatus, bool)> {
    let pid = Pid::from_child(child);
    // It keeps its number until it is waited for in earnest, so that no other
    // process is given the signal that was meant for it.
    let ended = || while matches!(waitid(WaitId::Pid(pid), END_ONLY), Err(Errno::INTR)) {};
    let late = match limit {
        None => {
            ended();
            false
        }
        Some(limit) => std::thread::scope(|scope| {
            let (over, is_over) = channel::<()>();
            let late = scope.spawn(move || end_after(limit, &is_over));
            ended();
            drop(over);
            late.join().unwrap_or(false)
        }),
    };
    signal::forward_to(0);
    Ok((child.wait()?, late))
}

/// Ends the child that signals are forwarded to, if `is_over` does not hang up
/// before the limit; tells whether it had to.
fn end_after(limit: TimeLimit, is_over: &Receiver<()>) -> bool {
    let goes_on = |time| is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if !goes_on(limit.after) {
        return false;
    }
    signal::send(libc::SIGTERM);
    // One that is stopped would not notice.
    signal::send(libc::SIGCONT);
    if goes_on(limit.kill_after) {
        signal::send(libc::SIGKILL);
    }
    true
}
