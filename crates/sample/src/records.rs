//! The user records this server keeps in memory, and really forgets when told to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

/// What is kept of one user: the names of the records, the lesson needs no more.
type Kept = Vec<&'static str>;

/// The records of every user, by user id.
#[derive(Debug)]
pub(crate) struct Records(Mutex<BTreeMap<String, Kept>>);

/// What a deletion did.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    /// Whose records are gone.
    user_id: String,
    /// How many there were.
    records_deleted: usize,
    /// How many users still have records.
    users_left: usize,
}

impl Records {
    /// The set every start begins with.
    pub(crate) fn seeded() -> Self {
        let kept: [(&str, &[&'static str]); 4] = [
            ("u-1001", &["profile", "order-31", "order-44"]),
            ("u-1002", &["profile"]),
            ("u-1003", &["profile", "order-12", "ticket-7", "ticket-9"]),
            ("u-1004", &["profile", "order-50"]),
        ];
        let kept = kept.into_iter().map(|(user, names)| (user.to_owned(), names.to_vec()));
        Self(Mutex::new(kept.collect()))
    }

    /// Deletes everything kept of `user_id`; `None` when there is nothing.
    pub(crate) fn delete(&self, user_id: &str) -> Option<Deleted> {
        let mut records = self.lock();
        let gone = records.remove(user_id)?;
        Some(Deleted {
            user_id: user_id.to_owned(),
            records_deleted: gone.len(),
            users_left: records.len(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        // A removal is one step: a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_is_gone() {
        let records = Records::seeded();
        let deleted = records.delete("u-1003").unwrap();
        assert_eq!((deleted.records_deleted, deleted.users_left), (4, 3));
        assert_eq!(records.delete("u-1003"), None);
        assert_eq!(records.delete("nobody"), None);
        assert_eq!(records.delete("u-1001").unwrap().users_left, 2);
    }
}
