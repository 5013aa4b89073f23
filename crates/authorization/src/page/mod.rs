//! What a person sees and does: sign-in, second factor, consent, account, sign-out.
//!
//! Every page leads on by [`AuthorizationServer::ask`], which knows what is still missing.

mod account;
mod answer;
mod consent;
mod error;
mod next;
mod passkey;
mod picture;
mod second_factor;
mod sign_in;
mod sign_out;
mod style;

pub(crate) use answer::{see_other, with_cookie};
pub(crate) use next::cover;
pub(crate) use sign_in::not_recorded;

use bytes::Bytes;
use haechi_core::TicketKind;
use http::{Method, Response};

use crate::form::Form;
use crate::interaction::Interaction;
use crate::session::BrowserSession;
use crate::{AuthorizationServer, OAuthError, Visit};

impl AuthorizationServer {
    /// Pages for people below `/oauth/`; `None` when there is none of this address.
    pub(crate) async fn answer_page(
        &self,
        visit: &Visit<'_>,
        path: &str,
    ) -> Option<Response<Bytes>> {
        let posted = visit.head.method == Method::POST;
        let answer = match (path, posted) {
            ("sign-in", false) => self.sign_in_page(visit).await,
            ("sign-in", true) => self.signed_in(visit).await,
            ("consent", false) => self.consent_page(visit).await,
            ("consent", true) => self.consented(visit).await,
            ("second-factor", false) => self.second_factor_page(visit).await,
            ("second-factor", true) => self.second_factor_sent(visit).await,
            ("account", false) => self.account_page(visit).await,
            ("account", true) => self.account_changed(visit).await,
            ("sign-out", false) => self.sign_out_page(visit).await,
            ("sign-out", true) => self.signed_out(visit).await,
            (_, false) => return style::file(path),
            _ => return None,
        };
        Some(answer.unwrap_or_else(|error| self.error_page(visit, &error)))
    }

    /// Whether somebody who is signed in has shown all that is needed.
    pub(crate) async fn is_complete(&self, session: &BrowserSession) -> Result<bool, OAuthError> {
        Ok(self.step(Some(session), None).await? == next::Step::Done)
    }

    /// The ticket of a request, and what waits under it: `None` where there is no ticket.
    ///
    /// # Errors
    ///
    /// `interaction-gone` when it was answered, or took too long.
    pub(crate) async fn waiting(
        &self,
        form: &Form,
    ) -> Result<Option<(String, Interaction)>, OAuthError> {
        let Some(ticket) = form.one("ticket") else { return Ok(None) };
        let found = self.find_ticket(TicketKind::Interaction, ticket).await?;
        let gone = || {
            let text = "this request was answered already, or took too long; start again";
            OAuthError::request("interaction-gone", text)
        };
        Ok(Some((ticket.to_owned(), found.ok_or_else(gone)?)))
    }
}
