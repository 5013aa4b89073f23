//! Revocations, stops and the epoch.

use async_trait::async_trait;
use haechi_core::{Revocation, RevocationKind, RevocationStore, StoreError, Timestamp};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{execute, many, millis, moment, one, optional_moment};
use super::{Sqlite, Written};
use crate::merge;
use crate::rule::named;

/// Every kind, and the word for it in the table.
const WORDS: [(RevocationKind, &str); 6] = [
    (RevocationKind::Token, "token"),
    (RevocationKind::Subject, "subject"),
    (RevocationKind::Key, "key"),
    (RevocationKind::StoppedTool, "stopped-tool"),
    (RevocationKind::StoppedUser, "stopped-user"),
    (RevocationKind::StoppedUpstream, "stopped-upstream"),
];

#[async_trait]
impl RevocationStore for Sqlite {
    async fn epoch(&self) -> Result<u64, StoreError> {
        self.read_epoch().await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        named("id", &revocation.id)?;
        self.write(move |transaction| revoke(transaction, &revocation)).await
    }

    async fn lift(&self, kind: RevocationKind, issuer: &str, id: &str) -> Result<bool, StoreError> {
        if !merge::is_stop(kind) {
            return Ok(false);
        }
        let (issuer, id) = (issuer.to_owned(), id.to_owned());
        self.write(move |transaction| {
            let sql = "DELETE FROM revocations WHERE kind = ?1 AND issuer = ?2 AND id = ?3";
            let lifted = execute(transaction, sql, params![word(kind)?, issuer, id])? == 1;
            Ok(Written::raising_if(lifted, lifted))
        })
        .await
    }

    async fn list(&self, now: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT * FROM revocations WHERE until_ms IS NULL OR until_ms > ?1";
            many(connection, sql, [millis(now)], revocation)
        })
        .await
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let sql = "DELETE FROM revocations WHERE until_ms <= ?1";
            let forgotten = execute(transaction, sql, [millis(now)])?;
            Ok(Written::Quiet(u64::try_from(forgotten).unwrap_or(u64::MAX)))
        })
        .await
    }
}

fn revoke(transaction: &Transaction<'_>, revoked: &Revocation) -> Result<Written<()>, Failure> {
    let sql = "SELECT * FROM revocations WHERE kind = ?1 AND issuer = ?2 AND id = ?3";
    let key = params![word(revoked.kind)?, revoked.issuer, revoked.id];
    let mut joined = revoked.clone();
    if let Some(standing) = one(transaction, sql, key, revocation)? {
        joined = standing.clone();
        merge::join(&mut joined, revoked);
        if joined == standing {
            return Ok(Written::Quiet(()));
        }
    }
    put(transaction, &joined)?;
    Ok(Written::Raising(()))
}

fn put(transaction: &Transaction<'_>, revocation: &Revocation) -> Result<(), Failure> {
    let sql = "INSERT INTO revocations (kind, issuer, id, at_ms, until_ms)
               VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (kind, issuer, id) DO UPDATE
               SET at_ms = excluded.at_ms, until_ms = excluded.until_ms";
    let values = params![
        word(revocation.kind)?,
        revocation.issuer,
        revocation.id,
        millis(revocation.at),
        revocation.until.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn revocation(row: &Row<'_>) -> Result<Revocation, Failure> {
    Ok(Revocation {
        kind: kind(&row.get::<_, String>("kind")?)?,
        issuer: row.get("issuer")?,
        id: row.get("id")?,
        at: moment(row, "at_ms")?,
        until: optional_moment(row, "until_ms")?,
    })
}

fn word(kind: RevocationKind) -> Result<&'static str, Failure> {
    let found = WORDS.iter().find(|(known, _)| *known == kind);
    found.map(|(_, word)| *word).ok_or(Failure::Damaged("revocations.kind"))
}

fn kind(word: &str) -> Result<RevocationKind, Failure> {
    let found = WORDS.iter().find(|(_, known)| *known == word);
    found.map(|(kind, _)| *kind).ok_or(Failure::Damaged("revocations.kind"))
}
