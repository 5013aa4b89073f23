//! What tokens stand for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{
    Place, Protection, Sid, StoreError, StoredToken, Timestamp, TokenCount, TokenLookup, TokenStore,
};
use rusqlite::{Connection, Row, Transaction, params};

use super::failure::Failure;
use super::row::{execute, many, millis, one, read_moment};
use super::{Sqlite, Written};

/// The columns that [`Shelf::token`] reads, by position.
const SELECT: &str = "SELECT lookup, how, place_id, sealed, key_id, key_version, same, subject, \
                      receiver, created_at_ms, expires_at_ms FROM vault_tokens";

#[async_trait]
impl TokenStore for Sqlite {
    async fn put(&self, tokens: Vec<StoredToken>) -> Result<Vec<usize>, StoreError> {
        self.write(move |transaction| {
            transaction.execute_batch("SAVEPOINT put")?;
            let taken = put_all(transaction, &tokens)?;
            if !taken.is_empty() {
                transaction.execute_batch("ROLLBACK TO put")?;
            }
            transaction.execute_batch("RELEASE put")?;
            Ok(Written::Quiet(taken))
        })
        .await
    }

    async fn find(&self, lookups: &[TokenLookup]) -> Result<Vec<Option<StoredToken>>, StoreError> {
        let lookups = lookups.to_vec();
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let mut shelf = Shelf::of(&snapshot);
            lookups.iter().map(|lookup| shelf.find(lookup)).collect()
        })
        .await
    }

    async fn page(
        &self,
        subject: Option<&Sid>,
        after: Option<TokenLookup>,
        limit: u32,
    ) -> Result<Vec<StoredToken>, StoreError> {
        let subject = subject.map(|sid| Arc::clone(&sid.0));
        // Every lookup is greater than an empty one.
        let after = after.map_or_else(Vec::new, Vec::from);
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let mut shelf = Shelf::of(&snapshot);
            let wanted = if subject.is_some() { "subject = ?1 AND" } else { "?1 IS NULL AND" };
            let sql = format!("{SELECT} WHERE {wanted} lookup > ?2 ORDER BY lookup LIMIT ?3");
            many(&snapshot, &sql, params![subject, after, limit], |row| shelf.token(row))
        })
        .await
    }

    async fn replace(&self, tokens: Vec<(StoredToken, StoredToken)>) -> Result<u64, StoreError> {
        // What stood there before must not be found afterwards: it may be under a key that goes.
        self.write_and_wipe(move |transaction| {
            let (mut replaced, mut places) = (0, HashMap::new());
            let mut shelf = Shelf::of(transaction);
            for (old, new) in &tokens {
                if shelf.find(&old.lookup)?.as_ref() == Some(old) {
                    write_over(transaction, &mut places, new)?;
                    replaced += 1;
                }
            }
            Ok(Written::Quiet(replaced))
        })
        .await
    }

    async fn delete_by_subject(&self, subject: &Sid) -> Result<u64, StoreError> {
        let subject = Arc::clone(&subject.0);
        self.write_and_wipe(move |transaction| {
            let sql = "DELETE FROM vault_tokens WHERE subject = ?1";
            Ok(Written::Quiet(count_of(execute(transaction, sql, [subject])?)))
        })
        .await
    }

    async fn expire(&self, now: Timestamp, held: &BTreeSet<Sid>) -> Result<u64, StoreError> {
        let held: Vec<Arc<str>> = held.iter().map(|sid| Arc::clone(&sid.0)).collect();
        self.write_and_wipe(move |transaction| {
            transaction.execute_batch(
                "CREATE TEMP TABLE IF NOT EXISTS held (subject TEXT NOT NULL PRIMARY KEY);
                 DELETE FROM temp.held;",
            )?;
            for subject in &held {
                execute(transaction, "INSERT INTO temp.held VALUES (?1)", [subject])?;
            }
            let sql = "DELETE FROM vault_tokens WHERE expires_at_ms <= ?1
                       AND (subject IS NULL OR subject NOT IN (SELECT subject FROM temp.held))";
            let gone = execute(transaction, sql, [millis(now)])?;
            transaction.execute_batch("DELETE FROM temp.held")?;
            Ok(Written::Quiet(count_of(gone)))
        })
        .await
    }

    async fn count(&self) -> Result<Vec<TokenCount>, StoreError> {
        self.read(|connection| {
            let sql = "SELECT tenant, kind, key_id, key_version, count(*) AS count
                       FROM vault_tokens JOIN vault_places USING (place_id)
                       GROUP BY tenant, kind, key_id, key_version ORDER BY 1, 2, 3, 4";
            many(connection, sql, [], |row| {
                let count = u64::try_from(row.get::<_, i64>("count")?);
                Ok(TokenCount {
                    tenant: row.get("tenant")?,
                    kind: row.get("kind")?,
                    key_id: row.get("key_id")?,
                    key_version: row.get("key_version")?,
                    count: count.map_err(|_| Failure::Damaged("count"))?,
                })
            })
        })
        .await
    }
}

fn count_of(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// The places of one batch, each asked for once.
type Places<'a> = HashMap<&'a Place, i64>;

fn put_all(transaction: &Transaction<'_>, tokens: &[StoredToken]) -> Result<Vec<usize>, Failure> {
    let mut places = Places::new();
    let mut taken = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        let place_id = place_of(transaction, &mut places, &token.place)?;
        let sql = "INSERT INTO vault_tokens (lookup, how, place_id, sealed, key_id, key_version, same,
                                             subject, receiver, created_at_ms, expires_at_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                   ON CONFLICT (lookup) DO UPDATE SET
                       how = excluded.how, place_id = excluded.place_id, sealed = excluded.sealed,
                       key_id = excluded.key_id, key_version = excluded.key_version,
                       subject = excluded.subject, receiver = excluded.receiver,
                       created_at_ms = excluded.created_at_ms, expires_at_ms = excluded.expires_at_ms
                   WHERE vault_tokens.same = excluded.same";
        if write(transaction, sql, place_id, token)? == 0 {
            taken.push(position);
        }
    }
    Ok(taken)
}

fn write_over<'a>(
    transaction: &Transaction<'_>,
    places: &mut Places<'a>,
    token: &'a StoredToken,
) -> Result<(), Failure> {
    let place_id = place_of(transaction, places, &token.place)?;
    let sql = "UPDATE vault_tokens SET how = ?2, place_id = ?3, sealed = ?4, key_id = ?5,
                      key_version = ?6, same = ?7, subject = ?8, receiver = ?9,
                      created_at_ms = ?10, expires_at_ms = ?11
               WHERE lookup = ?1";
    write(transaction, sql, place_id, token).map(|_| ())
}

fn write(
    transaction: &Transaction<'_>,
    sql: &str,
    place_id: i64,
    token: &StoredToken,
) -> Result<usize, Failure> {
    let values = params![
        token.lookup,
        if token.how == Protection::Format { "format" } else { "token" },
        place_id,
        token.sealed,
        token.key_id,
        token.key_version,
        token.same,
        token.subject.as_ref().map(|sid| &sid.0),
        token.receiver.as_ref().map(|sid| &sid.0),
        millis(token.created_at),
        token.expires_at.map(millis),
    ];
    execute(transaction, sql, values)
}

fn place_of<'a>(
    transaction: &Transaction<'_>,
    places: &mut Places<'a>,
    place: &'a Place,
) -> Result<i64, Failure> {
    if let Some(place_id) = places.get(place) {
        return Ok(*place_id);
    }
    let Place { tenant, upstream, tool, field, kind } = place;
    let values = [tenant, upstream, tool, field, kind];
    let sql = "SELECT place_id FROM vault_places
               WHERE tenant = ?1 AND upstream = ?2 AND tool = ?3 AND field = ?4 AND kind = ?5";
    let standing = one(transaction, sql, values, |row| Ok(row.get(0)?))?;
    let place_id = match standing {
        Some(place_id) => place_id,
        None => {
            let sql = "INSERT INTO vault_places (tenant, upstream, tool, field, kind)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            execute(transaction, sql, values)?;
            transaction.last_insert_rowid()
        }
    };
    places.insert(place, place_id);
    Ok(place_id)
}

/// Reads tokens, and each place once.
struct Shelf<'a> {
    connection: &'a Connection,
    sql: String,
    places: HashMap<i64, Place>,
}

impl<'a> Shelf<'a> {
    fn of(connection: &'a Connection) -> Self {
        let sql = format!("{SELECT} WHERE lookup = ?1");
        Self { connection, sql, places: HashMap::new() }
    }

    fn find(&mut self, lookup: &TokenLookup) -> Result<Option<StoredToken>, Failure> {
        let mut statement = self.connection.prepare_cached(&self.sql)?;
        let mut rows = statement.query([lookup])?;
        rows.next()?.map(|row| self.token(row)).transpose()
    }

    fn token(&mut self, row: &Row<'_>) -> Result<StoredToken, Failure> {
        let how = match row.get_ref(1)?.as_str().map_err(|_| Failure::Damaged("how"))? {
            "token" => Protection::Token,
            "format" => Protection::Format,
            _ => return Err(Failure::Damaged("how")),
        };
        let sid = |column| row.get::<_, Option<Arc<str>>>(column).map(|sid| sid.map(Sid));
        let ends = row.get::<_, Option<i64>>(10)?;
        Ok(StoredToken {
            lookup: row.get(0)?,
            how,
            place: self.place(row.get(2)?)?,
            sealed: row.get(3)?,
            key_id: row.get(4)?,
            key_version: row.get(5)?,
            same: row.get(6)?,
            subject: sid(7)?,
            receiver: sid(8)?,
            created_at: read_moment("created_at_ms", row.get(9)?)?,
            expires_at: ends.map(|ends| read_moment("expires_at_ms", ends)).transpose()?,
        })
    }

    fn place(&mut self, place_id: i64) -> Result<Place, Failure> {
        if let Some(place) = self.places.get(&place_id) {
            return Ok(place.clone());
        }
        let sql =
            "SELECT tenant, upstream, tool, field, kind FROM vault_places WHERE place_id = ?1";
        let place = one(self.connection, sql, [place_id], |row| {
            let [tenant, upstream, tool, field, kind] =
                [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            Ok(Place { tenant, upstream, tool, field, kind })
        })?;
        let place = place.ok_or(Failure::Damaged("place_id"))?;
        self.places.insert(place_id, place.clone());
        Ok(place)
    }
}
