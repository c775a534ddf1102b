//! Tests of the program and the library from outside.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
#![allow(clippy::disallowed_methods, reason = "tests do to files what others do")]
#![cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, unused_imports, unused_mut, reason = "some tests are for Linux only")
)]

mod cli;
#[cfg(unix)]
mod console;
mod contention;
mod faults;
#[cfg(unix)]
mod fuzz;
mod generated;
mod harness;
#[cfg(unix)]
mod hold;
mod hostile;
#[cfg(unix)]
mod inspect;
mod interop;
#[cfg(unix)]
mod kills;
#[cfg(unix)]
mod metadata;
mod names;
mod queue;
#[cfg(unix)]
mod readme;
mod session;
#[cfg(unix)]
mod signals;
mod steps;
#[cfg(unix)]
mod stores;
#[cfg(unix)]
mod storm;
mod takeover;
#[cfg(unix)]
mod update;
