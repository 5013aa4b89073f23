//! Second factors.

use async_trait::async_trait;
use haechi_core::{FactorKind, FactorStore, StoreError, StoredFactor, Timestamp};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, count, execute, many, millis, moment, optional_moment, read_count};
use super::users::is_user;
use super::{Sqlite, Written};
use crate::rule::{exists, missing, named};

#[async_trait]
impl FactorStore for Sqlite {
    async fn add(&self, factor: StoredFactor) -> Result<(), StoreError> {
        named("factor_id", &factor.factor_id)?;
        self.write(move |transaction| {
            if is_taken(transaction, &factor)? {
                return Err(Failure::Refused(exists("factor")));
            }
            if !is_user(transaction, &factor.user_id)? {
                return Err(Failure::Refused(missing("user")));
            }
            insert(transaction, &factor)?;
            Ok(Written::Raising(()))
        })
        .await
    }

    async fn list(&self, user_id: &str) -> Result<Vec<StoredFactor>, StoreError> {
        let user_id = user_id.to_owned();
        self.read(move |connection| {
            let sql = "SELECT * FROM factors WHERE user_id = ?1 ORDER BY created_at_ms, factor_id";
            many(connection, sql, [&user_id], factor)
        })
        .await
    }

    async fn advance(
        &self,
        factor_id: &str,
        counter: u64,
        sealed: Option<Vec<u8>>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let factor_id = factor_id.to_owned();
        let advance = move |transaction: &Transaction<'_>| {
            let sql = "UPDATE factors
                       SET counter = ?2, sealed = coalesce(?3, sealed), last_used_at_ms = ?4
                       WHERE factor_id = ?1 AND counter < ?2";
            let values = params![factor_id, count(counter), sealed, millis(at)];
            Ok(Written::Quiet(execute(transaction, sql, values)? == 1))
        };
        // A recovery code that was used must not come back out of the log.
        self.write_and_wipe(advance).await
    }

    async fn remove(&self, user_id: &str, factor_id: &str) -> Result<bool, StoreError> {
        let (user_id, factor_id) = (user_id.to_owned(), factor_id.to_owned());
        self.write_and_wipe(move |transaction| {
            let sql = "DELETE FROM factors WHERE user_id = ?1 AND factor_id = ?2";
            let removed = execute(transaction, sql, params![user_id, factor_id])? == 1;
            Ok(Written::raising_if(removed, removed))
        })
        .await
    }
}

fn is_taken(transaction: &Transaction<'_>, factor: &StoredFactor) -> Result<bool, Failure> {
    let id = "SELECT 1 FROM factors WHERE factor_id = ?1";
    let codes = "SELECT 1 FROM factors WHERE user_id = ?1 AND kind = 'recovery-codes'";
    Ok(any(transaction, id, [&factor.factor_id])?
        || factor.kind == FactorKind::RecoveryCodes && any(transaction, codes, [&factor.user_id])?)
}

fn insert(transaction: &Transaction<'_>, factor: &StoredFactor) -> Result<(), Failure> {
    let sql =
        "INSERT INTO factors (factor_id, user_id, kind, label, sealed, counter, created_at_ms,
                                    last_used_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        factor.factor_id,
        factor.user_id,
        word(factor.kind),
        factor.label,
        factor.sealed,
        count(factor.counter),
        millis(factor.created_at),
        factor.last_used_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn factor(row: &Row<'_>) -> Result<StoredFactor, Failure> {
    Ok(StoredFactor {
        factor_id: row.get("factor_id")?,
        user_id: row.get("user_id")?,
        kind: kind(&row.get::<_, String>("kind")?)?,
        label: row.get("label")?,
        sealed: row.get("sealed")?,
        counter: read_count(row, "counter")?,
        created_at: moment(row, "created_at_ms")?,
        last_used_at: optional_moment(row, "last_used_at_ms")?,
    })
}

const fn word(kind: FactorKind) -> &'static str {
    match kind {
        FactorKind::Totp => "totp",
        FactorKind::Passkey => "passkey",
        FactorKind::RecoveryCodes => "recovery-codes",
    }
}

fn kind(word: &str) -> Result<FactorKind, Failure> {
    match word {
        "totp" => Ok(FactorKind::Totp),
        "passkey" => Ok(FactorKind::Passkey),
        "recovery-codes" => Ok(FactorKind::RecoveryCodes),
        _ => Err(Failure::Damaged("factors.kind")),
    }
}
