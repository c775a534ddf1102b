//! From input to commit: gather, lock, refuse, stage, commit.

use crate::error::{Error, Result};
use crate::lock::{CommitOptions, Lock, Parents, acquire_target, plain_file};
use crate::sys;
use crate::target::Target;
use crate::wait::Policy;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// Input up to this size is held in memory; more goes into an unnamed file.
const IN_MEMORY: usize = 1 << 20;
/// How much is copied inside the kernel between two looks for a signal.
const KERNEL_COPY: usize = 16 << 20;

/// New content, complete before a lock is taken: a slow producer holds nothing.
#[derive(Debug)]
pub enum Input {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file, from its present position to its end.
    File(File),
}

/// Collects input, on the file system of its target when it gets big.
#[derive(Debug)]
pub struct Gatherer<'a> {
    target: &'a Target,
    bytes: Vec<u8>,
    spool: Option<File>,
}

impl<'a> Gatherer<'a> {
    /// For what is to be written to `target`.
    pub fn new(target: &'a Target) -> Gatherer<'a> {
        Gatherer { target, bytes: Vec::new(), spool: None }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no room for it.
    pub fn push(&mut self, piece: &[u8]) -> Result<()> {
        if self.spool.is_none() && self.bytes.len() + piece.len() <= IN_MEMORY {
            self.bytes.extend_from_slice(piece);
            return Ok(());
        }
        self.spool_piece(piece).map_err(Error::io("spool the input in", self.target.dir()))
    }

    fn spool_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        let spool = match self.spool.take() {
            Some(spool) => spool,
            None => {
                let spool = spool(self.target)?;
                sys::write_all(&spool, &std::mem::take(&mut self.bytes))?;
                spool
            }
        };
        let done = sys::write_all(&spool, piece);
        self.spool = Some(spool);
        done
    }

    /// The whole.
    ///
    /// # Errors
    /// [`Error::Io`] when what was spooled cannot be rewound.
    pub fn finish(self) -> Result<Input> {
        match self.spool {
            Some(mut spool) => {
                spool.rewind().map_err(Error::io("rewind the input in", self.target.dir()))?;
                Ok(Input::File(spool))
            }
            None => Ok(Input::Bytes(self.bytes)),
        }
    }
}

/// Gathers all of `from`, which messages call `name`, for `target`.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, or there is no room.
pub fn gather(mut from: impl Read, name: &Path, target: &Target) -> Result<Input> {
    let mut all = Gatherer::new(target);
    all.bytes.reserve(64 << 10);
    let unreadable = || Error::io("read", name);
    from.by_ref().take(IN_MEMORY as u64).read_to_end(&mut all.bytes).map_err(unreadable())?;
    if all.bytes.len() < IN_MEMORY {
        return all.finish();
    }
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return all.finish(),
            Ok(n) => all.push(&buffer[..n])?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable()(e)),
        }
    }
}

/// Standard input for `target`: gathered, or as it is if it is a plain file.
///
/// # Errors
/// As [`gather`].
pub fn gather_stdin(target: &Target) -> Result<Input> {
    match sys::stdin_file() {
        Some(file) => Ok(Input::File(file)),
        None => gather(sys::raw_stdin(), Path::new("standard input"), target),
    }
}

/// Opens `path` as input: a plain file is read when the lock is held, anything
/// else (a FIFO, a device) is gathered now.
///
/// # Errors
/// When it cannot be opened or read, or is a directory.
pub fn gather_file(path: &Path, target: &Target) -> Result<Input> {
    let open = || {
        let file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        Ok((file, kind))
    };
    match open().map_err(Error::io("read", path))? {
        (file, kind) if kind.is_file() => Ok(Input::File(file)),
        (_, kind) if kind.is_dir() => Err(Error::io("read", path)(io::ErrorKind::IsADirectory.into())),
        (file, _) => gather(&file, path, target),
    }
}

/// Gathers what `child` writes to its standard output, which must be piped,
/// until it ends. Something that it leaves running is not waited for.
///
/// # Errors
/// As [`gather`]; the child is then asked to end.
pub fn gather_child(child: &mut Child, target: &Target) -> Result<(Input, ExitStatus)> {
    let mut all = Gatherer::new(target);
    let mut full = None;
    let status = sys::read_output(child, |piece| {
        all.push(piece).map_err(|e| {
            full = Some(e);
            io::ErrorKind::StorageFull.into()
        })
    });
    match full {
        Some(error) => Err(error),
        None => Ok((all.finish()?, status.map_err(Error::io("read", Path::new("the command's output")))?)),
    }
}

/// An unnamed file as near to the target as there is a directory.
fn spool(target: &Target) -> io::Result<File> {
    let dir = target.dir().ancestors().find(|d| d.is_dir()).unwrap_or(target.dir());
    let (prefix, suffix) = target.stage_name();
    let make = |path: &Path| sys::create_unnamed(path, 0o600);
    let made = tempfile::Builder::new().prefix(&prefix).suffix(suffix).make_in(dir, make)?;
    let (file, name) = made.into_parts();
    // It has no name; nothing is to be removed under that name later.
    name.keep().map_err(|e| e.error)?;
    Ok(file)
}

/// How a file is to be written.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// How the commit is to be done.
    pub commit: CommitOptions,
    /// Lets a file that is not empty become empty; by default that is refused,
    /// as an empty pipe is nearly always an accident.
    pub allow_empty: bool,
    /// Makes the directories that are missing.
    pub parents: bool,
    /// Computes the SHA-256 of the new content.
    pub hash: bool,
}

/// What was written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The resolved target.
    pub target: PathBuf,
    /// Length of the new content.
    pub bytes: u64,
    /// Its SHA-256, if it was asked for.
    pub sha256: Option<[u8; 32]>,
    /// How long the lock was waited for.
    pub waited: Duration,
    /// How often it was tried.
    pub attempts: u32,
    /// How many dead locks were removed on the way.
    pub broke: u32,
    /// The target did not exist before.
    pub created: bool,
    /// What of the old file's owner and attributes could not be kept.
    pub lost: Vec<String>,
}

/// Makes `input` the content of `target`, safely.
///
/// # Errors
/// As [`crate::acquire`] and [`Lock::commit`], and [`Error::Refused`] when the
/// file would become empty.
pub fn publish(
    target: &Target,
    input: Input,
    policy: &Policy,
    options: &PublishOptions,
) -> Result<Published> {
    plain_file(target.path())?;
    let made = if options.parents { Parents::make(target)? } else { Parents::default() };
    let lock = acquire_target(target, policy)?;
    let (bytes, sha256) = fill(&lock, input, options.hash)?;
    let published = commit(lock, bytes, sha256, options)?;
    made.keep(target, options.commit.sync)?;
    Ok(published)
}

/// Replaces the content of `path` by what `change` makes of it (`None`: there
/// is no file yet), under the lock. Nothing is changed if `change` fails.
///
/// # Errors
/// Those of `change`; as [`publish`] otherwise.
///
/// ```
/// use dotlock::{Error, Policy, PublishOptions};
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("counter");
/// for _ in 0..3 {
///     dotlock::update(&path, &Policy::default(), &PublishOptions::default(), |old| {
///         let n: u32 = old.and_then(|b| String::from_utf8(b).ok()?.parse().ok()).unwrap_or(0);
///         Ok::<_, Error>((n + 1).to_string().into_bytes())
///     })?;
/// }
/// assert_eq!(std::fs::read(&path)?, b"3");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn update<E: From<Error>>(
    path: impl AsRef<Path>,
    policy: &Policy,
    options: &PublishOptions,
    change: impl FnOnce(Option<Vec<u8>>) -> Result<Vec<u8>, E>,
) -> Result<Published, E> {
    let target = Target::resolve(path.as_ref())?;
    plain_file(target.path())?;
    let made = if options.parents { Parents::make(&target)? } else { Parents::default() };
    let mut lock = acquire_target(&target, policy)?;
    let old = lock.read()?;
    let new = change(old)?;
    let (bytes, sha256) = fill(&lock, Input::Bytes(new), options.hash)?;
    let published = commit(lock, bytes, sha256, options)?;
    made.keep(&target, options.commit.sync)?;
    Ok(published)
}

fn commit(lock: Lock, bytes: u64, sha256: Option<[u8; 32]>, options: &PublishOptions) -> Result<Published> {
    if bytes == 0 && !options.allow_empty && lock.stat_target()?.is_some_and(|old| old.size > 0) {
        let why = "the new content is empty and the file is not; --allow-empty permits that";
        return Err(Error::refused(lock.target().path(), why));
    }
    let (target, waited, attempts, broke) =
        (lock.target().path().to_owned(), lock.waited(), lock.tries(), lock.broke());
    let done = lock.commit(&options.commit)?;
    Ok(Published { target, bytes, sha256, waited, attempts, broke, created: done.created, lost: done.lost })
}

/// Stages `input` in the lock file.
fn fill(lock: &Lock, input: Input, hash: bool) -> Result<(u64, Option<[u8; 32]>)> {
    let failed = Error::io("write", lock.target().lock_path());
    let to = lock.staged();
    let mut sha = hash.then(Sha256::new);
    let copied = match input {
        Input::Bytes(bytes) => {
            if let Some(sha) = &mut sha {
                sha.update(&bytes);
            }
            sys::write_all(to, &bytes).map(|()| bytes.len() as u64)
        }
        Input::File(from) => copy_file(&from, to, sha.as_mut()),
    };
    let bytes = match copied {
        // A signal stopped it: not a failure, and told as what it is.
        Err(_) if sys::signal::noted().is_some() => {
            let target = lock.target().path().to_owned();
            return Err(Error::Interrupted { target, signal: sys::signal::noted() });
        }
        other => other.map_err(failed)?,
    };
    Ok((bytes, sha.map(|sha| sha.finalize().into())))
}

fn copy_file(from: &File, to: &File, mut sha: Option<&mut Sha256>) -> io::Result<u64> {
    let go_on = || match sys::signal::noted() {
        Some(_) => Err(io::ErrorKind::Interrupted.into()),
        None => Ok::<_, io::Error>(()),
    };
    let mut total = 0;
    while sha.is_none() {
        go_on()?;
        match sys::copy_in_kernel(from, to, KERNEL_COPY)? {
            // Files of /proc say that they are empty until they are read.
            None | Some(0) => break,
            Some(n) => total += n as u64,
        }
    }
    let seen = |piece: &[u8]| {
        if let Some(sha) = sha.as_deref_mut() {
            sha.update(piece);
        }
        go_on()
    };
    Ok(total + sys::copy_through(from, to, seen)?)
}
