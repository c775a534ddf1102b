//! Options of the commands that print what is made of these definitions.

use clap::{Args, ValueEnum};
use clap_complete_nushell::Nushell;
use std::path::PathBuf;

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
