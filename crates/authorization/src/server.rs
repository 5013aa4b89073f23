//! The authorization server: which part of it answers which address.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use haechi_core::{
    BoxFuture, BrowserSessionStore, ClientStore, Clock, ConsentStore, Entropy, FactorStore, Fetch,
    GrantStore, LoginStore, TicketStore, Timestamp, UserStore,
};
use haechi_face::reply;
use haechi_guard::Guard;
use haechi_identity::Identity;
use http::{Method, Response};

use crate::clients::{Documents, KeySets, Registrations, Tally, registrations};
use crate::protocol::method::method_not_allowed;
use crate::{AuthorizationConfig, Federation, OAuthError, OfferedResource, Visit};

/// Where the authorization server keeps what it knows.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// Clients the operator entered, here or in the settings, and those that registered themselves.
    pub clients: Arc<dyn ClientStore>,
    /// Grants and refresh tokens.
    pub grants: Arc<dyn GrantStore>,
    /// Consents.
    pub consents: Arc<dyn ConsentStore>,
    /// What is good once.
    pub tickets: Arc<dyn TicketStore>,
    /// Browsers.
    pub sessions: Arc<dyn BrowserSessionStore>,
    /// Second factors.
    pub factors: Arc<dyn FactorStore>,
    /// Who signs in from elsewhere.
    pub logins: Arc<dyn LoginStore>,
}

/// What the authorization server works with.
#[derive(Clone, Debug)]
pub struct Rooms {
    /// Passwords, keys, tokens.
    pub identity: Arc<Identity>,
    /// Counts refusals and records what happened.
    pub guard: Arc<Guard>,
    /// Reads metadata documents and key sets of strangers.
    pub fetch: Arc<dyn Fetch>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub entropy: Arc<dyn Entropy>,
}

/// The authorization server. Made once, shared in an `Arc`.
pub struct AuthorizationServer {
    pub(crate) config: AuthorizationConfig,
    resources: ArcSwap<Vec<OfferedResource>>,
    pub(crate) rooms: Rooms,
    pub(crate) stores: Stores,
    pub(crate) documents: Documents,
    pub(crate) key_sets: KeySets,
    pub(crate) registrations: Registrations,
    /// Requests for authorization, by where they come from.
    pub(crate) requests: Tally<Option<IpAddr>>,
    /// Sign-ins that begin at other providers, by where they come from.
    pub(crate) departures: Tally<Option<IpAddr>>,
    /// Refresh tokens that were used, by their grant.
    pub(crate) refreshes: Tally<String>,
    /// Questions for a passkey, by the user who is asked.
    pub(crate) questions: Tally<String>,
    pub(crate) federation: Option<Arc<Federation>>,
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.config.issuer)
            .finish_non_exhaustive()
    }
}

const A_MINUTE: Duration = Duration::from_secs(60);
/// How many requests for authorization may come from one address within a minute, and how many
/// sign-ins at other providers may begin: each waits for a person, and what waits is bounded for all
/// together.
const REQUESTS_A_MINUTE: u32 = 300;
/// How often one grant may be refreshed within a minute: each time is kept and recorded.
const REFRESHES_A_MINUTE: u32 = 60;
/// How often one user may be asked for a passkey within a minute: each question waits for its answer,
/// and what waits is bounded for all together.
const QUESTIONS_A_MINUTE: u32 = 30;
/// Below it lie all addresses that are no well-known ones.
pub(crate) const BASE_PATH: &str = "/oauth/";
/// RFC 8414 §3.
pub(crate) const OAUTH_METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery §4.
pub(crate) const OPENID_METADATA_PATH: &str = "/.well-known/openid-configuration";
/// The description of all addresses of the gateway (OpenAPI 3.1).
pub(crate) const OPENAPI_PATH: &str = "/openapi.json";

/// One address of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    Metadata,
    OpenApi,
    Authorize,
    Token,
    Revoke,
    Introspect,
    Userinfo,
    Register,
    /// What follows `/oauth/federation/`.
    Federation(&'a str),
    /// What follows `/oauth/`.
    Page(&'a str),
}

impl<'a> Address<'a> {
    /// The address of a path; `None` when it is none of this server's.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        match path {
            OAUTH_METADATA_PATH | OPENID_METADATA_PATH => return Some(Self::Metadata),
            OPENAPI_PATH => return Some(Self::OpenApi),
            _ => {}
        }
        // RFC 8414 §3.1: clients that take a route for the issuer put its path behind.
        for well_known in [OAUTH_METADATA_PATH, OPENID_METADATA_PATH] {
            let route = path.strip_prefix(well_known);
            if route.is_some_and(|route| route.starts_with('/') && route.ends_with("/mcp")) {
                return Some(Self::Metadata);
            }
        }
        Some(match path.strip_prefix(BASE_PATH)? {
            "authorize" => Self::Authorize,
            "token" => Self::Token,
            "revoke" => Self::Revoke,
            "introspect" => Self::Introspect,
            "userinfo" => Self::Userinfo,
            "register" => Self::Register,
            rest => match rest.strip_prefix("federation/") {
                Some(rest) => Self::Federation(rest),
                None => Self::Page(rest),
            },
        })
    }

    /// Whether programs on pages of other origins may use it: never with cookies.
    pub(crate) const fn is_public(self) -> bool {
        matches!(
            self,
            Self::Metadata
                | Self::OpenApi
                | Self::Token
                | Self::Revoke
                | Self::Userinfo
                | Self::Register
        )
    }

    /// The methods it answers.
    const fn methods(self) -> &'static [Method] {
        match self {
            Self::Metadata | Self::OpenApi => &[Method::GET, Method::HEAD],
            Self::Authorize | Self::Userinfo => &[Method::GET, Method::POST],
            Self::Token | Self::Revoke | Self::Introspect | Self::Register => &[Method::POST],
            Self::Federation(_) | Self::Page(_) => &[Method::GET, Method::HEAD, Method::POST],
        }
    }
}

impl AuthorizationServer {
    /// Puts it together. Until something is offered, tokens can be for nothing.
    #[must_use]
    pub fn new(config: AuthorizationConfig, rooms: Rooms, stores: Stores) -> Self {
        let (documents, key_sets) = (Documents::default(), KeySets::default());
        let registrations = registrations();
        let by_address = || Tally::new(REQUESTS_A_MINUTE, A_MINUTE);
        Self {
            config,
            resources: ArcSwap::default(),
            rooms,
            stores,
            documents,
            key_sets,
            registrations,
            requests: by_address(),
            departures: by_address(),
            refreshes: Tally::new(REFRESHES_A_MINUTE, A_MINUTE),
            questions: Tally::new(QUESTIONS_A_MINUTE, A_MINUTE),
            federation: None,
        }
    }

    /// Replaces what tokens can be for (RFC 8707), from now on. A request that names none is for the
    /// address of all upstreams together where there is one, or for the only one, and is refused
    /// otherwise.
    pub fn offer(&self, resources: Vec<OfferedResource>) {
        self.resources.store(Arc::new(resources));
    }

    /// What tokens can be for at this moment.
    pub(crate) fn resources(&self) -> Arc<Vec<OfferedResource>> {
        self.resources.load_full()
    }

    /// Whether `path` is one of this server's addresses.
    #[must_use]
    pub fn owns(path: &str) -> bool {
        Address::of(path).is_some()
    }

    /// Whether a request to `path` may come with the `Origin` of anybody's page. No such address
    /// reads cookies.
    #[must_use]
    pub fn is_public(path: &str) -> bool {
        Address::of(path).is_some_and(Address::is_public)
    }

    /// `iss` of everything that comes from here.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Answers a request; `None` when its address is none of this server's.
    pub fn answer<'a>(&'a self, visit: &'a Visit<'a>) -> BoxFuture<'a, Option<Response<Bytes>>> {
        Box::pin(async move {
            let address = Address::of(visit.head.uri.path())?;
            if address.is_public() && visit.head.method == Method::OPTIONS {
                return Some(reply::preflight(address.methods()));
            }
            let methods = address.methods();
            if !methods.contains(&visit.head.method) {
                return Some(method_not_allowed(methods, visit.language));
            }
            let response = match address {
                Address::Metadata => self.metadata(visit),
                Address::OpenApi => self.openapi(visit),
                Address::Authorize => self.authorize(visit).await,
                Address::Token => self.token(visit).await,
                Address::Revoke => self.revoke(visit).await,
                Address::Introspect => self.introspect(visit).await,
                Address::Userinfo => self.userinfo(visit).await,
                Address::Register => self.register(visit).await,
                Address::Federation(rest) => self.answer_federation(visit, rest).await?,
                Address::Page(rest) => self.answer_page(visit, rest).await?,
            };
            Some(if address.is_public() { reply::for_all_origins(response) } else { response })
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.rooms.clock.now()
    }

    /// The address of an endpoint, such as `token`.
    pub(crate) fn endpoint(&self, name: &str) -> String {
        format!("{}{BASE_PATH}{name}", self.config.issuer)
    }

    /// An error for a program (RFC 6749 §5.2), counted.
    pub(crate) fn problem(&self, visit: &Visit<'_>, error: &OAuthError) -> Response<Bytes> {
        self.rooms.guard.count_refusal(visit.origin, error.word);
        crate::protocol::answer::problem(visit, error)
    }
}
