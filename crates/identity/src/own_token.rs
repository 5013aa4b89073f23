//! Tokens of this gateway: issued here, verified here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Means, Sid, StoredUser, Timestamp};
use serde_json::{Value, json};

use crate::issuer::{authenticated_at, scopes};
use crate::jose::{Algorithm, ClaimRules, Claims, Compact, Flaw, SigningKey, TokenError, ensure};
use crate::principal::Proved;
use crate::sign_in::IssuedToken;
use crate::standing::Standing;
use crate::{AuthenticationError, OwnTokens, ScopeHierarchy, TokenTypes};

/// Own tokens say what they are, so that nothing else is taken for one.
const TYPES: TokenTypes = TokenTypes { at_jwt: true, jwt: false, absent: false };

/// The algorithms of [`Algorithm::is_for_own_tokens`].
pub(crate) fn algorithms() -> BTreeSet<Algorithm> {
    BTreeSet::from([Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256])
}

/// An own token whose signature and claims hold. Its user, or client, was not looked at yet.
#[derive(Debug)]
pub(crate) struct OwnToken {
    pub(crate) claims: Claims,
    /// `sub`: the `user_id`, or the `client_id` of a client that acts for itself.
    pub(crate) subject: String,
    /// `iat` in milliseconds: within one second, revocation and issue must be told apart.
    pub(crate) issued_at: Timestamp,
    /// `scope`.
    pub(crate) scopes: BTreeSet<String>,
}

/// Under what rules own tokens stand.
#[derive(Debug)]
pub(crate) struct OwnRules<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audiences: &'a [String],
    pub(crate) algorithms: &'a BTreeSet<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) hierarchy: &'a ScopeHierarchy,
}

impl OwnToken {
    /// Verifies an own token at `now` against the own keys.
    pub(crate) fn verify(
        token: &Compact<'_>,
        standing: &Standing,
        rules: &OwnRules<'_>,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        let key_id = token.header.key_id.as_deref().ok_or(TokenError::Malformed(Flaw::KeyId))?;
        let keys = standing.keyring.verifying(key_id, now)?;
        let hierarchy = rules.hierarchy;
        let rules = ClaimRules {
            issuer: rules.issuer,
            audiences: rules.audiences,
            algorithms: rules.algorithms,
            types: TYPES,
            leeway: rules.leeway,
            accept_id_tokens: false,
            complete: true,
        };
        let claims = crate::jose::verify(token, keys, &rules, now)?;
        let subject = claims.all.get("sub").and_then(Value::as_str);
        let subject = subject.ok_or(TokenError::Malformed(Flaw::Subject))?.to_owned();
        let millis = claims.all.get("iat_ms").and_then(Value::as_u64).map(Timestamp);
        let issued_at = millis.ok_or(TokenError::Malformed(Flaw::Time))?;
        let agrees = claims.issued_at.map(Timestamp::as_secs) == Some(issued_at.as_secs());
        ensure(agrees, TokenError::Malformed(Flaw::Time))?; // check: iat and iat_ms agree
        let scopes = hierarchy.expand(scopes(claims.all.get("scope"))?);
        Ok(Self { claims, subject, issued_at, scopes })
    }

    /// The caller, if its user may still come in. The stored user decides about roles and names;
    /// what the token says of them is for others to read.
    pub(crate) fn admit(
        self,
        issuer: &str,
        user: StoredUser,
        sid: Sid,
        latest: Timestamp,
    ) -> Result<Proved, AuthenticationError> {
        ensure(user.enabled, AuthenticationError::UserDisabled)?; // check: user is enabled
        let ended = self.issued_at < user.not_before;
        ensure(!ended, AuthenticationError::Token(TokenError::Revoked))?; // check: user's tokens were not ended
        let claims = self.claims;
        Ok(Proved {
            client_id: claims.all.get("client_id").and_then(Value::as_str).map(str::to_owned),
            authenticated_at: authenticated_at(&claims.all, latest)?,
            credential_id: claims.token_id,
            expires_at: Some(claims.expires_at),
            claims: with_stored(&claims.all, &user),
            scopes: self.scopes,
            ..of_user(issuer, user, sid, Means::OwnToken)
        })
    }
}

/// The claims, with what the store says today of roles and names: a policy that reads claims must
/// not find a role there that was taken away since the token was issued.
fn with_stored(claims: &Value, user: &StoredUser) -> Arc<Value> {
    let mut claims = claims.clone();
    if let Some(members) = claims.as_object_mut() {
        members.insert("roles".to_owned(), json!(user.roles));
        members.insert("preferred_username".to_owned(), json!(user.username));
        members.remove("name");
        let name = user.display_name.as_ref();
        members.extend(name.map(|name| ("name".to_owned(), json!(name))));
    }
    Arc::new(claims)
}

/// A caller who is an own user.
pub(crate) fn of_user(issuer: &str, user: StoredUser, sid: Sid, means: Means) -> Proved {
    let subject = user.user_id.clone();
    Proved {
        username: Some(user.username),
        name: user.display_name,
        email: user.email,
        roles: user.roles,
        ..Proved::bare(sid, issuer, &subject, means)
    }
}

/// What a token is issued for.
#[derive(Debug)]
pub(crate) struct Issue<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audiences: &'a [String],
    pub(crate) client_id: Option<&'a str>,
    pub(crate) user: &'a StoredUser,
    pub(crate) token_id: String,
    pub(crate) signed_in_at: Timestamp,
}

/// Issues a token to a user that just signed in.
///
/// A user whose tokens were ended within this very millisecond gets one issued at the first moment
/// after: `iat_ms` never lies before the stored `not_before`.
pub(crate) fn issue(issue: Issue<'_>, own: &OwnTokens, key: &SigningKey) -> Option<IssuedToken> {
    let user = issue.user;
    let issued_at = issue.signed_in_at.max(user.not_before);
    let expires_at = Timestamp::from_secs(issued_at.after(own.lifetime).as_secs());
    let audience = match issue.audiences {
        [only] => json!(only),
        several => json!(several),
    };
    let mut claims = json!({
        "iss": issue.issuer,
        "sub": user.user_id,
        "aud": audience,
        "exp": expires_at.as_secs(),
        "iat": issued_at.as_secs(),
        "iat_ms": issued_at.as_millis(),
        "jti": issue.token_id,
        "auth_time": issue.signed_in_at.as_secs(),
        "preferred_username": user.username,
        "roles": user.roles,
    });
    let optional = [("name", user.display_name.as_deref()), ("client_id", issue.client_id)];
    for (claim, value) in optional {
        if let (Some(claims), Some(value)) = (claims.as_object_mut(), value) {
            claims.insert(claim.to_owned(), json!(value));
        }
    }
    let token = key.sign("at+jwt", &claims).ok()?;
    Some(IssuedToken {
        token: token.into(),
        token_id: issue.token_id,
        user_id: user.user_id.clone(),
        expires_in: expires_at.since(issued_at),
        expires_at,
    })
}
