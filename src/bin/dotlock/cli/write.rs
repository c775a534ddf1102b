//! Options of the commands that replace or change a file.

use super::{SayArgs, WaitArgs};
use clap::{Args, ValueEnum};
use dotlock::{Backup, Precondition};
use std::ffi::OsString;
use std::path::PathBuf;

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

pub(super) fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        // The sticky bit is dotlock's own mark, and means nothing on a file.
        Ok(mode) if mode & !0o6777 == 0 => Ok(mode),
        Ok(_) => Err("permissions go up to 6777".into()),
        Err(_) => Err("give permissions in octal, such as 640".into()),
    }
}
