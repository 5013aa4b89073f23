//! What a witness has seen, on the disk.
//!
//! One file for each log holds the last checkpoint with the witness's own cosignature, so that what
//! is read back is known to be its own word.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::Entropy;

use super::file::{read, replace};
use super::keys::{Keys, KeysError};
use crate::checkpoint::Checkpoint;
use crate::disk::make_private_directory;
use crate::error::OpenError;
use crate::lock::WriterLock;
use crate::note::{Note, Signer, VerifierKey};

/// Why what a witness has seen cannot be known. It must not cosign anything then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process is this witness.
    #[error("another process is this witness{}", .0.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Locked(Option<u32>),
    /// A file cannot be read or made.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file is not what this witness wrote.
    #[error("`{}` is not a checkpoint that this witness cosigned", .0.display())]
    Foreign(PathBuf),
}

impl StateError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Locked(_) => "stop that process, or use another directory with another key",
            Self::File { .. } => "look at the directory's owner, its mode, and the free space",
            Self::Foreign(_) => {
                "find out what changed the file; a witness that does not know what it saw must \
                 begin again in another directory, with a new key"
            }
        }
    }

    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }
}

/// Where checkpoints are remembered.
pub(super) trait Keep: Send + Sync + std::fmt::Debug {
    /// Remembers `note` as the last one of the log `origin`. When this returns, neither a kill nor
    /// a power cut makes it forget; when it fails, either the one before or this one is remembered.
    fn keep(&self, origin: &str, note: &Note) -> io::Result<()>;

    /// Hears of a checkpoint that the log signed and that contradicts what it signed before.
    fn contradiction(&self, origin: &str, note: &Note);
}

/// A witness's directory, which this process alone uses: its keys (`key`), the last checkpoint of
/// each log (`logs/`), and what shows that a log contradicted itself (`evidence/`).
#[derive(Debug)]
pub struct WitnessDirectory {
    path: PathBuf,
    logs: PathBuf,
    _lock: WriterLock,
}

impl WitnessDirectory {
    /// Takes the directory for this process; makes it for this user alone when it is missing.
    ///
    /// # Errors
    ///
    /// [`StateError`], when another process has it, or it cannot be used.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let logs = path.join("logs");
        make_private_directory(&logs).map_err(StateError::file(&logs))?;
        let lock = WriterLock::take(path).map_err(|error| match error {
            OpenError::Locked { pid } => StateError::Locked(pid),
            OpenError::File { path, source } => StateError::File { path, source },
            other => StateError::File { path: path.to_owned(), source: io::Error::other(other) },
        })?;
        sync(path).map_err(StateError::file(path))?;
        Ok(Self { path: path.to_owned(), logs, _lock: lock })
    }

    /// The keys of this witness; made under `name` when there are none. With `post_quantum`, a key
    /// for ML-DSA-44 is the second.
    ///
    /// # Errors
    ///
    /// [`KeysError`]; a key that is there is never made anew.
    pub fn signers(
        &self,
        name: Option<&str>,
        post_quantum: bool,
        entropy: &dyn Entropy,
    ) -> Result<Vec<Signer>, KeysError> {
        let saw = || fs::read_dir(&self.logs).is_ok_and(|mut files| files.next().is_some());
        let keys = Keys::open(&self.path.join("key"), name, saw, entropy)?;
        keys.signers(post_quantum)
    }

    /// Keeps two checkpoints of one log that contradict each other; the first such pair is enough.
    pub(super) fn keep_evidence(&self, origin: &str, note: &Note) -> io::Result<()> {
        let (folder, seen) = (self.path.join("evidence"), self.path(origin));
        let Some(name) = seen.file_name() else { return Ok(()) };
        let pair = folder.join(name);
        if pair.exists() {
            return Ok(());
        }
        make_private_directory(&folder)?;
        let both = [read(&seen)?, b"\n".to_vec(), note.to_string().into_bytes()].concat();
        replace(&pair, &both)
    }

    /// The last checkpoint of a log that was cosigned by one of `own`; `None` when there is none.
    pub(super) fn last(
        &self,
        origin: &str,
        own: &[VerifierKey],
    ) -> Result<Option<Checkpoint>, StateError> {
        let path = self.path(origin);
        let bytes = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(StateError::file(&path))?,
        };
        let foreign = || StateError::Foreign(path.clone());
        let note = Note::parse(&bytes).map_err(|_| foreign())?;
        note.verify(own).map_err(|_| foreign())?;
        let checkpoint: Checkpoint = note.text().parse().map_err(|_| foreign())?;
        if checkpoint.origin() == origin { Ok(Some(checkpoint)) } else { Err(foreign()) }
    }

    /// Names of logs hold any characters, names of files do not.
    fn path(&self, origin: &str) -> PathBuf {
        let hash = digest(&SHA256, origin.as_bytes());
        let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        self.logs.join(hex)
    }
}

impl Keep for WitnessDirectory {
    fn keep(&self, origin: &str, note: &Note) -> io::Result<()> {
        replace(&self.path(origin), note.to_string().as_bytes())
    }

    fn contradiction(&self, origin: &str, note: &Note) {
        let kept = self.keep_evidence(origin, note);
        tracing::error!(
            origin,
            directory = %self.path.join("evidence").display(),
            kept = kept.is_ok(),
            "this log has signed two trees of one size"
        );
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
