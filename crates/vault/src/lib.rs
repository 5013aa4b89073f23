//! What is kept sealed: keys, envelopes, tokens, and the keys of persons.

mod derive;
mod subject_keys;
mod working;

pub use subject_keys::{MemorySubjectKeys, SubjectKey, SubjectKeyError, SubjectKeys};

mod hardening;
pub mod provider;

pub use hardening::{HardeningError, harden_process};
