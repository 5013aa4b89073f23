//! Consents.

use std::collections::BTreeSet;

use async_trait::async_trait;
use haechi_core::{ConsentStore, StoreError, StoredConsent};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{execute, from_json, json, many, millis, moment, one, rows};
use super::users::is_user;
use super::{Sqlite, Written};
use crate::rule::{missing, named};

#[async_trait]
impl ConsentStore for Sqlite {
    async fn keep(&self, consent: StoredConsent) -> Result<(), StoreError> {
        named("client_id", &consent.client_id)?;
        self.write(move |transaction| keep(transaction, consent)).await
    }

    async fn list(
        &self,
        user_id: &str,
        client_id: Option<&str>,
    ) -> Result<Vec<StoredConsent>, StoreError> {
        let (user_id, client_id) = (user_id.to_owned(), client_id.map(str::to_owned));
        self.read(move |connection| {
            let sql = "SELECT * FROM consents
                       WHERE user_id = ?1 AND (?2 IS NULL OR client_id = ?2)
                       ORDER BY granted_at_ms DESC, client_id, resource, redirect_uri";
            many(connection, sql, params![user_id, client_id], consent)
        })
        .await
    }

    async fn remove(&self, user_id: &str, client_id: &str) -> Result<u64, StoreError> {
        let (user_id, client_id) = (user_id.to_owned(), client_id.to_owned());
        self.write(move |transaction| {
            let sql = "DELETE FROM consents WHERE user_id = ?1 AND client_id = ?2";
            Ok(Written::Quiet(rows(execute(transaction, sql, params![user_id, client_id])?)))
        })
        .await
    }
}

fn keep(transaction: &Transaction<'_>, mut consent: StoredConsent) -> Result<Written<()>, Failure> {
    if !is_user(transaction, &consent.user_id)? {
        return Err(Failure::Refused(missing("user")));
    }
    let sql = "SELECT scopes FROM consents
               WHERE user_id = ?1 AND client_id = ?2 AND resource = ?3 AND redirect_uri = ?4";
    let StoredConsent { user_id, client_id, resource, redirect_uri, .. } = &consent;
    let place = params![user_id, client_id, resource, redirect_uri];
    let before: Option<BTreeSet<String>> =
        one(transaction, sql, place, |row| from_json(row, "scopes"))?;
    consent.scopes.extend(before.into_iter().flatten());
    let sql = "INSERT INTO consents (user_id, client_id, resource, redirect_uri, scopes,
                                     granted_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT DO UPDATE
               SET scopes = excluded.scopes,
                   granted_at_ms = max(granted_at_ms, excluded.granted_at_ms)";
    let values = params![
        consent.user_id,
        consent.client_id,
        consent.resource,
        consent.redirect_uri,
        json("scopes", &consent.scopes)?,
        millis(consent.granted_at),
    ];
    execute(transaction, sql, values)?;
    Ok(Written::Quiet(()))
}

fn consent(row: &Row<'_>) -> Result<StoredConsent, Failure> {
    Ok(StoredConsent {
        user_id: row.get("user_id")?,
        client_id: row.get("client_id")?,
        resource: row.get("resource")?,
        scopes: from_json(row, "scopes")?,
        redirect_uri: row.get("redirect_uri")?,
        granted_at: moment(row, "granted_at_ms")?,
    })
}
