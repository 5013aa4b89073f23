//! Passkeys (Web Authentication): the questions a browser answers by the script of this page.

use std::time::Duration;

use bytes::Bytes;
use haechi_core::{Secret, TicketKind};
use haechi_identity::{PasskeyQuestion, SecondFactorError};
use http::Response;
use serde::{Deserialize, Serialize};

use super::second_factor::Scene;
use crate::form::Form;
use crate::session::BrowserSession;
use crate::ticket::TakenTicket;
use crate::{AuthorizationServer, OAuthError, Visit};

/// How long a person may take with the device.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// A question for the script, as JSON, and the ticket under which its answer is checked.
pub(super) type Question = (String, String);

/// What a ticket of kind passkey stands for.
#[derive(Serialize, Deserialize)]
struct Asked {
    user_id: String,
    expected: String,
}

impl AuthorizationServer {
    /// What to ask for a passkey the person has; `None` when it has none.
    pub(super) async fn passkey_question(
        &self,
        session: &BrowserSession,
    ) -> Result<Option<Question>, OAuthError> {
        let user_id = &session.user.user_id;
        let asked = self.factors().ask_passkey(&self.config.issuer, user_id).await?;
        self.kept(session, asked).await
    }

    /// What to ask for a new passkey; `None` where none can be made.
    pub(super) async fn passkey_offer(
        &self,
        session: &BrowserSession,
    ) -> Result<Option<Question>, OAuthError> {
        let asked = self.factors().offer_passkey(&self.config.issuer, &session.user).await?;
        self.kept(session, asked).await
    }

    async fn kept(
        &self,
        session: &BrowserSession,
        asked: Option<PasskeyQuestion>,
    ) -> Result<Option<Question>, OAuthError> {
        let Some(PasskeyQuestion { options, expected }) = asked else { return Ok(None) };
        let user_id = session.user.user_id.clone();
        // Whoever is asked too often still has codes.
        if !self.questions.admits(&user_id, self.now()) {
            return Ok(None);
        }
        let expected = expected.expose_str().unwrap_or_default().to_owned();
        let asked = Asked { user_id, expected };
        let ticket = self.add_ticket(TicketKind::Passkey, &asked, PATIENCE).await?;
        Ok(Some((options, ticket)))
    }

    /// What the answer is held to; each question takes one answer, of whom it was asked.
    async fn expected(
        &self,
        scene: &Scene<'_>,
        form: &Form,
    ) -> Result<Result<Secret, SecondFactorError>, OAuthError> {
        let taken: TakenTicket<Asked> =
            self.take_ticket(TicketKind::Passkey, form.required("challenge")?).await?;
        Ok(match taken {
            TakenTicket::Now(asked) if asked.user_id == scene.session.user.user_id => {
                Ok(asked.expected.into())
            }
            _ => Err(SecondFactorError::WrongPasskey),
        })
    }

    /// Checks an answer with a passkey.
    pub(super) async fn passkey_sent(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        let (issuer, user_id) = (&self.config.issuer, &scene.session.user.user_id);
        let answer = form.one("answer").unwrap_or_default();
        let checked = match self.expected(scene, form).await? {
            Ok(expected) => self.factors().check_passkey(issuer, user_id, &expected, answer).await,
            Err(error) => Err(error),
        };
        match checked {
            Ok(()) => self.proved(visit, scene, "pop").await,
            Err(error) => self.code_refused(visit, scene, &error).await,
        }
    }

    /// Keeps a new passkey.
    pub(super) async fn new_passkey_sent(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        let (issuer, user_id) = (&self.config.issuer, &scene.session.user.user_id);
        let answer = form.one("answer").unwrap_or_default();
        let added = match self.expected(scene, form).await? {
            Ok(expected) => self.factors().add_passkey(issuer, user_id, &expected, answer).await,
            Err(error) => Err(error),
        };
        match added {
            Ok(()) => self.factor_made(visit, scene, "pop").await,
            Err(error) => self.show_new_factor(visit, scene, None, Some(&error)).await,
        }
    }
}
