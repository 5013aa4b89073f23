//! Sensitive tools are checked once more, against the stored user and not the token.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use haechi_core::{Clock, Principal};
use haechi_identity::{AuthenticationError, Identity};
use haechi_policy::Permitted;

use super::Interceptor;
use crate::{GovernedCall, Refusal};

/// Asks for a fresh sign-in (RFC 9470) and looks at the stored user again.
#[derive(Debug)]
pub struct SecondLook {
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
}

impl SecondLook {
    /// The stage over `identity`.
    #[must_use]
    pub const fn new(identity: Arc<Identity>, clock: Arc<dyn Clock>) -> Self {
        Self { identity, clock }
    }

    fn is_fresh(&self, principal: &Principal, max_age: Duration) -> bool {
        let signed_in = principal.authenticated_at;
        signed_in.is_some_and(|at| self.clock.now().since(at) <= max_age)
    }
}

#[async_trait]
impl Interceptor for SecondLook {
    fn name(&self) -> &'static str {
        "second-look"
    }

    async fn before_execution(
        &self,
        principal: &Principal,
        _: &GovernedCall,
        permitted: &Permitted,
    ) -> Result<(), Refusal> {
        let Some(max_age) = permitted.sensitive() else { return Ok(()) };
        if !self.is_fresh(principal, max_age) {
            return Err(Refusal::StaleSignIn { max_age, entry: None });
        }
        self.identity.confirm(principal).await.map_err(|error| match error {
            AuthenticationError::Unavailable(source) => Refusal::Unavailable(Some(source.into())),
            other => Refusal::Unauthenticated(other),
        })
    }
}
