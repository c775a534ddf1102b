//! Which process is which: its number alone says little, as numbers are used
//! again, per boot and per container.

use crate::sys::{Host, Presence};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// Where `pid` runs, as seen by this process.
pub(crate) fn this_host(pid: u32) -> Host {
    Host { boot: boot(), pid_namespace: pid_namespace(), start: start_of(pid).map(|(start, _)| start) }
}

/// What can be said from here of the process `pid` on `host`; `local` says
/// that its record lies on a file system that only this machine mounts.
pub(crate) fn presence(pid: u32, there: &Host, local: bool) -> Presence {
    if let Some(elsewhere) = there.elsewhere(&this_host(std::process::id()), local) {
        return elsewhere;
    }
    if !is_running(pid) {
        return Presence::Gone("its process is gone");
    }
    match start_of(pid) {
        Some((_, true)) => Presence::Gone("its process has ended"),
        Some((start, _)) if there.start.is_some_and(|s| s != start) => {
            Presence::Gone("its process number was given to another since")
        }
        _ => Presence::Running,
    }
}

/// Whether a process of that number runs. EPERM means that it does, and is
/// another's.
pub(crate) fn is_running(pid: u32) -> bool {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    number.is_some_and(|n| test_kill_process(n) != Err(Errno::SRCH))
}

/// Whether `pid` started this process, or a process that did, and so on.
pub(crate) fn is_ancestor(pid: u32) -> bool {
    let parent = rustix::process::getppid().map(|p| p.as_raw_nonzero().get() as u32);
    // Of a number that is used again the chain might be a circle.
    std::iter::successors(parent, |&p| parent_of(p)).take(1000).any(|p| p == pid)
}

/// When `pid` started, and whether it has ended but was not yet waited for.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn start_of(pid: u32) -> Option<(u64, bool)> {
    let text = stat_of(pid)?;
    let mut fields = text.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    Some((fields.nth(18)?.parse().ok()?, ended))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn parent_of(pid: u32) -> Option<u32> {
    let parent = stat_of(pid)?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    (parent != 0).then_some(parent)
}

/// The fields of /proc/PID/stat from the third on: the second is the name in
/// brackets, which may hold anything, so they begin after the last bracket
/// (proc_pid_stat(5): state is 3, parent 4, start time 22).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn stat_of(pid: u32) -> Option<String> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let rest = &text[text.iter().rposition(|&b| b == b')')? + 1..];
    String::from_utf8(rest.to_vec()).ok()
}

/// The name of the program that `pid` runs, where the system tells.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn program_of(pid: u32) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Which run of the system this is, where that is known.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn boot() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim_end().to_owned())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn pid_namespace() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(std::fs::metadata("/proc/self/ns/pid").ok()?.ino())
}

#[cfg(target_vendor = "apple")]
fn start_of(pid: u32) -> Option<(u64, bool)> {
    let info = info_of(pid)?;
    Some((info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec, info.pbi_status == libc::SZOMB))
}

#[cfg(target_vendor = "apple")]
fn parent_of(pid: u32) -> Option<u32> {
    info_of(pid).map(|info| info.pbi_ppid).filter(|&parent| parent != 0)
}

/// The name of the program that `pid` runs, where the system tells.
#[cfg(target_vendor = "apple")]
pub(crate) fn program_of(pid: u32) -> Option<String> {
    let name = info_of(pid)?.pbi_comm.map(|c| c as u8);
    Some(String::from_utf8_lossy(name.split(|&b| b == 0).next()?).into_owned())
}

#[cfg(target_vendor = "apple")]
fn info_of(pid: u32) -> Option<libc::proc_bsdinfo> {
    // SAFETY: proc_pidinfo fills at most the size that it is told; all zero is
    // a valid value.
    unsafe {
        let mut info: libc::proc_bsdinfo = std::mem::zeroed();
        let size = size_of::<libc::proc_bsdinfo>() as i32;
        let got = libc::proc_pidinfo(pid as i32, libc::PROC_PIDTBSDINFO, 0, (&raw mut info).cast(), size);
        (got == size).then_some(info)
    }
}

/// Which run of the system this is, where that is known.
#[cfg(target_vendor = "apple")]
pub(crate) fn boot() -> Option<String> {
    let mut text = [0_u8; 64];
    let mut size = text.len();
    // SAFETY: sysctlbyname writes at most `size` bytes into `text`.
    let failed = unsafe {
        let name = c"kern.bootsessionuuid".as_ptr();
        libc::sysctlbyname(name, text.as_mut_ptr().cast(), &mut size, std::ptr::null_mut(), 0)
    };
    let text = text.get(..size.checked_sub(1)?)?;
    (failed == 0).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(target_vendor = "apple")]
fn pid_namespace() -> Option<u64> {
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn start_of(_: u32) -> Option<(u64, bool)> {
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn parent_of(_: u32) -> Option<u32> {
    None
}

/// The name of the program that `pid` runs: not told here.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn program_of(_: u32) -> Option<String> {
    None
}

/// Which run of the system this is, where that is known.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn boot() -> Option<String> {
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn pid_namespace() -> Option<u64> {
    None
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
