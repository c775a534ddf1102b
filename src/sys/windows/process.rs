//! Which process is which: its number alone says little, as numbers are used
//! again.

use super::check;
use crate::sys::{Host, Presence};
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};

use windows_sys::Wdk::System::SystemInformation::{NtQuerySystemInformation, SystemTimeOfDayInformation};
use windows_sys::Win32::Foundation::{
    ERROR_INVALID_PARAMETER, FILETIME, INVALID_HANDLE_VALUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::SystemInformation::{ComputerNamePhysicalDnsHostname, GetComputerNameExW};
use windows_sys::Win32::System::Threading::{
    GetProcessTimes, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

/// Where `pid` runs, as seen by this process.
pub(crate) fn this_host(pid: u32) -> Host {
    let start = look_at(pid).ok().and_then(|process| start_of(&process));
    Host { boot: boot(), pid_namespace: None, start }
}

/// What can be said from here of the process `pid` on `there`; `local` says
/// that its record lies on a file system that only this machine mounts.
pub(crate) fn presence(pid: u32, there: &Host, local: bool) -> Presence {
    if let Some(elsewhere) = there.elsewhere(&this_host(std::process::id()), local) {
        return elsewhere;
    }
    if !is_running(pid) {
        return Presence::Gone("its process is gone");
    }
    let now = look_at(pid).ok().and_then(|process| start_of(&process));
    match (now, there.start) {
        (Some(now), Some(then)) if now != then => {
            Presence::Gone("its process number was given to another since")
        }
        _ => Presence::Running,
    }
}

/// Whether a process of that number runs.
pub(crate) fn is_running(pid: u32) -> bool {
    let process = match look_at(pid) {
        Ok(process) => process,
        // A number that no process has is an error of its own. All else means
        // that it lives and is another's.
        Err(e) => return e.raw_os_error() != Some(ERROR_INVALID_PARAMETER as i32),
    };
    // One that has ended is there for as long as somebody has it open.
    // SAFETY: the handle is open and may be waited for.
    let waited = unsafe { WaitForSingleObject(process.as_raw_handle(), 0) };
    waited != WAIT_OBJECT_0
}

/// Whether `pid` started this process, or a process that did, and so on.
///
/// The system keeps a parent's number when that has ended, and gives the number
/// to others: so whoever began later than his child is none.
pub(crate) fn is_ancestor(pid: u32) -> bool {
    let all = processes();
    let start = |pid| look_at(pid).ok().and_then(|p| start_of(&p));
    let mut child = std::process::id();
    for _ in 0..all.len() {
        let Some(parent) = all.iter().find(|p| p.th32ProcessID == child).map(|p| p.th32ParentProcessID)
        else {
            return false;
        };
        let older = start(parent).zip(start(child)).is_some_and(|(parent, child)| parent <= child);
        if parent == 0 || !older {
            return false;
        }
        if parent == pid {
            return true;
        }
        child = parent;
    }
    false
}

/// The name of the program that `pid` runs.
pub(crate) fn program_of(pid: u32) -> Option<String> {
    let process = processes().into_iter().find(|p| p.th32ProcessID == pid)?;
    Some(super::narrow(&process.szExeFile))
}

/// All processes, as they are now.
fn processes() -> Vec<PROCESSENTRY32W> {
    let mut all = Vec::new();
    let mut entry = PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..Default::default() };
    // SAFETY: `entry` has the size that it tells; a good handle is closed once.
    unsafe {
        let snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
        if snapshot == INVALID_HANDLE_VALUE {
            return all;
        }
        let snapshot = OwnedHandle::from_raw_handle(snapshot);
        let mut more = Process32FirstW(snapshot.as_raw_handle(), &mut entry) != 0;
        while more {
            all.push(entry);
            more = Process32NextW(snapshot.as_raw_handle(), &mut entry) != 0;
        }
    }
    all
}

/// Opens a process to ask about it.
fn look_at(pid: u32) -> io::Result<OwnedHandle> {
    open(pid, PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_SYNCHRONIZE)
}

/// Opens a process with some rights.
pub(super) fn open(pid: u32, access: u32) -> io::Result<OwnedHandle> {
    // SAFETY: numbers only; a handle that is not null is ours to close.
    unsafe {
        let handle = OpenProcess(access, 0, pid);
        if handle.is_null() {
            Err(io::Error::last_os_error())
        } else {
            Ok(OwnedHandle::from_raw_handle(handle))
        }
    }
}

/// When a process was made, in 100 ns since 1601.
fn start_of(process: &OwnedHandle) -> Option<u64> {
    let mut times = [FILETIME::default(); 4];
    let [made, ended, kernel, user] = &mut times;
    // SAFETY: the handle is open, and the call fills four times.
    check(unsafe { GetProcessTimes(process.as_raw_handle(), made, ended, kernel, user) }).ok()?;
    Some(u64::from(made.dwHighDateTime) << 32 | u64::from(made.dwLowDateTime))
}

/// Which run of which machine this is: when the kernel began to count, less
/// what the clock was set by since. That is often a whole second, the same for
/// all machines that a power cut has restarted: their names tell them apart.
pub(crate) fn boot() -> Option<String> {
    // SYSTEM_TIMEOFDAY_INFORMATION: 0 is the boot time, 4 its adjustment.
    let mut times = [0_u64; 6];
    let size = size_of_val(&times) as u32;
    let to = (&raw mut times).cast();
    // SAFETY: `to` has `size` bytes, which is what this class has.
    let status =
        unsafe { NtQuerySystemInformation(SystemTimeOfDayInformation, to, size, std::ptr::null_mut()) };
    (status == 0).then(|| format!("{}-{:x}", host_name(), times[0].wrapping_sub(times[4])))
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    let mut name = [0; 256];
    let mut units = name.len() as u32;
    // SAFETY: `name` has as many units as are told.
    let done = unsafe { GetComputerNameExW(ComputerNamePhysicalDnsHostname, name.as_mut_ptr(), &mut units) };
    check(done).map_or_else(|_| String::new(), |()| super::narrow(&name))
}

/// Ends this process at once, as `kill -9` does.
#[cfg(debug_assertions)]
pub(crate) fn kill_self() -> ! {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
    // SAFETY: a process may end itself.
    unsafe { TerminateProcess(GetCurrentProcess(), 137) };
    std::process::abort()
}

/// Stops the calling thread until another process resumes it: there is no such
/// thing for a whole process.
#[cfg(debug_assertions)]
pub(crate) fn stop_self() {
    use windows_sys::Win32::System::Threading::{GetCurrentThread, SuspendThread};
    // SAFETY: a thread may stop itself; this stands for it and is not closed.
    unsafe { SuspendThread(GetCurrentThread()) };
}
