//! Passkeys (Web Authentication): the questions a browser answers by the script of this page.

use bytes::Bytes;
use http::Response;

use super::second_factor::Scene;
use crate::form::Form;
use crate::session::BrowserSession;
use crate::{AuthorizationServer, OAuthError, Visit};

/// A question for the script, as JSON, and the ticket under which its answer is checked.
pub(super) type Question = (String, String);

impl AuthorizationServer {
    /// What to ask for a passkey the person has; `None` when it has none.
    pub(super) async fn passkey_question(
        &self,
        _session: &BrowserSession,
    ) -> Result<Option<Question>, OAuthError> {
        Ok(None)
    }

    /// What to ask for a new passkey; `None` where none can be made.
    pub(super) async fn passkey_offer(
        &self,
        _session: &BrowserSession,
    ) -> Result<Option<Question>, OAuthError> {
        Ok(None)
    }

    /// Checks an answer with a passkey.
    pub(super) async fn passkey_sent(
        &self,
        _visit: &Visit<'_>,
        _scene: &Scene<'_>,
        _form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        Err(OAuthError::request("passkey", "there are no passkeys here"))
    }

    /// Keeps a new passkey.
    pub(super) async fn new_passkey_sent(
        &self,
        _visit: &Visit<'_>,
        _scene: &Scene<'_>,
        _form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        Err(OAuthError::request("passkey", "there are no passkeys here"))
    }
}
