//! Scopes a client asks for (RFC 6749 §3.3), and what of them it gets.

use std::collections::BTreeSet;

use crate::clients::Client;
use crate::error::ErrorCode;
use crate::{AuthorizationServer, OAuthError};

/// Says that an ID token and userinfo are wanted (OpenID Connect Core §3.1.2.1).
pub(crate) const OPENID: &str = "openid";
/// The name of the person (OpenID Connect Core §5.4).
pub(crate) const PROFILE: &str = "profile";
/// The e-mail address of the person.
pub(crate) const EMAIL: &str = "email";
/// Says that a refresh token is wanted (OpenID Connect Core §11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";
/// What everybody may ask for whatever the settings say.
pub(crate) const STANDARD: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

/// The longest `scope`, in bytes.
const MAX_SCOPE_BYTES: usize = 4096;
/// The most scopes of one request.
const MAX_SCOPES: usize = 128;

/// Reads a list of scopes. Nothing in it stands for several: `*` is a scope that nobody offers.
pub(crate) fn parse(text: &str) -> Result<BTreeSet<String>, OAuthError> {
    let malformed = || invalid("scope-malformed", "the scope is not a list of RFC 6749 names");
    if text.len() > MAX_SCOPE_BYTES {
        return Err(malformed());
    }
    let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let scopes: BTreeSet<String> =
        text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let fine = scopes.len() <= MAX_SCOPES && scopes.iter().all(|it| it.bytes().all(allowed));
    if fine { Ok(scopes) } else { Err(malformed()) }
}

/// `scope` of an answer.
pub(crate) fn written(scopes: &BTreeSet<String>) -> String {
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    scopes.join(" ")
}

pub(crate) fn invalid(word: &'static str, text: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidScope, word, text)
}

impl AuthorizationServer {
    /// Whether a scope can be asked for here.
    pub(crate) fn offers(&self, scope: &str) -> bool {
        (STANDARD.contains(&scope) && self.speaks_openid(scope))
            || self.config.scopes.iter().any(|offered| offered.name == scope)
            || self.resources().iter().any(|it| it.scopes.iter().any(|name| name == scope))
    }

    /// What of `asked` a client can get: what nobody offers is left out (RFC 6749 §3.3), and the
    /// answer says what it is for. A client that asks for nothing that there is, is refused.
    pub(crate) fn offered_scopes(
        &self,
        client: &Client,
        asked: Option<&str>,
        resources: &[String],
    ) -> Result<BTreeSet<String>, OAuthError> {
        let Some(asked) = asked else { return Ok(self.usual_scopes(client, resources)) };
        let asked = parse(asked)?;
        let may = |scope: &String| {
            self.offers(scope) && client.scopes().is_none_or(|own| own.contains(scope))
        };
        let offered: BTreeSet<String> = asked.into_iter().filter(may).collect();
        if offered.is_empty() {
            let text = "none of these scopes is offered to this client; see scopes_supported";
            return Err(invalid("scope-unknown", text));
        }
        Ok(offered)
    }

    /// What a client gets that does not say: what a newcomer at these resources should ask for.
    fn usual_scopes(&self, client: &Client, resources: &[String]) -> BTreeSet<String> {
        let offered = self.resources();
        let wanted = offered.iter().filter(|it| it.uris.iter().any(|uri| resources.contains(uri)));
        let scopes = wanted.flat_map(|it| it.scopes.iter().cloned());
        scopes.filter(|scope| client.scopes().is_none_or(|own| own.contains(scope))).collect()
    }
}

/// What of `granted` a request at the token endpoint narrows to (RFC 6749 §6): never more.
pub(crate) fn narrow(
    granted: &BTreeSet<String>,
    asked: Option<&str>,
) -> Result<BTreeSet<String>, OAuthError> {
    let Some(asked) = asked else { return Ok(granted.clone()) };
    let asked = parse(asked)?;
    if !asked.is_empty() && asked.is_subset(granted) {
        return Ok(asked);
    }
    Err(invalid("scope-exceeds-grant", "the scope is more than what was granted; ask again for it"))
}
