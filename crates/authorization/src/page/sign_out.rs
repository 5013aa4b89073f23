//! `/oauth/sign-out`.

use askama::Template;
use bytes::Bytes;
use http::Response;

use super::answer::{Frame, Page, with_cookie};
use crate::csrf::form_word;
use crate::federation::ProviderLink;
use crate::form::Form;
use crate::session::Cookie;
use crate::{AuthorizationServer, OAuthError, Visit};

const PURPOSE: &str = "sign-out";

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOutPage {
    frame: Frame,
    word: Option<String>,
    elsewhere: Option<ProviderLink>,
}

impl AuthorizationServer {
    /// The question; another site's link signs nobody out.
    pub(super) async fn sign_out_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let session = self.session(visit).await?;
        let word = session.map(|session| form_word(&session.secret, PURPOSE));
        let frame = Frame::new(visit, "sign-out", None);
        Ok(Page::PLAIN.show(visit, &SignOutPage { frame, word, elsewhere: None }))
    }

    /// Ends the session of this browser.
    pub(super) async fn signed_out(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let form = Form::of_body(visit)?;
        self.check_form(visit, &form, Cookie::Session.read(visit), PURPOSE)?;
        let session = self.session(visit).await?;
        if let Some(session) = &session {
            self.note_own(session, "user.sign-out", "browser").await?;
        }
        self.end_session(visit).await?;
        let frame = Frame::new(visit, "sign-out", None);
        let elsewhere = match &session {
            Some(session) => self.sign_out_elsewhere(session, frame.language).await,
            None => None,
        };
        let response = Page::PLAIN.show(visit, &SignOutPage { frame, word: None, elsewhere });
        Ok(with_cookie(response, Cookie::Session.end(visit)))
    }
}
