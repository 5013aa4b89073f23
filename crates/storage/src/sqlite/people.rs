//! The registry of people.

use async_trait::async_trait;
use haechi_core::{
    ErasureStart, LegalHold, RawFile, RegisteredSubject, Sid, StoreError, StoredErasure,
    StoredSubjectName, SubjectKeyBackup, SubjectRegistry, Timestamp,
};
use rusqlite::{Transaction, params};

use super::failure::Failure;
use super::people_rows::{
    by_name, erasure, erasure_of, holds, name, registered, sid_of, standing, with_sid,
};
use super::row::{any, execute, many, millis, moment};
use super::{Sqlite, Written};
use crate::rule::{exists, missing, named, parted};

#[async_trait]
impl SubjectRegistry for Sqlite {
    async fn by_name(&self, lookup: &[u8; 32]) -> Result<Option<RegisteredSubject>, StoreError> {
        let lookup = *lookup;
        self.read(move |connection| by_name(connection, &lookup)).await
    }

    async fn with_sid(&self, sid: &Sid) -> Result<Option<RegisteredSubject>, StoreError> {
        let sid = sid.clone();
        self.read(move |connection| with_sid(connection, &sid)).await
    }

    async fn register(
        &self,
        sid: &Sid,
        lookup: &[u8; 32],
        at: Timestamp,
    ) -> Result<RegisteredSubject, StoreError> {
        named("sid", &sid.0)?;
        let (sid, lookup) = (sid.clone(), *lookup);
        self.write(move |transaction| {
            let found = match by_name(transaction, &lookup)? {
                Some(found) => found,
                None => add(transaction, &sid, &lookup, at)?,
            };
            Ok(Written::Quiet(found))
        })
        .await
    }

    async fn register_again(
        &self,
        lookup: &[u8; 32],
        fresh: &Sid,
        at: Timestamp,
    ) -> Result<RegisteredSubject, StoreError> {
        named("sid", &fresh.0)?;
        let (fresh, lookup) = (fresh.clone(), *lookup);
        self.write(move |transaction| register_again(transaction, &fresh, &lookup, at)).await
    }

    async fn add_name(&self, sid: &Sid, name: StoredSubjectName) -> Result<(), StoreError> {
        let sid = sid.clone();
        self.write(move |transaction| {
            standing(transaction, &sid)?;
            if by_name(transaction, &name.lookup)?.is_some_and(|owner| owner.sid != sid) {
                return Err(Failure::Refused(exists("name")));
            }
            let sql = "INSERT INTO subject_names (lookup, sid, sealed, added_at_ms)
                       VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (lookup) DO UPDATE SET sealed = excluded.sealed";
            let values = params![name.lookup, sid.0, name.sealed, millis(name.added_at)];
            execute(transaction, sql, values)?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn names(&self, sid: &Sid) -> Result<Vec<StoredSubjectName>, StoreError> {
        let sid = sid.clone();
        self.read(move |connection| {
            let sql = "SELECT * FROM subject_names WHERE sid = ?1 ORDER BY added_at_ms, lookup";
            many(connection, sql, [&sid.0], name)
        })
        .await
    }

    async fn list(
        &self,
        after: Option<&Sid>,
        limit: u32,
    ) -> Result<Vec<RegisteredSubject>, StoreError> {
        let after = after.map_or_else(String::new, |sid| sid.0.as_ref().to_owned());
        self.read(move |connection| {
            let sql = "SELECT subjects.sid, subjects.lookup, registered_at_ms, begun_at_ms,
                           (SELECT count(*) FROM subject_holds
                            WHERE subject_holds.sid = subjects.sid) AS holds
                       FROM subjects
                       LEFT JOIN subject_erasures ON subject_erasures.sid = subjects.sid
                       WHERE subjects.sid > ?1 ORDER BY subjects.sid LIMIT ?2";
            many(connection, sql, params![after, limit], registered)
        })
        .await
    }

    async fn hold(&self, sid: &Sid, hold: LegalHold) -> Result<(), StoreError> {
        named("hold_id", &hold.hold_id)?;
        let sid = sid.clone();
        self.write(move |transaction| {
            standing(transaction, &sid)?;
            let sql = "SELECT 1 FROM subject_holds WHERE sid = ?1 AND hold_id = ?2";
            if any(transaction, sql, params![sid.0, hold.hold_id])? {
                return Err(Failure::Refused(exists("hold")));
            }
            let sql = "INSERT INTO subject_holds (sid, hold_id, reason, since_ms)
                       VALUES (?1, ?2, ?3, ?4)";
            let values = params![sid.0, hold.hold_id, hold.reason, millis(hold.since)];
            execute(transaction, sql, values)?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn release(&self, sid: &Sid, hold_id: &str) -> Result<bool, StoreError> {
        let (sid, hold_id) = (sid.clone(), hold_id.to_owned());
        self.write(move |transaction| {
            let sql = "DELETE FROM subject_holds WHERE sid = ?1 AND hold_id = ?2";
            Ok(Written::Quiet(execute(transaction, sql, params![sid.0, hold_id])? == 1))
        })
        .await
    }

    async fn holds(&self, sid: &Sid) -> Result<Vec<LegalHold>, StoreError> {
        let sid = sid.clone();
        self.read(move |connection| holds(connection, &sid)).await
    }

    async fn held(&self) -> Result<Vec<Sid>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT DISTINCT sid FROM subject_holds ORDER BY sid";
            many(connection, sql, [], sid_of)
        })
        .await
    }

    async fn begin_erasure(&self, sid: &Sid, at: Timestamp) -> Result<ErasureStart, StoreError> {
        let sid = sid.clone();
        self.write(move |transaction| begin(transaction, &sid, at).map(Written::Quiet)).await
    }

    async fn note_erasure(&self, sid: &Sid, record: &str) -> Result<(), StoreError> {
        let (sid, record) = (sid.clone(), record.to_owned());
        self.write(move |transaction| {
            let sql = "UPDATE subject_erasures SET record = ?2 WHERE sid = ?1";
            changed(execute(transaction, sql, params![sid.0, record])?)
        })
        .await
    }

    async fn forget_names(&self, sid: &Sid) -> Result<u64, StoreError> {
        let sid = sid.clone();
        self.write_and_wipe(move |transaction| {
            if erasure_of(transaction, &sid)?.is_none() {
                return Err(Failure::Refused(missing("erasure")));
            }
            let sql = "UPDATE subjects SET wrapped_key = NULL WHERE sid = ?1";
            execute(transaction, sql, [&sid.0])?;
            let sql = "UPDATE subject_names SET sealed = NULL
                       WHERE sid = ?1 AND sealed IS NOT NULL";
            let forgotten = execute(transaction, sql, [&sid.0])?;
            Ok(Written::Quiet(u64::try_from(forgotten).unwrap_or(u64::MAX)))
        })
        .await
    }

    async fn finish_erasure(
        &self,
        sid: &Sid,
        certificate: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (sid, record) = (sid.clone(), certificate.to_owned());
        self.write(move |transaction| {
            let sql = "UPDATE subject_erasures SET record = ?2, finished_at_ms = ?3 WHERE sid = ?1";
            changed(execute(transaction, sql, params![sid.0, record, millis(at)])?)
        })
        .await
    }

    async fn erasure(&self, sid: &Sid) -> Result<Option<StoredErasure>, StoreError> {
        let sid = sid.clone();
        self.read(move |connection| erasure_of(connection, &sid)).await
    }

    async fn erasures(&self) -> Result<Vec<StoredErasure>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT sid, begun_at_ms, NULL AS record, finished_at_ms
                       FROM subject_erasures ORDER BY begun_at_ms, sid";
            many(connection, sql, [], erasure)
        })
        .await
    }

    async fn add_key_backup(&self, backup: SubjectKeyBackup) -> Result<(), StoreError> {
        named("backup_id", &backup.backup_id)?;
        self.write(move |transaction| {
            let sql = "SELECT 1 FROM subject_key_backups WHERE backup_id = ?1";
            if any(transaction, sql, [&backup.backup_id])? {
                return Err(Failure::Refused(exists("backup")));
            }
            let sql = "INSERT INTO subject_key_backups (backup_id, made_at_ms, expires_at_ms)
                       VALUES (?1, ?2, ?3)";
            let (made, expires) = (millis(backup.made_at), millis(backup.expires_at));
            execute(transaction, sql, params![backup.backup_id, made, expires])?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn key_backups(&self, now: Timestamp) -> Result<Vec<SubjectKeyBackup>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT * FROM subject_key_backups WHERE expires_at_ms > ?1
                       ORDER BY made_at_ms, backup_id";
            many(connection, sql, [millis(now)], |row| {
                Ok(SubjectKeyBackup {
                    backup_id: row.get("backup_id")?,
                    made_at: moment(row, "made_at_ms")?,
                    expires_at: moment(row, "expires_at_ms")?,
                })
            })
        })
        .await
    }

    async fn keys_of_old(&self) -> Result<Vec<(Sid, [u8; 32], Vec<u8>)>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT * FROM subjects WHERE wrapped_key IS NOT NULL ORDER BY sid";
            many(connection, sql, [], |row| {
                Ok((sid_of(row)?, row.get("lookup")?, row.get("wrapped_key")?))
            })
        })
        .await
    }

    async fn drop_keys_of_old(&self) -> Result<(), StoreError> {
        self.write_and_wipe_all(|transaction| {
            execute(transaction, "UPDATE subjects SET wrapped_key = NULL", [])?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    fn raw(&self) -> Result<Vec<RawFile>, StoreError> {
        self.raw_files()
    }
}

fn add(
    transaction: &Transaction<'_>,
    sid: &Sid,
    lookup: &[u8; 32],
    at: Timestamp,
) -> Result<RegisteredSubject, Failure> {
    if with_sid(transaction, sid)?.is_some() {
        return Err(Failure::Refused(exists("subject")));
    }
    let sql = "INSERT INTO subjects (sid, lookup, registered_at_ms) VALUES (?1, ?2, ?3)";
    execute(transaction, sql, params![sid.0, lookup, millis(at)])?;
    with_sid(transaction, sid)?.ok_or(Failure::Damaged("subjects.sid"))
}

fn register_again(
    transaction: &Transaction<'_>,
    fresh: &Sid,
    lookup: &[u8; 32],
    at: Timestamp,
) -> Result<Written<RegisteredSubject>, Failure> {
    let found = by_name(transaction, lookup)?;
    let erased = found.ok_or_else(|| Failure::Refused(missing("subject")))?;
    if erasure_of(transaction, &erased.sid)?.is_none_or(|erasure| erasure.finished_at.is_none()) {
        return Err(Failure::Refused(exists("subject")));
    }
    execute(transaction, "DELETE FROM subject_names WHERE lookup = ?1", [lookup])?;
    let sql = "UPDATE subjects SET lookup = ?2 WHERE sid = ?1 AND lookup = ?3";
    execute(transaction, sql, params![erased.sid.0, parted(&erased.sid), lookup])?;
    add(transaction, fresh, lookup, at).map(Written::Quiet)
}

fn begin(transaction: &Transaction<'_>, sid: &Sid, at: Timestamp) -> Result<ErasureStart, Failure> {
    if let Some(begun) = erasure_of(transaction, sid)? {
        return Ok(ErasureStart::Begun(begun));
    }
    standing(transaction, sid)?;
    let holds = holds(transaction, sid)?;
    if !holds.is_empty() {
        return Ok(ErasureStart::Held(holds));
    }
    let sql = "INSERT INTO subject_erasures (sid, begun_at_ms) VALUES (?1, ?2)";
    execute(transaction, sql, params![sid.0, millis(at)])?;
    let begun = erasure_of(transaction, sid)?;
    begun.map(ErasureStart::Begun).ok_or(Failure::Damaged("subject_erasures.sid"))
}

fn changed(rows: usize) -> Result<Written<()>, Failure> {
    match rows {
        1 => Ok(Written::Quiet(())),
        _ => Err(Failure::Refused(missing("erasure"))),
    }
}
