//! Keys that sign own tokens.

use async_trait::async_trait;
use haechi_core::{SigningKeyState, SigningKeyStore, StoreError, StoredSigningKey};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, many, millis, moment, one, optional_moment};
use super::{Sqlite, Written};
use crate::rule::{exists, missing, named};

#[async_trait]
impl SigningKeyStore for Sqlite {
    async fn list(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT * FROM signing_keys ORDER BY created_at_ms, key_id";
            many(connection, sql, [], signing_key)
        })
        .await
    }

    async fn activate(
        &self,
        key: StoredSigningKey,
        only_if_none: bool,
    ) -> Result<bool, StoreError> {
        named("kid", &key.key_id)?;
        self.write(move |transaction| activate(transaction, &key, only_if_none)).await
    }

    async fn retire(&self, key_id: &str) -> Result<(), StoreError> {
        let key_id = key_id.to_owned();
        self.write_and_wipe(move |transaction| retire(transaction, &key_id)).await
    }
}

fn activate(
    transaction: &Transaction<'_>,
    key: &StoredSigningKey,
    only_if_none: bool,
) -> Result<Written<bool>, Failure> {
    let active = "SELECT 1 FROM signing_keys WHERE state = 'active'";
    if only_if_none && any(transaction, active, [])? {
        return Ok(Written::Quiet(false));
    }
    if any(transaction, "SELECT 1 FROM signing_keys WHERE key_id = ?1", [&key.key_id])? {
        return Err(Failure::Refused(exists(&key.key_id)));
    }
    let now = millis(key.created_at);
    let turn = "UPDATE signing_keys SET state = 'retiring', retiring_since_ms = ?1
                WHERE state = 'active'";
    execute(transaction, turn, [now])?;
    let sql = "INSERT INTO signing_keys (key_id, algorithm, sealed_private, state, created_at_ms)
               VALUES (?1, ?2, ?3, 'active', ?4)";
    execute(transaction, sql, params![key.key_id, key.algorithm, key.sealed_private, now])?;
    Ok(Written::Raising(true))
}

fn retire(transaction: &Transaction<'_>, key_id: &str) -> Result<Written<()>, Failure> {
    let found = "SELECT state FROM signing_keys WHERE key_id = ?1";
    match one(transaction, found, [key_id], state)? {
        None => Err(Failure::Refused(missing(key_id))),
        Some(SigningKeyState::Active) => Err(Failure::Refused(exists(key_id))),
        Some(SigningKeyState::Retired) => Ok(Written::Quiet(())),
        Some(SigningKeyState::Retiring) => {
            let sql = "UPDATE signing_keys SET state = 'retired', sealed_private = x''
                       WHERE key_id = ?1";
            execute(transaction, sql, [key_id])?;
            Ok(Written::Raising(()))
        }
    }
}

fn signing_key(row: &Row<'_>) -> Result<StoredSigningKey, Failure> {
    Ok(StoredSigningKey {
        key_id: row.get("key_id")?,
        algorithm: row.get("algorithm")?,
        sealed_private: row.get("sealed_private")?,
        state: state(row)?,
        created_at: moment(row, "created_at_ms")?,
        retiring_since: optional_moment(row, "retiring_since_ms")?,
    })
}

fn state(row: &Row<'_>) -> Result<SigningKeyState, Failure> {
    match row.get::<_, String>("state")?.as_str() {
        "active" => Ok(SigningKeyState::Active),
        "retiring" => Ok(SigningKeyState::Retiring),
        "retired" => Ok(SigningKeyState::Retired),
        _ => Err(Failure::Damaged("signing_keys.state")),
    }
}
