//! API keys.

use async_trait::async_trait;
use haechi_core::{ApiKeyStore, StoreError, StoredApiKey, Timestamp};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, from_json, json, many, millis, moment, one, optional_moment};
use super::users::is_user;
use super::{Sqlite, Written};
use crate::rule::{exists, missing, named};

#[async_trait]
impl ApiKeyStore for Sqlite {
    async fn add(&self, key: StoredApiKey) -> Result<(), StoreError> {
        named("key_id", &key.key_id)?;
        self.write(move |transaction| {
            if is_key(transaction, &key.key_id)? {
                return Err(Failure::Refused(exists("API key")));
            }
            if !is_user(transaction, &key.user_id)? {
                return Err(Failure::Refused(missing("user")));
            }
            insert(transaction, &key)?;
            Ok(Written::Raising(()))
        })
        .await
    }

    async fn by_id(&self, key_id: &str) -> Result<Option<StoredApiKey>, StoreError> {
        let key_id = key_id.to_owned();
        self.read(move |connection| {
            one(connection, "SELECT * FROM api_keys WHERE key_id = ?1", [&key_id], api_key)
        })
        .await
    }

    async fn list(&self, user_id: Option<&str>) -> Result<Vec<StoredApiKey>, StoreError> {
        let user_id = user_id.map(str::to_owned);
        self.read(move |connection| match user_id {
            Some(user_id) => {
                let sql =
                    "SELECT * FROM api_keys WHERE user_id = ?1 ORDER BY created_at_ms, key_id";
                many(connection, sql, [&user_id], api_key)
            }
            None => {
                let sql = "SELECT * FROM api_keys ORDER BY created_at_ms, key_id";
                many(connection, sql, [], api_key)
            }
        })
        .await
    }

    async fn revoke(&self, key_id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let key_id = key_id.to_owned();
        self.write(move |transaction| {
            let sql = "UPDATE api_keys SET revoked_at_ms = ?2
                       WHERE key_id = ?1 AND revoked_at_ms IS NULL";
            if execute(transaction, sql, params![key_id, millis(at)])? == 1 {
                return Ok(Written::Raising(true));
            }
            if is_key(transaction, &key_id)? {
                return Ok(Written::Quiet(false));
            }
            Err(Failure::Refused(missing("API key")))
        })
        .await
    }
}

fn is_key(transaction: &Transaction<'_>, key_id: &str) -> Result<bool, Failure> {
    any(transaction, "SELECT 1 FROM api_keys WHERE key_id = ?1", [key_id])
}

fn insert(transaction: &Transaction<'_>, key: &StoredApiKey) -> Result<(), Failure> {
    let sql = "INSERT INTO api_keys (key_id, secret_sha256, user_id, label, restriction,
                                     created_at_ms, expires_at_ms, revoked_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        key.key_id,
        key.secret_sha256,
        key.user_id,
        key.label,
        json("restriction", &key.restriction)?,
        millis(key.created_at),
        key.expires_at.map(millis),
        key.revoked_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn api_key(row: &Row<'_>) -> Result<StoredApiKey, Failure> {
    Ok(StoredApiKey {
        key_id: row.get("key_id")?,
        secret_sha256: row.get("secret_sha256")?,
        user_id: row.get("user_id")?,
        label: row.get("label")?,
        restriction: from_json(row, "restriction")?,
        created_at: moment(row, "created_at_ms")?,
        expires_at: optional_moment(row, "expires_at_ms")?,
        revoked_at: optional_moment(row, "revoked_at_ms")?,
    })
}
