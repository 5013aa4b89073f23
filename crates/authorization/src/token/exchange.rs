//! One token for another (RFC 8693): a program that was called goes on in the name of its caller.
//!
//! What comes out speaks for the same person, for no more scopes and no longer, names everybody who
//! acts in between (`act`), and ends with the grant that the first token follows from.

use std::collections::BTreeSet;

use haechi_core::{Credentials, Means, Principal, Secret, StoredUser};
use haechi_identity::{Audience, AuthenticationError, Holder};
use serde_json::{Value, json};

use super::{TokenAnswer, TokenOrder, TokenRequest};
use crate::error::ErrorCode;
use crate::protocol::scope;
use crate::{AuthorizationServer, OAuthError};

/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// The most who act one for another, this client included.
const MAX_ACTORS: usize = 4;

impl AuthorizationServer {
    /// Exchanges a token.
    pub(crate) async fn exchange(
        &self,
        request: &TokenRequest<'_>,
    ) -> Result<TokenAnswer, OAuthError> {
        if request.client.is_public() {
            let text = "a client without a way to prove itself cannot exchange tokens";
            let code = ErrorCode::UnauthorizedClient;
            return Err(OAuthError::new(code, "client-public", text));
        }
        check_types(request)?;
        let targets = targets(request)?;
        let subject = self.presented(request, "subject_token").await?;
        let actor = match request.form.one("actor_token") {
            Some(_) => Some(self.actor(request).await?),
            None => None,
        };
        may_act(&subject, request, actor.as_ref())?;
        let acting = acting(&subject, request, actor.as_ref())?;
        let scopes = narrowed(&subject, request)?;
        let user = self.person_behind(&subject).await?;
        let now = self.now();
        let ends_at = [Some(&subject), actor.as_ref()].into_iter().flatten();
        let ends_at = ends_at.filter_map(|it| it.expires_at).min().unwrap_or(now);
        // What another issuer calls a grant is none of ours.
        let own = subject.means == Means::OwnToken;
        let grant_id = subject.claims.get("grant").and_then(Value::as_str).filter(|_| own);
        let methods = methods(&subject);
        let binding = self.binding(request).await?;
        let order = TokenOrder {
            holder: Holder::User(&user),
            scopes: &scopes,
            resources: &targets,
            grant_id,
            authenticated_at: subject.authenticated_at,
            methods: &methods,
            binding: &binding,
            actor: Some(&acting),
            lifetime: ends_at.since(now),
        };
        let access = self.issue(request, &order).await?;
        Ok(TokenAnswer {
            access,
            bound_to_key: binding.key.is_some(),
            scopes: scopes.clone(),
            refresh: None,
            id_token: None,
            issued_token_type: Some(ACCESS_TOKEN),
        })
    }

    /// Who is behind a token in the form: one that this server, or an issuer of the settings, vouches
    /// for, and that is good here at this moment. One that is bound to a key stays with its key.
    async fn presented(
        &self,
        request: &TokenRequest<'_>,
        name: &'static str,
    ) -> Result<Principal, OAuthError> {
        let token = Secret::from(request.form.required(name)?.to_owned());
        let offered = self.resources();
        let own = offered.iter().flat_map(|it| it.uris.iter());
        let resources = own.chain(request.client.exchange_audiences()).chain([&self.config.issuer]);
        let audience = Audience { resources: resources.cloned().collect(), ..Audience::default() };
        let credentials = Credentials::Bearer(token);
        let principal = self.rooms.identity.authenticate(&credentials, &audience).await;
        let principal = principal.map_err(|error| refused(&error, name))?;
        let foreign = || self.config.exchange_issuers.iter().any(|it| **it == *principal.issuer);
        let taken = match principal.means {
            Means::OwnToken => true,
            Means::ForeignToken => foreign(),
            _ => false,
        };
        let text = format!("`{name}` is of an issuer whose tokens are not exchanged here");
        if taken { Ok(principal) } else { Err(OAuthError::request("exchange-issuer", text)) }
    }

    /// Who acts, by a token that was issued to the client that presents it.
    async fn actor(&self, request: &TokenRequest<'_>) -> Result<Principal, OAuthError> {
        let actor = self.presented(request, "actor_token").await?;
        if actor.client_id.as_deref() == Some(request.client.id()) {
            return Ok(actor);
        }
        let text = "`actor_token` was issued to another client";
        Err(OAuthError::request("actor-client", text))
    }

    /// The own user whom a token speaks for.
    async fn person_behind(&self, subject: &Principal) -> Result<StoredUser, OAuthError> {
        if subject.means == Means::ForeignToken {
            return self.person_of(&subject.issuer, &subject.subject, &subject.claims).await;
        }
        if subject.client_id.as_deref() == Some(&*subject.subject) {
            let text = "`subject_token` speaks for no person";
            return Err(OAuthError::request("exchange-no-person", text));
        }
        self.standing_user(&subject.subject).await
    }
}

/// RFC 8693 §2.1: only access tokens go in, and only they come out.
fn check_types(request: &TokenRequest<'_>) -> Result<(), OAuthError> {
    let form = request.form;
    let is_taken = |kind: &str| kind == ACCESS_TOKEN || kind == JWT;
    let text = "only access tokens are exchanged, for access tokens; see RFC 8693 section 3";
    let wrong = || Err(OAuthError::request("exchange-type", text));
    if !is_taken(form.required("subject_token_type")?) {
        return wrong();
    }
    match (form.one("actor_token"), form.one("actor_token_type")) {
        (None, None) => {}
        (Some(_), Some(kind)) if is_taken(kind) => {}
        _ => return wrong(),
    }
    if form.one("requested_token_type").is_none_or(|kind| kind == ACCESS_TOKEN) {
        return Ok(());
    }
    wrong()
}

/// For whom the new token is: what the operator allows this client, and nothing else.
fn targets(request: &TokenRequest<'_>) -> Result<Vec<String>, OAuthError> {
    let allowed = request.client.exchange_audiences();
    let named = request.form.all("resource").chain(request.form.all("audience"));
    let named: BTreeSet<&str> = named.collect();
    let wrong = |word, text: &'static str| OAuthError::new(ErrorCode::InvalidTarget, word, text);
    if !named.iter().all(|name| allowed.contains(*name)) {
        let text = "this client may not exchange tokens for this audience; ask the operator";
        return Err(wrong("exchange-audience", text));
    }
    match (named.is_empty(), allowed.len()) {
        (false, _) => Ok(named.into_iter().map(str::to_owned).collect()),
        (true, 1) => Ok(allowed.iter().cloned().collect()),
        (true, _) => {
            let text = "name by `resource` or `audience` for whom the token is";
            Err(wrong("exchange-audience-missing", text))
        }
    }
}

/// `may_act` (RFC 8693 §4.4): where the first token says who may act, nobody else may.
fn may_act(
    subject: &Principal,
    request: &TokenRequest<'_>,
    actor: Option<&Principal>,
) -> Result<(), OAuthError> {
    let Some(named) = subject.claims.get("may_act") else { return Ok(()) };
    let text = |name: &str| named.get(name).map(|value| value.as_str().unwrap_or_default());
    let acts = actor.map_or(request.client.id(), |actor| &*actor.subject);
    let by_subject = text("sub").is_some_and(|sub| sub == acts);
    let same_issuer = text("iss").is_none_or(|iss| actor.is_some_and(|it| *it.issuer == *iss));
    let same_client = text("client_id").is_none_or(|id| id == request.client.id());
    let only_client = text("sub").is_none() && text("client_id").is_some();
    if (by_subject || only_client) && same_issuer && same_client {
        return Ok(());
    }
    let text = "the subject of the token has said who may act for it, and this client is not";
    Err(OAuthError::request("exchange-may-act", text))
}

/// `act` (RFC 8693 §4.1): who acts now, with everybody who acted before inside.
fn acting(
    subject: &Principal,
    request: &TokenRequest<'_>,
    actor: Option<&Principal>,
) -> Result<Value, OAuthError> {
    let before = subject.claims.get("act");
    let mut depth = 1;
    let mut link = before;
    while let Some(acted) = link {
        depth += 1;
        if depth > MAX_ACTORS || !acted.is_object() {
            let text = "too many act for one another already; start again with the person's token";
            return Err(OAuthError::request("exchange-depth", text));
        }
        link = acted.get("act");
    }
    let mut act = match actor {
        Some(actor) => json!({ "sub": *actor.subject, "iss": *actor.issuer }),
        None => json!({ "sub": request.client.id() }),
    };
    if let (Some(act), Some(before)) = (act.as_object_mut(), before) {
        act.insert("act".to_owned(), before.clone());
    }
    Ok(act)
}

/// What of the first token's scopes the second has: what is asked for of them, and of them what the
/// client is registered for. A token that says nothing of scopes gives none.
fn narrowed(
    subject: &Principal,
    request: &TokenRequest<'_>,
) -> Result<BTreeSet<String>, OAuthError> {
    let stated = subject.claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    let stated = scope::parse(stated)?;
    let mut scopes = match request.form.one("scope") {
        None => stated,
        asked => scope::narrow(&subject.scopes, asked)?,
    };
    let before = scopes.len();
    scopes.retain(|scope| request.client.scopes().is_none_or(|own| own.contains(scope)));
    // Nothing left of something must not become a token that nothing narrows.
    if scopes.is_empty() && before > 0 {
        let text = "nothing of the token's scope is offered to this client";
        return Err(scope::invalid("exchange-scope", text));
    }
    Ok(scopes)
}

/// `amr` of the first token.
fn methods(subject: &Principal) -> Vec<String> {
    let stated = subject.claims.get("amr").and_then(Value::as_array);
    stated.into_iter().flatten().filter_map(Value::as_str).take(8).map(str::to_owned).collect()
}

/// RFC 8693 §2.2.2 has one code for every flaw of the tokens that go in.
fn refused(error: &AuthenticationError, name: &'static str) -> OAuthError {
    match error {
        AuthenticationError::Unavailable(_)
        | AuthenticationError::IssuerUnavailable(_)
        | AuthenticationError::Unnamed(_) => OAuthError::unavailable(error.word()),
        _ => OAuthError::request(error.word(), format!("`{name}` is not accepted: {error}")),
    }
}
