//! The README's examples: every block marked `console` is run, in order, in
//! one directory, and what it prints is compared.
//!
//! A line that begins with "$ " is a command, which lines that begin with "> "
//! go on; the lines up to the next one are what it prints. "..." there stands for
//! anything.

use crate::harness::{Dir, Dotlock, has};
use std::path::Path;

#[test]
fn the_examples_do_what_the_readme_says() {
    if !has("jq") {
        return;
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let dir = Dir::new();
    let program = Path::new(env!("CARGO_BIN_EXE_dotlock")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut commands = 0;
    for block in text.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in format!("\n{block}").split("\n$ ").skip(1) {
            let part = part.trim_end_matches('\n').to_owned() + "\n";
            let end = part.find("\n> ").map_or(0, |_| part.rfind("\n> ").unwrap() + 1);
            let (_, expected) = part[end..].split_once('\n').unwrap();
            let command = &part[..part.len() - expected.len()].replace("\n> ", "\n");
            let run = Dotlock::new("sh", dir.path())
                .env("PATH", &path)
                .args(["-c", &format!("exec 2>&1; {command}")]);
            let printed = run.run().stdout.replace(dir.path().to_str().unwrap(), "/srv/app");
            assert!(fits(expected, &printed), "$ {command}\nprinted:\n{printed}instead of:\n{expected}");
            commands += 1;
        }
    }
    assert!(commands >= 10, "only {commands} commands were found");
}

fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once("...") else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|&i| text.is_char_boundary(i)).any(|i| fits(rest, &text[i..]))
}
