//! How one comes to a token: an authorization server (OAuth 2.1, OpenID Connect) for the people
//! and programs that call the servers behind the guard.
//!
//! One request walks [`AuthorizationServer::answer`] → `protocol` (what a client asked for) →
//! `page` (the person signs in and consents) → `protocol` again (the code) → `token`.

mod clients;
mod config;
mod csrf;
mod ensure;
mod error;
mod federation;
mod form;
mod interaction;
mod page;
mod protocol;
mod record;
mod server;
mod session;
mod ticket;
mod token;
mod visit;

pub use clients::{
    ApplicationType, ClientMetadata, ClientMethod, GrantType, MetadataError, MetadataSource,
    NameError, RedirectUri, RedirectUriError, scopes,
};
pub use config::{AuthorizationConfig, Dynamic, OfferedResource, Scope};
pub(crate) use error::OAuthError;
pub use federation::{
    Arrived, Begin, Federation, FederationError, FederationRooms, Label, PersonClaims,
    ProviderConfig, Purpose, RoleRule, SignedOutElsewhere, Who, Word,
};
pub use server::{AuthorizationServer, Rooms, Stores};
pub use visit::Visit;
