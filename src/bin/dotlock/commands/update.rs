//! Commands that change a file: read, modify, write, under one lock.

use super::write::{options, tell, tell_failed};
use super::{Held, busy_or, cannot_run, held, policy, target, with_path};
use crate::cli::{Edit, Update};
use crate::exit::{Exit, WithExit};
use crate::{interrupt, say};
use anyhow::Context;
use dotlock::{Draft, Error, Purpose, show, signal};
use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// `dotlock update`.
pub fn update(args: &Update) -> anyhow::Result<Exit> {
    let is_braced = |word: &OsString| word.to_str().is_some_and(|word| word.contains("{}"));
    if args.in_place && !args.cmd.iter().any(is_braced) {
        let why = "--in-place wants '{}' in CMD, for the path of the copy: -- sed -i s/a/b/ '{}'";
        return Err(WithExit(Exit::Usage, why.into()).into());
    }
    let target = target(&args.file, &args.wait)?;
    let options = options(&args.write, &args.say)?;
    let held = Held::of(&args.wait)?;
    let policy = policy(&args.wait, &args.say.tell, &held).purpose(Purpose::Update);
    interrupt::note();
    let mut draft = Draft::begin(&target, &policy, &options)
        .map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;
    drop(options);
    let old = draft.open_old()?;
    if old.is_none() && !args.create {
        let why = format!("cannot update {}: no such file; --create makes it", show(target.path()));
        return Err(WithExit(Exit::Failed, why).into());
    }

    let program = &args.cmd[0];
    let status = if args.in_place {
        // On Windows a file that is open may not be replaced.
        drop(old);
        let copy = draft.private_copy()?;
        let mut command = with_path(&args.cmd, &copy);
        set_held(&mut command, &draft, &held);
        let status = interrupt::with_child(&mut command, std::process::Child::wait)
            .map_err(|e| cannot_run(program, &e))?
            .with_context(|| format!("cannot wait for {}", show(Path::new(program))))?;
        if status.success() {
            draft.take_file(&copy)?;
        }
        status
    } else {
        let mut command = Command::new(program);
        command.args(&args.cmd[1..]).stdin(old.map_or_else(Stdio::null, Stdio::from)).stdout(Stdio::piped());
        set_held(&mut command, &draft, &held);
        interrupt::with_child(&mut command, |child| draft.take_output(child))
            .map_err(|e| cannot_run(program, &e))??
    };
    match dotlock::exit_code(status) {
        0 => tell(&draft.finish()?, &args.say, args.write.sync),
        code => {
            drop(draft);
            tell_failed(program, status, &target);
            Ok(Exit::Passed(code))
        }
    }
}

/// Tells a command of the lock that it runs under: a dotlock command below it does
/// not wait for that in vain.
fn set_held(command: &mut Command, draft: &Draft, held: &Held) {
    command.env(held::VARIABLE, held.with(draft.token().cloned()).to_text());
}

/// `dotlock edit`.
pub fn edit(args: &Edit) -> anyhow::Result<Exit> {
    let target = target(&args.file, &args.wait)?;
    let mut options = options(&args.write, &args.say)?;
    options.skip_unchanged = true;
    let held = Held::of(&args.wait)?;
    let policy = policy(&args.wait, &args.say.tell, &held).purpose(Purpose::Update);
    interrupt::note();
    let mut draft = Draft::begin(&target, &policy, &options)
        .map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;
    let is_new = draft.open_old()?.is_none();
    let copy = draft.private_copy()?;
    loop {
        let Some(code) = run_editor(&copy, &draft, &held)? else {
            let target = target.path().to_owned();
            return Err(Error::Interrupted { target, signal: signal::passed_on().or(signal::noted()) }.into());
        };
        if code != 0 {
            drop(draft);
            say(format_args!("the editor failed (exit code {code}); {} is unchanged", show(target.path())));
            return Ok(Exit::Passed(code));
        }
        if is_new && std::fs::metadata(&copy).is_ok_and(|m| m.len() == 0) {
            say(format_args!("nothing was written into it, so {} is not made", show(target.path())));
            return Ok(Exit::Done);
        }
        if let Err(error) = draft.take_file(&copy) {
            // Somebody's work is not thrown away because another touched the file.
            if matches!(error, Error::Lost { .. })
                && let Ok(kept) = draft.keep_aside(&copy)
            {
                say(format_args!("what was edited is in {}", show(&kept)));
            }
            return Err(error.into());
        }
        match draft.check() {
            Ok(()) => return tell(&draft.finish()?, &args.say, args.write.sync),
            Err(refused @ Error::Refused { .. }) if io::stdin().is_terminal() => match ask(&refused)? {
                Answer::Edit => {}
                Answer::Keep => {
                    let kept = draft.keep_aside(&copy)?;
                    let why = format!(
                        "{} is unchanged; what was edited is in {}",
                        show(target.path()),
                        show(&kept)
                    );
                    return Err(WithExit(Exit::Refused, why).into());
                }
                Answer::GiveUp => return Err(refused.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets the user edit `copy`; the editor's exit code, or `None` if it was ended
/// together with us. What is typed at the terminal is the editor's own affair.
fn run_editor(copy: &Path, draft: &Draft, held: &Held) -> anyhow::Result<Option<i32>> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| dotlock::EDITOR.into());
    // It may come with arguments, as in "code --wait".
    let mut line = editor.clone();
    line.push(" ");
    line.push(word(copy)?);
    let mut command = dotlock::posix_shell(&line);
    set_held(&mut command, draft, held);
    let Some(mut child) = interrupt::start(&mut command, false).map_err(|e| cannot_run(&editor, &e))? else {
        return Ok(None);
    };
    let ended = dotlock::wait_for(&mut child, None);
    interrupt::over();
    let (status, _) = ended.context("cannot wait for the editor")?;
    let (int, quit) = (2, 3);
    let stopped = signal::passed_on().is_some_and(|number| number != int && number != quit);
    Ok(Some(dotlock::exit_code(status)).filter(|_| !stopped))
}

fn word(path: &Path) -> anyhow::Result<OsString> {
    let text = path.to_str().with_context(|| format!("{}: its name is no UTF-8", show(path)))?;
    Ok(dotlock::shell_word(text).into())
}

enum Answer {
    Edit,
    Keep,
    GiveUp,
}

/// Asks what is to become of content that was refused.
fn ask(refused: &Error) -> anyhow::Result<Answer> {
    say(format_args!("{refused}"));
    loop {
        write!(io::stderr().lock(), "What now? [e]dit again, [k]eep it beside the file, [g]ive up: ")?;
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line)?;
        match line.trim().to_ascii_lowercase().as_str() {
            "e" | "edit" => return Ok(Answer::Edit),
            "k" | "keep" => return Ok(Answer::Keep),
            "g" | "give up" => return Ok(Answer::GiveUp),
            _ if read == 0 => return Ok(Answer::GiveUp),
            _ => {}
        }
    }
}
