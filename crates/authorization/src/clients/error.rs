//! Why a client is not known, or what it says of itself is not accepted.

use haechi_core::{FetchError, StoreError};
use haechi_identity::jose::TokenError;

use super::metadata::MetadataError;
use crate::OAuthError;
use crate::error::ErrorCode;

/// The largest document about a client, in bytes (§6.6 of the draft).
pub(crate) const MAX_DOCUMENT_BYTES: usize = 5 << 10;

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

/// Why a document, or a set of keys, of a client was not accepted. No variant carries it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentError {
    /// Not https with a path, or with something in it that does not belong there.
    #[error("the address is not one that a document of a client can have")]
    Address,
    /// Not among the hosts of the settings.
    #[error("documents of this host are not accepted here")]
    Host,
    /// Too many are being read, of this host or at all.
    #[error("too many documents are being read")]
    Busy,
    /// It could not be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Of another media type.
    #[error("the document is not JSON by its media type")]
    MediaType,
    /// What it says is not acceptable.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Its `client_id` is not its address, byte for byte.
    #[error("the document is about another client")]
    OtherClient,
    /// Not a set of keys that can be used.
    #[error("the document is not a set of keys that can be used")]
    KeySet,
}

impl DocumentError {
    /// What its author may know: nothing of where this server can go, or of what it found there.
    pub(crate) fn public(&self) -> String {
        match self {
            Self::Fetch(FetchError::TooLarge(_)) => {
                format!("it is larger than {MAX_DOCUMENT_BYTES} bytes")
            }
            Self::Fetch(_) | Self::KeySet => "it could not be read".to_owned(),
            other => other.to_string(),
        }
    }

    /// A fixed word for logs and counts.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Address => "document-address",
            Self::Host => "document-host",
            Self::Busy => "document-busy",
            Self::Fetch(FetchError::AddressNotAllowed(_)) => "document-address-not-allowed",
            Self::Fetch(FetchError::Status { .. }) => "document-status",
            Self::Fetch(FetchError::TooLarge(_)) => "document-too-large",
            Self::Fetch(FetchError::TimedOut(_)) => "document-slow",
            Self::Fetch(_) => "document-unreachable",
            Self::MediaType => "document-type",
            Self::Metadata(_) => "document-metadata",
            Self::OtherClient => "document-other-client",
            Self::KeySet => "document-keys",
        }
    }
}
