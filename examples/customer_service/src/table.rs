//! The customers, in a SQLite file.
//!
//! The columns hold what the guard lets through: a token in the place of an address, an envelope in
//! the place of a resident number. Equal values become equal tokens, so a customer is found by an
//! address that nobody can read here.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, params};
use schemars::JsonSchema;
use serde::Serialize;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS customers (
    id              INTEGER PRIMARY KEY,
    name            TEXT NOT NULL,
    email           TEXT,
    phone           TEXT,
    resident_number TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS notes (
    id          INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    note        TEXT NOT NULL,
    written_by  TEXT NOT NULL,
    written_at  TEXT NOT NULL DEFAULT (datetime('now'))
) STRICT;
CREATE INDEX IF NOT EXISTS notes_of_customer ON notes (customer_id);
";

/// Invented people who were in the table before there was a guard, in plain text.
const FIRST: [(&str, &str, &str); 3] = [
    ("김민서", "minseo.kim@example.com", "010-2345-6789"),
    ("Harriet Vance", "harriet.vance@example.org", "+1 415-555-0132"),
    ("이도윤", "doyun.lee@example.net", "010-9876-5432"),
];

/// Why the table could not answer. No variant carries a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// SQLite did not do its part.
    #[error("the table of customers cannot be used now")]
    Sqlite(#[from] rusqlite::Error),
    /// There is no such row.
    #[error("there is no customer {0}; find_customer tells which there are")]
    Unknown(i64),
}

/// One row of the table, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerRow {
    /// The table's number for the customer.
    pub id: i64,
    /// The full name.
    pub name: String,
    /// The e-mail address, or its token.
    pub email: Option<String>,
    /// The telephone number, or its token.
    pub phone: Option<String>,
    /// The resident number, in an envelope.
    pub resident_number: Option<String>,
}

/// One customer, as tools answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Customer {
    /// The number by which the other tools know this customer.
    pub id: i64,
    /// The full name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number.
    pub phone: Option<String>,
    /// What colleagues wrote down, oldest first.
    pub notes: Vec<Note>,
}

/// What somebody wrote down about a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Note {
    /// What was written.
    pub note: String,
    /// Who wrote it.
    pub written_by: String,
}

/// A customer who is not in the table yet.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// The full name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// The telephone number.
    pub phone: Option<String>,
    /// The resident number.
    pub resident_number: Option<String>,
}

/// The table. Clones share one connection; every query is short, so nobody waits long for it.
#[derive(Clone, Debug)]
pub struct Customers(Arc<Mutex<Connection>>);

impl Customers {
    /// Opens the table in the file `path`, which is made when it is missing.
    ///
    /// # Errors
    ///
    /// [`TableError::Sqlite`].
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let connection = Connection::open(path)?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let customers = Self(Arc::new(Mutex::new(connection)));
        customers.fill()?;
        Ok(customers)
    }

    /// How many customers there are.
    ///
    /// # Errors
    ///
    /// [`TableError::Sqlite`].
    pub fn count(&self) -> Result<i64, TableError> {
        Ok(self.lock().query_row("SELECT count(*) FROM customers", [], |row| row.get(0))?)
    }

    fn fill(&self) -> Result<(), TableError> {
        if self.count()? > 0 {
            return Ok(());
        }
        for (name, email, phone) in FIRST {
            self.lock().execute(
                "INSERT INTO customers (name, email, phone) VALUES (?1, ?2, ?3)",
                params![name, email, phone],
            )?;
        }
        Ok(())
    }

    /// Up to `limit` customers whose name holds `query`, or whose address or number is `query`.
    ///
    /// # Errors
    ///
    /// [`TableError::Sqlite`].
    pub fn find(&self, query: &str, limit: u32) -> Result<Vec<CustomerRow>, TableError> {
        let connection = self.lock();
        let mut found = connection.prepare_cached(
            "SELECT id, name, email, phone, resident_number FROM customers
             WHERE instr(lower(name), lower(?1)) > 0 OR email = ?1 OR phone = ?1
             ORDER BY id LIMIT ?2",
        )?;
        let rows = found.query_map(params![query, limit], customer)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The row of one customer.
    ///
    /// # Errors
    ///
    /// [`TableError`].
    pub fn row(&self, id: i64) -> Result<CustomerRow, TableError> {
        let connection = self.lock();
        let row = connection.query_row(
            "SELECT id, name, email, phone, resident_number FROM customers WHERE id = ?1",
            [id],
            customer,
        );
        row.optional()?.ok_or(TableError::Unknown(id))
    }

    /// One customer, with the notes.
    ///
    /// # Errors
    ///
    /// [`TableError`].
    pub fn customer(&self, id: i64) -> Result<Customer, TableError> {
        let CustomerRow { id, name, email, phone, .. } = self.row(id)?;
        let connection = self.lock();
        let mut notes = connection.prepare_cached(
            "SELECT note, written_by FROM notes WHERE customer_id = ?1 ORDER BY id",
        )?;
        let rows =
            notes.query_map([id], |row| Ok(Note { note: row.get(0)?, written_by: row.get(1)? }))?;
        let notes = rows.collect::<Result<_, _>>()?;
        Ok(Customer { id, name, email, phone, notes })
    }

    /// Adds a customer and answers the number.
    ///
    /// # Errors
    ///
    /// [`TableError::Sqlite`].
    pub fn add(&self, new: &NewCustomer) -> Result<i64, TableError> {
        let connection = self.lock();
        connection.execute(
            "INSERT INTO customers (name, email, phone, resident_number) VALUES (?1, ?2, ?3, ?4)",
            params![new.name, new.email, new.phone, new.resident_number],
        )?;
        Ok(connection.last_insert_rowid())
    }

    /// Writes a new address or number; what is `None` stays.
    ///
    /// # Errors
    ///
    /// [`TableError`].
    pub fn update(
        &self,
        id: i64,
        email: Option<&str>,
        phone: Option<&str>,
    ) -> Result<(), TableError> {
        let changed = self.lock().execute(
            "UPDATE customers SET email = coalesce(?2, email), phone = coalesce(?3, phone)
             WHERE id = ?1",
            params![id, email, phone],
        )?;
        some(changed, id)
    }

    /// Adds a note by `written_by`.
    ///
    /// # Errors
    ///
    /// [`TableError`].
    pub fn note(&self, id: i64, note: &str, written_by: &str) -> Result<(), TableError> {
        let added = self.lock().execute(
            "INSERT INTO notes (customer_id, note, written_by)
             SELECT id, ?2, ?3 FROM customers WHERE id = ?1",
            params![id, note, written_by],
        )?;
        some(added, id)
    }

    /// Removes a customer, with the notes.
    ///
    /// # Errors
    ///
    /// [`TableError`].
    pub fn delete(&self, id: i64) -> Result<(), TableError> {
        let removed = self.lock().execute("DELETE FROM customers WHERE id = ?1", [id])?;
        some(removed, id)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn customer(row: &Row<'_>) -> Result<CustomerRow, rusqlite::Error> {
    Ok(CustomerRow {
        id: row.get(0)?,
        name: row.get(1)?,
        email: row.get(2)?,
        phone: row.get(3)?,
        resident_number: row.get(4)?,
    })
}

const fn some(rows: usize, id: i64) -> Result<(), TableError> {
    if rows == 0 { Err(TableError::Unknown(id)) } else { Ok(()) }
}
