//! Sign-in at other providers as a browser sees it, below `/oauth/federation/`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_client::TokenRequestError;
use haechi_core::{StoredGrant, StoredUser, TicketKind, TokenActKind};
use haechi_face::{Language, reply};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Response};

use crate::csrf::form_word;
use crate::error::ErrorCode;
use crate::federation::{Arrived, Begin, Federation, FederationError, Purpose, Word};
use crate::form::{Form, encode};
use crate::interaction::{Interaction, Prompt};
use crate::page::{not_recorded, see_other, with_cookie};
use crate::protocol::authorize::too_often;
use crate::record::{Act, Subject};
use crate::session::{BrowserSession, Cookie};
use crate::{AuthorizationServer, OAuthError, Visit};

/// What the word in a link's address is for.
const LINK: &str = "federation link";

/// Another provider to go to.
#[derive(Clone, Debug)]
pub(crate) struct ProviderLink {
    /// What people call it.
    pub(crate) name: String,
    /// Where that begins.
    pub(crate) address: String,
}

impl AuthorizationServer {
    /// Lets people sign in at other providers too.
    #[must_use]
    pub fn with_federation(mut self, federation: Arc<Federation>) -> Self {
        self.federation = Some(federation);
        self
    }

    /// Sign-in at another provider; `None` when there is nothing of this address.
    pub(crate) async fn answer_federation(
        &self,
        visit: &Visit<'_>,
        path: &str,
    ) -> Option<Response<Bytes>> {
        let federation = self.federation.as_deref()?;
        let (name, act) = path.split_once('/').unwrap_or((path, ""));
        federation.redirect_uri(name)?;
        let answer = match (&visit.head.method, act) {
            (&Method::GET, "") => self.sent_away(federation, visit, name).await,
            (&Method::GET, "callback") => self.came_back(federation, visit, name).await,
            (&Method::GET, "link") => self.link_begun(federation, visit, name).await,
            (&Method::POST, "logout") => {
                return Some(self.signed_out_there(federation, visit, name).await);
            }
            _ => return None,
        };
        Some(answer.unwrap_or_else(|error| self.error_page(visit, &error)))
    }

    async fn sent_away(
        &self,
        federation: &Federation,
        visit: &Visit<'_>,
        name: &str,
    ) -> Result<Response<Bytes>, OAuthError> {
        if !self.departures.admits_from(visit.origin.address, self.now()) {
            return Err(too_often());
        }
        let waiting = self.waiting(&Form::of_query(visit)?).await?;
        let (ticket, asked) = waiting.unzip();
        let fresh = asked.as_ref().is_some_and(wants_fresh);
        let max_age = asked.as_ref().and_then(|asked| asked.max_age).map(Duration::from_secs);
        let hint = asked.as_ref().and_then(|asked| asked.login_hint.as_deref());
        let browser = self.visitor(visit)?;
        let begin = Begin {
            provider: name,
            purpose: Purpose::SignIn(ticket),
            browser: &browser,
            fresh,
            max_age,
            login_hint: hint,
            language: Some(tag(visit.language)),
        };
        self.begin_federation(federation, visit, &begin).await
    }

    /// Begins to link an account. The word in the address is of this session: no other site knows it.
    async fn link_begun(
        &self,
        federation: &Federation,
        visit: &Visit<'_>,
        name: &str,
    ) -> Result<Response<Bytes>, OAuthError> {
        let form = Form::of_query(visit)?;
        let Some(session) = self.session(visit).await? else {
            return self.go_on(visit, None, None).await;
        };
        self.check_form(visit, &form, Some(&session.secret), LINK)?;
        if !self.is_complete(&session).await? {
            return self.go_on(visit, Some(&session), None).await;
        }
        let browser = self.visitor(visit)?;
        let begin = Begin {
            provider: name,
            purpose: Purpose::Link(session.user.user_id.clone()),
            browser: &browser,
            fresh: false,
            max_age: None,
            login_hint: None,
            language: Some(tag(visit.language)),
        };
        self.begin_federation(federation, visit, &begin).await
    }

    async fn begin_federation(
        &self,
        federation: &Federation,
        visit: &Visit<'_>,
        begin: &Begin<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let begun = federation.begin(begin).await;
        let url = begun.map_err(|error| told(begin.provider, &error))?;
        let known = Cookie::Visitor.read(visit).is_some();
        let cookie = if known { None } else { Cookie::Visitor.set(visit, begin.browser) };
        Ok(with_cookie(see_other(&url), cookie))
    }

    /// The word of this browser, new where it has none.
    fn visitor(&self, visit: &Visit<'_>) -> Result<String, OAuthError> {
        Cookie::Visitor.read(visit).map_or_else(|| self.random_text(), |it| Ok(it.to_owned()))
    }

    async fn came_back(
        &self,
        federation: &Federation,
        visit: &Visit<'_>,
        name: &str,
    ) -> Result<Response<Bytes>, OAuthError> {
        let query = visit.head.uri.query().unwrap_or_default();
        let browser = Cookie::Visitor.read(visit);
        let arrived = match federation.finish(name, query, browser).await {
            Ok(arrived) => arrived,
            Err(error) => {
                let error = told(name, &error);
                let back = federation.abandoned(query, browser).await?.map(way_back);
                return Ok(self.error_page_with(visit, &error, back));
            }
        };
        match arrived.purpose.clone() {
            Purpose::SignIn(ticket) => self.comes_in(visit, arrived, ticket).await,
            Purpose::Link(user_id) => {
                let detail = vec![format!("linked:{name}")];
                self.record_change(&user_id, "user.login", "user", detail).await?;
                Ok(see_other("/oauth/account"))
            }
        }
    }

    async fn comes_in(
        &self,
        visit: &Visit<'_>,
        arrived: Arrived,
        ticket: Option<String>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let Arrived { user, methods, details, authenticated_at, .. } = arrived;
        self.record_newcomer(&user).await?;
        if !self.record_sign_in(visit, &user.user_id, None).await {
            return Err(not_recorded());
        }
        self.rooms.identity.note_sign_in(&user.user_id).await?;
        let proof = (methods, details);
        // What ended the user's tokens ended older sign-ins; this one is not among them.
        let authenticated_at = authenticated_at.max(user.not_before);
        let session = self.begin_session_since(visit, &user, proof, authenticated_at).await?;
        let waiting = match &ticket {
            None => None,
            Some(ticket) => {
                let found =
                    self.find_ticket::<Interaction>(TicketKind::Interaction, ticket).await?;
                found.map(|asked| (ticket.as_str(), asked))
            }
        };
        let waiting = waiting.as_ref().map(|(ticket, asked)| (*ticket, asked));
        let response = self.go_on(visit, Some(&session), waiting).await?;
        let response = with_cookie(response, Cookie::Session.set(visit, &session.secret));
        Ok(with_cookie(response, Cookie::Visitor.end(visit)))
    }

    /// Records a user whom a provider's word just made.
    pub(crate) async fn record_newcomer(&self, user: &StoredUser) -> Result<(), OAuthError> {
        let Some(federation) = self.federation.as_deref() else { return Ok(()) };
        if user.last_sign_in_at.is_some() {
            return Ok(());
        }
        let Some((provider, _)) = federation.home_of(user).await? else { return Ok(()) };
        let provider = format!("provider:{}", provider.config.name);
        let roles = user.roles.iter().map(|role| format!("role:{role}"));
        let detail = std::iter::once(provider).chain(roles).collect();
        self.record_change(&user.user_id, "user.add", "user", detail).await
    }

    /// The provider says that somebody signed out there (Back-Channel Logout §2.5 and §2.8).
    async fn signed_out_there(
        &self,
        federation: &Federation,
        visit: &Visit<'_>,
        name: &str,
    ) -> Response<Bytes> {
        let ended = async {
            let form = Form::of_body(visit)?;
            let token = form.required("logout_token")?;
            federation.signed_out(name, token).await.map_err(|error| told(name, &error))
        };
        match ended.await {
            Ok(ended) => {
                let (sessions, grants) = (ended.sessions, ended.grants);
                tracing::info!(provider = name, sessions, grants, "signed out at a provider");
                if let Some(user_id) = &ended.user_id {
                    let detail = vec![
                        format!("provider:{name}"),
                        format!("sessions:{sessions}"),
                        format!("grants:{grants}"),
                    ];
                    let noted = self.record_change(user_id, "user.sign-out", "user", detail).await;
                    if let Err(error) = noted {
                        return self.problem(visit, &error);
                    }
                }
                let mut response = Response::new(Bytes::new());
                reply::guard_headers(&mut response);
                let no_store = HeaderValue::from_static("no-store");
                response.headers_mut().insert(CACHE_CONTROL, no_store);
                response
            }
            Err(error) => self.problem(visit, &error),
        }
    }

    /// Asks the provider of the grant's person again, where settings say so. Whom it refuses loses
    /// the grant.
    pub(crate) async fn ask_provider(
        &self,
        grant: &StoredGrant,
        grant_type: &str,
    ) -> Result<(), OAuthError> {
        let Some(federation) = self.federation.as_deref() else { return Ok(()) };
        match federation.recheck(&grant.user_id).await {
            Ok(Word::Holds) => Ok(()),
            Ok(Word::Ended) => {
                let act = Act {
                    kind: TokenActKind::Revoked,
                    subject: Subject::User(&grant.user_id),
                    client_id: &grant.client_id,
                    grant_type,
                    scopes: &grant.scopes,
                    resources: &grant.resources,
                    reason: Some("provider-refused"),
                };
                self.record(&act).await?;
                self.stores.grants.revoke(&grant.grant_id, self.now()).await?;
                let text = "the provider does not vouch for this person any more; sign in again";
                Err(OAuthError::grant("provider-refused", text))
            }
            Err(error) => {
                let _ = told("", &error);
                let text = "the person's provider cannot be asked now; try again later";
                Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, error.word(), text))
            }
        }
    }

    /// Whether people sign in with passwords here.
    pub(crate) fn has_passwords(&self) -> bool {
        self.federation.as_deref().is_none_or(Federation::has_passwords)
    }

    /// Buttons for all providers.
    pub(crate) fn provider_links(
        &self,
        ticket: Option<&str>,
        language: Language,
    ) -> Vec<ProviderLink> {
        let ticket = ticket.map(|ticket| format!("?ticket={}", encode(ticket)));
        let ticket = ticket.unwrap_or_default();
        self.links(language, |name| format!("/oauth/federation/{name}{ticket}"))
    }

    /// Links for providers at which the person has no login yet.
    pub(crate) async fn linkable(
        &self,
        session: &BrowserSession,
        language: Language,
    ) -> Result<Vec<ProviderLink>, OAuthError> {
        let Some(federation) = self.federation.as_deref() else { return Ok(Vec::new()) };
        let logins = federation.logins(&session.user.user_id).await?;
        let word = form_word(&session.secret, LINK);
        let address = |name: &str| format!("/oauth/federation/{name}/link?word={word}");
        let all = federation.providers().zip(self.links(language, address));
        let new = all.filter(|(known, _)| logins.iter().all(|(name, _)| *name != known.name));
        Ok(new.map(|(_, link)| link).collect())
    }

    fn links(&self, language: Language, address: impl Fn(&str) -> String) -> Vec<ProviderLink> {
        let Some(federation) = self.federation.as_deref() else { return Vec::new() };
        let link = |known: &crate::federation::ProviderConfig| ProviderLink {
            name: language.choose(&known.label.english, &known.label.korean),
            address: address(&known.name),
        };
        federation.providers().map(link).collect()
    }

    /// The one provider people are sent to without a page: there is nothing else to choose, and the
    /// client does not want a choice.
    pub(crate) fn only_way(
        &self,
        asked: Option<&Interaction>,
        ticket: Option<&str>,
    ) -> Option<String> {
        let choose = asked.is_some_and(|asked| asked.prompt.contains(&Prompt::SelectAccount));
        let mut links = self.provider_links(ticket, Language::English).into_iter();
        match (links.next(), links.next()) {
            (Some(only), None) if !self.has_passwords() && !choose => Some(only.address),
            _ => None,
        }
    }

    /// Where the person can sign out too, once `session` has ended here.
    pub(crate) async fn sign_out_elsewhere(
        &self,
        session: &BrowserSession,
        language: Language,
    ) -> Option<ProviderLink> {
        let federation = self.federation.as_deref()?;
        let after = format!("{}/oauth/sign-out", self.config.issuer);
        let address = federation.sign_out_address(&session.stored, &after).await?;
        let name = federation.label_of(&session.stored)?;
        Some(ProviderLink { name: language.choose(&name.english, &name.korean), address })
    }
}

/// Where somebody who did not come in by a provider can try another way.
fn way_back(purpose: Purpose) -> String {
    match purpose {
        Purpose::SignIn(Some(ticket)) => format!("/oauth/sign-in?ticket={}", encode(&ticket)),
        Purpose::SignIn(None) => "/oauth/sign-in".to_owned(),
        Purpose::Link(_) => "/oauth/account".to_owned(),
    }
}

fn wants_fresh(asked: &Interaction) -> bool {
    [Prompt::Login, Prompt::SelectAccount].iter().any(|prompt| asked.prompt.contains(prompt))
}

const fn tag(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::Korean => "ko",
    }
}

/// For the person a sentence; for the operator, in the log, why and what next.
fn told(provider: &str, error: &FederationError) -> OAuthError {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let (word, help) = (error.word(), error.help());
    tracing::warn!(provider, word, %error, cause, help, "a sign-in at a provider did not succeed");
    let code = match error {
        error if error.is_verdict() => ErrorCode::AccessDenied,
        FederationError::Busy
        | FederationError::Discovery(_)
        | FederationError::UserinfoUnavailable(_)
        | FederationError::Store(_)
        | FederationError::Sealed(_)
        | FederationError::Entropy(_)
        | FederationError::NotRecorded
        | FederationError::Token(TokenRequestError::Fetch(_)) => ErrorCode::TemporarilyUnavailable,
        _ => ErrorCode::InvalidRequest,
    };
    OAuthError::new(code, word, error.to_string())
}

/// What a person is told of a sign-in that did not succeed; by its word.
pub(crate) fn sentence(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "federation-not-allowed" | "federation-not-known" | "user-disabled" => (
            "You are signed in there, but you may not come in here. Ask whoever runs this server.",
            "그곳에는 로그인했지만 이 서버에 들어올 수 있는 권한이 없습니다. 서버 운영자에게 문의하세요.",
        ),
        "federation-refused" => (
            "The other provider did not sign you in, or you did not want it to.",
            "다른 제공자에서 로그인이 거부되었거나 취소되었습니다.",
        ),
        "federation-ended" | "federation-browser" => (
            "This sign-in was finished before, took too long, or was begun in another browser.",
            "이미 끝났거나 시간이 너무 오래 지났거나 다른 브라우저에서 시작한 로그인입니다.",
        ),
        "federation-linked-elsewhere" => (
            "That account belongs to another user here, so it was not linked.",
            "이 서버의 다른 사용자에게 연결된 계정이므로 연결하지 않았습니다.",
        ),
        word if word.starts_with("federation-")
            || word.starts_with("id-token-")
            || word.starts_with("token-") =>
        {
            (
                "What the other provider answered cannot be accepted. Ask whoever runs this server.",
                "다른 제공자의 응답을 받아들일 수 없습니다. 서버 운영자에게 문의하세요.",
            )
        }
        _ => return None,
    })
}
