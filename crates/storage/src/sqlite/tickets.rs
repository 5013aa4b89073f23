//! Tickets: codes, waiting requests, assertions that were used.

use async_trait::async_trait;
use haechi_core::{SecretDigest, StoreError, Taken, Ticket, TicketKind, TicketStore, Timestamp};
use rusqlite::{Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, millis, moment, one, optional_moment, rows};
use super::{Sqlite, Written};
use crate::merge::TAKEN_TICKETS_STAY;
use crate::rule::exists;

#[async_trait]
impl TicketStore for Sqlite {
    async fn add(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let (kind, expires_at) = (word(ticket.kind), millis(ticket.expires_at));
            let sql = "SELECT 1 FROM tickets WHERE kind = ?1 AND sha256 = ?2";
            if any(transaction, sql, params![kind, ticket.sha256])? {
                return Err(Failure::Refused(exists("ticket")));
            }
            let sql = "INSERT INTO tickets (kind, sha256, body, expires_at_ms)
                       VALUES (?1, ?2, ?3, ?4)";
            execute(transaction, sql, params![kind, ticket.sha256, ticket.body, expires_at])?;
            Ok(Written::Quiet(()))
        })
        .await
    }

    async fn find(
        &self,
        kind: TicketKind,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sha256 = *sha256;
        self.read(move |connection| {
            let sql = "SELECT body FROM tickets
                       WHERE kind = ?1 AND sha256 = ?2 AND taken_at_ms IS NULL
                             AND expires_at_ms > ?3";
            one(connection, sql, params![word(kind), sha256, millis(now)], |row| {
                Ok(row.get("body")?)
            })
        })
        .await
    }

    async fn take(
        &self,
        kind: TicketKind,
        sha256: &SecretDigest,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let sha256 = *sha256;
        self.write(move |transaction| take(transaction, kind, &sha256, now).map(Written::Quiet))
            .await
    }

    async fn count(&self, kind: TicketKind, now: Timestamp) -> Result<u64, StoreError> {
        let counted = self.read(move |connection| {
            let sql = "SELECT count(*) FROM tickets WHERE kind = ?1 AND expires_at_ms > ?2";
            one(connection, sql, params![word(kind), millis(now)], |row| Ok(row.get::<_, i64>(0)?))
        });
        Ok(u64::try_from(counted.await?.unwrap_or_default()).unwrap_or_default())
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let sql = "DELETE FROM tickets
                       WHERE expires_at_ms <= ?1 AND (taken_at_ms IS NULL OR expires_at_ms <= ?2)";
            let long_ago = now.before(TAKEN_TICKETS_STAY);
            let forgotten = execute(transaction, sql, params![millis(now), millis(long_ago)])?;
            Ok(Written::Quiet(rows(forgotten)))
        })
        .await
    }
}

fn take(
    transaction: &Transaction<'_>,
    kind: TicketKind,
    sha256: &SecretDigest,
    now: Timestamp,
) -> Result<Taken, Failure> {
    let sql = "SELECT * FROM tickets WHERE kind = ?1 AND sha256 = ?2";
    let Some((body, taken, expires_at)) =
        one(transaction, sql, params![word(kind), sha256], parts)?
    else {
        return Ok(Taken::Never);
    };
    if taken {
        return Ok(Taken::Before(body));
    }
    if expires_at <= now {
        return Ok(Taken::Never);
    }
    let sql = "UPDATE tickets SET taken_at_ms = ?3 WHERE kind = ?1 AND sha256 = ?2";
    execute(transaction, sql, params![word(kind), sha256, millis(now)])?;
    Ok(Taken::Now(body))
}

/// Body, whether it was taken, end.
fn parts(row: &Row<'_>) -> Result<(Vec<u8>, bool, Timestamp), Failure> {
    let taken = optional_moment(row, "taken_at_ms")?.is_some();
    Ok((row.get("body")?, taken, moment(row, "expires_at_ms")?))
}

const fn word(kind: TicketKind) -> &'static str {
    match kind {
        TicketKind::Code => "code",
        TicketKind::Interaction => "interaction",
        TicketKind::Federation => "federation",
        TicketKind::Passkey => "passkey",
        TicketKind::Assertion => "assertion",
    }
}
