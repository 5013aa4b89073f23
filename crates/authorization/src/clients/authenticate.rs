//! Which client is asking, proved as it registered and in no other way.

use haechi_core::{Secret, SecretDigest, StoreError};
use haechi_identity::jose::TokenError;
use haechi_identity::sha256;
use http::HeaderMap;

use super::credentials::{ClientCredentials, ClientFields};
use super::document::DocumentError;
use super::{Client, ClientMethod};
use crate::ensure::ensure;
use crate::error::ErrorCode;
use crate::form::Form;
use crate::{AuthorizationServer, OAuthError, Visit};

/// Why a client is not known or did not prove itself. No variant carries what it presented.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No name at all.
    #[error("the request names no client")]
    Missing,
    /// Not written as the standards ask.
    #[error("the credentials of the client are malformed")]
    Malformed,
    /// Two ways at once, or two names (RFC 6749 §2.3).
    #[error("the client presents itself in more than one way")]
    Several,
    /// Nobody has this name.
    #[error("there is no such client")]
    Unknown,
    /// Its time is over.
    #[error("the client has ended")]
    Expired,
    /// It registered another way.
    #[error("the client registered another way to prove itself")]
    WrongMethod,
    /// Not its secret.
    #[error("the secret is not the client's")]
    WrongSecret,
    /// The signature or form of its assertion.
    #[error("the client's assertion was not accepted")]
    Assertion(#[source] TokenError),
    /// `iss` and `sub` are not both the client, or the body names another.
    #[error("the client's assertion is about somebody else")]
    WrongSubject,
    /// It ends too late: whoever finds it could use it for long.
    #[error("the client's assertion lives too long")]
    LongLived,
    /// Its `jti` came before.
    #[error("the client's assertion was used before")]
    Replayed,
    /// So many are remembered that no more are taken.
    #[error("too many assertions are remembered")]
    TooMany,
    /// Its keys cannot be read.
    #[error("the client's keys are not available")]
    NoKeys,
    /// What is known of it cannot be read.
    #[error("the client's metadata cannot be used")]
    Metadata,
    /// Its metadata document was not accepted.
    #[error("the client's metadata document was not accepted")]
    Document(#[from] DocumentError),
    /// What decides cannot be read: no.
    #[error("the store of clients is not available")]
    Unavailable(#[from] StoreError),
}

impl ClientError {
    /// A fixed word for logs and counts.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Missing => "client-missing",
            Self::Malformed => "client-malformed",
            Self::Several => "client-several-ways",
            Self::Unknown => "client-unknown",
            Self::Expired => "client-ended",
            Self::WrongMethod => "client-method",
            Self::WrongSecret => "client-secret",
            Self::Assertion(_) => "client-assertion",
            Self::WrongSubject => "client-assertion-subject",
            Self::LongLived => "client-assertion-lifetime",
            Self::Replayed => "client-assertion-replayed",
            Self::TooMany => "client-assertions-many",
            Self::NoKeys => "client-keys",
            Self::Metadata => "client-metadata",
            Self::Document(error) => error.word(),
            Self::Unavailable(_) => "store-unavailable",
        }
    }
}

impl From<ClientError> for OAuthError {
    /// Most are told in the same words, so that nobody learns which clients there are.
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unavailable(error) => error.into(),
            ClientError::Several => {
                Self::request(error.word(), "prove the client in one way, with one client_id")
            }
            ClientError::Document(DocumentError::Busy) | ClientError::TooMany => Self::new(
                ErrorCode::TemporarilyUnavailable,
                error.word(),
                "too many clients are being looked at; try again in a minute",
            ),
            ClientError::Document(ref why) => Self::new(
                ErrorCode::InvalidClient,
                error.word(),
                format!("the metadata document of the client was not accepted: {}", why.public()),
            ),
            ClientError::Missing => {
                Self::new(ErrorCode::InvalidClient, error.word(), "name the client by client_id")
            }
            _ => Self::client(error.word()),
        }
    }
}

impl AuthorizationServer {
    /// Proves which client sent a request: by the one way it registered, and by that way only.
    ///
    /// # Errors
    ///
    /// `invalid_client`, in the same words for most reasons; the word in it tells them apart.
    pub(crate) async fn authenticate_client(
        &self,
        visit: &Visit<'_>,
        form: &Form,
    ) -> Result<Client, OAuthError> {
        let fields = ClientFields {
            client_id: form.one("client_id"),
            client_secret: form.one("client_secret"),
            client_assertion_type: form.one("client_assertion_type"),
            client_assertion: form.one("client_assertion"),
        };
        Ok(self.prove_client(&visit.head.headers, fields).await?)
    }

    async fn prove_client(
        &self,
        headers: &HeaderMap,
        fields: ClientFields<'_>,
    ) -> Result<Client, ClientError> {
        let (client, method) = match ClientCredentials::read(headers, fields)? {
            ClientCredentials::Named(client_id) => {
                (self.client(client_id).await?, ClientMethod::None)
            }
            ClientCredentials::Basic { client_id, secret } => {
                let client = self.client(&client_id).await?;
                check_secret(&client, &secret)?;
                (client, ClientMethod::SecretBasic)
            }
            ClientCredentials::Post { client_id, secret } => {
                let client = self.client(client_id).await?;
                check_secret(&client, &secret)?;
                (client, ClientMethod::SecretPost)
            }
            ClientCredentials::Assertion { client_id, assertion } => {
                (self.asserted_client(client_id, assertion).await?, ClientMethod::PrivateKeyJwt)
            }
        };
        ensure(client.method() == method, ClientError::WrongMethod)?;
        Ok(client)
    }
}

/// Secrets are random, so their digests give no guess away; they compare in constant time even so.
fn check_secret(client: &Client, presented: &Secret) -> Result<(), ClientError> {
    let known: SecretDigest = client.secret_sha256.ok_or(ClientError::WrongMethod)?;
    let presented = Secret::new(sha256(presented.expose()).to_vec());
    let same = Secret::new(known.to_vec()).matches(&presented);
    ensure(same, ClientError::WrongSecret)
}
