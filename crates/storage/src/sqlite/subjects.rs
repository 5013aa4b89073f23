//! Random names of persons and their wrapped keys.

use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{Sid, StoreError, StoredSubject, SubjectStore};
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::{any, execute, one};
use super::{Sqlite, Written};
use crate::rule::{exists, named};

#[async_trait]
impl SubjectStore for Sqlite {
    async fn find_or_add(&self, subject: StoredSubject) -> Result<StoredSubject, StoreError> {
        named("sid", &subject.sid.0)?;
        // Nearly always the person is known, and nothing has to be written or synced.
        if let Some(standing) = self.by_lookup(&subject.lookup).await? {
            return Ok(standing);
        }
        self.write(move |transaction| {
            if let Some(standing) = find(transaction, &subject.lookup)? {
                return Ok(Written::Quiet(standing));
            }
            if any(transaction, "SELECT 1 FROM subjects WHERE sid = ?1", [&subject.sid.0])? {
                return Err(Failure::Refused(exists("subject")));
            }
            let sql = "INSERT INTO subjects (sid, lookup, wrapped_key) VALUES (?1, ?2, ?3)";
            let values = params![subject.sid.0, subject.lookup, subject.wrapped_key];
            execute(transaction, sql, values)?;
            Ok(Written::Quiet(subject))
        })
        .await
    }

    async fn by_lookup(&self, lookup: &[u8; 32]) -> Result<Option<StoredSubject>, StoreError> {
        let lookup = *lookup;
        self.read(move |connection| find(connection, &lookup)).await
    }

    async fn by_sid(&self, sid: &Sid) -> Result<Option<StoredSubject>, StoreError> {
        let sid = sid.clone();
        self.read(move |connection| {
            one(connection, "SELECT * FROM subjects WHERE sid = ?1", [&sid.0], subject)
        })
        .await
    }
}

fn find(connection: &Connection, lookup: &[u8; 32]) -> Result<Option<StoredSubject>, Failure> {
    one(connection, "SELECT * FROM subjects WHERE lookup = ?1", [lookup], subject)
}

fn subject(row: &Row<'_>) -> Result<StoredSubject, Failure> {
    Ok(StoredSubject {
        sid: Sid(Arc::from(row.get::<_, String>("sid")?)),
        lookup: row.get("lookup")?,
        wrapped_key: row.get("wrapped_key")?,
    })
}
