//! Witnesses (C2SP tlog-witness): who has seen how long a log was, and never forgets it.
//!
//! A log sends each checkpoint to its witnesses with a proof that it grew from the one they saw last.
//! A [`Witness`] remembers it, on the disk, before it cosigns: whatever happens to it, it never
//! cosigns two checkpoints of one log that contradict each other.

mod answer;
mod cosigner;
mod kept;
mod request;

pub use answer::{Reply, SIZE_TYPE, Said};
pub use cosigner::{KnownLog, Refusal, Witness, WitnessConfig};
pub use kept::StateError;
pub use request::{AddCheckpoint, LARGEST_REQUEST_BYTES, MOST_HASHES, RequestError};
