//! What is generated from the definitions of the command line, and committed.
//!
//! `DOTLOCK_REGENERATE=1 cargo test generated` writes it anew.

use crate::harness::Dir;
use std::path::Path;

const SCRIPTS: [(&str, &str); 6] = [
    ("bash", "dotlock.bash"),
    ("elvish", "dotlock.elv"),
    ("fish", "dotlock.fish"),
    ("nushell", "dotlock.nu"),
    ("powershell", "_dotlock.ps1"),
    ("zsh", "_dotlock"),
];

/// Compares, or writes where that is asked for.
fn committed(path: &Path, text: &str) {
    if std::env::var_os("DOTLOCK_REGENERATE").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    assert!(found == text, "{} is not up to date: DOTLOCK_REGENERATE=1 cargo test generated", path.display());
}

#[test]
fn completions_are_up_to_date() {
    let dir = Dir::new();
    let completions = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, name) in SCRIPTS {
        let script = dir.dotlock().args(["completions", shell]).run().ok().stdout;
        committed(&completions.join(name), &script);
    }
    assert_eq!(std::fs::read_dir(completions).unwrap().count(), SCRIPTS.len(), "a script of no shell");
}

#[test]
fn manual_pages_are_up_to_date() {
    let dir = Dir::new();
    dir.dotlock().args(["man", "made"]).run().ok();
    let man = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    let made = std::fs::read_dir(dir.join("made")).unwrap();
    let mut names: Vec<_> = made.map(|e| e.unwrap().file_name()).collect();
    for name in &names {
        let page = std::fs::read_to_string(dir.join("made").join(name)).unwrap();
        committed(&man.join(name), &page);
    }
    let mut kept: Vec<_> = std::fs::read_dir(man).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    kept.sort();
    assert_eq!(kept, names, "a page of no command");
    let main = dir.dotlock().line("man").run().ok().stdout;
    assert_eq!(main, std::fs::read_to_string(dir.join("made/dotlock.1")).unwrap());
}
