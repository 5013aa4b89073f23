//! Why nobody came in by another provider.

use haechi_client::{AuthorizeError, CallbackError, DiscoveryError, TokenRequestError};
use haechi_core::{EntropyError, FetchError, SealError, StoreError};
use haechi_identity::{AdministrationError, IdTokenError};

/// Why nobody came in by another provider. No variant carries a token, a code or anything of a
/// person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FederationError {
    /// No provider of this name.
    #[error("there is no provider of this name")]
    UnknownProvider,
    /// The sign-in was finished before, took too long, or was never begun.
    #[error("this sign-in was finished before, or took too long")]
    Ended,
    /// The sign-in was begun in another browser: somebody may want this one to be signed in as
    /// somebody else.
    #[error("this sign-in was begun in another browser")]
    OtherBrowser,
    /// The answer came to the address of another provider: a mix-up.
    #[error("the answer came to the address of another provider")]
    OtherProvider,
    /// Too many sign-ins are under way.
    #[error("too many sign-ins are under way")]
    Busy,
    /// The provider cannot be found, or says something of itself that does not hold.
    #[error("the provider's metadata cannot be used")]
    Discovery(#[source] DiscoveryError),
    /// Its metadata names no keys.
    #[error("the provider's metadata names no keys")]
    NoKeys,
    /// Nobody can be sent there.
    #[error("nobody can be sent to the provider")]
    Authorize(#[source] AuthorizeError),
    /// The answer by the browser does not hold, or is a no.
    #[error("the provider's answer gives no code")]
    Callback(#[source] CallbackError),
    /// The provider gave no tokens for the code.
    #[error("the provider gave no tokens")]
    Token(#[source] TokenRequestError),
    /// No ID token among them.
    #[error("the provider gave no ID token")]
    NoIdToken,
    /// The ID token does not hold.
    #[error("the provider's ID token is not accepted")]
    IdToken(#[source] IdTokenError),
    /// Userinfo cannot be read.
    #[error("the provider's userinfo cannot be read")]
    UserinfoUnavailable(#[source] FetchError),
    /// Userinfo is not what the standard describes.
    #[error("the provider's userinfo is not what the standard asks for")]
    Userinfo,
    /// Userinfo speaks of somebody else.
    #[error("the provider's userinfo is about somebody else")]
    OtherSubject,
    /// No rule lets this person in.
    #[error("no rule of the settings lets this person in")]
    NotAllowed,
    /// The person is no user here, and nobody becomes one by this provider.
    #[error("this person is no user here")]
    NotKnown,
    /// The user is disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The account at the provider is another user's.
    #[error("this account is linked to another user")]
    LinkedElsewhere,
    /// The user could not be made or changed.
    #[error("the user could not be made or changed")]
    User(#[source] AdministrationError),
    /// What decides could not be read or written.
    #[error("what decides about this cannot be read or written")]
    Store(#[from] StoreError),
    /// What is kept for a person cannot be sealed or opened.
    #[error("what is kept for a person cannot be sealed or opened")]
    Sealed(#[from] SealError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The audit log does not take it, so it does not happen.
    #[error("this cannot be recorded now")]
    NotRecorded,
    /// What was kept does not open.
    #[error("what was kept of this sign-in does not open")]
    Kept,
}

impl FederationError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UnknownProvider => "federation-provider",
            Self::Ended => "federation-ended",
            Self::OtherBrowser => "federation-browser",
            Self::OtherProvider => "federation-mix-up",
            Self::Busy => "federation-busy",
            Self::Discovery(_) => "federation-discovery",
            Self::NoKeys => "federation-keys",
            Self::Authorize(_) => "federation-authorize",
            Self::Callback(CallbackError::NoIssuer) => "federation-no-issuer",
            Self::Callback(CallbackError::OtherIssuer) => "federation-other-issuer",
            Self::Callback(CallbackError::Refused(_)) => "federation-refused",
            Self::Callback(_) => "federation-answer",
            Self::Token(_) => "federation-token",
            Self::NoIdToken => "federation-no-id-token",
            Self::IdToken(error) => error.word(),
            Self::UserinfoUnavailable(_) | Self::Userinfo => "federation-userinfo",
            Self::OtherSubject => "federation-other-subject",
            Self::NotAllowed => "federation-not-allowed",
            Self::NotKnown => "federation-not-known",
            Self::UserDisabled => "user-disabled",
            Self::LinkedElsewhere => "federation-linked-elsewhere",
            Self::User(_) => "federation-user",
            Self::Store(_) => "store-unavailable",
            Self::Sealed(_) | Self::Kept => "federation-kept",
            Self::Entropy(_) => "entropy",
            Self::NotRecorded => "not-recorded",
        }
    }

    /// Whether this says that the person may not be here. Everything else decides nothing: it may
    /// go well another time.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        match self {
            Self::Token(error) => error.is_final(),
            Self::OtherSubject | Self::NotAllowed | Self::NotKnown | Self::UserDisabled => true,
            _ => false,
        }
    }

    /// The next step, for the operator who reads the log.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Discovery(_) | Self::UserinfoUnavailable(_) => {
                "see whether this machine reaches the provider, and compare `issuer`"
            }
            Self::NoKeys | Self::NoIdToken | Self::Userinfo => {
                "see whether this is an OpenID provider, and whether `scopes` holds `openid`"
            }
            Self::Authorize(error) => error.help(),
            Self::Callback(error) => error.help(),
            Self::Token(error) => error.help(),
            Self::IdToken(_) => "compare `issuer`, `client_id`, `algorithms` and both clocks",
            Self::NotAllowed => "see `allow` of this provider, and what it says of the person",
            Self::NotKnown => {
                "set `create = true`, or let the person link the account while signed in"
            }
            Self::UserDisabled => "`haechi user enable` lets the person in again",
            Self::LinkedElsewhere => "remove the link at the other user first",
            Self::NotRecorded => "see what keeps the audit log from being written",
            _ => "begin the sign-in anew",
        }
    }
}

impl From<AdministrationError> for FederationError {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::Store(error) => Self::Store(error),
            AdministrationError::Entropy(error) => Self::Entropy(error),
            AdministrationError::UnknownUser => Self::NotKnown,
            other => Self::User(other),
        }
    }
}
