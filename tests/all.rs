//! Tests of the program and the library from outside.

mod cli;
mod contention;
mod faults;
mod generated;
mod harness;
#[cfg(unix)]
mod hostile;
mod interop;
#[cfg(unix)]
mod metadata;
mod names;
mod readme;
#[cfg(unix)]
mod signals;
mod takeover;
