//! Sessions of browsers.

use async_trait::async_trait;
use haechi_core::{BrowserSessionStore, SecretDigest, StoreError, StoredBrowserSession, Timestamp};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, from_json, json, many, millis, moment, one, rows};
use super::users::is_user;
use super::{Sqlite, Written};
use crate::rule::{exists, missing, object_or_nothing};

#[async_trait]
impl BrowserSessionStore for Sqlite {
    async fn add(&self, session: StoredBrowserSession) -> Result<(), StoreError> {
        object_or_nothing("details", &session.details)?;
        self.write(move |transaction| {
            let sql = "SELECT 1 FROM browser_sessions WHERE sha256 = ?1";
            if any(transaction, sql, [session.sha256])? {
                return Err(Failure::Refused(exists("session")));
            }
            if !is_user(transaction, &session.user_id)? {
                return Err(Failure::Refused(missing("user")));
            }
            insert(transaction, &session)?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn find(
        &self,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<StoredBrowserSession>, StoreError> {
        let sha256 = *sha256;
        self.read(move |connection| {
            let sql = "SELECT * FROM browser_sessions WHERE sha256 = ?1 AND expires_at_ms > ?2";
            one(connection, sql, params![sha256, millis(now)], session)
        })
        .await
    }

    async fn touch(&self, sha256: &SecretDigest, at: Timestamp) -> Result<(), StoreError> {
        let sha256 = *sha256;
        self.write(move |transaction| {
            let sql = "UPDATE browser_sessions SET last_seen_at_ms = max(last_seen_at_ms, ?2)
                       WHERE sha256 = ?1";
            execute(transaction, sql, params![sha256, millis(at)])?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn list(&self, user_id: &str) -> Result<Vec<StoredBrowserSession>, StoreError> {
        let user_id = user_id.to_owned();
        self.read(move |connection| {
            let sql = "SELECT * FROM browser_sessions WHERE user_id = ?1
                       ORDER BY created_at_ms DESC, sha256";
            many(connection, sql, [&user_id], session)
        })
        .await
    }

    async fn remove(&self, sha256: &SecretDigest) -> Result<bool, StoreError> {
        let sha256 = *sha256;
        self.write(move |transaction| {
            let sql = "DELETE FROM browser_sessions WHERE sha256 = ?1";
            Ok(Written::Quiet(execute(transaction, sql, [sha256])? == 1))
        })
        .await
    }

    async fn remove_all(&self, user_id: &str) -> Result<u64, StoreError> {
        let user_id = user_id.to_owned();
        self.write(move |transaction| {
            let sql = "DELETE FROM browser_sessions WHERE user_id = ?1";
            Ok(Written::Quiet(rows(execute(transaction, sql, [&user_id])?)))
        })
        .await
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let sql = "DELETE FROM browser_sessions WHERE expires_at_ms <= ?1";
            Ok(Written::Quiet(rows(execute(transaction, sql, [millis(now)])?)))
        })
        .await
    }
}

fn insert(transaction: &Transaction<'_>, session: &StoredBrowserSession) -> Result<(), Failure> {
    let sql =
        "INSERT INTO browser_sessions (sha256, user_id, authenticated_at_ms, methods, details,
                                             created_at_ms, last_seen_at_ms, expires_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        session.sha256,
        session.user_id,
        millis(session.authenticated_at),
        json("methods", &session.methods)?,
        session.details,
        millis(session.created_at),
        millis(session.last_seen_at),
        millis(session.expires_at),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn session(row: &Row<'_>) -> Result<StoredBrowserSession, Failure> {
    Ok(StoredBrowserSession {
        sha256: row.get("sha256")?,
        user_id: row.get("user_id")?,
        authenticated_at: moment(row, "authenticated_at_ms")?,
        methods: from_json(row, "methods")?,
        details: row.get("details")?,
        created_at: moment(row, "created_at_ms")?,
        last_seen_at: moment(row, "last_seen_at_ms")?,
        expires_at: moment(row, "expires_at_ms")?,
    })
}
