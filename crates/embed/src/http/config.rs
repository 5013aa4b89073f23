//! How a server is reached over HTTP.

use std::net::SocketAddr;

use haechi_face::intake::BodyLimits;
use haechi_face::{Language, Names, NamesConfig, Resource};
use haechi_identity::{Audience, SenderConstraint};

use crate::Haechi;

/// How one server is reached over HTTP. What the settings say under `listen` holds besides:
/// `public_url`, allowed hosts and origins, limits, whether callers without credentials come in.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub(super) path: String,
    pub(super) address: Option<SocketAddr>,
    pub(super) resources: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) sign_in: bool,
    pub(super) sender: SenderConstraint,
    pub(super) certificates: bool,
    pub(super) language: Language,
}

impl HttpConfig {
    /// A server whose endpoint is at `path`, such as `/mcp`.
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            address: None,
            resources: Vec::new(),
            scopes: Vec::new(),
            sign_in: false,
            sender: SenderConstraint::default(),
            certificates: false,
            language: Language::English,
        }
    }

    /// The address that is listened on: its `Host` is let in, and it names the server where the
    /// settings have no `listen.public_url`.
    #[must_use]
    pub const fn listening_on(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// One more URL by which clients know this server, and for which tokens may be (RFC 8707).
    #[must_use]
    pub fn resource(mut self, url: impl Into<String>) -> Self {
        self.resources.push(url.into());
        self
    }

    /// A scope that a newcomer should ask for.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// What tokens must be bound to, besides what the settings say (`sender_constraint` of
    /// `[[upstream]]`). By default nothing; a token that is bound to a key or a certificate is only
    /// taken from whoever has it.
    #[must_use]
    pub const fn sender_constraint(mut self, sender: SenderConstraint) -> Self {
        self.sender = sender;
        self
    }

    /// Says that whoever speaks TLS for this server asks clients for certificates, and puts that of
    /// each into the extensions of its requests as
    /// [`ClientCertificate`](crate::ClientCertificate).
    #[must_use]
    pub const fn client_certificates(mut self) -> Self {
        self.certificates = true;
        self
    }

    /// Serves `POST /sign-in`: username and password of this server's own users for a token.
    #[must_use]
    pub const fn sign_in(mut self) -> Self {
        self.sign_in = true;
        self
    }

    /// The language of sentences where `Accept-Language` names none of ours.
    #[must_use]
    pub const fn language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }
}

/// Everything the layer knows.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) haechi: Haechi,
    pub(super) config: HttpConfig,
    pub(super) names: Names,
    pub(super) audience: Audience,
    pub(super) limits: BodyLimits,
    pub(super) tell_denied: bool,
}

impl Door {
    pub(super) fn new(haechi: &Haechi, config: HttpConfig) -> Self {
        let (listen, tell_denied) = haechi.listen();
        let names = NamesConfig {
            listen: Some(config.address.unwrap_or(listen.address)),
            tls: false,
            public_url: listen.public_url.clone(),
            allowed_hosts: listen.allowed_hosts.clone(),
            allowed_origins: listen.allowed_origins.clone(),
        };
        let of_base = |base: String| format!("{base}{}", config.path);
        let resources = names.bases().into_iter().map(of_base);
        let named = config.resources.iter().chain(&haechi.0.audience.resources);
        let resources = named.cloned().chain(resources).collect();
        let limits =
            BodyLimits { bytes: listen.limits.body_bytes, timeout: listen.limits.body_timeout };
        let sender = haechi.0.audience.sender.and(config.sender);
        Self {
            haechi: haechi.clone(),
            names: Names::new(&names),
            audience: Audience { resources, anonymous: listen.anonymous, sender },
            config,
            limits,
            tell_denied,
        }
    }

    pub(super) fn resource(&self) -> Resource<'_> {
        let Self { audience, config, .. } = self;
        let (scopes, certificates) = (&config.scopes, config.certificates);
        Resource { audience, path: &config.path, scopes, certificates }
    }
}
