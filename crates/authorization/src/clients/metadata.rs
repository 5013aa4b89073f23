//! What a client says of itself (RFC 7591 §2), read strictly.

use std::collections::BTreeSet;
use std::sync::Arc;

use haechi_core::json::{self, JsonError, Kind, Limits, Text};
use haechi_identity::jose::{Algorithm, KeySet};

use super::name::{NameError, check_name};
use super::redirect::{MAX_REDIRECT_URIS, RedirectKind, RedirectUri, RedirectUriError};
use super::words::{ApplicationType, ClientMethod, GrantType, scopes};
use crate::ensure::ensure;

/// Metadata: 16 KiB, 8 deep, 64 members.
pub(crate) const LIMITS: Limits = Limits { max_bytes: 16 << 10, max_depth: 8, max_members: 64 };
/// The longest address of a key set, or of an audience, in bytes.
const MAX_ADDRESS_BYTES: usize = 2048;
/// The most words in a list that is not of redirections.
const MAX_WORDS: usize = 32;

/// Whose word the metadata is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataSource {
    /// The operator's: everything can be asked for, and what is not known is a mistake.
    Operator,
    /// The client's own, handed in (RFC 7591 §3.1): what is not offered is left out.
    Dynamic,
    /// The client's own, at its own address: as `Dynamic`, and nothing secret can be shared.
    Document,
}

/// What a client may do, and how it proves itself.
#[derive(Clone, Debug)]
pub struct ClientMetadata {
    /// `client_name`.
    pub(crate) name: Option<String>,
    /// `redirect_uris`.
    pub(crate) redirect_uris: Vec<RedirectUri>,
    /// `grant_types`.
    pub(crate) grant_types: BTreeSet<GrantType>,
    /// `token_endpoint_auth_method`.
    pub(crate) method: ClientMethod,
    /// `token_endpoint_auth_signing_alg`.
    pub(crate) signing_algorithm: Option<Algorithm>,
    /// `scope`: all it can ever ask for; absent: what is offered.
    pub(crate) scopes: Option<BTreeSet<String>>,
    /// `jwks` or `jwks_uri`.
    pub(crate) keys: Option<ClientKeys>,
    /// `application_type`.
    pub(crate) application_type: ApplicationType,
    /// `dpop_bound_access_tokens` (RFC 9449 §5.2).
    pub(crate) dpop_bound: bool,
    /// `id_token_signed_response_alg`.
    pub(crate) id_token_algorithm: Option<Algorithm>,
    /// `token_exchange_audiences`: for whom it may exchange tokens; the operator's word only.
    pub(crate) exchange_audiences: BTreeSet<String>,
}

/// The keys that a client signs its assertions with.
#[derive(Clone, Debug)]
pub(crate) enum ClientKeys {
    /// Part of its metadata.
    Given {
        /// As they verify.
        keys: Arc<KeySet>,
        /// As they were stated.
        stated: serde_json::Value,
    },
    /// Published at an address.
    Url(String),
}

/// Why metadata is refused. No variant carries what stood there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not strict JSON within the limits.
    #[error("the metadata is not strict JSON")]
    Json(#[source] JsonError),
    /// Something else than an object.
    #[error("the metadata is not a JSON object")]
    NotAnObject,
    /// Of another type, too long, too many, or an unknown word.
    #[error("`{0}` is not acceptable")]
    Member(&'static str),
    /// It must stand there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// What a person would be shown.
    #[error("`client_name`: {0}")]
    Name(#[from] NameError),
    /// Where answers would go.
    #[error("`redirect_uris`: {0}")]
    RedirectUri(#[from] RedirectUriError),
    /// Nothing of what is asked for is offered.
    #[error("`{0}` asks for nothing that is offered here")]
    NotOffered(&'static str),
    /// Two members do not go together.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl MetadataError {
    /// The error code of RFC 7591 §3.2.2.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RedirectUri(_)
            | Self::Missing("redirect_uris")
            | Self::Member("redirect_uris") => "invalid_redirect_uri",
            _ => "invalid_client_metadata",
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::NotAnObject => {
                "send one JSON object of at most 16 KiB, each name once"
            }
            Self::RedirectUri(_) => {
                "use https, or http to 127.0.0.1, [::1] or localhost, or a scheme like com.example.app"
            }
            Self::Name(_) => "give a name that a person can read as it is",
            Self::Member(_) | Self::Missing(_) | Self::NotOffered(_) | Self::Contradiction(_) => {
                "see RFC 7591 section 2 and this server's metadata for what is offered"
            }
        }
    }
}

impl ClientMetadata {
    /// Reads metadata.
    ///
    /// # Errors
    ///
    /// Every [`MetadataError`].
    pub fn read(bytes: &[u8], source: MetadataSource) -> Result<Self, MetadataError> {
        let all = json::check(bytes, &LIMITS).map_err(MetadataError::Json)?;
        ensure(all.kind() == Kind::Object, MetadataError::NotAnObject)?;
        let redirect_uris = redirect_uris(all)?;
        let metadata = Self {
            name: name(all)?,
            grant_types: grant_types(all, source)?,
            method: method(all, source)?,
            signing_algorithm: algorithm(all, "token_endpoint_auth_signing_alg")?,
            scopes: scope(all)?,
            keys: keys(all)?,
            application_type: application_type(all, &redirect_uris)?,
            dpop_bound: flag(all, "dpop_bound_access_tokens")?,
            id_token_algorithm: algorithm(all, "id_token_signed_response_alg")?,
            exchange_audiences: exchange_audiences(all, source)?,
            redirect_uris,
        };
        response_types(all, source)?;
        metadata.check(all, source)?;
        Ok(metadata)
    }

    /// Checks what goes with what.
    fn check(&self, all: Text<'_>, source: MetadataSource) -> Result<(), MetadataError> {
        let with_person = self.grant_types.contains(&GrantType::AuthorizationCode);
        let answered = !with_person || !self.redirect_uris.is_empty();
        ensure(answered, MetadataError::Missing("redirect_uris"))?;
        let bare_refresh = self.grant_types.contains(&GrantType::RefreshToken) && !with_person;
        let nothing = "the grant `refresh_token` goes with `authorization_code` only";
        ensure(!bare_refresh, MetadataError::Contradiction(nothing))?;
        let keyed = self.method != ClientMethod::PrivateKeyJwt || self.keys.is_some();
        ensure(keyed, MetadataError::Missing("jwks"))?;
        let public = self.method == ClientMethod::None;
        let own = [GrantType::ClientCredentials, GrantType::TokenExchange, GrantType::JwtBearer];
        let proves = !public || !own.iter().any(|grant| self.grant_types.contains(grant));
        let must = "a client that acts by itself must prove itself: `none` does not";
        ensure(proves, MetadataError::Contradiction(must))?;
        if source == MetadataSource::Document {
            ensure(self.name.is_some(), MetadataError::Missing("client_name"))?;
            let somewhere = !self.redirect_uris.is_empty();
            ensure(somewhere, MetadataError::Missing("redirect_uris"))?;
            let secret = ["client_secret", "client_secret_expires_at"];
            let shared = secret.iter().any(|name| all.member(name).is_some());
            let open = "a document that everybody can read cannot hold a secret";
            ensure(!shared, MetadataError::Contradiction(open))?;
        }
        Ok(())
    }
}

/// A member that must be a string where it stands.
fn text(
    all: Text<'_>,
    name: &'static str,
    max_bytes: usize,
) -> Result<Option<String>, MetadataError> {
    let Some(value) = all.member(name) else { return Ok(None) };
    let text = value.string().filter(|text| text.len() <= max_bytes);
    text.map(|text| Some(text.into_owned())).ok_or(MetadataError::Member(name))
}

/// A member that must be strings where it stands.
fn texts(
    all: Text<'_>,
    name: &'static str,
    most: usize,
) -> Result<Option<Vec<String>>, MetadataError> {
    let flaw = || MetadataError::Member(name);
    let Some(value) = all.member(name) else { return Ok(None) };
    ensure(value.kind() == Kind::Array && value.len() <= most, flaw())?;
    let text = |value: Text<'_>| value.string().map(|text| text.into_owned()).ok_or_else(flaw);
    value.elements().map(text).collect::<Result<_, _>>().map(Some)
}

fn flag(all: Text<'_>, name: &'static str) -> Result<bool, MetadataError> {
    let Some(value) = all.member(name) else { return Ok(false) };
    value.boolean().ok_or(MetadataError::Member(name))
}

fn algorithm(all: Text<'_>, name: &'static str) -> Result<Option<Algorithm>, MetadataError> {
    let Some(stated) = text(all, name, 16)? else { return Ok(None) };
    let known = Algorithm::parse(&stated).filter(|known| *known != Algorithm::Hs256);
    known.map(Some).ok_or(MetadataError::Member(name))
}

fn name(all: Text<'_>) -> Result<Option<String>, MetadataError> {
    let name = text(all, "client_name", 1024)?;
    name.as_deref().map_or(Ok(()), check_name)?;
    Ok(name)
}

fn redirect_uris(all: Text<'_>) -> Result<Vec<RedirectUri>, MetadataError> {
    let stated = texts(all, "redirect_uris", MAX_REDIRECT_URIS)?.unwrap_or_default();
    stated.iter().map(|text| Ok(RedirectUri::parse(text)?)).collect()
}

fn grant_types(
    all: Text<'_>,
    source: MetadataSource,
) -> Result<BTreeSet<GrantType>, MetadataError> {
    const MEMBER: &str = "grant_types";
    let Some(stated) = texts(all, MEMBER, MAX_WORDS)? else {
        return Ok(BTreeSet::from([GrantType::AuthorizationCode]));
    };
    // Whoever registered itself acts for people or for those another issuer vouches for; to act for
    // nobody, or to exchange tokens of others, is for an operator to allow.
    let offered = |grant: GrantType| {
        source == MetadataSource::Operator
            || !matches!(grant, GrantType::ClientCredentials | GrantType::TokenExchange)
    };
    let known = stated.iter().map(|name| GrantType::parse(name).filter(|grant| offered(*grant)));
    if source == MetadataSource::Operator {
        let all: Option<BTreeSet<_>> = known.collect();
        return all.filter(|all| !all.is_empty()).ok_or(MetadataError::Member(MEMBER));
    }
    let some: BTreeSet<_> = known.flatten().collect();
    ensure(!some.is_empty(), MetadataError::NotOffered(MEMBER))?;
    Ok(some)
}

fn response_types(all: Text<'_>, source: MetadataSource) -> Result<(), MetadataError> {
    const MEMBER: &str = "response_types";
    let Some(stated) = texts(all, MEMBER, MAX_WORDS)? else { return Ok(()) };
    let codes = stated.iter().filter(|name| *name == "code").count();
    let alone = source != MetadataSource::Operator || codes == stated.len();
    ensure(alone, MetadataError::Member(MEMBER))?;
    ensure(stated.is_empty() || codes > 0, MetadataError::NotOffered(MEMBER))
}

fn method(all: Text<'_>, source: MetadataSource) -> Result<ClientMethod, MetadataError> {
    const MEMBER: &str = "token_endpoint_auth_method";
    let Some(stated) = text(all, MEMBER, 64)? else {
        // RFC 7591 §2 takes a secret for granted, which a document cannot have.
        let document = source == MetadataSource::Document;
        return Ok(if document { ClientMethod::None } else { ClientMethod::SecretBasic });
    };
    let method = ClientMethod::parse(&stated).ok_or(MetadataError::NotOffered(MEMBER))?;
    let open = source != MetadataSource::Document || !method.has_secret();
    ensure(open, MetadataError::NotOffered(MEMBER))?;
    Ok(method)
}

fn scope(all: Text<'_>) -> Result<Option<BTreeSet<String>>, MetadataError> {
    let Some(stated) = text(all, "scope", LIMITS.max_bytes)? else { return Ok(None) };
    scopes(&stated).map(Some).ok_or(MetadataError::Member("scope"))
}

fn keys(all: Text<'_>) -> Result<Option<ClientKeys>, MetadataError> {
    let url = text(all, "jwks_uri", MAX_ADDRESS_BYTES)?;
    let Some(jwks) = all.member("jwks") else { return Ok(url.map(ClientKeys::Url)) };
    let both = "`jwks` and `jwks_uri` do not go together";
    ensure(url.is_none(), MetadataError::Contradiction(both))?;
    let keys = KeySet::from_jwks(jwks.raw().as_bytes(), false).ok();
    let keys = keys.filter(|keys| !keys.is_empty()).ok_or(MetadataError::Member("jwks"))?;
    Ok(Some(ClientKeys::Given { keys: Arc::new(keys), stated: jwks.to_value() }))
}

/// A web client has no redirection to this machine: people's machines are not its server. Where
/// nothing is said, the redirections tell.
fn application_type(
    all: Text<'_>,
    redirect_uris: &[RedirectUri],
) -> Result<ApplicationType, MetadataError> {
    let native = redirect_uris.iter().any(|uri| uri.kind() != RedirectKind::Https);
    let stated = text(all, "application_type", 16)?;
    match stated.as_deref() {
        Some("native") => Ok(ApplicationType::Native),
        Some("web") if native => Err(MetadataError::Contradiction(
            "a redirection to this machine or to a program is for `application_type` `native`",
        )),
        Some("web") => Ok(ApplicationType::Web),
        None if native => Ok(ApplicationType::Native),
        None => Ok(ApplicationType::Web),
        Some(_) => Err(MetadataError::Member("application_type")),
    }
}

fn exchange_audiences(
    all: Text<'_>,
    source: MetadataSource,
) -> Result<BTreeSet<String>, MetadataError> {
    const MEMBER: &str = "token_exchange_audiences";
    if source != MetadataSource::Operator {
        return Ok(BTreeSet::new());
    }
    let stated = texts(all, MEMBER, MAX_WORDS)?.unwrap_or_default();
    let fits = |text: &String| !text.is_empty() && text.len() <= MAX_ADDRESS_BYTES;
    ensure(stated.iter().all(fits), MetadataError::Member(MEMBER))?;
    Ok(stated.into_iter().collect())
}

#[cfg(test)]
mod tests;
