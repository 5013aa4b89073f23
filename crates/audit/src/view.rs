//! A log as an auditor sees it: its directory, or a copy of it, read only, also while its writer
//! works. What the log says of itself is held against what it holds.

mod export;
mod finding;
mod loss;
mod pass;
mod tiles;
mod verify;
mod walk;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use export::Exported;
pub use finding::{Anchor, Finding, Weight};
pub use tiles::Tiles;
pub use verify::{Demand, Report, Verdict};

use crate::checkpoint::{Trust, TrustError, VerifiedCheckpoint};
use crate::minimum::{Minimum, MinimumError};
use crate::note::{KeyError, LARGEST_NOTE_BYTES, VerifierKey};
use crate::reader::{RawEntries, ReadError, Reader};
use crate::tile::{BundleError, Content, FULL_WIDTH, Tile, TileError, bundle};
use crate::tree::ProveError;

/// The newest signed checkpoint.
pub const CHECKPOINT_FILE: &str = "checkpoint";
/// The newest checkpoint that witnesses cosigned.
pub const COSIGNED_FILE: &str = "cosigned";
/// The key by which the log's checkpoints are verified, on one line.
pub const VERIFIER_KEY_FILE: &str = "verifier-key";
/// Below which entry the log was pruned.
pub const MINIMUM_FILE: &str = "minimum";

/// A log, read only. It takes no lock and writes nothing.
#[derive(Debug)]
pub struct View {
    directory: PathBuf,
    reader: Reader,
    /// Where the last bundle ended: who reads one wants the next.
    cursor: Mutex<Option<(u64, RawEntries)>>,
}

/// Why a log does not answer. Nothing of it says that the log was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// There is no log.
    #[error("there is no audit log in `{}`", .path.display())]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// The entries cannot be read.
    #[error("the entries of the log cannot be read")]
    Read(#[from] ReadError),
    /// A file cannot be read or written.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The log has no checkpoint.
    #[error("the log has no checkpoint")]
    NoCheckpoint,
    /// The log's own key is missing or none.
    #[error("the log's verifier key cannot be read")]
    Key(#[source] KeyError),
    /// The checkpoint is not believed.
    #[error("the checkpoint is not believed")]
    Checkpoint(#[source] TrustError),
    /// What is said to be a remembered checkpoint is none of this log.
    #[error("the remembered checkpoint cannot be used")]
    Remembered(#[source] TrustError),
    /// What is said of pruned entries is not believed.
    #[error("what was pruned cannot be told")]
    Minimum(#[source] MinimumError),
    /// The entry was pruned.
    #[error("entry {index} was pruned: the log keeps its entries from {minimum} on")]
    Pruned {
        /// The entry.
        index: u64,
        /// The first that is kept.
        minimum: u64,
    },
    /// The tree cannot be had: its hashes do not lead to the checkpoint, and cannot be made anew.
    #[error("the hashes of the tree do not lead to the checkpoint")]
    Tree(#[source] TileError<io::Error>),
    /// The proof cannot be made.
    #[error("the proof cannot be made")]
    Prove(#[source] ProveError<TileError<io::Error>>),
    /// There is an export of something else.
    #[error("`{}` holds an export of another log, or of this one as it was before", .path.display())]
    OtherExport {
        /// The directory.
        path: PathBuf,
    },
    /// Entries do not make a bundle.
    #[error("the entries do not make a bundle")]
    Bundle(#[source] BundleError),
}

impl ViewError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoLog { .. } => {
                "name the directory that holds `checkpoint` and `segments`: `audit` in the data \
                 directory, or a copy of it"
            }
            Self::Read(_) | Self::Tree(_) => {
                "`haechi audit verify` says what is wrong with the log"
            }
            Self::File { .. } => "look whether it is there, and whether you may read it",
            Self::NoCheckpoint => {
                "a log has one from the first second on that a gateway of this version writes it"
            }
            Self::Key(_) => "name the key that you trust with `--key`",
            Self::Checkpoint(error) => error.help(),
            Self::Remembered(_) => "name the file that `haechi audit verify --remember` wrote",
            Self::Minimum(error) => error.help(),
            Self::Pruned { .. } => "look into the archive of pruned segments",
            Self::Prove(_) => "wait a second for the next checkpoint, or look at the numbers",
            Self::OtherExport { .. } => {
                "name an empty directory; if that was an export of this log, keep it: it shows that \
                 the log was changed since"
            }
            Self::Bundle(_) => "look whether the log was written by a newer program",
        }
    }
}

/// How far one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries, or files of an export, that are done.
    pub done: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

/// Who is told how far one is, from any thread.
pub type Tell<'a> = &'a (dyn Fn(Progress) + Sync);

/// Adds up over threads.
struct Tally<'a> {
    done: AtomicU64,
    bytes: AtomicU64,
    tell: Option<Tell<'a>>,
}

impl<'a> Tally<'a> {
    const fn new(tell: Option<Tell<'a>>) -> Self {
        Self { done: AtomicU64::new(0), bytes: AtomicU64::new(0), tell }
    }

    fn add(&self, done: u64, bytes: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(tell) = self.tell {
            tell(self.so_far());
        }
    }

    fn so_far(&self) -> Progress {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress { done: load(&self.done), bytes: load(&self.bytes) }
    }
}

impl View {
    /// Opens the log in `directory`.
    ///
    /// # Errors
    ///
    /// [`ViewError::NoLog`] when there is none.
    pub fn open(directory: &Path) -> Result<Self, ViewError> {
        let reader = Reader::open(directory).map_err(|error| match error {
            ReadError::File { source, .. } if is_absent(&source) => {
                ViewError::NoLog { path: directory.to_owned() }
            }
            error => ViewError::Read(error),
        })?;
        Ok(Self { directory: directory.to_owned(), reader, cursor: Mutex::default() })
    }

    /// Where the log is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The newest checkpoint as it is stored; nobody has verified it. `None` while there is none.
    ///
    /// # Errors
    ///
    /// [`ViewError::File`].
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, ViewError> {
        self.read(CHECKPOINT_FILE)
    }

    /// The newest checkpoint with cosignatures as it is stored; nobody has verified it.
    ///
    /// # Errors
    ///
    /// [`ViewError::File`].
    pub fn cosigned(&self) -> Result<Option<Vec<u8>>, ViewError> {
        self.read(COSIGNED_FILE)
    }

    /// The keys that the log itself names. They show that the log is of one piece, not whose it is:
    /// who can change the log can change this file too.
    ///
    /// # Errors
    ///
    /// [`ViewError::File`], [`ViewError::Key`].
    pub fn verifier_keys(&self) -> Result<Vec<VerifierKey>, ViewError> {
        let text = self.read(VERIFIER_KEY_FILE)?.ok_or_else(|| ViewError::File {
            path: self.directory.join(VERIFIER_KEY_FILE),
            source: io::ErrorKind::NotFound.into(),
        })?;
        let text = String::from_utf8(text).map_err(|_| ViewError::Key(KeyError::Form))?;
        let keys: Result<Vec<VerifierKey>, _> = text.lines().map(str::parse).collect();
        keys.map_err(ViewError::Key)
    }

    /// Belief in the keys that the log itself names, and in no witness.
    ///
    /// # Errors
    ///
    /// As [`View::verifier_keys`].
    pub fn own_trust(&self) -> Result<Trust, ViewError> {
        let log = self.verifier_keys()?;
        let origin = log.first().map(|key| key.name().to_owned());
        let origin = origin.ok_or(ViewError::Key(KeyError::Form))?;
        Ok(Trust { origin, log, witnesses: Vec::new(), wanted: 0 })
    }

    /// The newest checkpoint, verified as `trust` says; with the cosigned one in its place where
    /// witnesses are wanted.
    ///
    /// # Errors
    ///
    /// [`ViewError::NoCheckpoint`], [`ViewError::Checkpoint`].
    pub fn verified(&self, trust: &Trust) -> Result<VerifiedCheckpoint, ViewError> {
        let cosigned = if trust.wanted > 0 { self.cosigned()? } else { None };
        let bytes = match cosigned {
            Some(bytes) => bytes,
            None => self.checkpoint()?.ok_or(ViewError::NoCheckpoint)?,
        };
        VerifiedCheckpoint::open(&bytes, trust).map_err(ViewError::Checkpoint)
    }

    /// The first entry that is kept: what lies below was pruned. 0 where nothing was.
    ///
    /// # Errors
    ///
    /// [`ViewError::Minimum`] when it is not the log's own statement.
    pub fn minimum(&self, trust: &Trust) -> Result<u64, ViewError> {
        let Some(bytes) = self.read(MINIMUM_FILE)? else { return Ok(0) };
        Ok(Minimum::open(&bytes, trust).map_err(ViewError::Minimum)?.index())
    }

    /// The bytes of the entry `index`, as they are hashed; `None` when there is no such entry.
    ///
    /// # Errors
    ///
    /// [`ViewError::Read`].
    pub fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, ViewError> {
        let found = self.reader.raw(index).next()?;
        Ok(found.filter(|(sequence, _)| *sequence == index).map(|(_, bytes)| bytes))
    }

    /// The bytes of an entry bundle; `None` when the log has not so many entries, or no more.
    ///
    /// # Errors
    ///
    /// [`ViewError::Read`].
    pub fn bundle(&self, tile: Tile) -> Result<Option<Vec<u8>>, ViewError> {
        let first = tile.index().checked_mul(u64::from(FULL_WIDTH));
        let end = first.and_then(|first| first.checked_add(u64::from(tile.width())));
        let (Content::Entries, Some(first), Some(end)) = (tile.content(), first, end) else {
            return Ok(None);
        };
        let kept = self.cursor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let kept = kept.filter(|(next, _)| *next == first);
        let mut entries = kept.map_or_else(|| self.reader.raw(first), |(_, entries)| entries);
        let mut found: Vec<Vec<u8>> = Vec::with_capacity(usize::from(tile.width()));
        for index in first..end {
            match entries.next()? {
                Some((sequence, bytes)) if sequence == index => found.push(bytes),
                _ => return Ok(None),
            }
        }
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = Some((end, entries));
        bundle(found.iter().map(Vec::as_slice)).map(Some).map_err(ViewError::Bundle)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ViewError> {
        let path = self.directory.join(name);
        match read_small(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ViewError::File { path, source }),
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads one byte more than a note may have, so that a longer one is told from a note.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_NOTE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ViewError + '_ {
    |source| ViewError::File { path: path.to_owned(), source }
}
