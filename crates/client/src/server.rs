//! What an authorization server says about itself (RFC 8414, OpenID Connect Discovery 1.0).

use url::Url;

use crate::address::{is_local, is_secure, origin};
use crate::document::{METADATA, Malformed, address, flag, list, object};
use crate::error::DiscoveryError;

/// The methods a server takes when it names none (RFC 8414 §2).
const BASIC: &str = "client_secret_basic";

/// An authorization server: its endpoints and what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMetadata {
    /// Its name: identical to what it was asked by, and compared as text ever after.
    pub issuer: String,
    /// Where a person signs in.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are had.
    pub token_endpoint: Option<String>,
    /// Where clients register (RFC 7591).
    pub registration_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Where OpenID Connect tells about a person.
    pub userinfo_endpoint: Option<String>,
    /// Where OpenID Connect signs a person out.
    pub end_session_endpoint: Option<String>,
    /// Where its public keys are.
    pub jwks_uri: Option<String>,
    /// The scopes it names; not all it has.
    pub scopes_supported: Vec<String>,
    /// The grants it names; by default those of the authorization code.
    pub grant_types_supported: Vec<String>,
    /// How clients prove themselves at the token endpoint; `client_secret_basic` by default.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// How it takes a code challenge (RFC 7636).
    pub code_challenge_methods_supported: Vec<String>,
    /// The signatures it takes under a DPoP proof (RFC 9449 §5.1).
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// Whether every authorization response names it (RFC 9207).
    pub response_names_issuer: bool,
    /// Whether a URL may be a client's name, where the client's metadata is.
    pub client_id_metadata_documents: bool,
    /// Whether nothing of this was read: the endpoints of 2025-03-26 are assumed.
    pub is_assumed: bool,
}

impl ServerMetadata {
    /// Reads the document of `issuer`, byte by byte the same as the one it states (RFC 8414 §3.3).
    ///
    /// # Errors
    ///
    /// [`DiscoveryError::Malformed`], [`DiscoveryError::OtherIssuer`], [`DiscoveryError::Insecure`].
    pub fn read(bytes: &[u8], issuer: &str) -> Result<Self, DiscoveryError> {
        let stated = Self::stated(bytes).map_err(|Malformed| DiscoveryError::Malformed)?;
        if stated.issuer != issuer {
            return Err(DiscoveryError::OtherIssuer);
        }
        let local = is_local(issuer);
        let secure = stated.endpoints().iter().flatten().all(|url| is_secure(url, local));
        if secure { Ok(stated) } else { Err(DiscoveryError::Insecure) }
    }

    /// The endpoints that revision 2025-03-26 lets a client assume at the host of an MCP server that
    /// has no metadata.
    pub(crate) fn assumed(url: &Url) -> Self {
        let issuer = origin(url);
        let at = |path: &str| Some(format!("{issuer}/{path}"));
        Self {
            authorization_endpoint: at("authorize"),
            token_endpoint: at("token"),
            registration_endpoint: at("register"),
            token_endpoint_auth_methods_supported: vec!["none".to_owned(), BASIC.to_owned()],
            code_challenge_methods_supported: vec!["S256".to_owned()],
            is_assumed: true,
            issuer,
            ..Self::default()
        }
    }

    /// Whether a client may prove itself by `method`.
    pub(crate) fn takes(&self, method: &str) -> bool {
        self.token_endpoint_auth_methods_supported.iter().any(|known| known == method)
    }

    fn endpoints(&self) -> [Option<&String>; 7] {
        [
            self.authorization_endpoint.as_ref(),
            self.token_endpoint.as_ref(),
            self.registration_endpoint.as_ref(),
            self.revocation_endpoint.as_ref(),
            self.userinfo_endpoint.as_ref(),
            self.end_session_endpoint.as_ref(),
            self.jwks_uri.as_ref(),
        ]
    }

    fn stated(bytes: &[u8]) -> Result<Self, Malformed> {
        let document = object(bytes, &METADATA)?;
        let at = |name| address(document, name);
        let all = |name| Ok(list(document, name)?.unwrap_or_default());
        let methods = list(document, "token_endpoint_auth_methods_supported")?;
        Ok(Self {
            issuer: at("issuer")?.ok_or(Malformed)?,
            authorization_endpoint: at("authorization_endpoint")?,
            token_endpoint: at("token_endpoint")?,
            registration_endpoint: at("registration_endpoint")?,
            revocation_endpoint: at("revocation_endpoint")?,
            userinfo_endpoint: at("userinfo_endpoint")?,
            end_session_endpoint: at("end_session_endpoint")?,
            jwks_uri: at("jwks_uri")?,
            scopes_supported: all("scopes_supported")?,
            grant_types_supported: all("grant_types_supported")?,
            token_endpoint_auth_methods_supported: methods
                .unwrap_or_else(|| vec![BASIC.to_owned()]),
            code_challenge_methods_supported: all("code_challenge_methods_supported")?,
            dpop_signing_alg_values_supported: all("dpop_signing_alg_values_supported")?,
            response_names_issuer: flag(
                document,
                "authorization_response_iss_parameter_supported",
            )?,
            client_id_metadata_documents: flag(document, "client_id_metadata_document_supported")?,
            is_assumed: false,
        })
    }
}
