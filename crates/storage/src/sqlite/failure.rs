//! Why SQLite, or the file it works on, did not do as asked.

use std::io;
use std::path::PathBuf;

use haechi_core::StoreError;

/// Why something failed below a store. No variant carries a value of a row.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The contract says so.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The operating system says so.
    #[error("`{0}` cannot be used")]
    File(PathBuf, #[source] io::Error),
    /// No thread could be started for the store.
    #[error("the store's threads cannot be started")]
    Thread(#[source] io::Error),
    /// Others could replace the file.
    #[error("others may write to the directory `{0}` (mode {1:04o}); close it with `chmod go-w`")]
    OpenDirectory(PathBuf, u32),
    /// Others could read or write the file.
    #[error("others may read or write `{0}` (mode {1:04o}); close it with `chmod go=`")]
    OpenFile(PathBuf, u32),
    /// A directory, a device, a pipe.
    #[error("`{0}` is not a file")]
    NotAFile(PathBuf),
    /// The file is a database, but not one of this program.
    #[error("the database belongs to another program")]
    NotOurs,
    /// The file system has no shared memory, or the like.
    #[error("the database does not keep a write-ahead log here; move it to a local file system")]
    NoWriteAheadLog,
    /// A row that the schema should not have let in.
    #[error("the column `{0}` holds what this program did not write")]
    Damaged(&'static str),
    /// What was deleted still stands in the log, which another process reads.
    #[error("what was deleted still stands in the write-ahead log, which another process reads")]
    LogInUse,
    /// The threads have gone.
    #[error("the store is closed")]
    Closed,
}

impl Failure {
    /// Whether another process held a lock for too long.
    pub(super) fn is_busy(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
