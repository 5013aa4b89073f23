//! Who is calling: credentials go in, a proved principal comes out, or a precise reason.

mod administration;
mod api_key;
mod assertion;
mod authenticate;
mod config;
mod identity;
pub mod jose;
mod sign_in;
mod username;

pub use administration::{
    AddedApiKey, AdministrationError, ApiKeySummary, KeySummary, NewApiKey, NewUser, StopTarget,
};
pub use api_key::ApiKeyError;
pub use assertion::{AssertionError, CALLER_TYPE, CallerAssertion, MAX_ASSERTION_LIFETIME};
pub use authenticate::AuthenticationError;
pub use config::{
    Anonymous, Audience, ClaimMapping, ClaimPath, ForeignIssuer, IdentityConfig, KeyLocation,
    KeyRefresh, Lockout, OwnTokens, PasswordPolicy, Stores, Surroundings, TokenTypes,
};
pub use identity::{Identity, IdentityError, Stopped};
pub use sign_in::{IssuedToken, PasswordError, SignInAttempt, SignInError};
pub use username::UsernameError;
