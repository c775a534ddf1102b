//! One family of commands a file, and what they share.

pub mod generate;
mod held;
pub mod hold;
pub mod inspect;
pub mod queue;
pub mod update;
pub mod write;

use crate::cli::{SyncArg, TellArgs, WaitArgs};
use crate::exit::{Exit, WithExit};
use crate::{interrupt, say};
use anyhow::Context;
use dotlock::{Error, Event, Policy, Sync, Target};
use held::Held;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The policy that the options describe, with the messages of a wait.
fn policy(wait: &WaitArgs, tell: &TellArgs, held: &Held) -> Policy {
    patience(limit(wait.nonblock, wait.wait.0), tell)
        .retries(wait.retries)
        .delays(wait.min_delay, wait.max_delay)
        .stale_after(wait.stale_after)
        .break_stale(!wait.no_break)
        .label(wait.label.clone())
        .under(held.tokens().to_vec())
}

fn limit(nonblock: bool, wait: Option<Duration>) -> Option<Duration> {
    if nonblock { Some(Duration::ZERO) } else { wait }
}

/// A policy that waits so long, with the messages of that.
fn patience(limit: Option<Duration>, tell: &TellArgs) -> Policy {
    let quiet = tell.quiet;
    Policy::default().wait(limit).observer(move |event| match event {
        Event::Blocked => interrupt::arm(),
        Event::AtHead => interrupt::note(),
        Event::Waiting { target, verdict, left } if !quiet => {
            let who = verdict.map_or_else(|| "others are waiting too".into(), dotlock::Verdict::describe);
            let limit = left.map_or_else(
                || "as long as it takes".into(),
                |left| format!("for up to {:.0} s more", left.as_secs_f64()),
            );
            say(format_args!("waiting for the lock of {} ({who}), {limit}", dotlock::show(target)));
        }
        Event::TokenIgnored { target } if !quiet => {
            let file = dotlock::show(target);
            say(format_args!("ignored the token for {file}: that lock is not held any more, or never was"));
        }
        _ => {}
    })
}

/// An error with the exit code that `-E` has chosen for a lock that is not free,
/// and with the locks that this command has already: two who hold what the other
/// waits for would not get on.
fn busy_or(error: Error, code: u8, held: &Held) -> anyhow::Error {
    let is_busy = match &error {
        Error::Queued { source, .. } => matches!(**source, Error::Busy { .. }),
        other => matches!(other, Error::Busy { .. }),
    };
    match error {
        busy if is_busy => WithExit(Exit::Busy(code), busy.to_string() + &held.as_a_cause()).into(),
        other => other.into(),
    }
}

/// A command that could not be started.
fn cannot_run(program: &OsStr, error: &io::Error) -> WithExit {
    let exit = match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::CannotRun,
    };
    WithExit(exit, format!("cannot run {}: {error}", dotlock::show(Path::new(program))))
}

/// A command's program and arguments, with `path` for every `{}`.
fn with_path(words: &[OsString], path: &Path) -> Command {
    let word = |word: &OsString| match word.to_str() {
        Some(text) => {
            let mut parts = text.split("{}");
            let mut word = OsString::from(parts.next().unwrap_or_default());
            for part in parts {
                word.push(path);
                word.push(part);
            }
            word
        }
        None => word.clone(),
    };
    let mut command = Command::new(word(&words[0]));
    command.args(words[1..].iter().map(word));
    command
}

/// Prints one JSON document.
fn print(document: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{document}").and_then(|()| out.flush()).context("cannot print")
}

/// How durable a write is to be.
fn sync(arg: SyncArg) -> Sync {
    match arg {
        SyncArg::Full => Sync::Full,
        SyncArg::Data => Sync::Data,
        SyncArg::None => Sync::None,
    }
}

fn target(file: &Path, wait: &WaitArgs) -> dotlock::Result<Target> {
    match &wait.lock_file {
        Some(lock) => Target::resolve_with_lock(file, lock),
        None => Target::resolve(file),
    }
}
