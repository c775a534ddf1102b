//! What every test uses: a directory of its own, the program with a clean
//! environment, workers in processes of their own, and what a run came to.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A directory that goes when the test ends.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Dir {
        Dir(tempfile::Builder::new().prefix("dotlock-test-").tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Makes a file; returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.join(name)).unwrap()).unwrap()
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A line for sh, in which `dotlock` is the program.
    #[cfg(unix)]
    pub fn sh(&self, script: &str) -> Dotlock {
        let bin = Path::new(env!("CARGO_BIN_EXE_dotlock")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Dotlock::new("sh", self.path()).args(["-c", script]).env("PATH", path)
    }

    /// The program, to be run in this directory.
    pub fn dotlock(&self) -> Dotlock {
        Dotlock::new(env!("CARGO_BIN_EXE_dotlock"), self.path())
    }
}

/// A run of the program, or of anything in its place.
pub struct Dotlock {
    pub command: Command,
    stdin: Vec<u8>,
}

impl Dotlock {
    pub fn new(program: impl AsRef<OsStr>, dir: &Path) -> Dotlock {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("DOTLOCK_")) {
            command.env_remove(name);
        }
        command.current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Dotlock { command, stdin: Vec::new() }
    }

    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Dotlock {
        self.command.args(args);
        self
    }

    /// The arguments as one would type them, without quotes.
    pub fn line(self, line: &str) -> Dotlock {
        self.args(line.split_whitespace())
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Dotlock {
        self.command.env(name, value);
        self
    }

    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Dotlock {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Outcome {
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = std::mem::take(&mut self.stdin);
        let feeder = std::thread::spawn(move || {
            // Whoever reads nothing of it closes the pipe.
            let _ = stdin.write_all(&bytes);
        });
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        Outcome {
            code: dotlock::exit_code(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts it; standard input stays open until the test is done with it.
    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&self.stdin).unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stdin: Some(stdin), stderr }
    }
}

/// Commands that every system has, by what they do.
pub mod command {
    fn words(unix: [&str; 3], windows: &str) -> Vec<String> {
        let on_windows = ["cmd", "/d", "/c", windows];
        let words = if cfg!(windows) { on_windows.as_slice() } else { unix.as_slice() };
        words.iter().map(|&w| w.to_owned()).collect()
    }

    /// Prints a line.
    pub fn echo(text: &str) -> Vec<String> {
        words(["sh", "-c", &format!("echo '{text}'")], &format!("echo {text}"))
    }

    /// Prints a file.
    pub fn cat(file: &str) -> Vec<String> {
        words(["sh", "-c", &format!("cat '{file}'")], &format!("type {file}"))
    }

    /// Does nothing.
    pub fn nothing() -> Vec<String> {
        words(["sh", "-c", ":"], "rem")
    }

    /// Prints something and fails.
    pub fn fail(code: u8) -> Vec<String> {
        words(["sh", "-c", &format!("echo half; exit {code}")], &format!("echo half& exit {code}"))
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// It ended well, and said nothing.
    #[track_caller]
    pub fn ok(self) -> Outcome {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        self
    }

    /// It ended with `code`, and its message has all of `words`.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Outcome {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
        self
    }
}

/// A run that goes on.
/// When the file was made, in nanoseconds since 1970, if the system knows.
#[cfg(target_os = "linux")]
pub fn birth(path: &Path) -> Option<u64> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    // Not by std, which does not ask for it with every C library.
    let meta = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).unwrap();
    let (birth, known) = (meta.stx_btime, meta.stx_mask & StatxFlags::BTIME.bits() != 0);
    known.then_some(birth.tv_sec as u64 * 1_000_000_000 + u64::from(birth.tv_nsec))
}

#[cfg(all(unix, not(target_os = "linux")))]
pub fn birth(path: &Path) -> Option<u64> {
    let time = path.symlink_metadata().unwrap().created().ok()?;
    Some(time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64)
}

pub struct Running {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Running {
    /// Waits until it says a line with `word` on stderr; returns that line.
    #[track_caller]
    pub fn says(&mut self, word: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            if self.stderr.read_line(&mut line).unwrap() == 0 {
                panic!("it ended without saying {word:?}, but: {seen:?}");
            }
            if line.contains(word) {
                return line;
            }
            seen += &line;
        }
    }

    /// The next line that it says on stderr.
    #[cfg(unix)]
    pub fn read_line(&mut self, line: &mut String) {
        self.stderr.read_line(line).unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Outcome {
        drop(self.stdin.take());
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let mut stdout = String::new();
        if let Some(mut out) = self.child.stdout.take() {
            out.read_to_string(&mut stdout).unwrap();
        }
        let status = self.child.wait().unwrap();
        Outcome { code: dotlock::exit_code(status), stdout, stderr }
    }
}

/// A `run` whose command says "held", and lives until its input ends: see
/// [`Running::end`].
pub fn holder(dir: &Dir, line: &str) -> Running {
    let mut run = dir.dotlock().line(line).args(["--"]).args(role());
    set_role(&mut run.command, "linger", &[]);
    let mut held = run.start();
    held.says("held");
    held
}

/// Role: the command of a [`holder`].
fn linger() {
    eprintln!("held");
    live();
}

/// Role: lives until its input ends.
fn live() {
    while hear().is_some() {}
}

/// Runs `script` in a terminal; each time that it has shown the first of a pair, the
/// second is typed. Returns what the terminal showed.
#[cfg(unix)]
pub fn terminal(dir: &Dir, script: &str, dialogue: &[(&str, &[u8])]) -> String {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&main).unwrap();
    unlockpt(&main).unwrap();
    let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
    let tty = || std::fs::OpenOptions::new().read(true).write(true).open(&name).unwrap();
    // A session of its own, whose terminal this is: setsid makes both so.
    let mut command = dir.sh(script).command;
    let shell = std::mem::replace(&mut command, Command::new("setsid"));
    command.args(["--ctty", "--wait"]).arg(shell.get_program()).args(shell.get_args());
    command.current_dir(dir.path()).envs(shell.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let mut child = command.stdin(tty()).stdout(tty()).stderr(tty()).spawn().unwrap();
    drop(command);
    let mut typed = std::fs::File::from(main);
    let mut shown = typed.try_clone().unwrap();
    let mut seen = Vec::new();
    let mut read = |seen: &mut Vec<u8>| {
        let mut piece = [0; 1024];
        // At its end the terminal is closed, which reads as an error.
        let n = shown.read(&mut piece).unwrap_or(0);
        seen.extend_from_slice(&piece[..n]);
        n > 0
    };
    let mut from = 0;
    for (word, answer) in dialogue {
        let has = |seen: &[u8]| String::from_utf8_lossy(seen).contains(word);
        while !has(&seen[from..]) {
            assert!(read(&mut seen), "{word:?} was not shown, but {:?}", String::from_utf8_lossy(&seen));
        }
        from = seen.len();
        typed.write_all(answer).unwrap();
    }
    while read(&mut seen) {}
    child.wait().unwrap();
    String::from_utf8_lossy(&seen).into_owned()
}

/// A process of its own that runs [`ROLES`]' function of that name: this test
/// binary, started again.
pub struct Worker {
    pub child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

const ROLE: &str = "DOTLOCK_TEST_ROLE";
const MARK: &str = "worker says: ";

/// What runs a role: the program and its arguments.
pub fn role() -> Vec<std::ffi::OsString> {
    let program = std::env::current_exe().unwrap();
    [program.as_os_str(), "--exact".as_ref(), "harness::worker".as_ref(), "--nocapture".as_ref()]
        .map(OsStr::to_owned)
        .to_vec()
}

/// Says in the environment which role it is.
pub fn set_role(command: &mut Command, role: &str, args: &[&OsStr]) {
    command.env(ROLE, role);
    for (i, arg) in args.iter().enumerate() {
        command.env(format!("DOTLOCK_TEST_ARG{i}"), arg);
    }
}

impl Worker {
    pub fn start(name: &str, args: &[&OsStr]) -> Worker {
        let words = role();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        set_role(&mut command, name, args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Worker { child, to, from }
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// The next thing that it says.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        self.hear_more().expect("the worker has ended")
    }

    /// The next thing that it says; `None` when it has ended.
    pub fn hear_more(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            self.from.read_line(&mut line).unwrap();
            // One that is killed may leave half a line.
            let line = line.strip_suffix('\n')?;
            // The test runner prints, too, and not always a whole line.
            if let Some((_, said)) = line.trim_end().split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    /// Waits for its end, which must be a good one.
    #[track_caller]
    pub fn join(mut self) {
        drop(self.to);
        let mut rest = String::new();
        self.from.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
    }
}

/// For a role: its argument.
pub fn arg(i: usize) -> PathBuf {
    std::env::var_os(format!("DOTLOCK_TEST_ARG{i}")).unwrap().into()
}

/// For a role: says something to the test.
pub fn tell(text: &str) {
    println!("{MARK}{text}");
}

/// For a role: the next line from the test; `None` when there are no more.
pub fn hear() -> Option<String> {
    std::io::stdin().lines().next().map(Result::unwrap)
}

/// Not a test: what a [`Worker`] runs. Run as a test it does nothing.
#[test]
fn worker() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (_, role) = ROLES.iter().find(|(name, _)| *name == role).unwrap();
    role();
}

const ROLES: &[(&str, fn())] = &[
    ("bump", super::contention::bump),
    ("count", super::contention::count),
    ("contend", super::takeover::contend),
    ("configure", super::interop::configure),
    ("hold", super::takeover::hold),
    ("linger", linger),
    ("live", live),
    #[cfg(unix)]
    ("increment", super::storm::increment),
];

/// Something that is mounted until this is dropped.
#[cfg(target_os = "linux")]
pub struct Mounted<'a>(&'a Path);

#[cfg(target_os = "linux")]
impl Mounted<'_> {
    /// `mount ARGS FROM AT`; `None`, and said, if the system denies it.
    pub fn new<'a>(args: &[&str], from: &Path, at: &'a Path) -> Option<Mounted<'a>> {
        let done = Command::new("mount").args(args).arg(from).arg(at).output();
        let mounted = done.is_ok_and(|o| o.status.success());
        if !mounted {
            lacks_right("mounting");
        }
        mounted.then_some(Mounted(at))
    }

    /// A small disk, at a directory that is made for it.
    pub fn disk<'a>(size: &str, at: &'a Path) -> Option<Mounted<'a>> {
        std::fs::create_dir(at).unwrap();
        Mounted::new(&["-t", "tmpfs", "-o", size], Path::new("none"), at)
    }
}

#[cfg(target_os = "linux")]
impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Skips a test that needs what is not here, unless skips are failures.
#[must_use]
pub fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|dir| dir.join(program).is_file());
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// Says that a program is missing; fails where CI has promised to install all.
pub fn skipped(why: &str) {
    assert!(std::env::var_os("DOTLOCK_TEST_NO_SKIPS").is_none(), "a skip, where none is allowed: {why}");
    println!("skipped: {why}");
}

/// Says that the system denies what the test needs; no program could help.
#[cfg(unix)]
pub fn lacks_right(why: &str) {
    println!("skipped, for want of a right: {why}");
}
