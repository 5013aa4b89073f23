//! One SQLite file, shared by every process that opens it.
//!
//! All writes of a process go through one thread, in `BEGIN IMMEDIATE` transactions that are synced
//! to the disk before they are acknowledged; reads go through a few threads of their own. SQLite's
//! locks order the processes among each other.

mod accounts;
mod api_keys;
mod backup;
mod browser_sessions;
mod clients;
mod consents;
pub(crate) mod epoch;
mod factors;
pub(crate) mod failure;
mod file;
mod grants;
mod lane;
mod logins;
pub(crate) mod migrate;
mod open;
mod people;
mod people_rows;
mod raw;
mod revocations;
pub(crate) mod row;
mod signing_keys;
mod subjects;
mod tickets;
mod users;
mod vault_keys;
mod vault_tokens;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use haechi_core::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::written::Written;
use epoch::EpochReader;
use failure::Failure;
use lane::Lane;
use migrate::Schema;

/// A store in one SQLite file. Clones share its connections.
///
/// Any number of processes may have the file open; what one of them has committed, the others see
/// at once, [`haechi_core::RevocationStore::epoch`] included.
#[derive(Clone)]
pub struct Sqlite(Arc<Connections>);

struct Connections {
    writer: Lane,
    readers: Lane,
    epoch: Mutex<EpochReader>,
    schema: &'static Schema,
    path: PathBuf,
}

impl Sqlite {
    /// Opens the store at `path`, and makes it when there is none.
    ///
    /// A new file gets mode 0600, missing directories above it get 0700. An older schema is brought
    /// up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] when a newer program made the file. [`StoreError::Unavailable`] when
    /// others may write to its directory or read it (the source says what to do), when another program
    /// made it, and when it cannot be opened.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_as(path, &migrate::STORE).await
    }

    /// As [`Self::open`], for a file of another schema.
    pub(crate) async fn open_as(path: &Path, schema: &'static Schema) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || open::open(&path, schema)).await;
        Ok(Self(Arc::new(opened.map_err(|_| Failure::Closed)??)))
    }

    /// The number that tells caches to look again.
    pub(crate) async fn read_epoch(&self) -> Result<u64, StoreError> {
        // Whatever goes wrong on the short way, the long way is the one that tells.
        let short = self.0.epoch.lock().ok().and_then(|mut reader| reader.read().ok());
        match short {
            Some(epoch) => Ok(epoch),
            None => self.read(epoch::find).await,
        }
    }

    /// Runs `work` on a connection that only reads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.0.readers.run(move |connection| work(connection)).await;
        done.map_err(StoreError::from)
    }

    /// Runs `work` in a transaction of its own, and raises the epoch in it when `work` says so.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<Written<T>, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let schema = self.0.schema;
        let done = self.0.writer.run(move |connection| write(connection, schema, work)).await;
        done.map_err(StoreError::from)
    }

    /// As [`Self::write`], for work that deletes what must not be found afterwards.
    pub(crate) async fn write_and_wipe<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<Written<T>, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let schema = self.0.schema;
        let wiped = move |connection: &mut Connection| {
            let done = write(connection, schema, work)?;
            wipe(connection);
            Ok(done)
        };
        self.0.writer.run(wiped).await.map_err(StoreError::from)
    }

    /// As [`Self::write_and_wipe`], for work of which nothing must be left: pages are written anew
    /// too, because SQLite may have copied what they held within them, and a log that cannot be
    /// emptied is a failure. Doing it again is harmless.
    pub(crate) async fn write_and_wipe_all<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<Written<T>, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let schema = self.0.schema;
        let wiped = move |connection: &mut Connection| {
            let done = write(connection, schema, work)?;
            connection.execute_batch("VACUUM")?;
            empty_log(connection)?;
            Ok(done)
        };
        self.0.writer.run(wiped).await.map_err(StoreError::from)
    }
}

fn write<T>(
    connection: &mut Connection,
    schema: &Schema,
    work: impl FnOnce(&Transaction<'_>) -> Result<Written<T>, Failure>,
) -> Result<T, Failure> {
    // A rollback that failed (a full disk, say) would otherwise stand in the way of every write.
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    // IMMEDIATE: `work` reads before it writes, and nobody may write in between.
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    migrate::refuse_newer(&transaction, schema)?;
    let value = match work(&transaction)? {
        Written::Quiet(value) => value,
        Written::Raising(value) => {
            epoch::raise(&transaction)?;
            value
        }
    };
    transaction.commit()?;
    Ok(value)
}

/// Empties the write-ahead log, whose older frames still hold what `secure_delete` has overwritten
/// in the tables. A reader in another process may stand in the way; then a later checkpoint does it,
/// and what was asked for is done all the same.
fn wipe(connection: &Connection) {
    let _ = empty_log(connection);
}

/// Moves the write-ahead log into the database and cuts it to nothing.
fn empty_log(connection: &Connection) -> Result<(), Failure> {
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    match connection.query_row(sql, [], |row| row.get::<_, i64>(0))? {
        0 => Ok(()),
        _ => Err(Failure::LogInUse),
    }
}

/// Shows nothing of what is kept.
impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}
