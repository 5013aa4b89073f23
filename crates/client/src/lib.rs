//! Haechi as the OAuth client of others: discovery, registration, code and PKCE, token requests.

mod address;
mod authorize;
mod callback;
mod challenge;
mod client;
mod discovery;
mod document;
mod error;
mod proof;
mod registration;
mod resource;
mod server;
mod token;

pub use authorize::{
    AuthorizationRequest, AuthorizeError, CodeChallenge, Pending, requested_scopes,
};
pub use callback::{CallbackError, Code};
pub use challenge::{Challenge, Scheme};
pub use client::{Client, Surroundings};
pub use discovery::Discovered;
pub use error::DiscoveryError;
pub use proof::{ProofError, ProofKey};
pub use registration::{
    Authentication, ClientDescription, KnownClients, Registration, RegistrationError,
};
pub use resource::ProtectedResource;
pub use server::ServerMetadata;
pub use token::{Exchanged, Grant, TokenKind, TokenRequest, TokenRequestError, TokenType, Tokens};
