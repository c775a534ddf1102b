//! One family of commands a file.

pub mod generate;
pub mod inspect;
pub mod write;

use crate::cli::{SayArgs, WaitArgs};
use crate::{interrupt, say};
use anyhow::Context;
use dotlock::{Event, Policy, Target};
use std::io::Write;
use std::path::Path;

/// The policy that the options describe, with the messages of a wait.
fn policy(wait: &WaitArgs, say_args: &SayArgs) -> Policy {
    let quiet = say_args.quiet;
    Policy::default()
        .wait(if wait.nonblock { Some(std::time::Duration::ZERO) } else { wait.wait.0 })
        .retries(wait.retries)
        .delays(wait.min_delay, wait.max_delay)
        .stale_after(wait.stale_after)
        .break_stale(!wait.no_break)
        .label(wait.label.clone())
        .observer(move |event| match event {
            Event::Blocked => interrupt::arm(),
            Event::Waiting { target, verdict, left } if !quiet => {
                let who = verdict.map_or_else(|| "others are waiting too".into(), dotlock::Verdict::describe);
                let limit = left.map_or_else(
                    || "as long as it takes".into(),
                    |left| format!("for up to {:.0} s more", left.as_secs_f64()),
                );
                say(format_args!("waiting for the lock of {} ({who}), {limit}", dotlock::show(target)));
            }
            _ => {}
        })
}

/// Prints one JSON document.
fn print(document: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{document}").and_then(|()| out.flush()).context("cannot print")
}

fn target(file: &Path, wait: &WaitArgs) -> dotlock::Result<Target> {
    match &wait.lock_file {
        Some(lock) => Target::resolve_with_lock(file, lock),
        None => Target::resolve(file),
    }
}
