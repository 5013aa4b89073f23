//! The lesson's example: five tools with their rules above them, and a guard around the server.
//!
//! It runs behind a gateway, which vouches for its callers; alone on standard input and output; and
//! alone over HTTP, with users of its own and tokens of others.

mod customers;
mod documents;
mod guarded;
mod recheck;
mod records;
mod server;
mod status;
mod today;
mod weather;

pub use guarded::{Sample, SampleConfig, SampleError};
