//! The commands of the write queue.

use super::{SyncArg, TellArgs, WaitArgs, duration};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Append standard input to a file, whole, in order, through its write queue
///
/// Returns when it is durable in FILE. Any number of producers may append at the
/// same time: whoever gets the lock writes for all that wait, in one commit, so
/// they share the cost of making it durable.
///
/// FILE is rewritten, so that readers see it before or after an append; on xfs and
/// btrfs its old content is shared, not copied. For big files elsewhere, see
/// --in-place.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  echo \"$(date) deployed\" | dotlock append deploy.log

  Many producers, one JSON Lines file:
    seq 100 | xargs -P 32 -I{} sh -c './measure {} | dotlock append results.jsonl'

  A stream, line by line, batched by itself:
    tail -f app.log | dotlock append --lines merged.log")]
pub struct Append {
    /// The file; it need not exist
    pub file: PathBuf,

    /// Take each line for itself, as it comes; several go together
    #[arg(long)]
    pub lines: bool,

    /// With --lines, so many lines at most go together
    #[arg(long, value_name = "N", default_value_t = 100, requires = "lines")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,

    /// With --lines, wait so long at most for the next line to go together with
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "50ms", requires = "lines")]
    pub linger: Duration,

    #[command(flatten)]
    pub hand_in: HandInArgs,

    /// Write behind FILE where it stands, rather than into a copy of it
    ///
    /// The entries are made durable in the queue first, so a crash leaves no part of
    /// one in FILE once the next dotlock command has used it; until then, and while
    /// it is written, readers may see a part. It costs the same however big FILE is.
    #[arg(long)]
    pub in_place: bool,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub tell: TellArgs,
}

/// Hand in changes of a file for one writer to apply, and look at what is pending
#[derive(Debug, Args)]
pub struct Queue {
    #[command(subcommand)]
    pub command: QueueCommand,
}

#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    Push(Push),
    Drain(Drain),
    List(List),
    Cat(Cat),
}

/// Hand in one change, from standard input
///
/// Returns when it is durable in FILE: written by this process, or by whoever has
/// the lock, together with what others have handed in, in the order in which it
/// came. If it cannot be applied, such as a patch to what is no JSON, this fails
/// with 3, the change is kept in FILE.queue.rejected with the reason, and nobody is
/// held up.
///
/// If it fails the change is taken back, so that it can be handed in again; should
/// that not be possible, the message says so. One who is killed while he waits
/// leaves his change in the queue.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  Each worker sets its own key:
    echo '{\"workers\": {\"a\": {\"done\": 17}}}' | dotlock queue push --merge state.json

  Producers who never wait, and one writer:
    render | dotlock queue push --replace --async page.html
    dotlock queue drain --follow --debounce 100ms page.html")]
pub struct Push {
    /// The file that is to be changed; it need not exist
    pub file: PathBuf,

    #[command(flatten)]
    pub change: ChangeArgs,

    #[command(flatten)]
    pub hand_in: HandInArgs,

    /// Let a file become empty by --replace
    #[arg(long, requires = "replace")]
    pub allow_empty: bool,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub tell: TellArgs,
}

/// What a change does.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct ChangeArgs {
    /// Put it at the end; the default
    #[arg(long)]
    pub append: bool,

    /// Make it the whole content; of several in the queue only the last counts
    #[arg(long)]
    pub replace: bool,

    /// It is a JSON merge patch (RFC 7396): an object whose members are set, or
    /// removed where they are null
    #[arg(long)]
    pub merge: bool,

    /// It is a JSON patch (RFC 6902): a list of operations, all or none
    #[arg(long)]
    pub json_patch: bool,
}

/// How changes are handed in.
#[derive(Debug, Args)]
pub struct HandInArgs {
    /// Return when it is durable in the queue; it is written by the next command that
    /// writes what is pending
    #[arg(long = "async")]
    pub detached: bool,

    /// While so many are pending, write them first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pending: Option<u64>,

    /// What is to survive a power cut
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    #[arg(env = "DOTLOCK_SYNC", hide_env_values = true)]
    pub sync: SyncArg,
}

/// Write what is pending, and return when nothing is
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  dotlock queue drain state.json

  As the one writer, until it is told to end:
    dotlock queue drain --follow --debounce 100ms state.json")]
pub struct Drain {
    /// The file
    pub file: PathBuf,

    /// Stay and write whatever comes, until a signal; then finish, and exit with 0
    #[arg(long)]
    pub follow: bool,

    /// With --follow, write when nothing has come for TIME (or ten times TIME is over)
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0", requires = "follow")]
    pub debounce: Duration,

    /// What is to survive a power cut
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    #[arg(env = "DOTLOCK_SYNC", hide_env_values = true)]
    pub sync: SyncArg,

    /// Print what was done as one JSON document
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub tell: TellArgs,
}

/// Show what is pending, and who handed it in
#[derive(Debug, Args)]
pub struct List {
    /// The file
    pub file: PathBuf,

    /// Only look whether the queue is sound: exit with 1 if something is damaged
    #[arg(long)]
    pub verify: bool,

    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Print the file as it will be when all that is pending is written
///
/// So one who has handed in a change with --async sees it at once.
#[derive(Debug, Args)]
pub struct Cat {
    /// The file
    pub file: PathBuf,
}
