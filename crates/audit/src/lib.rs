//! What happened? A log of calls that survives a kill and a power cut, and never says what is not so.

mod config;
mod log;
mod query;
mod reader;
mod sealer;

pub use config::{AuditConfig, Durability};
pub use log::{AuditLog, Health, OpenError, OpenIntent, RecordError, Recorded, Recovery};

pub use sealer::SubjectSealer;
