//! How one comes to a token: an authorization server (OAuth 2.1, OpenID Connect) for the people
//! and programs that call the servers behind the guard.
//!
//! One request walks [`AuthorizationServer::answer`] → `protocol` (what a client asked for) →
//! `page` (the person signs in and consents) → `protocol` again (the code, then tokens).

mod config;
mod interaction;
mod server;
mod visit;

pub use config::{AuthorizationConfig, Dynamic, OfferedResource, Scope};
pub use server::{AuthorizationServer, Rooms, Stores};
pub use visit::Visit;
