//! Completions and manual pages, from the same definitions as the help.

use crate::cli::{Cli, Completions, Man};
use crate::exit::{Exit, TABLE};
use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::roff::{Roff, roman};
use std::io::Write;
use std::path::Path;

/// `dotlock completions`.
pub fn completions(args: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    args.shell.generate(&mut Cli::command(), &mut script);
    std::io::stdout().write_all(&script).context("cannot print the script")?;
    Ok(Exit::Done)
}

/// `dotlock man`.
pub fn man(args: &Man) -> anyhow::Result<Exit> {
    let command = Cli::command().disable_help_subcommand(true);
    let Some(dir) = &args.dir else {
        let page = main_page(&command)?;
        std::io::stdout().write_all(&page).context("cannot print the page")?;
        return Ok(Exit::Done);
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dotlock::show(dir)))?;
    write_page(dir, "dotlock.1", &main_page(&command)?)?;
    write_page(dir, "dotlock.7", &protocol_page()?)?;
    let mut built = command;
    built.build();
    write_pages(dir, &built, "dotlock")?;
    Ok(Exit::Done)
}

/// A page for each command below, and for those below these.
fn write_pages(dir: &Path, command: &clap::Command, name: &str) -> anyhow::Result<()> {
    for sub in command.get_subcommands() {
        let name = format!("{name}-{}", sub.get_name());
        let mut page = Vec::new();
        clap_mangen::Man::new(sub.clone()).manual("dotlock").render(&mut page)?;
        write_page(dir, &format!("{name}.1"), &page)?;
        write_pages(dir, sub, &name)?;
    }
    Ok(())
}

fn write_page(dir: &Path, name: &str, page: &[u8]) -> anyhow::Result<()> {
    let path = dir.join(name);
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", dotlock::show(&path)))
}

fn main_page(command: &clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).manual("dotlock");
    man.render(&mut page)?;
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in TABLE {
        roff.control("TP", []);
        roff.text([clap_mangen::roff::bold(code)]);
        roff.text([roman(meaning)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman("dotlock(7), flock(1), git(1)")]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// dotlock(7), from the text beside this file: paragraphs, and lines in
/// capitals as headings.
fn protocol_page() -> anyhow::Result<Vec<u8>> {
    let mut roff = Roff::new();
    roff.control("TH", ["dotlock", "7", "", &format!("dotlock {}", env!("CARGO_PKG_VERSION")), "dotlock"]);
    for paragraph in include_str!("../protocol.txt").split("\n\n") {
        let paragraph = paragraph.trim();
        if paragraph.chars().all(|c| c.is_uppercase() || c == ' ') {
            roff.control("SH", [paragraph]);
        } else if let Some((term, text)) = paragraph.split_once("\n    ") {
            roff.control("TP", []);
            roff.text([clap_mangen::roff::bold(term)]);
            roff.text([roman(text.split_whitespace().collect::<Vec<_>>().join(" "))]);
        } else {
            roff.control("PP", []);
            roff.text([roman(paragraph.split_whitespace().collect::<Vec<_>>().join(" "))]);
        }
    }
    let mut page = Vec::new();
    roff.to_writer(&mut page)?;
    Ok(page)
}
