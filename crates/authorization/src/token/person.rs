//! Who a person of another issuer is here.

use haechi_core::StoredUser;
use serde_json::Value;

use crate::{AuthorizationServer, OAuthError};

impl AuthorizationServer {
    /// The own user who a person of another issuer is: the one place that decides about tokens and
    /// assertions from elsewhere. Whoever signed in here by that issuer before is who they became
    /// then; nothing about them changes, because such a token says less than a sign-in. Whoever was
    /// never here comes in by the rules of sign-in where the issuer is a provider of it, and is
    /// nobody otherwise.
    pub(crate) async fn person_of(
        &self,
        issuer: &str,
        subject: &str,
        claims: &Value,
    ) -> Result<StoredUser, OAuthError> {
        if let Some(login) = self.stores.logins.by_subject(issuer, subject).await? {
            return self.standing_user(&login.user_id).await;
        }
        let Some(federation) = &self.federation else { return Err(unknown()) };
        let made = federation.newcomer(issuer, subject, claims).await.map_err(|error| {
            tracing::debug!(reason = error.word(), "a person of another issuer is nobody here");
            if error.is_verdict() { unknown() } else { OAuthError::unavailable(error.word()) }
        })?;
        self.record_newcomer(&made).await?;
        Ok(made)
    }
}

fn unknown() -> OAuthError {
    let text = "this person is not known here; let them sign in once with a browser";
    OAuthError::grant("person-unknown", text)
}
