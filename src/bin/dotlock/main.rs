//! The program: parse, run, message, exit status.

mod cli;
mod commands;
mod exit;
mod interrupt;
mod progress;

use cli::{Cli, Command, Lazy};
use exit::Exit;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::Path;

#[global_allocator]
static ALLOCATOR: dotlock::Allocator = dotlock::Allocator;

fn main() -> ! {
    let cli = Cli::parse_words(arguments());
    dotlock::signal::limit_is_an_error();
    let code = match run(&cli) {
        Ok(exit) => exit.code(),
        Err(error) => {
            // Whoever reads our output may go away; the work is done by then.
            let closed = |e: &(dyn std::error::Error + 'static)| {
                e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
            };
            match error.downcast_ref::<dotlock::Error>() {
                // It names its cause itself.
                Some(error) => say(format_args!("{error}")),
                None if error.chain().any(closed) => std::process::exit(Exit::Done.code()),
                None => say(format_args!("{error:#}")),
            }
            Exit::of(&error).code()
        }
    };
    interrupt::end_if_interrupted();
    std::process::exit(code)
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    match &cli.command {
        Command::LockedWrite(Lazy(args)) => commands::write::locked_write(args),
        Command::Update(Lazy(args)) => commands::update::update(args),
        Command::Edit(Lazy(args)) => commands::update::edit(args),
        Command::Restore(Lazy(args)) => commands::write::restore(args),
        Command::Append(Lazy(args)) => commands::queue::append(args),
        Command::Run(Lazy(args)) => commands::hold::run(args),
        Command::Acquire(Lazy(args)) => commands::hold::acquire(args),
        Command::Release(Lazy(args)) => commands::hold::release(args),
        Command::Renew(Lazy(args)) => commands::hold::renew(args),
        Command::Wait(Lazy(args)) => commands::hold::wait(args),
        Command::Queue(Lazy(args)) => commands::queue::queue(args),
        Command::Status(Lazy(args)) => commands::inspect::status(args),
        Command::BreakLock(Lazy(args)) => commands::inspect::break_lock(args),
        Command::Completions(Lazy(args)) => commands::generate::completions(args),
        Command::Man(Lazy(args)) => commands::generate::man(args),
    }
}

/// The arguments; started under the name of a command, with that first.
fn arguments() -> Vec<OsString> {
    let mut all: Vec<OsString> = std::env::args_os().collect();
    let name = all.first().and_then(|a| Path::new(a).file_stem()).unwrap_or_default();
    if name == "locked-write" {
        all.insert(1, name.to_owned());
    }
    all
}

/// A message on stderr, written in one piece, as others may write there too. One
/// that cannot be written is no reason to fail.
fn say(message: std::fmt::Arguments<'_>) {
    let _ = std::io::stderr().lock().write_all(format!("dotlock: {message}\n").as_bytes());
}
