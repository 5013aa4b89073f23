//! Who the person is, for a client that may know (OpenID Connect Core §5.3).

use bytes::Bytes;
use haechi_core::{Means, Principal};
use haechi_face::{Resource, credentials};
use haechi_identity::Audience;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::scope::OPENID;
use crate::error::ErrorCode;
use crate::{AuthorizationServer, OAuthError, Visit};

/// The path of the endpoint.
const USERINFO_PATH: &str = "/oauth/userinfo";

impl AuthorizationServer {
    /// What the scopes of an access token let its client know of the person.
    pub(crate) async fn userinfo(&self, visit: &Visit<'_>) -> Response<Bytes> {
        match self.person(visit).await {
            Ok(claims) => super::answer::json(StatusCode::OK, &claims),
            Err(error) => {
                let mut response = self.problem(visit, &error);
                let challenge = challenge(&error);
                response.headers_mut().extend(challenge.map(|it| (WWW_AUTHENTICATE, it)));
                response
            }
        }
    }

    async fn person(&self, visit: &Visit<'_>) -> Result<Value, OAuthError> {
        let token = || {
            let text = "a valid access token is needed in the header Authorization";
            OAuthError::new(ErrorCode::InvalidToken, "userinfo-token", text)
        };
        let own = Audience::of(self.endpoint("userinfo"));
        let here =
            Resource { audience: &own, path: USERINFO_PATH, scopes: &[], certificates: false };
        let presented = credentials::read(visit.head, &here).map_err(|_| token())?;
        let audience = self.every_resource();
        let principal = self.rooms.identity.authenticate(&presented, &audience).await;
        let principal = principal.map_err(|_| token())?;
        check(&principal)?;
        let user = self.stores.users.by_id(&principal.subject).await?.ok_or_else(token)?;
        let mut claims = haechi_identity::person_claims(&user, &principal.scopes);
        claims.insert("sub".to_owned(), json!(user.user_id));
        Ok(Value::Object(claims))
    }
}

/// Only a token that a person granted for OpenID Connect opens this.
fn check(principal: &Principal) -> Result<(), OAuthError> {
    let granted = principal.claims.get("grant").is_some();
    if principal.means == Means::OwnToken && granted && principal.scopes.contains(OPENID) {
        return Ok(());
    }
    let text = "this needs an access token with the scope openid";
    Err(OAuthError::new(ErrorCode::InsufficientScope, "userinfo-scope", text))
}

/// RFC 6750 §3.
fn challenge(error: &OAuthError) -> Option<HeaderValue> {
    let scope = if error.code == ErrorCode::InsufficientScope { r#", scope="openid""# } else { "" };
    let text = format!(r#"Bearer error="{}"{scope}"#, error.code.as_str());
    HeaderValue::from_str(&text).ok()
}
