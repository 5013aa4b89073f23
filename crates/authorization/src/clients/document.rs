//! Clients that are known by the address of a document about them (Client ID Metadata Documents,
//! draft-ietf-oauth-client-id-metadata-document-00).

use haechi_core::Fetched;
use haechi_core::json::{self, Limits, Text};
use url::{Host, Url};

use super::error::{ClientError, DocumentError, MAX_DOCUMENT_BYTES};
use super::metadata::{ClientMetadata, MetadataError, MetadataSource};
use super::readings::{Asked, Readings};
use super::{Client, MAX_CLIENT_ID_BYTES};
use crate::ensure::ensure;
use crate::interaction::ClientKind;
use crate::{AuthorizationConfig, AuthorizationServer};

const LIMITS: Limits = Limits { max_bytes: MAX_DOCUMENT_BYTES, max_depth: 8, max_members: 64 };

/// Documents that were read.
pub(crate) type Documents = Readings<ClientMetadata>;

impl AuthorizationServer {
    /// The client whose id is the address of its document.
    pub(super) async fn documented_client(&self, client_id: &str) -> Result<Client, ClientError> {
        let address = client_id.starts_with("https://") || client_id.starts_with("http://");
        ensure(self.config.metadata_documents && address, ClientError::Unknown)?;
        let host = document_host(client_id, &self.config)?;
        let asked = Asked { url: client_id, host: &host, now: self.rooms.clock.now() };
        let fetch = async {
            let fetched = self.rooms.fetch.fetch_within(client_id, MAX_DOCUMENT_BYTES).await?;
            Ok((read(&fetched, client_id)?, fetched))
        };
        let metadata = self.documents.read(asked, |_| true, fetch).await.inspect_err(|error| {
            tracing::debug!(host, reason = error.word(), "a client's document was not accepted");
        })?;
        Ok(Client {
            client_id: client_id.to_owned(),
            metadata: (*metadata).clone(),
            kind: ClientKind::Document,
            secret_sha256: None,
            expires_at: None,
        })
    }
}

/// Reads a document that came from the address `client_id`.
fn read(fetched: &Fetched, client_id: &str) -> Result<ClientMetadata, DocumentError> {
    let kind = fetched.content_type.as_str();
    let structured = kind.starts_with("application/") && kind.ends_with("+json");
    ensure(kind == "application/json" || structured, DocumentError::MediaType)?;
    let all = json::check(&fetched.body, &LIMITS).map_err(MetadataError::Json)?;
    let stated = all.member("client_id").and_then(Text::string);
    ensure(stated.as_deref() == Some(client_id), DocumentError::OtherClient)?;
    Ok(ClientMetadata::read(&fetched.body, MetadataSource::Document)?)
}

/// The host of an address that a document of a client may have (§3 of the draft): https, a name and
/// not a number, the usual port, a path, and nothing else; written as it is understood.
pub(super) fn document_host(
    text: &str,
    config: &AuthorizationConfig,
) -> Result<String, DocumentError> {
    let url = plain_url(text)?;
    let path = url.path().len() > 1 && url.query().is_none();
    ensure(path, DocumentError::Address)?;
    checked_host(&url, config)
}

/// An address whose text is exactly what is understood.
pub(super) fn plain_url(text: &str) -> Result<Url, DocumentError> {
    ensure(text.len() <= MAX_CLIENT_ID_BYTES, DocumentError::Address)?;
    let url = Url::parse(text).map_err(|_| DocumentError::Address)?;
    ensure(url.as_str() == text, DocumentError::Address)?;
    let named = !url.username().is_empty() || url.password().is_some();
    ensure(!named && url.fragment().is_none(), DocumentError::Address)?;
    Ok(url)
}

/// The host of an address of a stranger, if it may be asked.
pub(super) fn checked_host(
    url: &Url,
    config: &AuthorizationConfig,
) -> Result<String, DocumentError> {
    let host = url.host_str().ok_or(DocumentError::Address)?;
    let here = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
    if !(here && config.dangerous_loopback_documents) {
        let name = matches!(url.host(), Some(Host::Domain(name)) if name.contains('.'));
        ensure(url.scheme() == "https" && name && url.port().is_none(), DocumentError::Address)?;
    }
    let hosts = &config.document_hosts;
    let accepted = hosts.is_empty() || hosts.iter().any(|known| known == host);
    ensure(accepted, DocumentError::Host)?;
    Ok(host.to_owned())
}
