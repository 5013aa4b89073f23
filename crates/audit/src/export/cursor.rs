//! How far a sink has confirmed, kept so that it survives a kill and a power cut.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::disk::{self, OsDisk, make_private_directory};

/// Larger than any cursor of this program.
const LARGEST_BYTES: u64 = 1 << 20;
const VERSION: u8 = 1;

/// For each log, the sequence number of the first entry that was not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    v: u8,
    logs: BTreeMap<String, u64>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { v: VERSION, logs: BTreeMap::new() }
    }
}

/// Why a cursor cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// It cannot be read or written.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not a cursor of this program.
    #[error("`{}` is not the cursor of an export", .path.display())]
    Form {
        /// Which file.
        path: PathBuf,
    },
    /// Another process sends to this sink.
    #[error("another process exports by `{}`", .path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
}

impl CursorError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::File { .. } => "look at the file's permissions and the room on its disk",
            Self::Form { .. } => {
                "remove it: everything is exported again from the beginning, and nothing is missing"
            }
            Self::Locked { .. } => "stop that process, or leave this sink to it",
        }
    }
}

impl Cursor {
    /// The next entry of `log`; 0 for one that nothing was confirmed of.
    #[must_use]
    pub fn next(&self, log: &str) -> u64 {
        self.logs.get(log).copied().unwrap_or(0)
    }

    /// Everything of `log` before `next` was confirmed. It never goes back.
    pub fn advance(&mut self, log: &str, next: u64) {
        let known = self.logs.entry(log.to_owned()).or_default();
        *known = next.max(*known);
    }

    /// Reads it; a file that is not there is the beginning.
    ///
    /// # Errors
    ///
    /// [`CursorError`] for a file that cannot be read or is no cursor: nothing is guessed.
    pub fn load(path: &Path) -> Result<Self, CursorError> {
        let failed = |source| CursorError::File { path: path.to_owned(), source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            opened => opened.map_err(failed)?,
        };
        let mut bytes = Vec::new();
        file.take(LARGEST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        let read: Option<Self> = serde_json::from_slice(&bytes).ok();
        let read = read.filter(|cursor| cursor.v == VERSION);
        read.ok_or_else(|| CursorError::Form { path: path.to_owned() })
    }

    /// Writes it: the file holds the old cursor or the new one, whatever happens, and the new one
    /// survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`CursorError::File`].
    pub fn store(&self, path: &Path) -> Result<(), CursorError> {
        self.write(path).map_err(|source| CursorError::File { path: path.to_owned(), source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        disk::replace(&OsDisk, path, &text)
    }
}

/// Where the cursor of the sink `name` is, below the data directory.
#[must_use]
pub fn cursor_path(data: &Path, name: &str) -> PathBuf {
    data.join("export").join(format!("{name}.cursor"))
}

/// Held by the one process that sends to a sink; the system lets go of it if the process dies.
#[derive(Debug)]
pub struct CursorLock {
    _file: File,
}

impl CursorLock {
    /// Takes the lock beside the cursor `path`, whose directory is made when it is missing.
    ///
    /// # Errors
    ///
    /// [`CursorError::Locked`] while another process holds it.
    pub fn take(path: &Path) -> Result<Self, CursorError> {
        let path = path.with_extension("lock");
        let failed = |source| CursorError::File { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            make_private_directory(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(CursorError::Locked { path }),
            Err(error) => Err(failed(error.into())),
        }
    }
}
