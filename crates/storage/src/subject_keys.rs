//! Keys of persons in an SQLite file of their own.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{
    RawFile, Sid, StoreError, StoredSubjectKey, SubjectKeyState, SubjectKeyStore, Timestamp,
};
use rusqlite::{Connection, Row, params};

use crate::rule::named;
use crate::sqlite::Sqlite;
use crate::sqlite::failure::Failure;
use crate::sqlite::migrate::SUBJECT_KEYS;
use crate::sqlite::row::{execute, many, millis, moment, one};
use crate::written::Written;

/// The keys of persons in one SQLite file, which ordinary backups leave out.
///
/// Any number of processes may have it open. Clones share its connections.
#[derive(Clone, Debug)]
pub struct SubjectKeyFile(Sqlite);

impl SubjectKeyFile {
    /// Opens the file at `path`, and makes it, mode 0600, when there is none.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Sqlite::open_as(path, &SUBJECT_KEYS).await.map(Self)
    }
}

#[async_trait]
impl SubjectKeyStore for SubjectKeyFile {
    async fn epoch(&self) -> Result<u64, StoreError> {
        self.0.read_epoch().await
    }

    async fn keys(&self, sid: &Sid) -> Result<SubjectKeyState, StoreError> {
        let sid = sid.clone();
        self.0.read(move |connection| state(connection, &sid)).await
    }

    async fn keep(&self, key: StoredSubjectKey) -> Result<SubjectKeyState, StoreError> {
        named("sid", &key.sid.0)?;
        self.0
            .write(move |transaction| {
                let standing = state(transaction, &key.sid)?;
                let taken = match &standing {
                    SubjectKeyState::None => false,
                    SubjectKeyState::Kept(keys) => {
                        keys.iter().any(|kept| kept.version == key.version)
                    }
                    SubjectKeyState::Destroyed(_) => true,
                };
                if taken {
                    return Ok(Written::Quiet(standing));
                }
                let sql = "INSERT INTO subject_keys (sid, version, wrapped_key, made_at_ms)
                           VALUES (?1, ?2, ?3, ?4)";
                let values = params![key.sid.0, key.version, key.wrapped_key, millis(key.made_at)];
                execute(transaction, sql, values)?;
                Ok(Written::Quiet(state(transaction, &key.sid)?))
            })
            .await
    }

    async fn rewrap(&self, key: StoredSubjectKey, before: &[u8]) -> Result<bool, StoreError> {
        let before = before.to_vec();
        self.0
            .write_and_wipe(move |transaction| {
                let sql = "UPDATE subject_keys SET wrapped_key = ?3
                           WHERE sid = ?1 AND version = ?2 AND wrapped_key = ?4";
                let values = params![key.sid.0, key.version, key.wrapped_key, before];
                Ok(Written::Quiet(execute(transaction, sql, values)? == 1))
            })
            .await
    }

    async fn destroy(&self, sid: &Sid, at: Timestamp) -> Result<Timestamp, StoreError> {
        named("sid", &sid.0)?;
        let sid = sid.clone();
        self.0
            .write_and_wipe_all(move |transaction| {
                if let SubjectKeyState::Destroyed(before) = state(transaction, &sid)? {
                    return Ok(Written::Quiet(before));
                }
                execute(transaction, "DELETE FROM subject_keys WHERE sid = ?1", [&sid.0])?;
                execute(transaction, "DELETE FROM restricted WHERE sid = ?1", [&sid.0])?;
                let sql = "INSERT INTO destroyed (sid, at_ms) VALUES (?1, ?2)";
                execute(transaction, sql, params![sid.0, millis(at)])?;
                Ok(Written::Raising(at))
            })
            .await
    }

    async fn restrict(&self, sid: &Sid, since: Option<Timestamp>) -> Result<bool, StoreError> {
        named("sid", &sid.0)?;
        let sid = sid.clone();
        self.0
            .write(move |transaction| {
                let rows = match since {
                    None => execute(transaction, "DELETE FROM restricted WHERE sid = ?1", [&sid.0]),
                    Some(since) => {
                        let sql = "INSERT INTO restricted (sid, since_ms) VALUES (?1, ?2)
                                   ON CONFLICT (sid) DO NOTHING";
                        execute(transaction, sql, params![sid.0, millis(since)])
                    }
                };
                let changed = rows? == 1;
                Ok(Written::raising_if(changed, changed))
            })
            .await
    }

    async fn restricted(&self, sid: &Sid) -> Result<Option<Timestamp>, StoreError> {
        let sid = sid.clone();
        self.0
            .read(move |connection| {
                let sql = "SELECT since_ms FROM restricted WHERE sid = ?1";
                one(connection, sql, [&sid.0], |row| moment(row, "since_ms"))
            })
            .await
    }

    async fn list(
        &self,
        after: Option<&Sid>,
        limit: u32,
    ) -> Result<Vec<(Sid, SubjectKeyState)>, StoreError> {
        let after = after.map_or_else(String::new, |sid| sid.0.as_ref().to_owned());
        self.0
            .read(move |connection| {
                let sql = "SELECT sid FROM subject_keys WHERE sid > ?1
                           UNION SELECT sid FROM destroyed WHERE sid > ?1
                           ORDER BY sid LIMIT ?2";
                let sids = many(connection, sql, params![after, limit], sid_of)?;
                sids.into_iter()
                    .map(|sid| state(connection, &sid).map(|state| (sid, state)))
                    .collect()
            })
            .await
    }

    async fn tombstones(&self) -> Result<Vec<(Sid, Timestamp)>, StoreError> {
        self.0
            .read(|connection| {
                let sql = "SELECT sid, at_ms FROM destroyed ORDER BY sid";
                many(connection, sql, [], |row| Ok((sid_of(row)?, moment(row, "at_ms")?)))
            })
            .await
    }

    fn raw(&self) -> Result<Vec<RawFile>, StoreError> {
        self.0.raw_files()
    }
}

fn state(connection: &Connection, sid: &Sid) -> Result<SubjectKeyState, Failure> {
    let sql = "SELECT at_ms FROM destroyed WHERE sid = ?1";
    if let Some(at) = one(connection, sql, [&sid.0], |row| moment(row, "at_ms"))? {
        return Ok(SubjectKeyState::Destroyed(at));
    }
    let sql = "SELECT * FROM subject_keys WHERE sid = ?1 ORDER BY version";
    let keys = many(connection, sql, [&sid.0], key)?;
    Ok(if keys.is_empty() { SubjectKeyState::None } else { SubjectKeyState::Kept(keys) })
}

fn key(row: &Row<'_>) -> Result<StoredSubjectKey, Failure> {
    Ok(StoredSubjectKey {
        sid: sid_of(row)?,
        version: row.get("version")?,
        wrapped_key: row.get("wrapped_key")?,
        made_at: moment(row, "made_at_ms")?,
    })
}

fn sid_of(row: &Row<'_>) -> Result<Sid, Failure> {
    Ok(Sid(Arc::from(row.get::<_, String>("sid")?)))
}
