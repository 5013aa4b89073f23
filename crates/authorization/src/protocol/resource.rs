//! For what a token is (RFC 8707).

use crate::error::ErrorCode;
use crate::form::Form;
use crate::{AuthorizationServer, OAuthError, OfferedResource};

/// The most resources that a token is for whose client named none; as many as one can name.
const MAX_USUAL: usize = 16;

fn invalid(word: &'static str, text: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidTarget, word, text)
}

impl AuthorizationServer {
    /// The resources a request names: each an address of ours, exactly. One that names none is for
    /// what [`Self::usual_resources`] says.
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
        if asked.is_empty() { self.usual_resources() } else { Ok(asked) }
    }

    /// For a client that does not say which address it calls, as those of 2025-03-26 cannot: for all
    /// upstreams together where there is such an address, and then, unless they are too many, for
    /// each by its own; or for the only one.
    fn usual_resources(&self) -> Result<Vec<String>, OAuthError> {
        let offered = self.resources();
        let first = |it: &OfferedResource| it.uris.first().cloned();
        let together = offered.iter().find(|it| it.name.is_empty());
        let usual: Vec<String> = match (together, offered.as_slice()) {
            (Some(_), all) if all.len() <= MAX_USUAL => all.iter().filter_map(first).collect(),
            (Some(together), _) => first(together).into_iter().collect(),
            (None, [only]) => first(only).into_iter().collect(),
            (None, _) => Vec::new(),
        };
        if usual.is_empty() {
            let text = "name the address the token is for by `resource`";
            return Err(invalid("resource-missing", text));
        }
        Ok(usual)
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
