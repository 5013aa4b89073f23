//! Users and their passwords.

use async_trait::async_trait;
use haechi_core::{
    PasswordStore, Secret, StoreError, StoredPassword, StoredUser, UserChange, UserStore,
};
use rusqlite::{Connection, Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, from_json, json, many, millis, moment, one, optional_moment};
use super::{Sqlite, Written};
use crate::merge;
use crate::rule::{exists, missing, named};

#[async_trait]
impl UserStore for Sqlite {
    async fn add(&self, user: StoredUser) -> Result<(), StoreError> {
        named("user_id", &user.user_id)?;
        named("username", &user.username)?;
        self.write(move |transaction| {
            if is_user(transaction, &user.user_id)? {
                return Err(Failure::Refused(exists("user")));
            }
            if any(transaction, "SELECT 1 FROM users WHERE username = ?1", [&user.username])? {
                return Err(Failure::Refused(exists("username")));
            }
            insert(transaction, &user)?;
            Ok(Written::Raising(()))
        })
        .await
    }

    async fn by_id(&self, user_id: &str) -> Result<Option<StoredUser>, StoreError> {
        let user_id = user_id.to_owned();
        self.read(move |connection| find(connection, &user_id)).await
    }

    async fn by_username(&self, username: &str) -> Result<Option<StoredUser>, StoreError> {
        let username = username.to_owned();
        self.read(move |connection| {
            one(connection, "SELECT * FROM users WHERE username = ?1", [&username], user)
        })
        .await
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<StoredUser>, StoreError> {
        // No username is empty, so every one comes after the empty one.
        let after = after.unwrap_or_default().to_owned();
        self.read(move |connection| {
            let sql = "SELECT * FROM users WHERE username > ?1 ORDER BY username LIMIT ?2";
            many(connection, sql, params![after, limit], user)
        })
        .await
    }

    async fn change(&self, user_id: &str, change: UserChange) -> Result<(), StoreError> {
        let user_id = user_id.to_owned();
        self.write(move |transaction| {
            let user = find(transaction, &user_id)?;
            let mut user = user.ok_or_else(|| Failure::Refused(missing("user")))?;
            let raises = merge::apply(&mut user, change);
            update(transaction, &user)?;
            Ok(Written::raising_if(raises, ()))
        })
        .await
    }

    async fn remove(&self, user_id: &str) -> Result<(), StoreError> {
        let user_id = user_id.to_owned();
        self.write_and_wipe(move |transaction| {
            match execute(transaction, "DELETE FROM users WHERE user_id = ?1", [&user_id])? {
                0 => Err(Failure::Refused(missing("user"))),
                _ => Ok(Written::Raising(())),
            }
        })
        .await
    }
}

#[async_trait]
impl PasswordStore for Sqlite {
    async fn find(&self, user_id: &str) -> Result<Option<StoredPassword>, StoreError> {
        let user_id = user_id.to_owned();
        self.read(move |connection| {
            let sql = "SELECT phc, changed_at_ms FROM passwords WHERE user_id = ?1";
            one(connection, sql, [&user_id], password)
        })
        .await
    }

    async fn replace(&self, user_id: &str, password: StoredPassword) -> Result<(), StoreError> {
        let user_id = user_id.to_owned();
        self.write(move |transaction| {
            if !is_user(transaction, &user_id)? {
                return Err(Failure::Refused(missing("user")));
            }
            let sql = "INSERT INTO passwords (user_id, phc, changed_at_ms) VALUES (?1, ?2, ?3)
                       ON CONFLICT (user_id) DO UPDATE
                       SET phc = excluded.phc, changed_at_ms = excluded.changed_at_ms";
            let changed_at = millis(password.changed_at);
            execute(transaction, sql, params![user_id, password.phc.expose(), changed_at])?;
            Ok(Written::Raising(()))
        })
        .await
    }
}

/// Whether there is a user with this id.
pub(super) fn is_user(connection: &Connection, user_id: &str) -> Result<bool, Failure> {
    any(connection, "SELECT 1 FROM users WHERE user_id = ?1", [user_id])
}

fn find(connection: &Connection, user_id: &str) -> Result<Option<StoredUser>, Failure> {
    one(connection, "SELECT * FROM users WHERE user_id = ?1", [user_id], user)
}

fn insert(transaction: &Transaction<'_>, user: &StoredUser) -> Result<(), Failure> {
    let sql = "INSERT INTO users (user_id, username, display_name, email, roles, enabled,
                                  not_before_ms, created_at_ms, last_sign_in_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let values = params![
        user.user_id,
        user.username,
        user.display_name,
        user.email,
        json("roles", &user.roles)?,
        user.enabled,
        millis(user.not_before),
        millis(user.created_at),
        user.last_sign_in_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

/// Writes what [`UserChange`] can change.
fn update(transaction: &Transaction<'_>, user: &StoredUser) -> Result<(), Failure> {
    let sql = "UPDATE users SET display_name = ?2, email = ?3, roles = ?4, enabled = ?5,
                                not_before_ms = ?6, last_sign_in_at_ms = ?7
               WHERE user_id = ?1";
    let values = params![
        user.user_id,
        user.display_name,
        user.email,
        json("roles", &user.roles)?,
        user.enabled,
        millis(user.not_before),
        user.last_sign_in_at.map(millis),
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn user(row: &Row<'_>) -> Result<StoredUser, Failure> {
    Ok(StoredUser {
        user_id: row.get("user_id")?,
        username: row.get("username")?,
        display_name: row.get("display_name")?,
        email: row.get("email")?,
        roles: from_json(row, "roles")?,
        enabled: row.get("enabled")?,
        not_before: moment(row, "not_before_ms")?,
        created_at: moment(row, "created_at_ms")?,
        last_sign_in_at: optional_moment(row, "last_sign_in_at_ms")?,
    })
}

fn password(row: &Row<'_>) -> Result<StoredPassword, Failure> {
    let phc = Secret::new(row.get("phc")?);
    Ok(StoredPassword { phc, changed_at: moment(row, "changed_at_ms")? })
}
