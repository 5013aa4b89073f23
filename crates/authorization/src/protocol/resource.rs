//! For what a token is (RFC 8707).

use crate::error::ErrorCode;
use crate::form::Form;
use crate::{AuthorizationServer, OAuthError};

fn invalid(word: &'static str, text: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidTarget, word, text)
}

impl AuthorizationServer {
    /// The resources a request names: each an address of ours, exactly. One that names none is for
    /// all upstreams together where there is such an address, or for the only one.
    pub(crate) fn asked_resources(&self, form: &Form) -> Result<Vec<String>, OAuthError> {
        let mut asked: Vec<String> = form.all("resource").map(str::to_owned).collect();
        asked.sort();
        asked.dedup();
        let resources = self.resources();
        let known = |uri: &String| resources.iter().any(|it| it.uris.contains(uri));
        if !asked.iter().all(known) {
            let text = "`resource` is no address of this server; read its resource metadata";
            return Err(invalid("resource-unknown", text));
        }
        if asked.is_empty() { self.usual_resource().map(|uri| vec![uri]) } else { Ok(asked) }
    }

    fn usual_resource(&self) -> Result<String, OAuthError> {
        let offered = self.resources();
        let together = offered.iter().find(|it| it.name.is_empty());
        let only = if let [only] = offered.as_slice() { Some(only) } else { None };
        let uri = together.or(only).and_then(|it| it.uris.first());
        uri.cloned().ok_or_else(|| {
            invalid("resource-missing", "name the address the token is for by `resource`")
        })
    }
}

/// What of `granted` a request at the token endpoint narrows to (RFC 8707 §2.2): never more.
pub(crate) fn narrow(granted: &[String], form: &Form) -> Result<Vec<String>, OAuthError> {
    let asked: Vec<String> = form.all("resource").map(str::to_owned).collect();
    if asked.is_empty() {
        return Ok(granted.to_vec());
    }
    if asked.iter().all(|uri| granted.contains(uri)) {
        return Ok(asked);
    }
    Err(invalid("resource-exceeds-grant", "`resource` is not among what was granted"))
}
