//! Who a person of another issuer is here.

use haechi_core::StoredUser;

use crate::{AuthorizationServer, OAuthError};

impl AuthorizationServer {
    /// The own user who a person of another issuer is: the one place that decides about tokens and
    /// assertions from elsewhere. Whoever has not signed in here with a browser is nobody yet: the
    /// rules of sign-in say who may come, and a program does not answer for a person.
    pub(crate) async fn person_of(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<StoredUser, OAuthError> {
        let Some(login) = self.stores.logins.by_subject(issuer, subject).await? else {
            let text = "this person is not known here yet; let them sign in once with a browser";
            return Err(OAuthError::grant("person-unknown", text));
        };
        self.standing_user(&login.user_id).await
    }
}
