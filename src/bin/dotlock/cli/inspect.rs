//! Options of the commands for operators.

use clap::Args;
use std::path::PathBuf;

/// Show locks: who holds them, whether he lives, and how that is known
///
/// For a file its lock; for a directory its own lock, then every lock in it.
/// Looking disturbs nobody. A name that ends in .lock means that lock itself.
///
/// A lock is 'held' (its owner lives, or that cannot be excluded), 'stale' (made
/// by dotlock, its owner is provably gone: the next one who wants it takes over),
/// 'foreign' (made by another program: nothing is known for sure), 'not a lock',
/// or 'left over' (no lock, only files that went with one).
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  Who holds this?
    dotlock status app.conf

  Every lock below a directory that is not simply held:
    dotlock status --recursive --stale --foreign /srv/app

  In a script, wait for nobody: 4 if something is held, 5 if only stale locks are there:
    dotlock status --check app.conf || echo \"exit code $?\"

  The processes that hold something here:
    dotlock status --json | jq '.locks[].pid | select(.)'

  What --if-match compares:
    dotlock status --json state.json | jq -r '.files[0].sha256'")]
pub struct Status {
    /// Files and directories [default: the current directory]
    pub paths: Vec<PathBuf>,

    /// Also in the directories below; links to directories are not followed
    #[arg(short, long)]
    pub recursive: bool,

    /// Below, also where other file systems are mounted
    #[arg(long, requires = "recursive")]
    pub cross: bool,

    /// Show held locks (with --stale and --foreign: those, too)
    #[arg(long)]
    pub held: bool,

    /// Show stale locks
    #[arg(long)]
    pub stale: bool,

    /// Show foreign locks
    #[arg(long)]
    pub foreign: bool,

    /// Exit with 4 if something is held or foreign, with 5 if there are only stale locks
    #[arg(long)]
    pub check: bool,

    /// Print one JSON document
    #[arg(long)]
    pub json: bool,

    /// Print nothing; for --check
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
}

/// Remove locks whose owner is provably gone
///
/// Every lock is judged once more under its own kernel lock, and only what was
/// judged is removed. A living lock is never broken: end its process, and the
/// lock goes with it. What had been written into the lock is kept beside the
/// file as FILE.broken-TIME.
///
/// A stale lock need not be broken at all: whoever wants it next takes it over.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  dotlock break-lock app.conf

  What would be removed below a directory?
    dotlock break-lock --recursive --dry-run /srv/app

  git died here, and nobody has the lock open ('dotlock status' tells):
    dotlock break-lock --force .git/index")]
pub struct BreakLock {
    /// Files whose locks are to be broken; with --recursive, directories
    #[arg(required = true)]
    pub files: Vec<PathBuf>,

    /// Also break locks of which nothing is proven; never one that is alive
    #[arg(short, long)]
    pub force: bool,

    /// With --force, do not ask
    #[arg(short, long, requires = "force")]
    pub yes: bool,

    /// Every lock in the directories and below
    #[arg(short, long)]
    pub recursive: bool,

    /// With --recursive, also where other file systems are mounted
    #[arg(long, requires = "recursive")]
    pub cross: bool,

    /// Throw away what had been written into the lock
    #[arg(long)]
    pub discard: bool,

    /// Only say what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}
