//! The face towards callers: what is read of their requests, and what they are told.
//!
//! Whoever serves MCP over HTTP behind a [`Guard`](haechi_guard::Guard) uses it in this order:
//! [`Names::check`] on every request, [`credentials::read`], [`intake::json`] on a message and
//! [`era`] on its envelope, [`reply::refused`] and [`reply::transport`] for what went wrong;
//! [`Resource`], [`keys`] and [`SignInDesk`] answer the addresses beside the protocol's own, and
//! [`sse`] reads and writes streams. Nothing here decides who may do what: that is the guard's.
//!
//! ```
//! use bytes::Bytes;
//! use haechi_core::json::Checked;
//! use haechi_core::{Origin, Principal};
//! use haechi_face::intake::{self, BodyLimits, RequestBody};
//! use haechi_face::{Language, Names, Resource, Telling, TransportError};
//! use haechi_face::{client, credentials, reply};
//! use haechi_guard::Guard;
//! use http::{Response, request::Parts};
//!
//! /// Who sends a message, and the message; or the answer that turns it away.
//! async fn admit(
//!     (guard, names, resource): (&Guard, &Names, Resource<'_>),
//!     head: &Parts,
//!     body: impl RequestBody,
//! ) -> Result<(Principal, Checked), Response<Bytes>> {
//!     let language = Language::of_headers(&head.headers).unwrap_or_default();
//!     let broken = |error: TransportError| reply::transport(&error, language, error.id());
//!
//!     let host = names.check(head).map_err(broken)?;
//!     let presented = credentials::read(head, &resource).map_err(broken)?;
//!     let client = client::of_headers(&head.headers);
//!     let origin = Origin { address: None, client, trace_id: None, route: Some("/mcp".into()) };
//!     let proved = guard.authenticate(&presented, resource.audience, &origin).await;
//!     let principal = proved.map_err(|refusal| {
//!         let telling = Telling { language, tell_denied: false, tool: None };
//!         let metadata = resource.metadata_address(host);
//!         let challenge = resource.challenge(&metadata, &head.headers);
//!         reply::refused(&refusal, telling, &challenge, None)
//!     })?;
//!     let body = intake::json(&head.headers, body, BodyLimits::default()).await;
//!     Ok((principal, body.map_err(broken)?))
//! }
//! ```

pub mod client;
pub mod credentials;
pub mod era;
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
