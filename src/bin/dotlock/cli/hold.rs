//! Options of the commands that hold a lock, let it go, or wait for it.

use super::{Limit, TellArgs, WaitArgs, duration, limit};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Hold the locks of files or directories while a command runs
///
/// FILE may be a file, a directory (a database that is one), or not exist: what
/// counts is the name. CMD may do with it what it likes; its exit code is passed
/// on, 128+N if signal N ended it. Locks of several FILEs are taken in an order
/// that is the same for everybody.
///
/// CMD keeps the locks alive: should dotlock be killed, they are held until CMD
/// and what it started has ended, and then free at once. When CMD ends the locks
/// go, even if something that it started runs on.
///
/// Below CMD, dotlock commands work under these locks, one after the other: they
/// find their tokens in DOTLOCK_HELD.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  One build at a time:
    dotlock run build/ -- make -j8

  Parallel workers and one database that takes one writer:
    dotlock run store.duckdb -- python3 add_batch.py

  A line for the shell, at most 10 minutes, and no waiting:
    dotlock run -n --time-limit 10m state.json -c 'fetch | merge > new && mv new state.json'

  Two at once, for a move between them:
    dotlock run a.json b.json -- ./move-entry")]
pub struct Run {
    /// What to lock
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Run STRING in a shell ($SHELL, or sh); takes exactly one FILE
    #[arg(short = 'c', long = "command", value_name = "STRING", conflicts_with = "cmd")]
    pub string: Option<OsString>,

    /// Do not let CMD keep the locks alive when dotlock is killed
    #[arg(short = 'o', long)]
    pub close: bool,

    /// Exclude everybody else; it is so anyway
    #[arg(short = 'x', long, visible_short_alias = 'e')]
    pub exclusive: bool,

    /// End CMD after TIME, with SIGTERM; the exit code is 124 then
    ///
    /// Unless standard input is a terminal, CMD gets a process group of its own,
    /// which is ended as a whole.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub time_limit: Option<Duration>,

    /// With --time-limit, end it with SIGKILL after so much more
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    #[arg(requires = "time_limit")]
    pub kill_after: Duration,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub say: TellArgs,

    /// The command
    #[arg(last = true, value_name = "CMD")]
    pub cmd: Vec<OsString>,
}

/// Acquire locks for the following commands of a script
///
/// Prints a token for each, by which 'release' gives the lock back, and other
/// commands work under it (--token, or DOTLOCK_HELD). Say whose life the locks
/// hang on: a process, with whose end they are free, or a lease.
///
/// There is no default, as 'T=$(dotlock acquire f || exit 75)' runs in a subshell
/// that ends at once; $$ is the script itself even there.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  T=$(dotlock acquire --for-pid $$ app.conf) || exit
  render | dotlock locked-write --token $T app.conf
  restart-app
  dotlock release $T

  The same without naming the token each time:
    L=$(dotlock acquire --for-pid $$ --export sh app.conf) || exit
    eval \"$L\"
    render | dotlock locked-write app.conf
    eval \"$(dotlock release --export sh)\"

  For the steps of a job, which are processes of their own:
    dotlock acquire --lease 30m --github-env deploy.lock-me")]
pub struct Acquire {
    /// What to lock
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub bond: BondArgs,

    /// Print lines for a shell that set DOTLOCK_HELD, instead of tokens
    #[arg(long, value_name = "SHELL", value_enum, conflicts_with = "github_env")]
    pub export: Option<ExportArg>,

    /// Append DOTLOCK_HELD to the file that GITHUB_ENV names, and print nothing
    #[arg(long)]
    pub github_env: bool,

    /// Print one JSON document
    #[arg(long, conflicts_with_all = ["export", "github_env"])]
    pub json: bool,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub say: TellArgs,
}

/// Whose life a lock hangs on.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct BondArgs {
    /// Free the locks when process PID ends; $$ is the script itself
    #[arg(long, value_name = "PID")]
    pub for_pid: Option<u32>,

    /// Free the locks after TIME, unless they are renewed
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub lease: Option<Duration>,
}

/// Give back locks that 'acquire' has taken
///
/// Those who work under a lock just now are waited for. A lock that is another's
/// by now is left alone, and that is said (exit code 76); one that is released
/// already is no failure.
#[derive(Debug, Args)]
pub struct Release {
    /// What 'acquire' printed [default: the locks in DOTLOCK_HELD]
    #[arg(value_name = "TOKEN")]
    pub tokens: Vec<String>,

    /// Print lines for a shell that take the locks out of DOTLOCK_HELD
    #[arg(long, value_name = "SHELL", value_enum)]
    pub export: Option<ExportArg>,

    /// Wait at most TIME for those who work under the lock
    #[arg(short, long, visible_alias = "timeout", value_name = "TIME", value_parser = limit, default_value = "60s")]
    pub wait: Limit,

    #[command(flatten)]
    pub say: TellArgs,
}

/// Let leases end later
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example, for as long as a server runs:
  T=$(dotlock acquire --lease 5m data) || exit
  while kill -0 $server; do dotlock renew --lease 5m $T; sleep 60; done
  dotlock release $T")]
pub struct Renew {
    /// What 'acquire' printed [default: the locks in DOTLOCK_HELD]
    #[arg(value_name = "TOKEN")]
    pub tokens: Vec<String>,

    /// Let them end TIME from now, if they would end before
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub lease: Duration,

    #[command(flatten)]
    pub say: TellArgs,
}

/// Wait until files are not locked, without locking them
///
/// Of several, until none is locked at one moment. A lock whose owner is provably
/// gone counts as free.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  dotlock wait state.json && cat state.json
  dotlock wait --timeout 5s a.json b.json || echo still busy")]
pub struct Wait {
    /// What to wait for
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    #[arg(short, long, visible_alias = "timeout", value_name = "TIME", value_parser = limit, default_value = "60s")]
    #[arg(env = "DOTLOCK_WAIT", hide_env_values = true)]
    pub wait: Limit,

    /// Only look: the same as --wait 0
    #[arg(short, long, overrides_with = "wait")]
    pub nonblock: bool,

    /// Exit with N when they were not free in time
    #[arg(short = 'E', long, value_name = "N", default_value_t = crate::exit::BUSY)]
    #[arg(env = "DOTLOCK_CONFLICT_EXIT_CODE", hide_env_values = true)]
    pub conflict_exit_code: u8,

    #[command(flatten)]
    pub say: TellArgs,
}

/// What lines that set a variable are printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportArg {
    /// sh, bash, zsh and their kin
    Sh,
    Fish,
    Powershell,
}
