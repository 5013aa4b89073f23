//! What happened? A log of calls that survives a kill and a power cut, and never says what is not so.

mod boot;
pub mod checkpoint;
mod config;
mod counts;
mod disk;
mod entry;
mod error;
pub mod export;
#[cfg(test)]
mod faults;
mod frame;
mod gate;
mod generation;
mod index;
mod intent;
mod lock;
mod log;
pub mod minimum;
mod notary;
pub mod note;
pub mod proof;
mod query;
mod reader;
mod recovery;
pub mod repair;
pub mod report;
pub mod retention;
mod scan;
mod segment;
mod shared;
pub mod stored;
mod tail;
pub mod tile;
pub mod tree;

pub mod view;
pub mod witness;

pub use config::{AuditConfig, Durability};
pub use entry::Entry;
pub use error::{OpenError, RecordError};
pub use intent::{OpenIntent, Recorded};
pub use log::{AuditLog, Health};
pub use notary::{NotaryConfig, SignedCheckpoint};
pub use query::{Answer, EventKind, Follow, Keep, Query, Record, Stream, find, logs};
pub use reader::{Backwards, Entries, ReadError, Reader};
pub use recovery::Recovery;
