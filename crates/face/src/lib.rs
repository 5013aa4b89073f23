//! The face towards callers: what is read of their requests, and what they are told.
//!
//! Whoever serves MCP over HTTP behind a [`Guard`](haechi_guard::Guard) uses it in this order:
//! [`Names::check`] on every request, [`credentials::read`], [`intake::json`] and
//! [`headers::check_standard`] on a message, [`reply::refused`] and [`reply::transport`] for what
//! went wrong; [`Resource`] and [`SignInDesk`] answer the addresses beside the protocol's own.

pub mod credentials;
pub mod headers;
pub mod intake;
pub mod language;
mod metadata;
mod names;
pub mod problem;
pub mod reply;
pub mod session;
mod sign_in;
pub mod sse;

pub use language::Language;
pub use metadata::{KEYS_PATH, METADATA_PATH, Resource, keys};
pub use names::{Names, NamesConfig};
pub use problem::{Challenge, RpcProblem, Telling, TransportError};
pub use sign_in::{SIGN_IN_PATH, SignInAnswer, SignInDesk, SignInVerdict};
