//! The epoch: raised by every change, read on every request.

use rusqlite::{Connection, Transaction};

use super::failure::Failure;
use super::row;

/// Reads the epoch on the caller's own thread.
///
/// `PRAGMA data_version` tells whether any other connection, of this process or another, has
/// committed since; only then the row is read again. That takes a few microseconds and no disk,
/// less than handing the work to another thread and waking up again. The connection has
/// no busy timeout: where it would have to wait (another process recovers the log after a crash),
/// it fails, and the caller takes the slow way through the readers.
pub(super) struct EpochReader {
    connection: Connection,
    seen: Option<Seen>,
}

struct Seen {
    data_version: i64,
    epoch: u64,
}

impl EpochReader {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, seen: None }
    }

    /// The epoch as it stands now.
    ///
    /// INVARIANT: `data_version` is read before the row. A commit in between makes the row newer
    /// than the version it is kept under, which costs one more look; the other order would miss it.
    pub(crate) fn read(&mut self) -> Result<u64, Failure> {
        let data_version = self.data_version()?;
        match &self.seen {
            Some(seen) if seen.data_version == data_version => Ok(seen.epoch),
            _ => {
                let epoch = find(&self.connection)?;
                self.seen = Some(Seen { data_version, epoch });
                Ok(epoch)
            }
        }
    }

    fn data_version(&self) -> Result<i64, Failure> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }
}

/// The epoch in the table.
pub(crate) fn find(connection: &Connection) -> Result<u64, Failure> {
    let epoch = row::one(connection, "SELECT value FROM epoch", [], |row| {
        u64::try_from(row.get::<_, i64>(0)?).map_err(|_| Failure::Damaged("epoch.value"))
    })?;
    epoch.ok_or(Failure::Damaged("epoch.value"))
}

/// Raises the epoch as part of `transaction`.
pub(crate) fn raise(transaction: &Transaction<'_>) -> Result<(), Failure> {
    match row::execute(transaction, "UPDATE epoch SET value = value + 1", [])? {
        1 => Ok(()),
        _ => Err(Failure::Damaged("epoch.value")),
    }
}
