//! The authorization server: which part of it answers which address.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use haechi_core::{
    BrowserSessionStore, ClientStore, Clock, ConsentStore, Entropy, FactorStore, Fetch, GrantStore,
    LoginStore, TicketStore, UserStore,
};
use haechi_guard::Guard;
use haechi_identity::Identity;
use http::Response;

use crate::{AuthorizationConfig, Visit};

/// Where the authorization server keeps what it knows.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// Clients the operator entered, and those that registered themselves.
    pub clients: Arc<dyn ClientStore>,
    /// Grants and refresh tokens.
    pub grants: Arc<dyn GrantStore>,
    /// Consents.
    pub consents: Arc<dyn ConsentStore>,
    /// What is good once.
    pub tickets: Arc<dyn TicketStore>,
    /// Browsers.
    pub sessions: Arc<dyn BrowserSessionStore>,
    /// Second factors.
    pub factors: Arc<dyn FactorStore>,
    /// Who signs in from elsewhere.
    pub logins: Arc<dyn LoginStore>,
}

/// What the authorization server works with.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// Passwords, keys, tokens.
    pub identity: Arc<Identity>,
    /// Counts refusals and records what happened.
    pub guard: Arc<Guard>,
    /// Reads metadata documents and key sets of strangers.
    pub fetch: Arc<dyn Fetch>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
}

/// The authorization server. Made once, shared in an `Arc`.
pub struct AuthorizationServer {
    pub(crate) config: AuthorizationConfig,
    pub(crate) rooms: Rooms,
    pub(crate) stores: Stores,
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.config.issuer)
            .finish_non_exhaustive()
    }
}

impl AuthorizationServer {
    /// Puts it together.
    #[must_use]
    pub const fn new(config: AuthorizationConfig, rooms: Rooms, stores: Stores) -> Self {
        Self { config, rooms, stores }
    }

    /// Answers a request; `None` when its address is none of this server's.
    pub async fn answer(&self, visit: &Visit<'_>) -> Option<Response<Bytes>> {
        let _ = (visit, &self.rooms, &self.stores);
        None
    }
}
