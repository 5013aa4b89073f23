//! The closed sets of words in a client's metadata.

/// How a client comes to a token (`grant_types`, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GrantType {
    /// A person signs in and consents (RFC 6749 §4.1).
    AuthorizationCode,
    /// It goes on with what a person granted (RFC 6749 §6).
    RefreshToken,
    /// It acts for nobody but itself (RFC 6749 §4.4).
    ClientCredentials,
    /// One token for another (RFC 8693).
    TokenExchange,
    /// What another issuer asserts (RFC 7523 §2.1).
    JwtBearer,
}

impl GrantType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::TokenExchange,
        Self::JwtBearer,
    ];

    /// The grant whose registered name is exactly `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }
}

/// How a client proves itself (`token_endpoint_auth_method`, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientMethod {
    /// It does not: a public client (RFC 6749 §2.1).
    None,
    /// A secret in the header `Authorization` (RFC 6749 §2.3.1).
    SecretBasic,
    /// A secret in the body (RFC 6749 §2.3.1).
    SecretPost,
    /// An assertion signed with its own key (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl ClientMethod {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::None, Self::SecretBasic, Self::SecretPost, Self::PrivateKeyJwt];

    /// The method whose registered name is exactly `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic => "client_secret_basic",
            Self::SecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether it goes by a secret that both sides know.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::SecretBasic | Self::SecretPost)
    }
}

/// What kind of program a client is (`application_type`, OpenID Connect Registration §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationType {
    /// On a web server.
    Web,
    /// On the machine of whoever uses it.
    Native,
}

impl ApplicationType {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
        }
    }
}

/// The most scopes of one list.
const MAX_SCOPES: usize = 64;
/// The longest scope, in bytes.
const MAX_SCOPE_BYTES: usize = 128;

/// Scopes between single spaces (RFC 6749 §3.3); `None` when they are not written so, or are more
/// than 64, or one is longer than 128 bytes. An empty text is no scope at all.
#[must_use]
pub fn scopes(text: &str) -> Option<std::collections::BTreeSet<String>> {
    if text.is_empty() {
        return Some(std::collections::BTreeSet::new());
    }
    let fits = |scope: &str| {
        !scope.is_empty()
            && scope.len() <= MAX_SCOPE_BYTES
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    let all = text.split(' ').take(MAX_SCOPES + 1).collect::<Vec<_>>();
    let sound = all.len() <= MAX_SCOPES && all.iter().all(|scope| fits(scope));
    sound.then(|| all.into_iter().map(str::to_owned).collect())
}
