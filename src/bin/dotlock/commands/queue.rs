//! The write queue: producers, the one who writes, and a look at what is pending.

use super::{Held, busy_or, policy, print, sync, target};
use crate::cli::{Append, Drain, List, Push, Queue, QueueCommand, TellArgs, WaitArgs};
use crate::exit::Exit;
use crate::{interrupt, say};
use anyhow::Context;
use comfy_table::{ContentArrangement, Table, presets};
use dotlock::{Change, Drained, Entry, Error, Finding, Pending, Policy, Pushed, Queued, Target, show};
use serde_json::json;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

/// So long a follower waits for the lock before it looks for a signal.
const SLICE: Duration = Duration::from_millis(200);

/// `dotlock append`.
pub fn append(args: &Append) -> anyhow::Result<Exit> {
    let target = target(&args.file, &args.wait)?;
    let held = Held::of(&args.wait)?;
    let how = dotlock::Push { in_place: args.in_place, ..how(&args.hand_in, &args.wait) };
    let hand_in = HandIn { target: &target, held: &held, how, wait: &args.wait, tell: &args.tell };
    if args.lines {
        return hand_in.lines(args.batch as usize, args.linger);
    }
    let bytes = standard_input(&args.tell)?;
    if bytes.is_empty() {
        return Ok(Exit::Done);
    }
    hand_in.one(Entry::new(&target, Change::Append, bytes)?)
}

/// `dotlock queue`.
pub fn queue(args: &Queue) -> anyhow::Result<Exit> {
    match &args.command {
        QueueCommand::Push(args) => push(args),
        QueueCommand::Drain(args) => drain(args),
        QueueCommand::List(args) => list(args),
        QueueCommand::Cat(args) => cat(&args.file),
    }
}

fn push(args: &Push) -> anyhow::Result<Exit> {
    let target = target(&args.file, &args.wait)?;
    let change = match &args.change {
        c if c.replace => Change::Replace,
        c if c.merge => Change::Merge,
        c if c.json_patch => Change::JsonPatch,
        _ => Change::Append,
    };
    let bytes = standard_input(&args.tell)?;
    if bytes.is_empty() && change == Change::Append {
        return Ok(Exit::Done);
    }
    if bytes.is_empty() && change == Change::Replace && !args.allow_empty {
        let why = "the new content is empty; --allow-empty permits that".into();
        return Err(Error::Refused { path: target.path().to_owned(), why }.into());
    }
    let held = Held::of(&args.wait)?;
    let how = how(&args.hand_in, &args.wait);
    let hand_in = HandIn { target: &target, held: &held, how, wait: &args.wait, tell: &args.tell };
    hand_in.one(Entry::new(&target, change, bytes)?)
}

fn how(args: &crate::cli::HandInArgs, wait: &WaitArgs) -> dotlock::Push {
    dotlock::Push {
        detached: args.detached,
        most: args.max_pending,
        sync: sync(args.sync),
        label: wait.label.clone(),
        ..dotlock::Push::default()
    }
}

fn standard_input(tell: &TellArgs) -> anyhow::Result<Vec<u8>> {
    if !tell.quiet && io::stdin().is_terminal() {
        say(format_args!("reading from the terminal; Ctrl-D ends it, Ctrl-C gives up"));
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    Ok(bytes)
}

/// A producer.
struct HandIn<'a> {
    target: &'a Target,
    held: &'a Held,
    how: dotlock::Push,
    wait: &'a WaitArgs,
    tell: &'a TellArgs,
}

impl HandIn<'_> {
    fn one(&self, entry: Entry) -> anyhow::Result<Exit> {
        let policy = policy(self.wait, self.tell, self.held);
        self.push(&[entry], &policy)?;
        Ok(Exit::Done)
    }

    fn push(&self, entries: &[Entry], policy: &Policy) -> anyhow::Result<Pushed> {
        let done = dotlock::push(self.target, entries, policy, &self.how)
            .map_err(|e| busy_or(e, self.wait.conflict_exit_code, self.held))?;
        let file = show(self.target.path());
        if done.torn > 0 && !self.tell.quiet {
            say(format_args!(
                "cut {} bytes off the queue of {file}: an entry that was never completed",
                done.torn
            ));
        }
        if self.tell.verbose {
            let (n, waited) = (done.entries, done.waited.as_secs_f64());
            let what = match done.commits {
                _ if self.how.detached => "in the queue",
                0 => "written by another",
                _ => "written",
            };
            say(format_args!("{n} of {file} {what} after {waited:.3} s"));
        }
        Ok(done)
    }

    /// Every line is an entry; those that come close together go together.
    fn lines(&self, batch: usize, linger: Duration) -> anyhow::Result<Exit> {
        let policy = policy(self.wait, self.tell, self.held);
        let (to, lines) = sync_channel(2 * batch);
        let reader = std::thread::Builder::new().name("lines".into()).spawn(move || {
            let mut from = io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let read = from.read_until(b'\n', &mut line);
                let over = matches!(read, Ok(0) | Err(_));
                // The last one may lack its end; what comes behind it must not join it.
                if read.is_ok() && !line.is_empty() && !line.ends_with(b"\n") {
                    line.push(b'\n');
                }
                if to.send(read.map(|_| line)).is_err() || over {
                    return;
                }
            }
        });
        reader.context("cannot start a thread")?;
        let mut written = 0;
        loop {
            let (entries, more) = self.gather(&lines, batch, linger)?;
            let count = entries.len();
            self.push(&entries, &policy).with_context(|| format!("stopped after {written} lines"))?;
            written += count;
            if !more {
                return Ok(Exit::Done);
            }
        }
    }

    /// The next lines; whether there are more.
    fn gather(
        &self,
        lines: &Receiver<io::Result<Vec<u8>>>,
        batch: usize,
        linger: Duration,
    ) -> anyhow::Result<(Vec<Entry>, bool)> {
        let mut entries = Vec::new();
        let mut end = None;
        while entries.len() < batch {
            let next = match end {
                // The first is waited for as long as it takes.
                None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(end) => lines.recv_timeout(Instant::saturating_duration_since(&end, Instant::now())),
            };
            match next {
                Ok(line) => {
                    let line = line.context("cannot read standard input")?;
                    if line.is_empty() {
                        return Ok((entries, false));
                    }
                    entries.push(Entry::new(self.target, Change::Append, line)?);
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Ok((entries, false)),
            }
            end = end.or_else(|| Instant::now().checked_add(linger));
        }
        Ok((entries, true))
    }
}

fn drain(args: &Drain) -> anyhow::Result<Exit> {
    let target = target(&args.file, &args.wait)?;
    let held = Held::of(&args.wait)?;
    interrupt::note();
    let how = dotlock::Push { sync: sync(args.sync), ..dotlock::Push::default() };
    let tell = |one: &Drained| {
        if args.tell.verbose && one.commits > 0 {
            let file = show(target.path());
            say(format_args!("wrote {} entries into {file} in {} commits", one.applied, one.commits));
        }
        if one.rejected > 0 && !args.tell.quiet {
            let kept = show(target.path()) + ".queue.rejected";
            say(format_args!("rejected {} entries; they are kept, with the reason, in {kept}", one.rejected));
        }
    };
    let done = if args.follow {
        // What may end it is looked for between two waits.
        let policy =
            Policy::default().wait(SLICE).label(args.wait.label.clone()).under(held.tokens().to_vec());
        let mut told = false;
        let stop = || {
            told = told || dotlock::signal::take().is_some();
            told
        };
        dotlock::follow(&target, &policy, &how, args.debounce, stop, tell)
    } else {
        dotlock::drain(&target, &policy(&args.wait, &args.tell, &held), &how).inspect(tell)
    };
    let done = done.map_err(|e| busy_or(e, args.wait.conflict_exit_code, &held))?;
    if args.json {
        print(&json!({
            "v": 1,
            "target": target.path().to_string_lossy(),
            "applied": done.applied,
            "rejected": done.rejected,
            "commits": done.commits,
        }))?;
    }
    Ok(Exit::Done)
}

fn list(args: &List) -> anyhow::Result<Exit> {
    let target = Target::resolve(&args.file)?;
    let pending = dotlock::pending(&target)?;
    let bad = pending.findings.iter().any(|f| matches!(f, Finding::Bad { .. }));
    let file = show(target.path());
    for finding in &pending.findings {
        match finding {
            Finding::Torn { at, bytes } => {
                say(format_args!(
                    "{file}.queue ends with {bytes} bytes, from byte {at} on, of an entry that was never completed; the next push cuts them off"
                ));
            }
            Finding::Bad { aside, at } => {
                let aside = if *aside { ".aside" } else { "" };
                say(format_args!(
                    "{file}.queue{aside} has a bad checksum at byte {at}, and whole entries behind it; nothing is written until it is moved away"
                ));
            }
            _ => {}
        }
    }
    let now = SystemTime::now();
    let age = |e: &Queued| now.duration_since(e.time).unwrap_or_default();
    let bytes: u64 = pending.entries.iter().map(|e| e.bytes).sum();
    if args.json {
        let entry = |e: &Queued| {
            json!({
                "kind": e.change.name(),
                "bytes": e.bytes,
                "time": humantime::format_rfc3339_millis(e.time).to_string(),
                "age": age(e).as_secs_f64(),
                "pid": e.pid,
                "label": e.label,
                "state": state(e),
                "async": e.detached,
            })
        };
        print(&json!({
            "v": 1,
            "target": target.path().to_string_lossy(),
            "pending": pending.entries.len(),
            "bytes": bytes,
            "oldest": pending.entries.iter().map(age).max().map(|a| a.as_secs_f64()),
            "rejected": pending.rejected,
            "damaged": bad,
            "entries": pending.entries.iter().map(entry).collect::<Vec<_>>(),
        }))?;
    } else if args.verify {
        if !bad {
            tell(&format!("{} entries, {bytes} bytes: sound\n", pending.entries.len()))?;
        }
    } else {
        tell(&table(&pending, &file, age))?;
    }
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn state(entry: &Queued) -> &'static str {
    if entry.aside { "being written" } else { "queued" }
}

fn table(pending: &Pending, file: &str, age: impl Fn(&Queued) -> Duration) -> String {
    let mut text = if pending.entries.is_empty() {
        format!("nothing is pending: {file}\n")
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["STATE", "KIND", "SIZE", "AGE", "PRODUCER"]);
        table.set_content_arrangement(ContentArrangement::Disabled);
        for entry in &pending.entries {
            let producer = match &entry.label {
                Some(label) => format!("pid {} ({label})", entry.pid),
                None => format!("pid {}", entry.pid),
            };
            let age = humantime::format_duration(Duration::from_secs(age(entry).as_secs())).to_string();
            let size = format!("{} B", entry.bytes);
            table.add_row([state(entry).into(), entry.change.name().into(), size, age, producer]);
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
        lines.collect()
    };
    if pending.rejected > 0 {
        text += &format!("{} were rejected: see {file}.queue.rejected\n", pending.rejected);
    }
    text
}

fn cat(file: &Path) -> anyhow::Result<Exit> {
    let target = Target::resolve(file)?;
    match dotlock::preview(&target)? {
        Some(bytes) => {
            let mut out = io::stdout().lock();
            out.write_all(&bytes).and_then(|()| out.flush()).context("cannot print")?;
            Ok(Exit::Done)
        }
        None => {
            let source = io::Error::from(io::ErrorKind::NotFound);
            Err(Error::Io { doing: "read", path: target.path().to_owned(), source }.into())
        }
    }
}

fn tell(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot print")
}
