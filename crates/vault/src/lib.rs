//! What is kept sealed: keys, envelopes, tokens, and the keys of persons.

mod derive;
mod subject_keys;
mod subject_seal;
mod subject_sealer;
mod working;

pub use subject_keys::{MemorySubjectKeys, SubjectKey, SubjectKeyError, SubjectKeys};

mod hardening;
pub mod provider;

pub use hardening::{HardeningError, harden_process};
pub use subject_sealer::SubjectSealer;
