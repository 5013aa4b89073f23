//! Why it is not known who issues tokens.

use haechi_core::FetchError;

/// Why it is not known who issues tokens for a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// Address, connection, size or time.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A document is not what the standard describes.
    #[error("the metadata is not what the standard asks for")]
    Malformed,
    /// The metadata speaks of another resource than the server that was asked (RFC 9728 §3.3).
    #[error("the metadata is of another resource")]
    OtherResource,
    /// The metadata is of another issuer than the one it was asked by (RFC 8414 §3.3).
    #[error("the metadata is of another issuer")]
    OtherIssuer,
    /// An address is not `https`.
    #[error("the metadata names an address that is not `https`")]
    Insecure,
    /// Nothing says who the issuer is, at no place where it may stand.
    #[error("the issuer has no metadata at any place where it may stand")]
    NoMetadata,
    /// The server does not name the issuer that the settings name.
    #[error("the server does not name the issuer of the settings")]
    NotNamed,
}

impl DiscoveryError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "see whether this machine reaches the address, and `[outbound]`",
            Self::OtherResource | Self::OtherIssuer => {
                "somebody else's metadata is served there; ask who runs the server"
            }
            Self::NotNamed => "correct `issuer` in `[upstream.authorization]`, or leave it out",
            _ => "name `issuer` in `[upstream.authorization]`, or ask who runs the server",
        }
    }
}
