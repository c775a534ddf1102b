//! The command line: types and help texts. Nothing happens here.

mod generate;
mod hold;
mod inspect;
mod queue;
mod write;

pub use generate::{Completions, Man};
pub use hold::{Acquire, ExportArg, Release, Renew, Run, Wait};
pub use inspect::{BreakLock, Status};
pub use queue::{Append, Drain, HandInArgs, List, Push, Queue, QueueCommand};

pub use write::{Edit, LockedWrite, Restore, SyncArg, Update, WriteArgs};

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::Duration;

/// Git-style .lock files from the command line: safe writes that wait, clean up
/// after themselves, and take over from the dead
///
/// A lock is the file FILE.lock, made so that only one can make it. It becomes
/// FILE when the work is done, in one step, so that readers see the old content
/// or the new, whole. git, gitoxide and libgit2 lock the same way, and so work
/// together with dotlock on the same files.
#[derive(Debug, Parser)]
#[command(name = "dotlock", version, max_term_width = 100)]
#[command(propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "See 'dotlock COMMAND --help' for the options and examples of a command.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(visible_alias = "write")]
    LockedWrite(Lazy<LockedWrite>),
    Update(Lazy<Update>),
    Edit(Lazy<Edit>),
    Restore(Lazy<Restore>),
    Append(Lazy<Append>),
    Run(Lazy<Run>),
    Acquire(Lazy<Acquire>),
    Release(Lazy<Release>),
    Renew(Lazy<Renew>),
    Wait(Lazy<Wait>),
    Queue(Lazy<Queue>),
    Status(Lazy<Status>),
    BreakLock(Lazy<BreakLock>),
    Completions(Lazy<Completions>),
    Man(Lazy<Man>),
}

/// The options of a command, defined only when that is called: to define those of
/// all of them takes longer than a small write.
#[derive(Debug)]
pub struct Lazy<T>(pub T);

impl<T: Args> Args for Lazy<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.defer(T::augment_args)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Lazy)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches_mut(matches).map(Lazy)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl Cli {
    /// What the words say, the first of which is the program's name. Ends the
    /// process with a message where they are wrong, or ask for help.
    pub fn parse_words(words: Vec<OsString>) -> Cli {
        // Taken down by the system when the process ends.
        let mut command = ManuallyDrop::new(Cli::command());
        // The help of the program itself tells of every command.
        if words.get(1).is_none_or(|name| command.find_subcommand(name).is_none()) {
            command.build();
        }
        let parsed =
            command.try_get_matches_from_mut(words).and_then(|mut m| Cli::from_arg_matches_mut(&mut m));
        parsed.unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// How to wait for a lock.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waiting")]
pub struct WaitArgs {
    /// Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    #[arg(short, long, visible_alias = "timeout", value_name = "TIME", value_parser = limit, default_value = "60s")]
    #[arg(env = "DOTLOCK_WAIT", hide_env_values = true)]
    pub wait: Limit,

    /// Do not wait: the same as --wait 0
    #[arg(short, long, overrides_with = "wait")]
    pub nonblock: bool,

    /// Exit with N when the lock was not free in time
    #[arg(short = 'E', long, value_name = "N", default_value_t = super::exit::BUSY)]
    #[arg(env = "DOTLOCK_CONFLICT_EXIT_CODE", hide_env_values = true)]
    pub conflict_exit_code: u8,

    /// Try at most N times after the first; the earlier limit wins
    #[arg(long, value_name = "N", env = "DOTLOCK_RETRIES", hide_env_values = true)]
    pub retries: Option<u32>,

    /// Shortest pause between tries, where nothing can wake us
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1ms")]
    #[arg(env = "DOTLOCK_MIN_DELAY", hide_env_values = true)]
    pub min_delay: Duration,

    /// Longest pause between tries, where nothing can wake us
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "100ms")]
    #[arg(env = "DOTLOCK_MAX_DELAY", hide_env_values = true)]
    pub max_delay: Duration,

    /// Also remove a lock of which nothing can be proven, once it is this old
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub stale_after: Option<Duration>,

    /// Do not remove locks, not even those whose owner is provably gone
    #[arg(long, env = "DOTLOCK_NO_BREAK", hide_env_values = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    pub no_break: bool,

    /// Use PATH as the lock; for a write it must be on the file system of FILE
    #[arg(long, value_name = "PATH")]
    pub lock_file: Option<PathBuf>,

    /// Tell others TEXT about this holder
    #[arg(long, value_name = "TEXT", env = "DOTLOCK_LABEL", hide_env_values = true)]
    pub label: Option<String>,

    /// Work under a lock that 'acquire' has taken
    #[arg(long = "token", value_name = "TOKEN", env = "DOTLOCK_TOKEN", hide_env_values = true)]
    pub tokens: Vec<String>,
}

/// What to print of a write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct SayArgs {
    /// Print what was done as one JSON document
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub tell: TellArgs,
}

/// What to tell.
#[derive(Debug, Args)]
#[command(next_help_heading = "Messages")]
pub struct TellArgs {
    /// Say when the lock is acquired and released
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// A limit of time; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

/// A time: with a unit, or a bare number of seconds, which may have a fraction.
fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| "out of range".into()),
        Err(_) => humantime::parse_duration(text).map_err(|_| "try 5s, 100ms, 1.5 or 2m".into()),
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "forever" => Ok(Limit(None)),
        _ => duration(text).map(|d| Limit(Some(d))).map_err(|e| format!("{e} or 'forever'")),
    }
}

#[cfg(test)]
mod tests {
    use super::write::mode;
    use super::*;
    use clap::CommandFactory;
    use proptest::prelude::*;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let ok = |text: &str| duration(text).unwrap();
        assert_eq!(ok("5"), Duration::from_secs(5));
        assert_eq!(ok("0.25"), Duration::from_millis(250));
        assert_eq!(ok("100ms"), Duration::from_millis(100));
        assert_eq!(ok("1m 30s"), Duration::from_secs(90));
        for bad in ["", "-1", "nan", "inf", "1e300", "5 parsecs", "forever"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(limit("forever").unwrap(), Limit(None));
    }

    #[test]
    fn permissions_are_octal_and_never_sticky() {
        assert_eq!(mode("640").unwrap(), 0o640);
        assert_eq!(mode("4755").unwrap(), 0o4755);
        for bad in ["1777", "888", "rw", "", "10000", "-1"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dangerous_options_cannot_be_set_once_for_all() {
        let mut all = Cli::command();
        all.build();
        for command in all.get_subcommands() {
            assert!(command.get_arguments().any(|a| a.get_long() == Some("help")));
            for name in ["force", "discard", "overwrite", "stale-after", "allow-empty"] {
                let mut args = command.get_arguments();
                assert!(args.all(|a| a.get_long() != Some(name) || a.get_env().is_none()), "{name}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_time_or_mode_is_read_or_refused(
            text in prop_oneof![any::<String>(), "[-+]?[0-9]{0,25}[.e]?[0-9]{0,5}", "([0-9]{0,22} ?(ns|ms|s|m|h|days|y) ?){0,4}"],
        ) {
            prop_assert_eq!(limit(&text).ok(), duration(&text).ok().map(|d| Limit(Some(d))));
            prop_assert!(mode(&text).map_or(true, |m| m & !0o6777 == 0));
        }

        #[test]
        fn times_and_modes_are_read_as_they_are_written(seconds: u32, millis in 0..1000_u32, bits in 0..=0o7777_u32) {
            let time = Duration::new(seconds.into(), millis * 1_000_000);
            prop_assert_eq!(duration(&humantime::format_duration(time).to_string()), Ok(time));
            prop_assert_eq!(duration(&format!("{seconds}")), Ok(Duration::from_secs(seconds.into())));
            prop_assert_eq!(mode(&format!("{bits:o}")).is_ok(), bits & 0o1000 == 0);
        }
    }
}
