//! `/oauth/authorize`: a client sends a person here (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use haechi_core::TicketKind;
use http::{Method, Response};

use crate::clients::{Client, GrantType};
use crate::error::ErrorCode;
use crate::form::Form;
use crate::interaction::{Interaction, Prompt};
use crate::{AuthorizationServer, OAuthError, Visit};

/// How long a person may take to sign in and consent.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The longest `state` or `nonce`, in bytes.
const MAX_ECHOED_BYTES: usize = 2048;
/// The longest `login_hint`, in bytes.
const MAX_HINT_BYTES: usize = 256;
/// A SHA-256 as base64url.
const DIGEST_CHARS: usize = 43;

/// Where an answer may go: the client and its redirection are proved to belong together.
struct Answerable {
    client: Client,
    redirect_uri: String,
}

impl AuthorizationServer {
    /// Takes a client's request, and goes on with the person before the browser.
    ///
    /// Until client and redirection are known to belong together, what is wrong is told on a page:
    /// nobody is sent to an address a stranger wrote (RFC 9700 §4.11).
    pub(crate) async fn authorize(&self, visit: &Visit<'_>) -> Response<Bytes> {
        let form = if visit.head.method == Method::POST {
            Form::of_body(visit)
        } else {
            Form::of_query(visit)
        };
        let form = match form {
            Ok(form) => form,
            Err(error) => return self.error_page(visit, &error),
        };
        let answerable = match self.answerable(&form).await {
            Ok(answerable) => answerable,
            Err(error) => return self.error_page(visit, &error),
        };
        let state = form.one("state").filter(|state| state.len() <= MAX_ECHOED_BYTES);
        let interaction = match self.interaction(&form, &answerable) {
            Ok(interaction) => interaction,
            Err(error) => return self.refuse(visit, &answerable.redirect_uri, state, &error),
        };
        if !self.requests.admits_from(visit.origin.address, self.now()) {
            return self.refuse(visit, &answerable.redirect_uri, state, &too_often());
        }
        match self.add_ticket(TicketKind::Interaction, &interaction, PATIENCE).await {
            Ok(ticket) => self.ask(visit, &ticket, &interaction).await,
            Err(error) => self.refuse(visit, &answerable.redirect_uri, state, &error),
        }
    }

    async fn answerable(&self, form: &Form) -> Result<Answerable, OAuthError> {
        let client = self.client(form.required("client_id")?).await?;
        let redirect_uri = form.required("redirect_uri")?;
        if !client.admits_redirect(redirect_uri) {
            let text = "the address for the answer is none that the client has registered";
            return Err(OAuthError::request("redirect-unknown", text));
        }
        Ok(Answerable { client, redirect_uri: redirect_uri.to_owned() })
    }

    fn interaction(&self, form: &Form, answerable: &Answerable) -> Result<Interaction, OAuthError> {
        let Answerable { client, redirect_uri } = answerable;
        check_kind(form, client)?;
        let resources = self.asked_resources(form)?;
        Ok(Interaction {
            client_id: client.id().to_owned(),
            client_name: client.name().to_owned(),
            client_kind: client.kind(),
            redirect_uri: redirect_uri.clone(),
            state: echoed(form, "state")?,
            scopes: self.offered_scopes(client, form.one("scope"), &resources)?,
            resources,
            code_challenge: code_challenge(form)?,
            nonce: echoed(form, "nonce")?,
            prompt: prompt(form)?,
            max_age: max_age(form)?,
            dpop_thumbprint: thumbprint(form)?,
            login_hint: login_hint(form),
            asked_at: self.now().as_secs(),
        })
    }

    /// Ends an interaction with a no, which goes to the client.
    pub(crate) async fn deny(
        &self,
        visit: &Visit<'_>,
        ticket: &str,
        interaction: &Interaction,
        error: OAuthError,
    ) -> Response<Bytes> {
        if let Err(error) = self.take_ticket::<Interaction>(TicketKind::Interaction, ticket).await {
            return self.error_page(visit, &error);
        }
        self.refuse(visit, &interaction.redirect_uri, interaction.state.as_deref(), &error)
    }

    /// Tells a client no, by its own redirection (RFC 6749 §4.1.2.1, RFC 9207 §2).
    fn refuse(
        &self,
        visit: &Visit<'_>,
        redirect_uri: &str,
        state: Option<&str>,
        error: &OAuthError,
    ) -> Response<Bytes> {
        self.rooms.guard.count_refusal(visit.origin, error.word);
        let description = error.description();
        let mut parameters =
            vec![("error", error.code.as_str()), ("error_description", &*description)];
        self.send_back(visit, redirect_uri, state, &mut parameters)
    }

    /// Sends the browser back to the client, with `state` and `iss`.
    pub(crate) fn send_back<'a>(
        &'a self,
        visit: &Visit<'_>,
        redirect_uri: &str,
        state: Option<&'a str>,
        parameters: &mut Vec<(&'a str, &'a str)>,
    ) -> Response<Bytes> {
        parameters.extend(state.map(|state| ("state", state)));
        parameters.push(("iss", &self.config.issuer));
        super::answer::redirect(redirect_uri, parameters)
            .unwrap_or_else(|| self.error_page(visit, &OAuthError::failed("redirect-unwritable")))
    }
}

/// What waits for a person is bounded for all together, so nobody may begin very much.
pub(crate) fn too_often() -> OAuthError {
    let text = "too many requests come from this address; try again in a minute";
    OAuthError::new(ErrorCode::TemporarilyUnavailable, "authorize-often", text)
}

/// Only codes are given, and only in a query.
fn check_kind(form: &Form, client: &Client) -> Result<(), OAuthError> {
    let refused = |code, word, text: &'static str| Err(OAuthError::new(code, word, text));
    if form.one("request").is_some() {
        let text = "request objects are not read here; send the parameters themselves";
        return refused(ErrorCode::RequestNotSupported, "request-object", text);
    }
    if form.one("request_uri").is_some() {
        let text = "request objects are not read here; send the parameters themselves";
        return refused(ErrorCode::RequestUriNotSupported, "request-uri", text);
    }
    if form.required("response_type")? != "code" {
        let text = "only response_type=code is answered; tokens never travel in an address";
        return refused(ErrorCode::UnsupportedResponseType, "response-type", text);
    }
    if form.one("response_mode").is_some_and(|mode| mode != "query") {
        let text = "only response_mode=query is answered";
        return refused(ErrorCode::InvalidRequest, "response-mode", text);
    }
    if !client.may(GrantType::AuthorizationCode) {
        let text = "this client is not registered for authorization_code";
        return refused(ErrorCode::UnauthorizedClient, "grant-not-registered", text);
    }
    Ok(())
}

fn echoed(form: &Form, name: &'static str) -> Result<Option<String>, OAuthError> {
    let Some(value) = form.one(name) else { return Ok(None) };
    if value.len() > MAX_ECHOED_BYTES {
        let text = format!("`{name}` is longer than {MAX_ECHOED_BYTES} bytes");
        return Err(OAuthError::request("parameter-too-long", text));
    }
    Ok(Some(value.to_owned()))
}

/// PKCE is for every client, by SHA-256 (RFC 7636 §4.3; `plain` protects nobody).
fn code_challenge(form: &Form) -> Result<String, OAuthError> {
    let Some(challenge) = form.one("code_challenge") else {
        let text = "PKCE is needed: send code_challenge and code_challenge_method=S256";
        return Err(OAuthError::request("pkce-missing", text));
    };
    if form.one("code_challenge_method") != Some("S256") {
        let text = "send code_challenge_method=S256; no other is accepted";
        return Err(OAuthError::request("pkce-method", text));
    }
    if !is_digest(challenge) {
        let text = "code_challenge is not a SHA-256 in base64url";
        return Err(OAuthError::request("pkce-malformed", text));
    }
    Ok(challenge.to_owned())
}

fn thumbprint(form: &Form) -> Result<Option<String>, OAuthError> {
    match form.one("dpop_jkt") {
        Some(thumbprint) if !is_digest(thumbprint) => {
            let text = "dpop_jkt is not a SHA-256 thumbprint in base64url";
            Err(OAuthError::request("dpop-thumbprint", text))
        }
        thumbprint => Ok(thumbprint.map(str::to_owned)),
    }
}

fn is_digest(text: &str) -> bool {
    let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() == DIGEST_CHARS && text.bytes().all(base64url)
}

fn prompt(form: &Form) -> Result<BTreeSet<Prompt>, OAuthError> {
    let words = form.one("prompt").unwrap_or_default().split(' ').filter(|it| !it.is_empty());
    let mut prompts = BTreeSet::new();
    for word in words {
        prompts.insert(match word {
            "none" => Prompt::None,
            "login" => Prompt::Login,
            "consent" => Prompt::Consent,
            "select_account" => Prompt::SelectAccount,
            _ => return Err(OAuthError::request("prompt-unknown", "`prompt` has an unknown word")),
        });
    }
    if prompts.contains(&Prompt::None) && prompts.len() > 1 {
        let text = "prompt=none cannot stand beside another";
        return Err(OAuthError::request("prompt-contradiction", text));
    }
    Ok(prompts)
}

fn max_age(form: &Form) -> Result<Option<u64>, OAuthError> {
    let malformed = || OAuthError::request("max-age", "`max_age` is not a number of seconds");
    form.one("max_age").map(|text| text.parse().map_err(|_| malformed())).transpose()
}

/// A hint that nobody could have as a name is none.
fn login_hint(form: &Form) -> Option<String> {
    let hint = form.one("login_hint").filter(|hint| hint.len() <= MAX_HINT_BYTES);
    hint.map(str::to_owned)
}
