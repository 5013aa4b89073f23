//! One request as the authorization server sees it.

use bytes::Bytes;
use haechi_core::Origin;
use haechi_face::Language;
use http::request::Parts;

/// One request. `Host` and `Origin` were checked; the body was read whole, within 64 KiB.
#[derive(Debug)]
pub struct Visit<'a> {
    /// Method, address and headers.
    pub head: &'a Parts,
    /// The body.
    pub body: &'a Bytes,
    /// Where it came from.
    pub origin: &'a Origin,
    /// The caller's language, by `Accept-Language`; a page's own choice goes before it.
    pub language: Language,
    /// Whether it came over TLS, here or at the public address: then cookies are `Secure`.
    pub secure: bool,
    /// SHA-256 of the client's certificate (RFC 8705), where it showed one.
    pub certificate: Option<[u8; 32]>,
}
