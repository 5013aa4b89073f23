//! `/oauth/sign-in`: username and password.

use askama::Template;
use bytes::Bytes;
use haechi_core::{Event, Secret, SignIn};
use haechi_face::language;
use haechi_identity::{SignInAttempt, SignInError};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use super::answer::{Frame, Page, form_target, see_other, with_cookie};
use crate::csrf::form_word;
use crate::error::ErrorCode;
use crate::federation::ProviderLink;
use crate::form::Form;
use crate::interaction::Interaction;
use crate::session::Cookie;
use crate::{AuthorizationServer, OAuthError, Visit};

/// Longer hints are not shown.
const MAX_HINT_CHARS: usize = 128;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    error: Option<String>,
    client: Option<String>,
    word: String,
    ticket: Option<String>,
    username: String,
    providers: Vec<ProviderLink>,
    passwords: bool,
}

/// What a form is shown with.
struct Shown<'a> {
    waiting: Option<(&'a str, &'a Interaction)>,
    username: &'a str,
    error: Option<&'a SignInError>,
}

impl AuthorizationServer {
    /// The form.
    pub(super) async fn sign_in_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let waiting = self.waiting(&Form::of_query(visit)?).await?;
        let waiting = waiting.as_ref().map(|(ticket, asked)| (ticket.as_str(), asked));
        let (ticket, asked) = waiting.unzip();
        if let Some(address) = self.only_way(asked, ticket) {
            return Ok(see_other(&address));
        }
        let hint = waiting.and_then(|(_, asked)| asked.login_hint.as_deref()).unwrap_or_default();
        let username = if hint.chars().count() <= MAX_HINT_CHARS { hint } else { "" };
        self.show_sign_in(visit, &Shown { waiting, username, error: None })
    }

    fn show_sign_in(
        &self,
        visit: &Visit<'_>,
        shown: &Shown<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let known = Cookie::Visitor.read(visit);
        let visitor = known.map_or_else(|| self.random_text(), |known| Ok(known.to_owned()))?;
        let ticket = shown.waiting.map(|(ticket, _)| ticket);
        let frame = Frame::new(visit, "sign-in", ticket);
        let target = shown.waiting.map(|(_, asked)| form_target(&asked.redirect_uri));
        let status = match shown.error {
            Some(SignInError::Throttled { .. } | SignInError::Busy { .. }) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Some(_) => StatusCode::UNAUTHORIZED,
            None => StatusCode::OK,
        };
        let page = Page { status, targets: target.as_deref().unwrap_or_default(), script: false };
        let template = SignInPage {
            error: shown.error.map(|error| sentence(error, &frame)),
            client: shown.waiting.map(|(_, asked)| asked.client_name.clone()),
            word: form_word(&visitor, &purpose(ticket)),
            ticket: ticket.map(str::to_owned),
            username: shown.username.to_owned(),
            providers: self.provider_links(ticket, frame.language),
            passwords: self.has_passwords(),
            frame,
        };
        let mut response = page.show(visit, &template);
        if let Some(SignInError::Throttled { retry_after } | SignInError::Busy { retry_after }) =
            shown.error
        {
            let secs = HeaderValue::from(retry_after.as_secs().max(1));
            response.headers_mut().insert(RETRY_AFTER, secs);
        }
        let fresh = known.is_none().then(|| Cookie::Visitor.set(visit, &visitor)).flatten();
        Ok(with_cookie(response, fresh))
    }

    /// Checks what was typed and goes on.
    pub(super) async fn signed_in(&self, visit: &Visit<'_>) -> Result<Response<Bytes>, OAuthError> {
        let form = Form::of_body(visit)?;
        if !self.has_passwords() {
            let text = "nobody signs in with a password here; choose a provider";
            return Err(OAuthError::new(ErrorCode::AccessDenied, "password-off", text));
        }
        let ticket = form.one("ticket");
        self.check_form(visit, &form, Cookie::Visitor.read(visit), &purpose(ticket))?;
        let waiting = self.waiting(&form).await?;
        let waiting = waiting.as_ref().map(|(ticket, asked)| (ticket.as_str(), asked));
        let username = form.one("username").unwrap_or_default();
        let password = Secret::from(form.one("password").unwrap_or_default().to_owned());
        let address = visit.origin.address;
        let attempt = SignInAttempt {
            username,
            password: &password,
            audiences: &[],
            address,
            client_id: None,
        };
        let user = match self.rooms.identity.check_password(&attempt).await {
            Ok(user) => user,
            Err(error) => {
                self.rooms.guard.count_refusal(visit.origin, error.word());
                if let SignInError::UserDisabled { user_id } = &error {
                    self.record_sign_in(visit, user_id, Some("user-disabled")).await;
                }
                return self.show_sign_in(visit, &Shown { waiting, username, error: Some(&error) });
            }
        };
        if !self.record_sign_in(visit, &user.user_id, None).await {
            return Err(not_recorded());
        }
        self.rooms.identity.note_sign_in(&user.user_id).await?;
        let methods = vec!["pwd".to_owned()];
        let session = self.begin_session(visit, &user, methods, String::new()).await?;
        let response = self.go_on(visit, Some(&session), waiting).await?;
        let response = with_cookie(response, Cookie::Session.set(visit, &session.secret));
        Ok(with_cookie(response, Cookie::Visitor.end(visit)))
    }

    /// Writes the sign-in of a person who is known. Wrong passwords are counted only: nobody fills
    /// the log from outside.
    pub(crate) async fn record_sign_in(
        &self,
        visit: &Visit<'_>,
        user_id: &str,
        reason: Option<&str>,
    ) -> bool {
        let rooms = self.rooms.guard.rooms();
        let Ok(sid) = rooms.identity.sid_of(user_id).await else { return false };
        let address = visit.origin.address.map(|address| address.to_string());
        let address =
            address.and_then(|text| rooms.sealer.seal(&sid, "address", text.as_bytes()).ok());
        let (success, reason) = (reason.is_none(), reason.map(str::to_owned));
        rooms.audit.note(Event::SignIn(SignIn { sid, success, reason, address })).await.is_ok()
    }
}

/// Nobody is signed in without a record of it.
pub(crate) fn not_recorded() -> OAuthError {
    let text = "the audit log cannot record this sign-in; nobody was signed in";
    OAuthError::new(ErrorCode::TemporarilyUnavailable, "not-recorded", text)
}

/// A form serves the request it was made for only.
fn purpose(ticket: Option<&str>) -> String {
    format!("sign-in {}", ticket.unwrap_or_default())
}

/// As a sentence: face's words begin small.
fn sentence(error: &SignInError, frame: &Frame) -> String {
    let text = language::sign_in(error, frame.language);
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
