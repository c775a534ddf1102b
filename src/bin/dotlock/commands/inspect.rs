//! Commands for operators: what locks are there, and away with the dead ones.

use super::print;
use crate::cli::{BreakLock, Status};
use crate::exit::Exit;
use crate::say;
use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use dotlock::{BreakOptions, Broken, Error, Scope, Sighting, State, show};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// `dotlock status`.
pub fn status(args: &Status) -> anyhow::Result<Exit> {
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { here.as_slice() } else { &args.paths };
    let scope = Scope { recursive: args.recursive, cross: args.cross };
    let mut all = Vec::new();
    let mut failed = false;
    for path in paths {
        let (found, problems) = dotlock::survey(path, scope)?;
        all.extend(found);
        for problem in problems {
            failed = true;
            say(format_args!("{problem}"));
        }
    }
    // The same lock by two of the names that were given.
    let mut seen = std::collections::HashSet::new();
    all.retain(|s| seen.insert(s.lock.clone()));

    let state = |s: &Sighting| s.verdict.as_ref().map(|v| v.state);
    let is = |wanted| all.iter().any(|s| state(s) == Some(wanted));
    let check = match () {
        () if failed => Exit::Failed,
        () if !args.check => Exit::Done,
        () if is(State::Held) || is(State::Foreign) => Exit::Locked,
        () if is(State::Stale) => Exit::OnlyStale,
        () => Exit::Done,
    };
    let filters = [(args.held, State::Held), (args.stale, State::Stale), (args.foreign, State::Foreign)];
    if filters.iter().any(|(wanted, _)| *wanted) {
        all.retain(|s| filters.iter().any(|(wanted, which)| *wanted && state(s) == Some(*which)));
    }
    match () {
        () if args.quiet => {}
        () if args.json => {
            let locks: Vec<_> = all.iter().map(document).collect();
            let files = paths.iter().filter(|path| path.is_file()).map(|path| file(path));
            let files = files.collect::<anyhow::Result<Vec<_>>>()?;
            print(&json!({ "v": 1, "locks": locks, "files": files }))?;
        }
        () if all.is_empty() => tell(&format!("no lock: {}\n", shown(paths)))?,
        () => tell(&table(&all))?,
    }
    Ok(check)
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| show(p)).collect::<Vec<_>>().join(", ")
}

fn tell(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot print")
}

fn state_name(sighting: &Sighting) -> &'static str {
    sighting.verdict.as_ref().map_or("left over", |v| v.state.name())
}

/// Why, with all that is known of those who may have it.
fn evidence(sighting: &Sighting) -> String {
    let Some(verdict) = &sighting.verdict else {
        let names = sighting.parts.iter().filter_map(|p| p.file_name()).map(|n| show(Path::new(n)));
        return format!("no lock, only {}", names.collect::<Vec<_>>().join(", "));
    };
    let mut text = verdict.evidence.clone();
    if !sighting.open_in.is_empty() {
        let who = sighting.open_in.iter().map(|(pid, name)| format!("pid {pid} ({name})"));
        text += &format!("; open in {}", who.collect::<Vec<_>>().join(", "));
    } else if verdict.state == State::Foreign && Sighting::KNOWS_OPENERS {
        text += "; no process that may be seen has it open";
    }
    if let Some(note) = &sighting.note {
        text += &format!("; {note}");
    }
    text
}

fn since(sighting: &Sighting) -> Option<SystemTime> {
    let verdict = sighting.verdict.as_ref()?;
    verdict.holder.as_ref().and_then(|h| h.since).or(verdict.born).or(verdict.modified)
}

fn age(sighting: &Sighting) -> Option<Duration> {
    SystemTime::now().duration_since(since(sighting)?).ok()
}

/// A file that was named: what --if-match compares.
fn file(path: &Path) -> anyhow::Result<Value> {
    let path = dotlock::Target::resolve(path).map_or_else(|_| path.to_owned(), |t| t.path().to_owned());
    let hash = dotlock::sha256(&path)?;
    Ok(json!({ "path": path.to_string_lossy(), "sha256": hash.as_ref().map(dotlock::hex) }))
}

fn document(sighting: &Sighting) -> Value {
    let verdict = sighting.verdict.as_ref();
    let holder = verdict.and_then(|v| v.holder.as_ref());
    json!({
        "target": sighting.target.to_string_lossy(),
        "lock": sighting.lock.to_string_lossy(),
        "state": state_name(sighting).replace(' ', "_"),
        "evidence": evidence(sighting),
        "pid": verdict.and_then(dotlock::Verdict::pid),
        "program": holder.map(|h| &h.program),
        "label": holder.and_then(|h| h.label.as_ref()),
        "user": holder.map(|h| &h.user),
        "host": holder.map(|h| &h.host),
        "since": since(sighting).map(|t| humantime::format_rfc3339_millis(t).to_string()),
        "age": age(sighting).map(|a| a.as_secs_f64()),
        "staged_bytes": verdict.map(|v| v.size),
        "open_in": sighting.open_in.iter().map(|(pid, name)| json!({ "pid": pid, "program": name })).collect::<Vec<_>>(),
        "parts": sighting.parts.iter().map(|p| p.to_string_lossy()).collect::<Vec<_>>(),
    })
}

/// For people: on a terminal as wide as that, and coloured by what a lock is.
fn table(all: &[Sighting]) -> String {
    let terminal = std::io::stdout().is_terminal();
    let width = terminal_size::terminal_size().filter(|_| terminal).map(|(w, _)| w.0);
    let longest = width.map_or(usize::MAX, |w| usize::from(w / 4).max(16));
    let here = std::env::current_dir().unwrap_or_default();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["STATE", "FILE", "HOLDER", "AGE", "STAGED", "EVIDENCE"]);
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    for sighting in all {
        let file = sighting.target.strip_prefix(&here).unwrap_or(&sighting.target);
        let file = if file.as_os_str().is_empty() { Path::new(".") } else { file };
        let verdict = sighting.verdict.as_ref();
        let holder = match verdict.map(|v| (&v.holder, v.pid())) {
            Some((Some(holder), _)) => holder.to_string(),
            Some((None, Some(pid))) => format!("pid {pid}"),
            _ => String::new(),
        };
        table.add_row([
            state_name(sighting).to_owned(),
            shortened(&show(file), longest),
            holder,
            age(sighting).map_or_else(String::new, rough),
            verdict.filter(|v| v.state != State::NotALock).map_or_else(String::new, |v| bytes(v.size)),
            evidence(sighting),
        ]);
    }
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    table
        .lines()
        .map(|line| if colour { coloured(&line) } else { line.trim_end().to_owned() } + "\n")
        .collect()
}

/// The state, which begins the line of a lock, in its colour.
fn coloured(line: &str) -> String {
    use clap::builder::styling::{AnsiColor, Style};
    let states = [
        ("held", AnsiColor::Green),
        ("stale", AnsiColor::Yellow),
        ("foreign", AnsiColor::Red),
        ("not a lock", AnsiColor::BrightBlack),
        ("left over", AnsiColor::BrightBlack),
    ];
    let word = line.trim_start();
    let indent = line.len() - word.len();
    match states.iter().find(|(state, _)| indent < 3 && word.starts_with(state)) {
        Some((state, colour)) => {
            let style = Style::new().fg_color(Some((*colour).into()));
            format!("{}{style}{state}{style:#}{}", &line[..indent], &word[state.len()..])
        }
        None => line.to_owned(),
    }
}

/// A path with its middle left out, so that it has at most `most` characters:
/// its end tells more than its middle.
fn shortened(path: &str, most: usize) -> String {
    let length = path.chars().count();
    if length <= most {
        return path.to_owned();
    }
    let (head, tail) = (most / 3, most - most / 3 - 1);
    let chars = || path.chars();
    chars().take(head).chain(['…']).chain(chars().skip(length - tail)).collect()
}

/// A duration as one says it: its biggest unit, and the next.
fn rough(age: Duration) -> String {
    let whole = Duration::from_secs(age.as_secs());
    let text = humantime::format_duration(whole).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{n} B"),
        10_000..10_000_000 => format!("{} kB", n / 1000),
        _ => format!("{} MB", n / 1_000_000),
    }
}

/// `dotlock break-lock`.
pub fn break_lock(args: &BreakLock) -> anyhow::Result<Exit> {
    let mut worst = Exit::Done;
    let mut note = |error: &Error| {
        say(format_args!("{error}"));
        let exit = match error {
            Error::Refused { .. } => Exit::Refused,
            _ => Exit::Failed,
        };
        if worst != Exit::Failed {
            worst = exit;
        }
    };
    for file in &args.files {
        let found = match args.recursive {
            true => dotlock::survey(file, Scope { recursive: true, cross: args.cross }),
            false => dotlock::sight(file).map(|s| (s.into_iter().collect(), Vec::new())),
        };
        let (found, problems) = match found {
            Ok(found) => found,
            Err(error) => {
                note(&error);
                continue;
            }
        };
        problems.iter().for_each(&mut note);
        let wanted = |s: &&Sighting| !args.recursive || breakable(s, args.force);
        let mut none = true;
        for sighting in found.iter().filter(wanted) {
            none = false;
            if let Err(error) = break_one(sighting, args) {
                note(&error);
            }
        }
        if none && !args.quiet {
            say(format_args!("no lock to break: {}", show(file)));
        }
    }
    Ok(worst)
}

/// In a tree, only what may be broken is of interest.
fn breakable(sighting: &Sighting, force: bool) -> bool {
    match sighting.verdict.as_ref().map(|v| v.state) {
        Some(State::Stale) | None => true,
        Some(State::Foreign) => force,
        Some(State::Held | State::NotALock) => false,
    }
}

fn break_one(sighting: &Sighting, args: &BreakLock) -> dotlock::Result<()> {
    let file = show(&sighting.target);
    let proven = sighting.verdict.as_ref().is_none_or(|v| v.state == State::Stale);
    if args.force && !proven && !args.yes && !args.dry_run && !agreed(sighting) {
        let why = "nothing was removed, as you did not agree".into();
        return Err(Error::Refused { path: sighting.target.clone(), why });
    }
    let options = BreakOptions { force: args.force, discard: args.discard, dry_run: args.dry_run };
    let done = dotlock::break_lock(sighting, options)?;
    let known = sighting.verdict.as_ref().map_or_else(|| evidence(sighting), dotlock::Verdict::describe);
    match done {
        _ if args.quiet => {}
        Broken::Nothing if sighting.verdict.is_none() => say(format_args!("{file} is not locked ({known})")),
        Broken::Nothing => say(format_args!("{file} is not locked any more")),
        Broken::Possible => say(format_args!("would break the lock of {file} ({known})")),
        Broken::Removed(None) => say(format_args!("broke the lock of {file} ({known})")),
        Broken::Removed(Some(kept)) => {
            say(format_args!("broke the lock of {file} ({known})"));
            let kept = show(&kept);
            say(format_args!("what had been written into it is in {kept}; compare it: diff {file} {kept}"));
        }
        _ => {}
    }
    Ok(())
}

/// On a terminal, asks; elsewhere --force is an answer.
fn agreed(sighting: &Sighting) -> bool {
    if !std::io::stdin().is_terminal() {
        return true;
    }
    say(format_args!("{} is {}: {}", show(&sighting.lock), state_name(sighting), evidence(sighting)));
    let _ = write!(std::io::stderr().lock(), "Break it all the same? [y/N] ");
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_lose_their_middle() {
        assert_eq!(shortened("short", 20), "short");
        let long = "/srv/applications/production/config/app.conf";
        let short = shortened(long, 20);
        assert_eq!(short.chars().count(), 20);
        assert!(short.starts_with("/srv/a") && short.contains('…') && short.ends_with("app.conf"), "{short}");
        assert_eq!(shortened("ümläüte/ünd/söweiter", 10).chars().count(), 10);
    }

    #[test]
    fn only_the_state_at_the_beginning_of_a_line_is_coloured() {
        let line = coloured(" stale  held/foreign  its owner is gone");
        assert!(line.starts_with(" \x1b[33mstale\x1b[0m  held/foreign"), "{line:?}");
        for plain in ["        held together by the next line", " STATE  FILE", ""] {
            assert_eq!(coloured(plain), plain);
        }
    }

    #[test]
    fn ages_and_sizes_are_rough() {
        assert_eq!(rough(Duration::from_millis(900)), "0s");
        assert_eq!(rough(Duration::from_secs(3 * 86400 + 3600 + 61)), "3days 1h");
        assert_eq!(
            (bytes(9999).as_str(), bytes(25_000).as_str(), bytes(123_456_789).as_str()),
            ("9999 B", "25 kB", "123 MB")
        );
    }
}
