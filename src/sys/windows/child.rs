//! Commands that run for us.

use super::{check, signal};
use crate::sys::TimeLimit;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use windows_sys::Win32::Foundation::{HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_TIMEOUT};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::WaitForSingleObject;

/// Lets every process that is started from now on inherit `file`, and with it
/// its kernel lock.
pub(crate) fn let_children_inherit(file: &File) -> io::Result<()> {
    // SAFETY: the handle is open and ours.
    check(unsafe { SetHandleInformation(file.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) })
}

/// Hands `sink` what `child` writes to its piped standard output, until the
/// pipe is closed and the child has ended. When `sink` fails the child is ended.
///
/// Unlike on Unix, something that the child left running with its output is
/// waited for: there is no waiting for a pipe and a process at once.
pub(crate) fn read_output(
    child: &mut Child,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<ExitStatus> {
    let Some(mut output) = child.stdout.take() else { return child.wait() };
    let mut buffer = vec![0; 64 << 10];
    let pumped = loop {
        match io::Read::read(&mut output, &mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                if let Err(e) = sink(&buffer[..n]) {
                    break Err(e);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => break Err(e),
        }
    };
    drop(output);
    if pumped.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    pumped.and(status)
}

/// A command that has the command interpreter run `text`.
pub fn shell(text: &OsStr) -> Command {
    let shell = std::env::var_os("COMSPEC").filter(|s| !s.is_empty());
    let mut command = Command::new(shell.unwrap_or_else(|| "cmd.exe".into()));
    // It has quoting rules of its own: between the outer quotes the text stays
    // as it is.
    let mut quoted = std::ffi::OsString::from("\"");
    quoted.push(text);
    quoted.push("\"");
    command.args(["/D", "/S", "/C"]).raw_arg(quoted);
    command
}

/// The same: there is one for all.
pub fn posix_shell(text: &OsStr) -> Command {
    shell(text)
}

/// The editor of those who have said nothing of theirs.
pub const EDITOR: &str = "notepad";

/// Starts a command that works for this process alone: whatever ends this process
/// ends it, and what it started, too. To be told of an event, it goes by the second
/// value, as [`signal::pass_on`] takes it.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn_for_us(command: &mut Command) -> io::Result<(Child, i32)> {
    let child = command.spawn()?;
    // Without that it would only run on to its own end.
    let _ = end_with_us(&child);
    let pid = child.id() as i32;
    Ok((child, pid))
}

/// Puts `child` into a job that ends when its only handle is closed: with us.
fn end_with_us(child: &Child) -> io::Result<()> {
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    // SAFETY: the structure is what the class wants, with its size; the handle of
    // the job is open, and left open on purpose.
    unsafe {
        let job = CreateJobObjectW(std::ptr::null(), std::ptr::null());
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        let size = size_of_val(&limits) as u32;
        let from = (&raw const limits).cast();
        check(SetInformationJobObject(job, JobObjectExtendedLimitInformation, from, size))?;
        check(AssignProcessToJobObject(job, child.as_raw_handle()))
    }
}

/// Starts `command`. It shares our console, and is told by it of Ctrl-C and
/// Ctrl-Break as we are; we wait for it all the same.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn(command: &mut Command, _apart: bool) -> io::Result<Child> {
    signal::leave_to_child(true);
    command.spawn().inspect_err(|_| signal::leave_to_child(false))
}

/// Waits for the end of what [`spawn`] has started, and tells whether `limit`
/// ended it. There is no asking it to end: it is ended at once.
///
/// # Errors
/// [`io::Error`] if it cannot be waited for.
pub fn wait_for(child: &mut Child, limit: Option<TimeLimit>) -> io::Result<(ExitStatus, bool)> {
    let late = limit.is_some_and(|limit| {
        let millis =
            u32::try_from(limit.after.max(Duration::from_millis(1)).as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: the handle is open and may be waited for.
        unsafe { WaitForSingleObject(child.as_raw_handle(), millis) == WAIT_TIMEOUT }
    });
    if late {
        let _ = child.kill();
    }
    let status = child.wait();
    signal::leave_to_child(false);
    Ok((status?, late))
}
