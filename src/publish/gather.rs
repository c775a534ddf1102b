//! Gathering input before a lock is taken: a slow producer holds nothing.

use crate::error::{Error, Result};
use crate::sys;
use crate::target::Target;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::Arc;

/// Input up to this size is held in memory; more goes into an unnamed file.
const IN_MEMORY: usize = 1 << 20;

/// New content, complete.
#[derive(Debug)]
pub enum Input {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a file, from its present position to its end.
    File(File),
    /// In a file of ours that has no name.
    Spooled(Spool),
}

/// Input that is too big for memory.
#[derive(Debug)]
pub struct Spool {
    pub(super) file: File,
    pub(super) bytes: u64,
    /// Where a name for it would be.
    pub(super) dir: PathBuf,
}

/// Is told how many bytes have been read or copied, and of how many, where that
/// is known.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Watcher>>);

type Watcher = dyn Fn(u64, Option<u64>) + Send + Sync;

impl Progress {
    /// `f` is called often, on the thread that works.
    pub fn new(f: impl Fn(u64, Option<u64>) + Send + Sync + 'static) -> Progress {
        Progress(Some(Arc::new(f)))
    }

    pub(super) fn tell(&self, done: u64, of: Option<u64>) {
        if let Some(watcher) = &self.0 {
            watcher(done, of);
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Progress").field(&self.0.is_some()).finish()
    }
}

/// Collects input, on the file system of its target when it gets big.
#[derive(Debug)]
pub struct Gatherer<'a> {
    target: &'a Target,
    progress: &'a Progress,
    bytes: Vec<u8>,
    spool: Option<Spool>,
    total: u64,
}

impl<'a> Gatherer<'a> {
    /// For what is to be written to `target`.
    pub fn new(target: &'a Target, progress: &'a Progress) -> Gatherer<'a> {
        Gatherer { target, progress, bytes: Vec::new(), spool: None, total: 0 }
    }

    /// All of `from`, which messages call `name`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, or there is no room.
    pub fn read(mut self, mut from: impl Read, name: &Path) -> Result<Input> {
        self.bytes.reserve(64 << 10);
        let unreadable = || Error::io("read", name);
        from.by_ref().take(IN_MEMORY as u64).read_to_end(&mut self.bytes).map_err(unreadable())?;
        self.total = self.bytes.len() as u64;
        if self.bytes.len() < IN_MEMORY {
            return self.finish();
        }
        let mut buffer = vec![0; 128 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return self.finish(),
                Ok(n) => self.push(&buffer[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(unreadable()(e)),
            }
        }
    }

    /// Standard input; if it is a plain file, as that.
    ///
    /// # Errors
    /// As [`Gatherer::read`].
    pub fn stdin(self) -> Result<Input> {
        match sys::stdin_file() {
            Some(file) => Ok(Input::File(file)),
            None => self.read(sys::raw_stdin(), Path::new("standard input")),
        }
    }

    /// Opens `path`: a plain file is read when the lock is held, anything else (a
    /// FIFO, a device) is gathered now.
    ///
    /// # Errors
    /// When it cannot be opened or read, or is a directory.
    pub fn file(self, path: &Path) -> Result<Input> {
        let open = || {
            let file = File::open(path)?;
            let kind = file.metadata()?.file_type();
            Ok((file, kind))
        };
        match open().map_err(Error::io("read", path))? {
            (file, kind) if kind.is_file() => Ok(Input::File(file)),
            (_, kind) if kind.is_dir() => Err(Error::io("read", path)(io::ErrorKind::IsADirectory.into())),
            (file, _) => self.read(&file, path),
        }
    }

    /// What `child` writes to its standard output, which must be piped, until it
    /// ends. Something that it leaves running is not waited for.
    ///
    /// # Errors
    /// As [`Gatherer::read`]; the child is then asked to end.
    pub fn child(mut self, child: &mut Child) -> Result<(Input, ExitStatus)> {
        let status = output_of(child, |piece| self.push(piece))?;
        Ok((self.finish()?, status))
    }

    /// Takes the next piece.
    fn push(&mut self, piece: &[u8]) -> Result<()> {
        self.total += piece.len() as u64;
        self.progress.tell(self.total, None);
        if self.spool.is_none() && self.bytes.len() + piece.len() <= IN_MEMORY {
            self.bytes.extend_from_slice(piece);
            return Ok(());
        }
        self.spool(piece).map_err(Error::io("spool the input in", self.target.dir()))
    }

    fn spool(&mut self, piece: &[u8]) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => {
                let mut spool = Spool::new(self.target)?;
                spool.push(&std::mem::take(&mut self.bytes))?;
                none.insert(spool)
            }
        };
        spool.push(piece)
    }

    fn finish(self) -> Result<Input> {
        match self.spool {
            Some(mut spool) => {
                spool.file.rewind().map_err(Error::io("rewind the input in", self.target.dir()))?;
                Ok(Input::Spooled(spool))
            }
            None => Ok(Input::Bytes(self.bytes)),
        }
    }
}

/// Hands `sink` what `child` writes to its standard output until it ends; an
/// error of `sink` is passed on, and the child is asked to end.
pub(super) fn output_of(child: &mut Child, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<ExitStatus> {
    let mut failed = None;
    let status = sys::read_output(child, |piece| {
        sink(piece).map_err(|e| {
            failed = Some(e);
            io::ErrorKind::Other.into()
        })
    });
    failed.map_or_else(|| status.map_err(Error::io("read", Path::new("the command's output"))), Err)
}

impl Spool {
    /// As near to the target as there is a directory.
    fn new(target: &Target) -> io::Result<Spool> {
        let dir = target.dir().ancestors().find(|d| d.is_dir()).unwrap_or(target.dir());
        let (prefix, suffix) = target.stage_name();
        let made = tempfile::Builder::new().prefix(&prefix).suffix(suffix).make_in(dir, sys::create_spool)?;
        let (file, name) = made.into_parts();
        // It has no name; nothing is to be removed under that name later.
        name.keep().map_err(|e| e.error)?;
        Ok(Spool { file, bytes: 0, dir: dir.to_owned() })
    }

    fn push(&mut self, piece: &[u8]) -> io::Result<()> {
        sys::write_all(&self.file, piece)?;
        self.bytes += piece.len() as u64;
        Ok(())
    }
}
