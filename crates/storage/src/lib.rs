//! Where users, keys and revocations are kept: in memory, or in one SQLite file, with the keys of
//! persons in another.
//!
//! Both backends implement every contract of `haechi_core` and pass one suite, `tests/suite`.
//!
//! Errors name what is missing or taken by a word (`user`, `username`, `API key`, `subject`) and
//! never by its value, which may be personal; only signing keys are named by their public `kid`.

mod memory;
mod merge;
mod rule;
mod sqlite;
mod subject_keys;
mod written;

pub use memory::{Memory, MemorySubjectKeys};
pub use sqlite::Sqlite;
pub use subject_keys::SubjectKeyFile;
