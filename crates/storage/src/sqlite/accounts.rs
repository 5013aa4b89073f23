//! Accounts that persons have linked.

use async_trait::async_trait;
use haechi_core::{AccountStore, Sid, StoreError, StoredAccount};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::people_rows::sid_of;
use super::row::{count, execute, from_json, json, many, millis, moment, one, optional_moment};
use super::row::{read_count, rows};
use super::{Sqlite, Written};
use crate::rule::named;

#[async_trait]
impl AccountStore for Sqlite {
    async fn keep(&self, account: StoredAccount) -> Result<bool, StoreError> {
        named("sid", &account.sid.0)?;
        named("upstream", &account.upstream)?;
        self.write_and_wipe(move |transaction| keep(transaction, &account).map(Written::Quiet))
            .await
    }

    async fn find(&self, sid: &Sid, upstream: &str) -> Result<Option<StoredAccount>, StoreError> {
        let (sid, upstream) = (sid.clone(), upstream.to_owned());
        self.read(move |connection| {
            let sql = "SELECT * FROM linked_accounts WHERE sid = ?1 AND upstream = ?2";
            one(connection, sql, params![sid.0, upstream], account)
        })
        .await
    }

    async fn list(&self, sid: &Sid) -> Result<Vec<StoredAccount>, StoreError> {
        let sid = sid.clone();
        self.read(move |connection| {
            let sql = "SELECT * FROM linked_accounts WHERE sid = ?1 ORDER BY upstream";
            many(connection, sql, [&sid.0], account)
        })
        .await
    }

    async fn remove(&self, sid: &Sid, upstream: &str) -> Result<bool, StoreError> {
        let (sid, upstream) = (sid.clone(), upstream.to_owned());
        self.write_and_wipe(move |transaction| {
            let sql = "DELETE FROM linked_accounts WHERE sid = ?1 AND upstream = ?2";
            Ok(Written::Quiet(execute(transaction, sql, params![sid.0, upstream])? == 1))
        })
        .await
    }

    async fn remove_all(&self, sid: &Sid) -> Result<u64, StoreError> {
        let sid = sid.clone();
        self.write_and_wipe(move |transaction| {
            let sql = "DELETE FROM linked_accounts WHERE sid = ?1";
            Ok(Written::Quiet(rows(execute(transaction, sql, [&sid.0])?)))
        })
        .await
    }
}

fn keep(transaction: &Transaction<'_>, account: &StoredAccount) -> Result<bool, Failure> {
    if let Some(before) = account.revision.checked_sub(1) {
        let sql = "SELECT revision FROM linked_accounts WHERE sid = ?1 AND upstream = ?2";
        let place = params![account.sid.0, account.upstream];
        let standing = one(transaction, sql, place, |row| read_count(row, "revision"))?;
        if standing != Some(before) {
            return Ok(false);
        }
    }
    let sql = "INSERT OR REPLACE INTO linked_accounts
               (sid, upstream, issuer, sealed, scopes, revision, created_at_ms, refreshed_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let values = params![
        account.sid.0,
        account.upstream,
        account.issuer,
        account.sealed,
        json("scopes", &account.scopes)?,
        count(account.revision),
        millis(account.created_at),
        account.refreshed_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(true)
}

fn account(row: &Row<'_>) -> Result<StoredAccount, Failure> {
    Ok(StoredAccount {
        sid: sid_of(row)?,
        upstream: row.get("upstream")?,
        issuer: row.get("issuer")?,
        sealed: row.get("sealed")?,
        scopes: from_json(row, "scopes")?,
        revision: read_count(row, "revision")?,
        created_at: moment(row, "created_at_ms")?,
        refreshed_at: optional_moment(row, "refreshed_at_ms")?,
    })
}
