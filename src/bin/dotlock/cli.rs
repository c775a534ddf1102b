//! The command line: types and help texts. Nothing happens here.

mod queue;

pub use queue::{Append, Drain, HandInArgs, List, Push, Queue, QueueCommand};

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete_nushell::Nushell;
use dotlock::{Backup, Precondition};
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

/// Replace a file by standard input, another file, or a command's output
///
/// Input is gathered before the lock is taken, so a slow producer holds nothing.
/// A regular file is copied under the lock, inside the kernel where it can be.
/// The file keeps its owner, group, permissions, ACLs and extended attributes.
/// Symbolic links are followed; the lock lies beside the file itself.
///
/// A pipe hides that its producer failed: 'false | dotlock locked-write f' cannot
/// know. Let dotlock run the command, with '-- CMD': if CMD fails, nothing is
/// changed and its exit code is passed on.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  Write what a command says, if it succeeds:
    dotlock locked-write deploy.json -- ./generate --all

  From a pipe, waiting at most 5 seconds:
    echo '{\"level\": 3}' | dotlock locked-write --wait 5s state.json

  Install a file, with its directory and permissions:
    dotlock locked-write --from build/app.conf --parents --mode 640 etc/app/app.conf

  For a script:
    dotlock locked-write --json state.json < new.json | jq -r .sha256")]
pub struct LockedWrite {
    /// The file to write; it need not exist
    pub file: PathBuf,

    /// Read the new content from SRC instead of standard input
    #[arg(long, value_name = "SRC", conflicts_with = "cmd")]
    pub from: Option<PathBuf>,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub write: WriteArgs,

    #[command(flatten)]
    pub say: SayArgs,

    /// Run CMD and take its output, if it exits with 0
    #[arg(last = true, value_name = "CMD")]
    pub cmd: Vec<OsString>,
}

/// Change a file by a command that reads it and prints what it is to become
///
/// Under the lock CMD reads FILE on standard input; what it prints becomes FILE,
/// if it exits with 0. Otherwise FILE is unchanged and the exit code is passed on.
///
/// With --in-place CMD is given a private copy instead, for '{}': it may change
/// that, or replace it, as 'sed -i' and editors do.
///
/// A dotlock command that CMD runs on FILE itself is refused, as CMD's output
/// would undo it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  Count, from as many processes as you like:
    dotlock update counter.json -- jq '.n += 1'

  Sort a list, and check what comes out before it counts:
    dotlock update hosts.txt --validate 'grep -q localhost {}' -- sort -u

  With a program that changes files in place:
    dotlock update --in-place app.conf -- sed -i s/debug/info/ '{}'

  Only if nobody has changed it since it was read:
    dotlock update --if-match sha256:$HASH state.json -- ./merge new.json")]
pub struct Update {
    /// The file to change
    pub file: PathBuf,

    /// Begin with nothing if FILE does not exist
    #[arg(long)]
    pub create: bool,

    /// Give CMD the path of a private copy for '{}', and take what it makes of that
    #[arg(long)]
    pub in_place: bool,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub write: WriteArgs,

    #[command(flatten)]
    pub say: SayArgs,

    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    pub cmd: Vec<OsString>,
}

/// Change a file in an editor, under its lock
///
/// The editor ($VISUAL, $EDITOR, or vi) works on a private copy. If nothing was
/// changed, or the editor fails, nothing is written. If --validate does not like
/// what was edited, a terminal is asked whether to edit again, to keep it beside
/// FILE, or to give up.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  dotlock edit --validate 'nginx -t -c {}' nginx.conf
  EDITOR='code --wait' dotlock edit --backup=numbered settings.json")]
pub struct Edit {
    /// The file to edit; it need not exist
    pub file: PathBuf,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub write: WriteArgs,

    #[command(flatten)]
    pub say: SayArgs,
}

/// Put a backup back, under the lock
///
/// The backup that was made last: FILE.bak, or the numbered one with the highest
/// number. It stays where it is. FILE keeps its permissions; if it is gone, it
/// gets those of the backup.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  dotlock restore app.conf
  dotlock restore --from 'app.conf.~3~' --backup=numbered app.conf")]
pub struct Restore {
    /// The file whose backup is to be put back
    pub file: PathBuf,

    /// The backup, or any other file
    #[arg(long, value_name = "BACKUP")]
    pub from: Option<PathBuf>,

    /// The suffix of backups that are not numbered
    #[arg(long, value_name = "SUFFIX", default_value = Backup::SUFFIX)]
    pub suffix: OsString,

    #[command(flatten)]
    pub wait: WaitArgs,

    #[command(flatten)]
    pub write: WriteArgs,

    #[command(flatten)]
    pub say: SayArgs,
}

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
    #[arg(short = 'E', long, value_name = "N", default_value_t = super::exit::BUSY)]
    #[arg(env = "DOTLOCK_CONFLICT_EXIT_CODE", hide_env_values = true)]
    pub conflict_exit_code: u8,

    #[command(flatten)]
    pub say: TellArgs,
}

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

/// How to write a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Writing")]
pub struct WriteArgs {
    /// Permissions of the file, in octal [default: those that it has; for a new
    /// file 666 less the umask]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub mode: Option<u32>,

    /// What is to survive a power cut
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    #[arg(env = "DOTLOCK_SYNC", hide_env_values = true)]
    pub sync: SyncArg,

    /// Make the directories that are missing
    #[arg(long)]
    pub parents: bool,

    /// Let a file that is not empty become empty
    #[arg(long)]
    pub allow_empty: bool,

    /// Write only if FILE is 'absent', 'present', or has that content: sha256:HEX
    ///
    /// The hash is printed by --json, and by 'status --json FILE'. It is looked at
    /// under the lock, and once more right before FILE is replaced.
    #[arg(long, value_name = "WHAT")]
    pub if_match: Option<Precondition>,

    /// Write only if CMD, a line for sh, exits with 0
    ///
    /// '{}' stands for the path of a private copy of the new content, which is
    /// called as FILE. Without it CMD reads the content on standard input.
    #[arg(long, value_name = "CMD")]
    pub validate: Option<OsString>,

    /// Do nothing if FILE has this content and these permissions already
    #[arg(long, env = "DOTLOCK_SKIP_UNCHANGED", hide_env_values = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    pub skip_unchanged: bool,

    /// Keep the old content as FILE.bak, FILE with SUFFIX, or 'numbered' (FILE.~1~)
    #[arg(long, value_name = "SUFFIX", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = Backup::SUFFIX, env = "DOTLOCK_BACKUP", hide_env_values = true)]
    pub backup: Option<OsString>,

    /// Of numbered backups, keep the last N
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,

    /// Refuse a FILE with several names (hard links), which would be parted
    #[arg(long, env = "DOTLOCK_REFUSE_HARDLINKED", hide_env_values = true)]
    #[arg(value_parser = clap::builder::FalseyValueParser::new())]
    pub refuse_hardlinked: bool,

    /// Write into FILE if it cannot be replaced, being a mount point of its own
    ///
    /// So it is where a container is given a single file. Readers may see half of
    /// it then. A backup is made first (FILE.bak if nothing else is said), and put
    /// back if writing fails.
    #[arg(long)]
    pub overwrite: bool,
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

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  dotlock completions bash > ~/.local/share/bash-completion/completions/dotlock
  dotlock completions fish > ~/.config/fish/completions/dotlock.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Write the manual pages into a directory, or print the main one
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  dotlock man | man -l -
  dotlock man ~/.local/share/man/man1")]
pub struct Man {
    /// The directory; it is made if it is missing
    pub dir: Option<PathBuf>,
}

/// A limit of time; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

/// How durable a write is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SyncArg {
    /// Content and name
    #[default]
    Full,
    /// The file is the old one or the new one, whole
    Data,
    /// Nothing is promised
    None,
}

/// What lines that set a variable are printed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportArg {
    /// sh, bash, zsh and their kin
    Sh,
    Fish,
    Powershell,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    Nushell,
    Powershell,
    Zsh,
}

impl Shell {
    /// What makes the script.
    pub fn generate(self, command: &mut clap::Command, to: &mut dyn std::io::Write) {
        use clap_complete::{Shell as Known, generate};
        let known = match self {
            Shell::Bash => Known::Bash,
            Shell::Elvish => Known::Elvish,
            Shell::Fish => Known::Fish,
            Shell::Powershell => Known::PowerShell,
            Shell::Zsh => Known::Zsh,
            Shell::Nushell => return generate(Nushell, command, "dotlock", to),
        };
        generate(known, command, "dotlock", to);
    }
}

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

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        // The sticky bit is dotlock's own mark, and means nothing on a file.
        Ok(mode) if mode & !0o6777 == 0 => Ok(mode),
        Ok(_) => Err("permissions go up to 6777".into()),
        Err(_) => Err("give permissions in octal, such as 640".into()),
    }
}

#[cfg(test)]
mod tests {
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
