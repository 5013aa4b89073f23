//! Clients of the authorization server: who they are, what they may do, how they prove themselves.

mod assertion;
mod authenticate;
mod credentials;
mod document;
mod error;
mod keys;
mod metadata;
mod name;
mod readings;
mod redirect;
mod registration;
mod tally;
mod words;

use std::collections::BTreeSet;

use haechi_core::{ClientOrigin, SecretDigest, StoredClient, Timestamp};

pub(crate) use assertion::AssertionUse;
pub(crate) use credentials::{MAX_CLIENT_ID_BYTES, is_client_id};
pub(crate) use document::Documents;
pub(crate) use error::ClientError;
pub(crate) use keys::KeySets;
pub use metadata::{ClientMetadata, MetadataError, MetadataSource};
pub use name::NameError;
pub use redirect::{RedirectUri, RedirectUriError};
pub(crate) use registration::{Registrations, registrations};
pub(crate) use tally::Tally;
pub use words::{ApplicationType, ClientMethod, GrantType, scopes};

use crate::AuthorizationServer;
use crate::ensure::ensure;
use crate::interaction::ClientKind;

/// A client as this server knows it. That it is asking is not proved by having one.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    client_id: String,
    metadata: ClientMetadata,
    kind: ClientKind,
    secret_sha256: Option<SecretDigest>,
    expires_at: Option<Timestamp>,
}

impl Client {
    /// Reads what a store holds.
    ///
    /// # Errors
    ///
    /// [`ClientError::Metadata`] when it would not be accepted today.
    pub(crate) fn of_stored(stored: &StoredClient) -> Result<Self, ClientError> {
        let (kind, source) = match stored.origin {
            ClientOrigin::Operator => (ClientKind::Registered, MetadataSource::Operator),
            ClientOrigin::Dynamic => (ClientKind::Dynamic, MetadataSource::Dynamic),
        };
        let metadata = ClientMetadata::read(stored.metadata.as_bytes(), source);
        Ok(Self {
            client_id: stored.client_id.clone(),
            metadata: metadata.map_err(|_| ClientError::Metadata)?,
            kind,
            secret_sha256: stored.secret_sha256,
            expires_at: stored.expires_at,
        })
    }

    /// `client_id`.
    pub(crate) fn id(&self) -> &str {
        &self.client_id
    }

    /// What a person is told it is called.
    pub(crate) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or(&self.client_id)
    }

    /// How it is known.
    pub(crate) const fn kind(&self) -> ClientKind {
        self.kind
    }

    /// How it proves itself.
    pub(crate) const fn method(&self) -> ClientMethod {
        self.metadata.method
    }

    /// Whether it has no way to prove itself (RFC 6749 §2.1).
    pub(crate) fn is_public(&self) -> bool {
        self.method() == ClientMethod::None
    }

    /// Whether it may come to tokens this way.
    pub(crate) fn may(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
    }

    /// Whether `redirect_uri` is one of its own, exactly (but for a loopback port).
    pub(crate) fn admits_redirect(&self, redirect_uri: &str) -> bool {
        self.metadata.redirect_uris.iter().any(|own| own.covers(redirect_uri))
    }

    /// All it can ever ask for; `None`: what is offered.
    pub(crate) const fn scopes(&self) -> Option<&BTreeSet<String>> {
        self.metadata.scopes.as_ref()
    }

    /// Whether its tokens must be bound to a key (RFC 9449 §5.2).
    pub(crate) const fn dpop_bound(&self) -> bool {
        self.metadata.dpop_bound
    }

    /// For whom it may exchange tokens (RFC 8693), besides the resources that are offered.
    pub(crate) const fn exchange_audiences(&self) -> &BTreeSet<String> {
        &self.metadata.exchange_audiences
    }
}

impl AuthorizationServer {
    /// The client with this id: of the store, or by its metadata document.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when there is none that may be used now.
    pub(crate) async fn client(&self, client_id: &str) -> Result<Client, ClientError> {
        ensure(is_client_id(client_id), ClientError::Malformed)?;
        let client = match self.stores.clients.by_id(client_id).await? {
            Some(stored) => Client::of_stored(&stored)?,
            None => self.documented_client(client_id).await?,
        };
        let now = self.rooms.clock.now();
        let ended = client.expires_at.is_some_and(|end| now >= end);
        ensure(!ended, ClientError::Expired)?;
        Ok(client)
    }
}
