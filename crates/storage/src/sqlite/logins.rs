//! Who signs in from elsewhere.

use async_trait::async_trait;
use haechi_core::{LoginStore, StoreError, StoredLogin, Timestamp};
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::{execute, many, millis, moment, one};
use super::users::is_user;
use super::{Sqlite, Written};
use crate::rule::{exists, missing, named};

#[async_trait]
impl LoginStore for Sqlite {
    async fn add(&self, login: StoredLogin) -> Result<(), StoreError> {
        named("issuer", &login.issuer)?;
        named("subject", &login.subject)?;
        self.write(move |transaction| {
            if find(transaction, &login.issuer, &login.subject)?.is_some() {
                return Err(Failure::Refused(exists("login")));
            }
            if !is_user(transaction, &login.user_id)? {
                return Err(Failure::Refused(missing("user")));
            }
            let sql = "INSERT INTO logins (issuer, subject, user_id, created_at_ms,
                                           last_sign_in_at_ms)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            let (created, last) = (millis(login.created_at), millis(login.last_sign_in_at));
            let values = params![login.issuer, login.subject, login.user_id, created, last];
            execute(transaction, sql, values)?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn by_subject(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<StoredLogin>, StoreError> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |connection| find(connection, &issuer, &subject)).await
    }

    async fn list(&self, user_id: &str) -> Result<Vec<StoredLogin>, StoreError> {
        let user_id = user_id.to_owned();
        self.read(move |connection| {
            let sql = "SELECT * FROM logins WHERE user_id = ?1
                       ORDER BY created_at_ms, issuer, subject";
            many(connection, sql, [&user_id], login)
        })
        .await
    }

    async fn touch(&self, issuer: &str, subject: &str, at: Timestamp) -> Result<(), StoreError> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.write(move |transaction| {
            let sql = "UPDATE logins SET last_sign_in_at_ms = max(last_sign_in_at_ms, ?3)
                       WHERE issuer = ?1 AND subject = ?2";
            execute(transaction, sql, params![issuer, subject, millis(at)])?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn remove(&self, issuer: &str, subject: &str) -> Result<bool, StoreError> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.write(move |transaction| {
            let sql = "DELETE FROM logins WHERE issuer = ?1 AND subject = ?2";
            Ok(Written::Quiet(execute(transaction, sql, params![issuer, subject])? == 1))
        })
        .await
    }
}

fn find(
    connection: &Connection,
    issuer: &str,
    subject: &str,
) -> Result<Option<StoredLogin>, Failure> {
    let sql = "SELECT * FROM logins WHERE issuer = ?1 AND subject = ?2";
    one(connection, sql, params![issuer, subject], login)
}

fn login(row: &Row<'_>) -> Result<StoredLogin, Failure> {
    Ok(StoredLogin {
        issuer: row.get("issuer")?,
        subject: row.get("subject")?,
        user_id: row.get("user_id")?,
        created_at: moment(row, "created_at_ms")?,
        last_sign_in_at: moment(row, "last_sign_in_at_ms")?,
    })
}
