//! What a caller presents.

use crate::{Secret, Thumbprint};

/// What a caller presents to say who it is. Nothing here is proved yet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// Nothing at all.
    Absent,
    /// `Authorization: Bearer …` (RFC 6750 §2.1): an access token or an API key.
    Bearer(Secret),
    /// As `Bearer`, over a connection whose other end proved that it has the key of a certificate
    /// (RFC 8705 §3). Who signed that certificate is another question.
    BearerWithCertificate {
        /// The token.
        token: Secret,
        /// SHA-256 of the certificate.
        certificate: Thumbprint,
    },
    /// `Authorization: DPoP …` with a proof beside it (RFC 9449 §7.1).
    Dpop(Box<DpopCredentials>),
    /// Username and password, at the sign-in route and nowhere else.
    Password {
        /// As typed.
        username: String,
        /// As typed.
        password: Secret,
    },
    /// The operating-system user that owns this process (`haechi run`).
    OperatingSystemUser {
        /// The numeric user id.
        uid: u32,
        /// The login name, when the system knows one.
        username: Option<String>,
    },
}

/// An access token, and what shows that its sender has the key it was issued to (RFC 9449 §7.1).
#[derive(Clone, Debug)]
pub struct DpopCredentials {
    /// The token.
    pub token: Secret,
    /// The header `DPoP`.
    pub proof: Secret,
    /// The request's method, as sent.
    pub method: String,
    /// The request's address by each of the names it may have, without query and fragment.
    pub urls: Vec<String>,
    /// SHA-256 of the certificate that the other end of the connection proved to have the key of.
    pub certificate: Option<Thumbprint>,
}
