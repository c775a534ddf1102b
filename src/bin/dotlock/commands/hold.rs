//! Commands that hold a lock: while a command runs, or for a script.

use super::held::{self, Held};
use super::{busy_or, cannot_run, limit, patience, policy};
use crate::cli::{Acquire, Release, Renew, Run, Wait, WaitArgs};
use crate::exit::{Exit, WithExit};
use crate::{interrupt, say};
use anyhow::Context;
use dotlock::{Bond, Error, Lock, Purpose, Released, Target, TimeLimit, Token, show, signal};
use serde_json::json;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::Command;

/// `dotlock run`.
pub fn run(args: &Run) -> anyhow::Result<Exit> {
    let (name, mut command) = command(args)?;
    let targets = targets(&args.files, &args.wait)?;
    let held = Held::of(&args.wait)?;
    let policy = policy(&args.wait, &args.say, &held).purpose(Purpose::Run);
    let locks = dotlock::acquire_all(&targets, &policy)
        .map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;
    if args.say.verbose {
        locks.iter().for_each(tell_acquired);
    }
    for lock in locks.iter().filter(|_| !args.close) {
        lock.let_children_keep_it()?;
    }
    command.env(held::VARIABLE, held.with(locks.iter().filter_map(|l| l.token().cloned())).to_text());

    let limit = args.time_limit.map(|after| TimeLimit { after, kill_after: args.kill_after });
    let apart = limit.is_some() && !io::stdin().is_terminal();
    let started = interrupt::start(&mut command, apart).map_err(|e| cannot_run(&name, &e))?;
    let Some(mut child) = started else {
        let target = targets[0].path().to_owned();
        return Err(Error::Interrupted { target, signal: signal::noted() }.into());
    };
    let ended = dotlock::wait_for(&mut child, limit);
    interrupt::over();
    for lock in locks {
        let file = lock.target().path().to_owned();
        lock.roll_back();
        if args.say.verbose {
            say(format_args!("released the lock of {}", show(&file)));
        }
    }
    let (status, late) = ended.with_context(|| format!("cannot wait for {}", show(name.as_ref())))?;
    let code = dotlock::exit_code(status);
    if late {
        if !args.say.quiet {
            say(format_args!("ended {} after its time limit", show(name.as_ref())));
        }
        return Ok(Exit::TimedOut);
    }
    // A signal that was for both of us: whoever waits for us sees the same.
    if let Some(number) = signal::passed_on()
        && code == 128 + number
    {
        signal::end_by(number);
    }
    Ok(Exit::Passed(code))
}

/// What to run, and how that is called in messages.
fn command(args: &Run) -> anyhow::Result<(OsString, Command)> {
    let usage = |what: String| WithExit(Exit::Usage, what).into();
    match (&args.string, args.cmd.split_first()) {
        (Some(_), _) if args.files.len() > 1 => {
            Err(usage("-c takes exactly one FILE; for several: dotlock run FILE... -- sh -c STRING".into()))
        }
        (Some(string), _) => {
            let command = dotlock::shell(string);
            Ok((command.get_program().to_owned(), command))
        }
        (None, Some((program, rest))) => {
            let mut command = Command::new(program);
            command.args(rest);
            Ok((program.clone(), command))
        }
        (None, None) => {
            let words = args.files.iter().map(|f| show(f)).collect::<Vec<_>>();
            let (first, rest) = (&words[0], words[1..].join(" "));
            let rest = if rest.is_empty() { "CMD" } else { &rest };
            Err(usage(format!("no command: put '--' before it, as in: dotlock run {first} -- {rest}")))
        }
    }
}

fn targets(files: &[PathBuf], wait: &WaitArgs) -> anyhow::Result<Vec<Target>> {
    if files.len() > 1 && wait.lock_file.is_some() {
        return Err(WithExit(Exit::Usage, "--lock-file takes exactly one FILE".into()).into());
    }
    let target = |file: &PathBuf| match &wait.lock_file {
        Some(lock) => Target::resolve_with_lock_anywhere(file, lock),
        None => Target::resolve(file),
    };
    Ok(files.iter().map(target).collect::<dotlock::Result<_>>()?)
}

fn tell_acquired(lock: &Lock) {
    let (path, waited) = (show(lock.target().path()), lock.waited().as_secs_f64());
    say(format_args!("acquired the lock of {path} after {waited:.3} s, at try {}", lock.tries()));
}

/// `dotlock acquire`.
pub fn acquire(args: &Acquire) -> anyhow::Result<Exit> {
    let bond = match (args.bond.for_pid, args.bond.lease) {
        (Some(pid), _) => Bond::Process(pid),
        (None, Some(time)) => Bond::Lease(time),
        (None, None) => {
            let files = args.files.iter().map(|f| show(f)).collect::<Vec<_>>().join(" ");
            let why = format!(
                "say whose life the lock is to hang on: that of this script, as in\n    \
                 dotlock acquire --for-pid $$ {files}\nor nobody's, for a time: dotlock acquire --lease 10m {files}"
            );
            return Err(WithExit(Exit::Usage, why).into());
        }
    };
    bond.check()?;
    let targets = targets(&args.files, &args.wait)?;
    let held = Held::of(&args.wait)?;
    let policy = policy(&args.wait, &args.say, &held).purpose(Purpose::Session);
    let locks = dotlock::acquire_all(&targets, &policy)
        .map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;
    interrupt::note();
    if args.say.verbose {
        locks.iter().for_each(tell_acquired);
    }
    dotlock::hand_over(locks, bond, |tokens| announce(args, &held, tokens))?;
    Ok(Exit::Done)
}

fn announce(args: &Acquire, held: &Held, tokens: &[Token]) -> io::Result<()> {
    let all = held.with(tokens.iter().cloned());
    if args.github_env {
        let path = std::env::var_os("GITHUB_ENV")
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "GITHUB_ENV is not set"))?;
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
        return writeln!(file, "{}={}", held::VARIABLE, all.to_text());
    }
    let mut out = io::stdout().lock();
    match args.export {
        Some(shell) => writeln!(out, "{}", all.export(shell))?,
        None if args.json => {
            let lock = |t: &Token| json!({ "target": t.target().to_string_lossy(), "token": t.to_string() });
            writeln!(out, "{}", json!({ "v": 1, "locks": tokens.iter().map(lock).collect::<Vec<_>>() }))?;
        }
        None => tokens.iter().try_for_each(|token| writeln!(out, "{token}"))?,
    }
    out.flush()
}

/// The tokens that are given, or all that the environment has.
fn tokens_of(words: &[String]) -> anyhow::Result<Vec<Token>> {
    let mut given = Held::default();
    given.add(words)?;
    if words.is_empty() {
        given = Held::of_environment();
    }
    if given.tokens().is_empty() {
        let why = format!("no token: give what 'dotlock acquire' printed, or set {}", held::VARIABLE);
        return Err(WithExit(Exit::Usage, why).into());
    }
    // The innermost first.
    Ok(given.tokens().iter().rev().cloned().collect())
}

/// `dotlock release`.
pub fn release(args: &Release) -> anyhow::Result<Exit> {
    let tokens = tokens_of(&args.tokens)?;
    let policy = patience(args.wait.0, &args.say);
    let mut done = Ok(Exit::Done);
    let mut gone = Vec::new();
    // What one of them comes to is no reason to keep the others.
    for token in tokens {
        let file = show(token.target());
        match dotlock::release(&token, &policy) {
            Ok(Released::Now) if args.say.verbose => say(format_args!("released the lock of {file}")),
            Ok(Released::Before) if !args.say.quiet => {
                say(format_args!("{file} is not locked any more: its lock was released before, or removed"));
            }
            Ok(_) => {}
            // The locks of a command that runs above us are not ours to release.
            Err(Error::Refused { .. }) if args.tokens.is_empty() => continue,
            Err(e) => {
                if let Err(earlier) = done {
                    say(format_args!("{earlier:#}"));
                }
                done = Err(e.into());
            }
        }
        gone.push(token);
    }
    if let Some(shell) = args.export {
        let line = Held::of_environment().without(&gone).export(shell);
        writeln!(io::stdout().lock(), "{line}").context("cannot print")?;
    }
    done
}

/// `dotlock renew`.
pub fn renew(args: &Renew) -> anyhow::Result<Exit> {
    for token in tokens_of(&args.tokens)? {
        let end = dotlock::renew(&token, args.lease)?;
        if args.say.verbose {
            let end = humantime::format_rfc3339_seconds(end);
            say(format_args!("the lock of {} is leased until {end}", show(token.target())));
        }
    }
    Ok(Exit::Done)
}

/// `dotlock wait`.
pub fn wait(args: &Wait) -> anyhow::Result<Exit> {
    let targets = args.files.iter().map(|f| Target::resolve(f)).collect::<dotlock::Result<Vec<_>>>()?;
    let policy = patience(limit(args.nonblock, args.wait.0), &args.say);
    dotlock::wait_free(&targets, &policy)
        .map_err(|e| busy_or(e, args.conflict_exit_code, &Held::default()))?;
    Ok(Exit::Done)
}
