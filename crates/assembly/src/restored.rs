//! That a data directory was brought back from a backup is told in its log by whoever writes there
//! first: restoring itself has no keys of persons yet, and so nobody to name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use haechi_audit::AuditLog;
use haechi_core::{Administration, Event};
use serde::{Deserialize, Serialize};

use crate::{AssemblyError, DataDirectory, DirectoryError, Rooms, Work, WorkState};

const FILE: &str = "restored";
const LARGEST_BYTES: u64 = 4096;

/// What stood in a backup, until the log tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When the backup was made, as its manifest says.
    pub made_at: String,
    /// How many files were restored.
    pub files: u64,
}

impl Restored {
    /// Notes it in `directory`, which was just restored; it survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::File`].
    pub fn note(&self, directory: &DataDirectory) -> Result<(), DirectoryError> {
        let path = path(directory);
        let write = || {
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&path)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_all()?;
            File::open(directory.path())?.sync_all()
        };
        write().map_err(|source: io::Error| DirectoryError::File { path: path.clone(), source })
    }

    /// `None` where nothing was restored, or the log told of it already.
    fn find(directory: &DataDirectory) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        match File::open(path(directory)) {
            Ok(file) => file.take(LARGEST_BYTES).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Cut off by a power cut: that something was restored is certain.
        let unknown = || Self { made_at: "unknown".to_owned(), files: 0 };
        Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| unknown())))
    }
}

fn path(directory: &DataDirectory) -> PathBuf {
    directory.path().join(FILE)
}

impl Rooms {
    /// Tells the gateway's log that it was brought back from a backup, where it was and nobody has
    /// said so yet. Killed in between, it says so twice.
    pub(crate) async fn tell_of_restoring(&self, audit: &AuditLog) -> Result<(), AssemblyError> {
        let unusable = |source| DirectoryError::File { path: path(&self.directory), source };
        let Some(restored) = Restored::find(&self.directory).map_err(unusable)? else {
            return Ok(());
        };
        let Restored { made_at, files } = restored;
        let entry = Administration {
            sid: self.operator().await?,
            act: Work::VaultRestore.as_str().to_owned(),
            object: "backup".to_owned(),
            detail: vec![
                WorkState::Done.as_str().to_owned(),
                format!("files:{files}"),
                format!("made-at:{made_at}"),
            ],
        };
        let noted = audit.note(Event::Administration(entry)).await;
        noted.map_err(AssemblyError::NotRecorded)?;
        Ok(fs::remove_file(path(&self.directory)).map_err(unusable)?)
    }
}
