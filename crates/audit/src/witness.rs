//! Witnesses (C2SP tlog-witness): who has seen how long a log was, and never forgets it.
//!
//! A log sends each checkpoint to its witnesses with a proof that it grew from the one they saw last.
//! A [`Witness`] remembers it, on the disk, before it cosigns: whatever happens to it, it never
//! cosigns two checkpoints of one log that contradict each other.
//!
//! The log's own side is [`crate::AuditLog::ask_witnesses`]: whom to ask, how many must cosign, and
//! what it means when they do not ([`WitnessPolicy`]).

mod answer;
mod ask;
mod asking;
mod cosigner;
mod file;
mod kept;
mod keys;
mod request;
mod standing;

pub use answer::{Reply, SIZE_TYPE, Said};
pub use ask::{AskError, Peer};
pub(crate) use asking::Asking;
pub use asking::{Missing, WitnessPolicy};
pub use cosigner::{KnownLog, Refusal, Witness, WitnessConfig};
pub use kept::{StateError, WitnessDirectory};
pub use keys::KeysError;
pub use request::{AddCheckpoint, LARGEST_REQUEST_BYTES, MOST_HASHES, RequestError};
pub use standing::{Cosigning, PeerStanding};
