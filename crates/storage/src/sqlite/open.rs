//! From a path to connections that are ready.

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::epoch::EpochReader;
use super::failure::Failure;
use super::lane::Lane;
use super::migrate::Schema;
use super::{Connections, file, migrate};

/// How long a connection waits for another process before it gives up.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Reads are short; more threads than this only wait for each other on a small machine.
const READERS: usize = 2;
/// How often the switch to a write-ahead log is tried, and how long to wait in between: SQLite does
/// not wait by itself there when several processes open a new file at once.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens, checks and migrates the database; blocks.
pub(super) fn open(path: &Path, schema: &'static Schema) -> Result<Connections, Failure> {
    let path = file::prepare(path)?;
    let mut writer = connect(&path, BUSY)?;
    migrate::refuse_foreign(&writer, schema)?;
    keep_log(&writer)?;
    migrate::migrate(&mut writer, schema)?;
    // Tokens are found by random digests, so a batch touches many pages: 16 MB of them stay at hand,
    // and go into the database once for several batches.
    writer.execute_batch("PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 4000;")?;
    let readers = (0..READERS).map(|_| reader(&path, BUSY)).collect::<Result<Vec<_>, _>>()?;
    // It runs on threads of the runtime, so it must never wait; see `EpochReader`.
    let epoch = Mutex::new(EpochReader::new(reader(&path, Duration::ZERO)?));
    Ok(Connections {
        writer: Lane::start("haechi-writer", vec![writer])?,
        readers: Lane::start("haechi-reader", readers)?,
        epoch,
        schema,
        path,
    })
}

/// No URI: the path is a path, whatever it looks like. No mutex: a connection has one user at a time.
pub(super) fn connect(path: &Path, busy: Duration) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

fn reader(path: &Path, busy: Duration) -> Result<Connection, Failure> {
    let connection = connect(path, busy)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    Ok(connection)
}

fn keep_log(connection: &Connection) -> Result<(), Failure> {
    for _ in 1..TRIES {
        match try_keep_log(connection) {
            Err(failure) if failure.is_busy() => thread::sleep(PAUSE),
            done => return done,
        }
    }
    try_keep_log(connection)
}

fn try_keep_log(connection: &Connection) -> Result<(), Failure> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { Err(Failure::NoWriteAheadLog) }
}
