//! One OAuth client for all authorization servers.

use std::fmt;
use std::sync::Arc;

use haechi_core::{Clock, Entropy, Exchange, Fetch};

use crate::authorize::{AuthorizationRequest, AuthorizeError, Pending};
use crate::callback::Code;
use crate::challenge::Challenge;
use crate::discovery::{self, Discovered};
use crate::error::DiscoveryError;
use crate::proof::ProofKey;
use crate::registration::{self, KnownClients, Registration, RegistrationError};
use crate::server::ServerMetadata;
use crate::token::{Asking, Grant, TokenRequest, TokenRequestError, Tokens};

/// What the client works with.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Reads metadata.
    pub fetch: Arc<dyn Fetch>,
    /// Asks endpoints.
    pub exchange: Arc<dyn Exchange>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
}

/// Haechi as the client of others. Keeps nothing: whoever asks keeps what is answered.
#[derive(Clone)]
pub struct Client(Surroundings);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client in these surroundings, whose limits are its own.
    #[must_use]
    pub const fn new(surroundings: Surroundings) -> Self {
        Self(surroundings)
    }

    /// Finds out who issues tokens for the server at `url`: by the metadata its `challenge` names, or
    /// at the well-known places. Of several issuers `wanted` is taken, or the first.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`].
    pub async fn discover(
        &self,
        url: &str,
        challenge: Option<&Challenge>,
        wanted: Option<&str>,
    ) -> Result<Discovered, DiscoveryError> {
        discovery::discover(&*self.0.fetch, url, challenge, wanted).await
    }

    /// The metadata of `issuer`, read anew.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`].
    pub async fn server(&self, issuer: &str) -> Result<ServerMetadata, DiscoveryError> {
        discovery::find_server(&*self.0.fetch, issuer).await
    }

    /// This program as `server` knows it: registered before, by its metadata document, or registered
    /// now.
    ///
    /// # Errors
    ///
    /// [`RegistrationError`].
    pub async fn registration(
        &self,
        server: &ServerMetadata,
        known: &KnownClients,
    ) -> Result<Registration, RegistrationError> {
        if let Some(registration) = known.at(server, self.0.clock.now()) {
            return Ok(registration);
        }
        registration::register(&*self.0.exchange, server, known.description.as_ref()).await
    }

    /// Sends a person to `server`; [`Pending::url`] says where.
    ///
    /// # Errors
    ///
    /// [`AuthorizeError`].
    pub fn authorize(
        &self,
        server: &ServerMetadata,
        client: &Registration,
        request: AuthorizationRequest,
    ) -> Result<Pending, AuthorizeError> {
        Pending::new(server, client, request, &*self.0.entropy)
    }

    /// Asks `server` for tokens; bound to the key of `proof` where one is given.
    ///
    /// # Errors
    ///
    /// [`TokenRequestError`].
    pub async fn token(
        &self,
        server: &ServerMetadata,
        client: &Registration,
        request: &TokenRequest,
        proof: Option<&ProofKey>,
    ) -> Result<Tokens, TokenRequestError> {
        let Surroundings { exchange, clock, entropy, .. } = &self.0;
        let (exchange, clock, entropy) = (&**exchange, &**clock, &**entropy);
        Asking { exchange, clock, entropy, proof }.ask(server, client, request).await
    }

    /// Redeems the code that `pending` was answered with. The issuer that was recorded decides, so
    /// that no code goes to another server than the one that was asked.
    ///
    /// # Errors
    ///
    /// [`TokenRequestError`].
    pub async fn redeem(
        &self,
        server: &ServerMetadata,
        client: &Registration,
        (pending, code): (&Pending, Code),
        proof: Option<&ProofKey>,
    ) -> Result<Tokens, TokenRequestError> {
        if pending.issuer != server.issuer {
            return Err(TokenRequestError::OtherIssuer);
        }
        let grant = Grant::AuthorizationCode {
            code: code.0,
            verifier: pending.verifier.clone(),
            redirect_uri: pending.redirect_uri.clone(),
        };
        let request =
            TokenRequest { grant, resource: pending.resource.clone(), scopes: Vec::new() };
        self.token(server, client, &request, proof).await
    }
}
