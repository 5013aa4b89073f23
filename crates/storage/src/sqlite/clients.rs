//! Clients of the own authorization server.

use async_trait::async_trait;
use haechi_core::{ClientOrigin, ClientStore, StoreError, StoredClient, Timestamp};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, from_json, json, many, millis, moment, one, optional_moment, rows};
use super::{Sqlite, Written};
use crate::rule::{exists, missing, named, object};

#[async_trait]
impl ClientStore for Sqlite {
    async fn add(&self, client: StoredClient) -> Result<(), StoreError> {
        checked(&client)?;
        self.write(move |transaction| {
            if any(transaction, "SELECT 1 FROM clients WHERE client_id = ?1", [&client.client_id])?
            {
                return Err(Failure::Refused(exists("client")));
            }
            put(transaction, &client)?;
            Ok(Written::Raising(()))
        })
        .await
    }

    async fn by_id(&self, client_id: &str) -> Result<Option<StoredClient>, StoreError> {
        let client_id = client_id.to_owned();
        self.read(move |connection| {
            one(connection, "SELECT * FROM clients WHERE client_id = ?1", [&client_id], client)
        })
        .await
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredClient>, StoreError> {
        // No id is empty, so every one comes after the empty one.
        let after = after.unwrap_or_default().to_owned();
        self.read(move |connection| {
            let sql = "SELECT * FROM clients WHERE client_id > ?1 ORDER BY client_id LIMIT ?2";
            many(connection, sql, params![after, limit], client)
        })
        .await
    }

    async fn replace(&self, client: StoredClient) -> Result<(), StoreError> {
        checked(&client)?;
        self.write(move |transaction| {
            let gone = "DELETE FROM clients WHERE client_id = ?1";
            if execute(transaction, gone, [&client.client_id])? == 0 {
                return Err(Failure::Refused(missing("client")));
            }
            put(transaction, &client)?;
            Ok(Written::Raising(()))
        })
        .await
    }

    async fn remove(&self, client_id: &str) -> Result<(), StoreError> {
        let client_id = client_id.to_owned();
        self.write_and_wipe(move |transaction| {
            let from = [
                "DELETE FROM clients WHERE client_id = ?1",
                "DELETE FROM grants WHERE client_id = ?1",
                "DELETE FROM consents WHERE client_id = ?1",
            ];
            let mut removed = 0;
            for sql in from {
                removed += execute(transaction, sql, [&client_id])?;
            }
            match removed {
                0 => Err(Failure::Refused(missing("client"))),
                _ => Ok(Written::Raising(())),
            }
        })
        .await
    }

    async fn forget(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            for from in ["grants", "consents"] {
                let sql = format!(
                    "DELETE FROM {from} WHERE client_id IN
                     (SELECT client_id FROM clients WHERE expires_at_ms < ?1)"
                );
                execute(transaction, &sql, [millis(before)])?;
            }
            let sql = "DELETE FROM clients WHERE expires_at_ms < ?1";
            let forgotten = rows(execute(transaction, sql, [millis(before)])?);
            Ok(Written::raising_if(forgotten > 0, forgotten))
        })
        .await
    }
}

fn checked(client: &StoredClient) -> Result<(), StoreError> {
    named("client_id", &client.client_id)?;
    object("metadata", &client.metadata)
}

fn put(transaction: &Transaction<'_>, client: &StoredClient) -> Result<(), Failure> {
    let sql = "INSERT INTO clients (client_id, metadata, secret_sha256, origin, roles,
                                    created_at_ms, expires_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![
        client.client_id,
        client.metadata,
        client.secret_sha256,
        word(client.origin),
        json("roles", &client.roles)?,
        millis(client.created_at),
        client.expires_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn client(row: &Row<'_>) -> Result<StoredClient, Failure> {
    Ok(StoredClient {
        client_id: row.get("client_id")?,
        metadata: row.get("metadata")?,
        secret_sha256: row.get("secret_sha256")?,
        origin: origin(&row.get::<_, String>("origin")?)?,
        roles: from_json(row, "roles")?,
        created_at: moment(row, "created_at_ms")?,
        expires_at: optional_moment(row, "expires_at_ms")?,
    })
}

const fn word(origin: ClientOrigin) -> &'static str {
    match origin {
        ClientOrigin::Operator => "operator",
        ClientOrigin::Dynamic => "dynamic",
    }
}

fn origin(word: &str) -> Result<ClientOrigin, Failure> {
    match word {
        "operator" => Ok(ClientOrigin::Operator),
        "dynamic" => Ok(ClientOrigin::Dynamic),
        _ => Err(Failure::Damaged("clients.origin")),
    }
}
