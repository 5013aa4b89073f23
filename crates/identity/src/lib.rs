//! Who is calling: credentials go in, a proved principal comes out, or a precise reason.

mod administration;
mod api_key;
mod ask;
mod assertion;
mod authenticate;
mod cache;
mod config;
mod confirm;
mod discovery;
mod dpop;
mod flight;
mod gateway;
mod grant;
mod id_token;
mod identity;
mod identity_assertion;
mod issue;
mod issuer;
pub mod jose;
mod key_source;
mod keyring;
mod opaque;
mod own_token;
mod password;
mod principal;
mod scope;
mod seal;
mod second_factor;
mod sender;
mod sign_in;
mod signatory;
mod standing;
mod throttle;
mod username;

pub use administration::{
    AddedApiKey, AdministrationError, ApiKeySummary, KeySummary, KeyTurn, NewApiKey, NewUser,
    StopTarget,
};
pub use api_key::ApiKeyError;
pub use ask::AskError;
pub use assertion::{AssertionError, CALLER_TYPE, CallerAssertion, MAX_ASSERTION_LIFETIME};
pub use authenticate::AuthenticationError;
pub use config::{
    Anonymous, Audience, ClaimMapping, ClaimPath, ClientAuthentication, ForeignIssuer,
    GatewayCallers, IdentityConfig, IntrospectionClient, KeyLocation, KeyRefresh, KeyRotation,
    Lockout, OwnTokens, PasswordPolicy, Stores, Surroundings, TokenCheck, TokenTypes,
};
pub use dpop::{DPOP_ALGORITHMS, DpopError, DpopRequest, DpopRules};
pub use gateway::{CallerError, PresentedCaller};
pub use id_token::{
    ExpectedIdToken, IdToken, IdTokenError, LogoutToken, OpenIdProvider, ProviderRules,
};
pub use identity::{Identity, IdentityError, Stopped};
pub use identity_assertion::{IDENTITY_ASSERTION_TYPE, IdentityAssertion};
pub use issue::{AccessToken, AccessTokenOrder, Holder, IdTokenOrder, IssueError, person_claims};
pub use password::PasswordError;
pub use scope::ScopeHierarchy;
pub use seal::{SecretSealError, sha256};
pub use second_factor::{
    CodeKind, MAX_FACTORS, PasskeyQuestion, SecondFactorError, SecondFactors, TotpKey,
};
pub use sender::{Confirmation, SenderConstraint, SenderError};
pub use sign_in::{IssuedToken, SignInAttempt, SignInError};
pub use username::{UsernameError, plain_username};
