//! Grants and their refresh tokens.

use std::time::Duration;

use async_trait::async_trait;
use haechi_core::{
    GrantStore, Rotation, SecretDigest, StoreError, StoredGrant, StoredRefreshToken, Timestamp,
};
use rusqlite::{Connection, Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, from_json, json, many, millis, moment, one, optional_moment, rows};
use super::users::is_user;
use super::{Sqlite, Written};
use crate::merge::{Presented, presented};
use crate::rule::{belongs, exists, missing, named, object_or_nothing};

#[async_trait]
impl GrantStore for Sqlite {
    async fn add(
        &self,
        grant: StoredGrant,
        refresh: Option<StoredRefreshToken>,
    ) -> Result<(), StoreError> {
        named("grant_id", &grant.grant_id)?;
        named("client_id", &grant.client_id)?;
        object_or_nothing("details", &grant.details)?;
        if let Some(refresh) = &refresh {
            belongs(refresh, &grant.grant_id)?;
        }
        self.write(move |transaction| add(transaction, &grant, refresh.as_ref())).await
    }

    async fn by_id(&self, grant_id: &str) -> Result<Option<StoredGrant>, StoreError> {
        let grant_id = grant_id.to_owned();
        self.read(move |connection| find(connection, &grant_id)).await
    }

    async fn list(
        &self,
        user_id: Option<&str>,
        client_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<StoredGrant>, StoreError> {
        let (user_id, client_id) = (user_id.map(str::to_owned), client_id.map(str::to_owned));
        // A statement for each case: an index serves only what is compared without a condition.
        let of = match (&user_id, &client_id) {
            (Some(_), Some(_)) => "user_id = ?1 AND client_id = ?2",
            (Some(_), None) => "user_id = ?1 AND ?2 IS NULL",
            (None, Some(_)) => "?1 IS NULL AND client_id = ?2",
            (None, None) => "?1 IS NULL AND ?2 IS NULL",
        };
        let sql = format!(
            "SELECT * FROM grants WHERE {of} AND revoked_at_ms IS NULL AND expires_at_ms > ?3
             ORDER BY created_at_ms, grant_id"
        );
        self.read(move |connection| {
            many(connection, &sql, params![user_id, client_id, millis(now)], grant)
        })
        .await
    }

    async fn refresh_token(
        &self,
        sha256: &SecretDigest,
    ) -> Result<Option<(StoredRefreshToken, StoredGrant)>, StoreError> {
        let sha256 = *sha256;
        self.read(move |connection| token_of(connection, &sha256)).await
    }

    async fn rotate(
        &self,
        old: &SecretDigest,
        new: StoredRefreshToken,
        now: Timestamp,
        grace: Duration,
    ) -> Result<Rotation, StoreError> {
        let old = *old;
        self.write(move |transaction| rotate(transaction, &old, &new, now, grace)).await
    }

    async fn revoke(&self, grant_id: &str, at: Timestamp) -> Result<bool, StoreError> {
        let grant_id = grant_id.to_owned();
        self.write(move |transaction| {
            let revoked = revoke(transaction, &grant_id, at)?;
            Ok(Written::raising_if(revoked, revoked))
        })
        .await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let tokens = "DELETE FROM refresh_tokens WHERE expires_at_ms < ?1";
            execute(transaction, tokens, [millis(before)])?;
            let grants = "DELETE FROM grants WHERE expires_at_ms < ?1 OR revoked_at_ms < ?1";
            Ok(Written::Quiet(rows(execute(transaction, grants, [millis(before)])?)))
        })
        .await
    }
}

fn add(
    transaction: &Transaction<'_>,
    grant: &StoredGrant,
    refresh: Option<&StoredRefreshToken>,
) -> Result<Written<()>, Failure> {
    if find(transaction, &grant.grant_id)?.is_some() {
        return Err(Failure::Refused(exists("grant")));
    }
    if !is_user(transaction, &grant.user_id)? {
        return Err(Failure::Refused(missing("user")));
    }
    let sql = "INSERT INTO grants (grant_id, client_id, user_id, scopes, resources, details,
                                   authenticated_at_ms, created_at_ms, expires_at_ms, revoked_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let values = params![
        grant.grant_id,
        grant.client_id,
        grant.user_id,
        json("scopes", &grant.scopes)?,
        json("resources", &grant.resources)?,
        grant.details,
        millis(grant.authenticated_at),
        millis(grant.created_at),
        millis(grant.expires_at),
        grant.revoked_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    if let Some(refresh) = refresh {
        add_token(transaction, refresh)?;
    }
    // A grant that nobody knew was in no cache.
    Ok(Written::Quiet(()))
}

fn add_token(transaction: &Transaction<'_>, token: &StoredRefreshToken) -> Result<(), Failure> {
    if any(transaction, "SELECT 1 FROM refresh_tokens WHERE sha256 = ?1", [token.sha256])? {
        return Err(Failure::Refused(exists("refresh token")));
    }
    let sql = "INSERT INTO refresh_tokens (sha256, grant_id, issued_at_ms, expires_at_ms,
                                           replaced_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![
        token.sha256,
        token.grant_id,
        millis(token.issued_at),
        millis(token.expires_at),
        token.replaced_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn rotate(
    transaction: &Transaction<'_>,
    old: &SecretDigest,
    new: &StoredRefreshToken,
    now: Timestamp,
    grace: Duration,
) -> Result<Written<Rotation>, Failure> {
    let Some((token, mut grant)) = token_of(transaction, old)? else {
        return Ok(Written::Quiet(Rotation::Refused));
    };
    belongs(new, &grant.grant_id)?;
    let last_replaced = last_replaced(transaction, &grant.grant_id)?;
    match presented(&token, &grant, last_replaced, now, grace) {
        Presented::Ended => Ok(Written::Quiet(Rotation::Refused)),
        Presented::Current => {
            let sql = "UPDATE refresh_tokens SET replaced_at_ms = ?2 WHERE sha256 = ?1";
            execute(transaction, sql, params![old, millis(now)])?;
            add_token(transaction, new)?;
            Ok(Written::Quiet(Rotation::Rotated(grant)))
        }
        Presented::Again => {
            add_token(transaction, new)?;
            Ok(Written::Quiet(Rotation::Repeated(grant)))
        }
        Presented::Reused => {
            revoke(transaction, &grant.grant_id, now)?;
            grant.revoked_at = Some(now);
            Ok(Written::Raising(Rotation::Reused(grant)))
        }
    }
}

/// When the youngest replaced token of a grant was replaced.
fn last_replaced(connection: &Connection, grant_id: &str) -> Result<Option<Timestamp>, Failure> {
    let sql = "SELECT MAX(replaced_at_ms) AS last FROM refresh_tokens WHERE grant_id = ?1";
    Ok(one(connection, sql, [grant_id], |row| optional_moment(row, "last"))?.flatten())
}

fn revoke(transaction: &Transaction<'_>, grant_id: &str, at: Timestamp) -> Result<bool, Failure> {
    let sql = "UPDATE grants SET revoked_at_ms = ?2 WHERE grant_id = ?1 AND revoked_at_ms IS NULL";
    Ok(execute(transaction, sql, params![grant_id, millis(at)])? == 1)
}

fn find(connection: &Connection, grant_id: &str) -> Result<Option<StoredGrant>, Failure> {
    one(connection, "SELECT * FROM grants WHERE grant_id = ?1", [grant_id], grant)
}

fn token_of(
    connection: &Connection,
    sha256: &SecretDigest,
) -> Result<Option<(StoredRefreshToken, StoredGrant)>, Failure> {
    // One statement: a grant that is forgotten between two would leave its token without one.
    let sql = "SELECT grants.*, sha256, issued_at_ms, replaced_at_ms,
                      refresh_tokens.expires_at_ms AS token_expires_at_ms
               FROM refresh_tokens JOIN grants USING (grant_id) WHERE sha256 = ?1";
    one(connection, sql, [sha256], |row| Ok((token(row)?, grant(row)?)))
}

fn token(row: &Row<'_>) -> Result<StoredRefreshToken, Failure> {
    Ok(StoredRefreshToken {
        sha256: row.get("sha256")?,
        grant_id: row.get("grant_id")?,
        issued_at: moment(row, "issued_at_ms")?,
        expires_at: moment(row, "token_expires_at_ms")?,
        replaced_at: optional_moment(row, "replaced_at_ms")?,
    })
}

fn grant(row: &Row<'_>) -> Result<StoredGrant, Failure> {
    Ok(StoredGrant {
        grant_id: row.get("grant_id")?,
        client_id: row.get("client_id")?,
        user_id: row.get("user_id")?,
        scopes: from_json(row, "scopes")?,
        resources: from_json(row, "resources")?,
        details: row.get("details")?,
        authenticated_at: moment(row, "authenticated_at_ms")?,
        created_at: moment(row, "created_at_ms")?,
        expires_at: moment(row, "expires_at_ms")?,
        revoked_at: optional_moment(row, "revoked_at_ms")?,
    })
}
