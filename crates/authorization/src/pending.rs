//! What other parts of this server will do; each piece goes when its part comes.

use bytes::Bytes;
use http::Response;

use crate::error::ErrorCode;
use crate::interaction::Interaction;
use crate::{AuthorizationServer, OAuthError, Visit};

impl AuthorizationServer {
    /// Pages for people below `/oauth/`; `None` when there is none of this address.
    pub(crate) async fn answer_page(
        &self,
        _visit: &Visit<'_>,
        _path: &str,
    ) -> Option<Response<Bytes>> {
        None
    }

    /// Sign-in at another provider, below `/oauth/federation/`.
    pub(crate) async fn answer_federation(
        &self,
        _visit: &Visit<'_>,
        _path: &str,
    ) -> Option<Response<Bytes>> {
        None
    }

    /// Goes on with an interaction: approves it, denies it, or shows the next page.
    pub(crate) async fn ask(
        &self,
        visit: &Visit<'_>,
        ticket: &str,
        interaction: &Interaction,
    ) -> Response<Bytes> {
        let text = "nobody can sign in here yet";
        let error = OAuthError::new(ErrorCode::LoginRequired, "no-page", text);
        self.deny(visit, ticket, interaction, error).await
    }

    /// Tells a person what went wrong where no client can be told.
    pub(crate) fn error_page(&self, visit: &Visit<'_>, error: &OAuthError) -> Response<Bytes> {
        self.problem(visit, error)
    }
}
