//! Forms that only our own pages send: a word bound to the browser, and where the request says it
//! comes from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::Secret;
use http::HeaderMap;
use http::header::{HOST, ORIGIN};

use crate::error::ErrorCode;
use crate::form::Form;
use crate::{AuthorizationServer, OAuthError, Visit};

/// The word in a form: of the cookie `holder`, which is random and unknown to other sites, and of
/// what the form does.
pub(crate) fn form_word(holder: &str, purpose: &str) -> String {
    let text = format!("haechi form\0{holder}\0{purpose}");
    URL_SAFE_NO_PAD.encode(haechi_identity::sha256(text.as_bytes()))
}

impl AuthorizationServer {
    /// Whether a form was sent by our own page, in the browser that the page was made for.
    ///
    /// # Errors
    ///
    /// `access_denied`: `form-foreign` when another site sent it, `form-stale` when its word is not
    /// of this browser.
    pub(crate) fn check_form(
        &self,
        visit: &Visit<'_>,
        form: &Form,
        holder: Option<&str>,
        purpose: &str,
    ) -> Result<(), OAuthError> {
        if !self.is_own_page(&visit.head.headers) {
            let text = "this form was sent by a page of another site; open this page yourself";
            return Err(OAuthError::new(ErrorCode::AccessDenied, "form-foreign", text));
        }
        let word = holder.map(|holder| Secret::from(form_word(holder, purpose)));
        let sent = form.one("word").map(|sent| Secret::from(sent.to_owned()));
        let right = word.zip(sent).is_some_and(|(word, sent)| word.matches(&sent));
        if right {
            return Ok(());
        }
        let text = "this form is of an earlier visit, or cookies are off; go back and try again";
        Err(OAuthError::new(ErrorCode::AccessDenied, "form-stale", text))
    }

    /// What the browser itself says (Fetch §3.1, Fetch Metadata): nothing, or that it is ours.
    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
        if !matches!(site, None | Some(b"same-origin" | b"none")) {
            return false;
        }
        let Some(origin) = headers.get(ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        origin == self.config.issuer || (authority.is_some() && authority == host)
    }
}
