//! Keys that sign own tokens.

use async_trait::async_trait;
use haechi_core::{SigningKeyState, SigningKeyStore, StoreError, StoredSigningKey, Timestamp};
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

    async fn announce(&self, key: StoredSigningKey, active: &str) -> Result<bool, StoreError> {
        named("kid", &key.key_id)?;
        let active = active.to_owned();
        self.write(move |transaction| {
            let stands = "SELECT 1 FROM signing_keys WHERE state = 'active' AND key_id = ?1";
            let comes = "SELECT 1 FROM signing_keys WHERE state = 'next'";
            if !any(transaction, stands, [&active])? || any(transaction, comes, [])? {
                return Ok(Written::Quiet(false));
            }
            add(transaction, &key, "next")?;
            Ok(Written::Raising(true))
        })
        .await
    }

    async fn promote(&self, key_id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let key_id = key_id.to_owned();
        self.write(move |transaction| {
            let next = "SELECT 1 FROM signing_keys WHERE state = 'next' AND key_id = ?1";
            if !any(transaction, next, [&key_id])? {
                return Ok(Written::Quiet(false));
            }
            turn_active(transaction, at)?;
            let sql = "UPDATE signing_keys SET state = 'active' WHERE key_id = ?1";
            execute(transaction, sql, [&key_id])?;
            Ok(Written::Raising(true))
        })
        .await
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
    turn_active(transaction, key.created_at)?;
    add(transaction, key, "active")?;
    Ok(Written::Raising(true))
}

fn refuse_taken(transaction: &Transaction<'_>, key: &StoredSigningKey) -> Result<(), Failure> {
    if any(transaction, "SELECT 1 FROM signing_keys WHERE key_id = ?1", [&key.key_id])? {
        return Err(Failure::Refused(exists(&key.key_id)));
    }
    Ok(())
}

/// Turns the active key to retiring.
fn turn_active(transaction: &Transaction<'_>, at: Timestamp) -> Result<(), Failure> {
    let turn = "UPDATE signing_keys SET state = 'retiring', retiring_since_ms = ?1
                WHERE state = 'active'";
    execute(transaction, turn, [millis(at)])?;
    Ok(())
}

fn add(
    transaction: &Transaction<'_>,
    key: &StoredSigningKey,
    state: &'static str,
) -> Result<(), Failure> {
    refuse_taken(transaction, key)?;
    let sql = "INSERT INTO signing_keys (key_id, algorithm, sealed_private, state, created_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let created_at = millis(key.created_at);
    let values = params![key.key_id, key.algorithm, key.sealed_private, state, created_at];
    execute(transaction, sql, values)?;
    Ok(())
}

fn retire(transaction: &Transaction<'_>, key_id: &str) -> Result<Written<()>, Failure> {
    let found = "SELECT state FROM signing_keys WHERE key_id = ?1";
    match one(transaction, found, [key_id], state)? {
        None => Err(Failure::Refused(missing(key_id))),
        Some(SigningKeyState::Active) => Err(Failure::Refused(exists(key_id))),
        Some(SigningKeyState::Retired) => Ok(Written::Quiet(())),
        Some(SigningKeyState::Retiring | SigningKeyState::Next) => {
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
        "next" => Ok(SigningKeyState::Next),
        "active" => Ok(SigningKeyState::Active),
        "retiring" => Ok(SigningKeyState::Retiring),
        "retired" => Ok(SigningKeyState::Retired),
        _ => Err(Failure::Damaged("signing_keys.state")),
    }
}
