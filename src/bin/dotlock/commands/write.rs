//! Commands that replace a file.

use super::{Held, busy_or, cannot_run, policy, print, target};
use crate::cli::{LockedWrite, SyncArg};
use crate::exit::Exit;
use crate::{interrupt, say};
use dotlock::{CommitOptions, Input, PublishOptions, Published, Sync, Target};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::{Command, Stdio};

/// A file that is bigger makes a write last, so that signals must be able to end
/// it; so can one that says it is empty, as those of /proc do.
const BIG: u64 = 1 << 20;

/// `dotlock locked-write`.
pub fn locked_write(args: &LockedWrite) -> anyhow::Result<Exit> {
    let target = target(&args.file, &args.wait)?;
    let input = if let Some(source) = &args.from {
        dotlock::gather_file(source, &target)?
    } else if let Some((program, rest)) = args.cmd.split_first() {
        match output_of(program, rest, &target)? {
            Ok(input) => input,
            Err(code) => return Ok(Exit::Passed(code)),
        }
    } else {
        if !args.say.tell.quiet && std::io::stdin().is_terminal() {
            say(format_args!("reading from the terminal; Ctrl-D ends it, Ctrl-C gives up"));
        }
        dotlock::gather_stdin(&target)?
    };

    interrupt::note();
    if let Input::File(file) = &input
        && !file.metadata().is_ok_and(|m| (1..=BIG).contains(&m.len()))
    {
        interrupt::arm();
    }
    let (sync, synced) = match args.write.sync {
        SyncArg::Full => (Sync::Full, "full"),
        SyncArg::Data => (Sync::Data, "data"),
        SyncArg::None => (Sync::None, "none"),
    };
    let options = PublishOptions {
        commit: CommitOptions { sync, mode: args.write.mode },
        allow_empty: args.write.allow_empty,
        parents: args.write.parents,
        hash: args.say.json,
    };
    let held = Held::of(&args.wait)?;
    let policy = policy(&args.wait, &args.say.tell, &held);
    let done = dotlock::publish(&target, input, &policy, &options)
        .map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;

    if !args.say.tell.quiet && !done.lost.is_empty() {
        let lost = done.lost.join(", ");
        say(format_args!("{} is written, but could not keep {lost}", dotlock::show(&done.target)));
    }
    if args.say.tell.verbose {
        let (path, waited) = (dotlock::show(&done.target), done.waited.as_secs_f64());
        say(format_args!("acquired the lock of {path} after {waited:.3} s, at try {}", done.attempts));
        say(format_args!("wrote {} bytes and released it", done.bytes));
    }
    if args.say.json {
        print(&report(&done, synced))?;
    }
    Ok(Exit::Done)
}

/// Runs a command and gathers its output; its exit code if it fails.
fn output_of(program: &OsString, args: &[OsString], target: &Target) -> anyhow::Result<Result<Input, i32>> {
    // A signal that ends us is passed on to it.
    interrupt::arm();
    let shown = program.to_string_lossy();
    let spawned = Command::new(program).args(args).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|e| cannot_run(program, &e))?;
    interrupt::set_child(child.id());
    let gathered = dotlock::gather_child(&mut child, target);
    interrupt::set_child(0);
    let (input, status) = gathered?;
    match dotlock::exit_code(status) {
        0 => Ok(Ok(input)),
        code => {
            say(format_args!("{shown} failed ({status}); {} is unchanged", dotlock::show(target.path())));
            Ok(Err(code))
        }
    }
}

fn report(done: &Published, synced: &str) -> serde_json::Value {
    let hex = |hash: &[u8; 32]| hash.iter().map(|b| format!("{b:02x}")).collect::<String>();
    serde_json::json!({
        "v": 1,
        "target": done.target.to_string_lossy(),
        "bytes": done.bytes,
        "sha256": done.sha256.as_ref().map(hex),
        "waited": done.waited.as_secs_f64(),
        "attempts": done.attempts,
        "broke": done.broke,
        "synced": synced,
        "created": done.created,
        "not_kept": done.lost,
    })
}
