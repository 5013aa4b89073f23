//! Bringing the schema up to date: forward only, one transaction for each step.

use haechi_core::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::failure::Failure;

/// What a file must be.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Tells our databases from those of other programs, and from each other.
    application_id: i32,
    /// The steps, in order. A file's `user_version` is how many of them it has seen.
    steps: &'static [&'static str],
}

/// The store.
pub(super) const STORE: Schema = Schema { application_id: 0x4841_4543, steps: &STORE_STEPS };
/// The file of the keys of persons.
pub(crate) const SUBJECT_KEYS: Schema = Schema {
    application_id: 0x4841_454b,
    steps: &[include_str!("../../migrations/subject_keys/0001_subject_keys.sql")],
};

const STORE_STEPS: [&str; 9] = [
    include_str!("../../migrations/sqlite/0001_users.sql"),
    include_str!("../../migrations/sqlite/0002_keys.sql"),
    include_str!("../../migrations/sqlite/0003_revocations.sql"),
    include_str!("../../migrations/sqlite/0004_subjects.sql"),
    include_str!("../../migrations/sqlite/0005_vault.sql"),
    include_str!("../../migrations/sqlite/0006_people.sql"),
    include_str!("../../migrations/sqlite/0007_oauth.sql"),
    include_str!("../../migrations/sqlite/0008_next_keys.sql"),
    include_str!("../../migrations/sqlite/0009_no_registrations.sql"),
];

/// Refuses a database that another program made. Changes nothing.
pub(super) fn refuse_foreign(connection: &Connection, schema: &Schema) -> Result<(), Failure> {
    // One read transaction, so that another process cannot migrate between the three answers.
    let snapshot = connection.unchecked_transaction()?;
    let tables: i64 =
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application_id: i32 = snapshot.pragma_query_value(None, "application_id", |r| r.get(0))?;
    let is_new = version(&snapshot)? == 0 && tables == 0 && application_id == 0;
    if is_new || application_id == schema.application_id { Ok(()) } else { Err(Failure::NotOurs) }
}

/// Takes every step the database has not seen yet.
pub(super) fn migrate(connection: &mut Connection, schema: &Schema) -> Result<(), Failure> {
    while version(connection)? < known(schema) {
        step(connection, schema)?;
    }
    refuse_newer(connection, schema)
}

/// Takes the next step. The version is read again under the lock: another process may be at it too.
fn step(connection: &mut Connection, schema: &Schema) -> Result<(), Failure> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let Some(sql) = usize::try_from(found).ok().and_then(|found| schema.steps.get(found)) else {
        return Ok(());
    };
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "application_id", schema.application_id)?;
    transaction.pragma_update(None, "user_version", found.saturating_add(1))?;
    transaction.commit()?;
    Ok(())
}

/// Refuses a database that a newer program has migrated, perhaps while this one had it open.
pub(super) fn refuse_newer(connection: &Connection, schema: &Schema) -> Result<(), Failure> {
    let (found, known) = (version(connection)?, known(schema));
    if found > known {
        return Err(Failure::Refused(StoreError::Newer { found, known }));
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<u32, Failure> {
    let mut statement = connection.prepare_cached("PRAGMA user_version")?;
    let version: i64 = statement.query_row([], |row| row.get(0))?;
    u32::try_from(version).map_err(|_| Failure::NotOurs)
}

fn known(schema: &Schema) -> u32 {
    u32::try_from(schema.steps.len()).unwrap_or(u32::MAX)
}
