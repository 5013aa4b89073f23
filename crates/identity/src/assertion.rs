//! The caller as an upstream sees it: a short signed assertion, never the caller's own token.

use std::time::Duration;

use haechi_core::{EntropyError, Principal};
use serde_json::{Value, json};

use crate::Identity;
use crate::jose::Algorithm;

/// `typ` of a caller assertion. Nothing that bears it is ever accepted as an access token.
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
    /// The request's id is not JSON.
    #[error("the request's id is not JSON")]
    RequestId,
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
    /// Claims: `iss` (this gateway), `aud` (the upstream), `sub` and `sub_iss` (who the caller is,
    /// and who vouches), `iat`, `exp`, `jti`, `method`, `tool`, `request_id`, `name`,
    /// `preferred_username`, `roles`, `means` (how the caller proved itself here) and `auth_time` (when
    /// the person last signed in).
    ///
    /// # Errors
    ///
    /// Every [`AssertionError`].
    pub fn sign_assertion(
        &self,
        assertion: &CallerAssertion<'_>,
    ) -> Result<String, AssertionError> {
        let standing = self.standing.load();
        let key = standing.keyring.active().ok_or(AssertionError::NoKey)?;
        if key.algorithm() == Algorithm::Hs256 {
            return Err(AssertionError::SymmetricKey(key.algorithm()));
        }
        let claims = self.caller_claims(assertion)?;
        key.sign(CALLER_TYPE, &claims).map_err(|_| AssertionError::NotSigned)
    }

    fn caller_claims(&self, assertion: &CallerAssertion<'_>) -> Result<Value, AssertionError> {
        let CallerAssertion { principal, request_id, .. } = assertion;
        let now = self.now();
        let lifetime = assertion.lifetime.min(MAX_ASSERTION_LIFETIME);
        let request_id: Value =
            serde_json::from_str(request_id).map_err(|_| AssertionError::RequestId)?;
        let mut claims = json!({
            "iss": self.config.issuer,
            "aud": assertion.upstream,
            "sub": *principal.subject,
            "sub_iss": *principal.issuer,
            "iat": now.as_secs(),
            "exp": now.as_secs().saturating_add(lifetime.as_secs()),
            "jti": self.random_id()?,
            "method": assertion.method,
            "request_id": request_id,
            "roles": *principal.roles,
            "means": principal.means.as_str(),
        });
        if let (Some(claims), Some(at)) = (claims.as_object_mut(), principal.authenticated_at) {
            claims.insert("auth_time".to_owned(), json!(at.as_secs()));
        }
        let optional = [
            ("tool", assertion.tool),
            ("name", principal.name.as_deref()),
            ("preferred_username", principal.username.as_deref()),
        ];
        for (claim, value) in optional {
            if let (Some(claims), Some(value)) = (claims.as_object_mut(), value) {
                claims.insert(claim.to_owned(), json!(value));
            }
        }
        Ok(claims)
    }
}
