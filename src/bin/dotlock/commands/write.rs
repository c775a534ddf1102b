//! Commands that replace a file: by input, or by a backup. What they share with
//! those that change one.

use super::{Held, busy_or, cannot_run, policy, print, sync, target, with_path};
use crate::cli::{LockedWrite, Restore, SayArgs, SyncArg, WriteArgs};
use crate::exit::{Exit, WithExit};
use crate::{interrupt, progress, say};
use anyhow::Context;
use dotlock::{
    Backup, CommitOptions, Gatherer, Input, Policy, Progress, PublishOptions, Published, Purpose, Target,
    Validator, show,
};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;

/// A file that is bigger makes a write last, so that signals must be able to end
/// it; so can one that says it is empty, as those of /proc do.
const BIG: u64 = 1 << 20;

/// `dotlock locked-write`.
pub fn locked_write(args: &LockedWrite) -> anyhow::Result<Exit> {
    let target = target(&args.file, &args.wait)?;
    let options = options(&args.write, &args.say)?;
    let gatherer = Gatherer::new(&target, &options.progress);
    let input = if let Some(source) = &args.from {
        gatherer.file(source)?
    } else if !args.cmd.is_empty() {
        match output_of(&args.cmd, gatherer, &target)? {
            Ok(input) => input,
            Err(code) => return Ok(Exit::Passed(code)),
        }
    } else {
        if !args.say.tell.quiet && dotlock::stdin_is_terminal() {
            say(format_args!("reading from the terminal; Ctrl-D ends it, Ctrl-C gives up"));
        }
        gatherer.stdin()?
    };

    interrupt::note();
    let is_small = match &input {
        Input::Bytes(_) => true,
        Input::File(file) => file.metadata().is_ok_and(|m| (1..=BIG).contains(&m.len())),
        Input::Spooled(_) => false,
    };
    if !is_small {
        interrupt::arm();
    }
    let held = Held::of(&args.wait)?;
    let policy = with_validator(policy(&args.wait, &args.say.tell, &held), &args.write);
    let done = dotlock::publish(&target, input, &policy, &options)
        .map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;
    // The bar goes before there are messages.
    drop(options);
    tell(&done, &args.say, args.write.sync)
}

/// `dotlock restore`.
pub fn restore(args: &Restore) -> anyhow::Result<Exit> {
    let target = target(&args.file, &args.wait)?;
    let options = options(&args.write, &args.say)?;
    interrupt::arm();
    let held = Held::of(&args.wait)?;
    let policy = with_validator(policy(&args.wait, &args.say.tell, &held), &args.write);
    let (from, done) = dotlock::restore(&target, args.from.as_deref(), &args.suffix, &policy, &options)
        .map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;
    drop(options);
    if !args.say.tell.quiet && !done.unchanged {
        say(format_args!("{} is {} again", show(&done.target), show(&from)));
    }
    tell(&done, &args.say, args.write.sync)
}

/// A command that judges the new content might want the lock itself: under this
/// policy it is told at once that it cannot have it.
fn with_validator(policy: Policy, write: &WriteArgs) -> Policy {
    if write.validate.is_some() { policy.purpose(Purpose::Update) } else { policy }
}

/// What the options describe.
pub fn options(write: &WriteArgs, say: &SayArgs) -> anyhow::Result<PublishOptions> {
    let backup = match write.backup.as_deref() {
        Some(how) if how == "numbered" => Some(Backup::Numbered { keep: write.keep }),
        _ if write.keep.is_some() => {
            return Err(WithExit(Exit::Usage, "--keep goes with --backup=numbered".into()).into());
        }
        Some(suffix) => Some(Backup::Suffix(suffix.to_owned())),
        None => write.overwrite.then(|| Backup::Suffix(Backup::SUFFIX.into())),
    };
    Ok(PublishOptions {
        commit: CommitOptions { sync: sync(write.sync), mode: write.mode, overwrite: write.overwrite },
        allow_empty: write.allow_empty,
        parents: write.parents,
        hash: say.json,
        if_match: write.if_match,
        refuse_hard_linked: write.refuse_hardlinked,
        skip_unchanged: write.skip_unchanged,
        validator: write.validate.clone().map(validator),
        backup,
        progress: if say.tell.quiet { Progress::default() } else { progress::bar() },
    })
}

/// Runs a line for the shell on a copy of the new content.
fn validator(line: OsString) -> Validator {
    Validator::new(move |copy| {
        let text = line.to_string_lossy();
        let named = text.contains("{}");
        let line = match copy.to_str().filter(|_| named) {
            Some(copy) => with_word(&text, copy)?.into(),
            None if named => return Err("its name is no UTF-8, so that no '{}' can stand for it".into()),
            None => line.clone(),
        };
        let run = || {
            let stdin = if named { Stdio::null() } else { std::fs::File::open(copy)?.into() };
            let mut command = dotlock::posix_shell(&line);
            interrupt::with_child(command.stdin(stdin).stdout(Stdio::null()), std::process::Child::wait)?
        };
        match run() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                Err(format!("--validate does not accept the new content: {text} failed ({status})"))
            }
            Err(e) => Err(format!("cannot run {text}: {e}")),
        }
    })
}

/// A line for the shell with `path` for every `{}`, which may have quotes of its
/// own around it. Deeper within quotes a name could end these, and be obeyed.
fn with_word(line: &str, path: &str) -> Result<String, String> {
    let line = line.replace("'{}'", "{}").replace("\"{}\"", "{}");
    let word = dotlock::shell_word(path);
    let mut parts = line.split("{}");
    let mut done = parts.next().unwrap_or_default().to_owned();
    let mut before = done.clone();
    for part in parts {
        if word != path && is_in_quotes(&before) {
            return Err(format!("{word} cannot stand for a '{{}}' that is within quotes with other text"));
        }
        done.extend([&word, part]);
        before.push_str(part);
    }
    Ok(done)
}

/// Whether a shell that has read `text` is within quotes.
fn is_in_quotes(text: &str) -> bool {
    let (mut open, mut chars) = (None, text.chars());
    while let Some(c) = chars.next() {
        match (open, c) {
            (None | Some('"'), '\\') => drop(chars.next()),
            (None, '\'' | '"') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            _ => {}
        }
    }
    open.is_some()
}

/// Runs a command and gathers its output; its exit code if it fails.
fn output_of(
    cmd: &[OsString],
    gatherer: Gatherer<'_>,
    target: &Target,
) -> anyhow::Result<Result<Input, i32>> {
    let mut command = with_path(cmd, Path::new("{}"));
    command.stdout(Stdio::piped());
    let gathered = interrupt::with_child(&mut command, |child| gatherer.child(child));
    let (input, status) = gathered.map_err(|e| cannot_run(&cmd[0], &e))??;
    Ok(match dotlock::exit_code(status) {
        0 => Ok(input),
        code => {
            tell_failed(&cmd[0], status, target);
            Err(code)
        }
    })
}

/// Says that a command failed, and what that means for the file.
pub fn tell_failed(program: &OsStr, status: std::process::ExitStatus, target: &Target) {
    let (program, file) = (show(Path::new(program)), show(target.path()));
    say(format_args!("{program} failed ({status}); {file} is unchanged"));
}

/// Says what was done, as far as that is asked for.
pub fn tell(done: &Published, args: &SayArgs, sync: SyncArg) -> anyhow::Result<Exit> {
    let path = show(&done.target);
    if !args.tell.quiet {
        if done.unchanged {
            say(format_args!("{path} is unchanged"));
        }
        if done.overwritten {
            let backup = done.backup.as_deref().map(show).unwrap_or_default();
            say(format_args!("{path} is a mount point: it was written into; its old content is in {backup}"));
        }
        if !done.lost.is_empty() {
            say(format_args!("{path} is written, but could not keep {}", done.lost.join(", ")));
        }
    }
    if args.tell.verbose {
        let waited = done.waited.as_secs_f64();
        say(format_args!("acquired the lock of {path} after {waited:.3} s, at try {}", done.attempts));
        if let Some(backup) = &done.backup {
            say(format_args!("kept its old content as {}", show(backup)));
        }
        if !done.unchanged {
            say(format_args!("wrote {} bytes and released it", done.bytes));
        }
    }
    if args.json {
        print(&report(done, sync)).context("the file is written, but")?;
    }
    Ok(Exit::Done)
}

fn report(done: &Published, sync: SyncArg) -> serde_json::Value {
    let synced = match sync {
        SyncArg::Full => "full",
        SyncArg::Data => "data",
        SyncArg::None => "none",
    };
    serde_json::json!({
        "v": 1,
        "target": done.target.to_string_lossy(),
        "bytes": done.bytes,
        "sha256": done.sha256.as_ref().map(dotlock::hex),
        "waited": done.waited.as_secs_f64(),
        "attempts": done.attempts,
        "broke": done.broke,
        "synced": synced,
        "created": done.created,
        "unchanged": done.unchanged,
        "overwritten": done.overwritten,
        "backup": done.backup.as_ref().map(|path| path.to_string_lossy()),
        "not_kept": done.lost,
    })
}
