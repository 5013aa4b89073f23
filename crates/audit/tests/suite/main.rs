//! The audit room from outside.

mod entries;
mod full_disk;
mod kill;
mod log;
mod query;
mod sealer;
mod support;
