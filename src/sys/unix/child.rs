//! Commands that run for us.

use rustix::io::Errno;
use std::io;
use std::process::{Child, ExitStatus};

/// Hands `sink` what `child` writes to its piped standard output, until the
/// child has ended: something that it left running may keep the pipe open for
/// ever. When `sink` fails the child is asked to end.
pub(crate) fn read_output(
    child: &mut Child,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<ExitStatus> {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
    use std::io::Read;

    let Some(mut output) = child.stdout.take() else { return child.wait() };
    rustix::io::ioctl_fionbio(&output, true)?;
    let pid = Pid::from_child(child);
    // The thread tells of the child's end by closing its end of this pipe.
    let (ended, end) = io::pipe()?;
    let watcher = std::thread::Builder::new().name("child".into()).spawn(move || {
        let end_only = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), end_only), Err(Errno::INTR)) {}
        drop(end);
    });
    let watcher = match watcher {
        Ok(watcher) => watcher,
        Err(e) => {
            let _ = kill_process(pid, Signal::TERM);
            let _ = child.wait();
            return Err(e);
        }
    };
    let mut buffer = vec![0; 64 << 10];
    let mut pump = || -> io::Result<()> {
        loop {
            let mut fds = [PollFd::new(&output, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
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
    let _ = watcher.join();
    pumped.and(status)
}

/// A process's exit code; 128 and the signal's number if one ended it.
pub fn exit_code(status: ExitStatus) -> i32 {
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    status.code().or(signal.map(|n| 128 + n)).unwrap_or(1)
}
