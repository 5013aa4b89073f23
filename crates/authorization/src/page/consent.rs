//! `/oauth/consent`: who asks, where the answer goes, and what for.

use askama::Template;
use bytes::Bytes;
use haechi_core::{StoredConsent, StoredUser};
use http::Response;

use super::answer::{Frame, Page, form_target};
use super::next::{Step, anybody_may_listen};
use crate::csrf::form_word;
use crate::error::ErrorCode;
use crate::form::Form;
use crate::interaction::{ClientKind, Interaction};
use crate::session::{BrowserSession, Cookie};
use crate::{AuthorizationServer, OAuthError, Visit};

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage {
    frame: Frame,
    client: String,
    known: String,
    warning: Option<String>,
    target: String,
    resources: Vec<String>,
    scopes: Vec<String>,
    user: String,
    word: String,
    ticket: String,
}

impl AuthorizationServer {
    /// The question, or whatever comes before it.
    pub(super) async fn consent_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let waiting = self.waiting(&Form::of_query(visit)?).await?;
        let (ticket, interaction) = waiting.ok_or_else(no_ticket)?;
        let session = self.session(visit).await?;
        let step = self.step(session.as_ref(), Some(&interaction)).await?;
        match (&session, step) {
            (Some(session), Step::Consent) => {
                Ok(self.show_consent(visit, session, &ticket, &interaction))
            }
            _ => self.go_on(visit, session.as_ref(), Some((&ticket, &interaction))).await,
        }
    }

    fn show_consent(
        &self,
        visit: &Visit<'_>,
        session: &BrowserSession,
        ticket: &str,
        interaction: &Interaction,
    ) -> Response<Bytes> {
        let frame = Frame::new(visit, "consent", Some(ticket));
        let target = form_target(&interaction.redirect_uri);
        let page = Page { targets: &target, ..Page::PLAIN };
        let template = ConsentPage {
            client: interaction.client_name.clone(),
            known: known(interaction, &frame),
            warning: warning(interaction, &frame),
            target: destination(&interaction.redirect_uri),
            resources: self.named_resources(&interaction.resources, &frame),
            scopes: interaction.scopes.iter().map(|scope| self.in_words(scope, &frame)).collect(),
            user: name_of(&session.user),
            word: form_word(&session.secret, &purpose(ticket)),
            ticket: ticket.to_owned(),
            frame,
        };
        page.show(visit, &template)
    }

    /// The answer.
    pub(super) async fn consented(&self, visit: &Visit<'_>) -> Result<Response<Bytes>, OAuthError> {
        let form = Form::of_body(visit)?;
        let ticket = form.one("ticket").unwrap_or_default();
        self.check_form(visit, &form, Cookie::Session.read(visit), &purpose(ticket))?;
        let (ticket, interaction) = self.waiting(&form).await?.ok_or_else(no_ticket)?;
        let session = self.session(visit).await?;
        let step = self.step(session.as_ref(), Some(&interaction)).await?;
        let (Some(session), Step::Consent) = (&session, step) else {
            return self.go_on(visit, session.as_ref(), Some((&ticket, &interaction))).await;
        };
        match form.one("decision") {
            Some("allow") => {
                self.keep_consent(&session.user, &interaction).await?;
                let who = session.who();
                Ok(self.approve(visit, &ticket, &interaction, &who).await)
            }
            Some("deny") => {
                let text = "the person said no";
                let error = OAuthError::new(ErrorCode::AccessDenied, "consent-denied", text);
                Ok(self.deny(visit, &ticket, &interaction, error).await)
            }
            _ => Err(OAuthError::request("decision", "`decision` is `allow` or `deny`")),
        }
    }

    async fn keep_consent(
        &self,
        user: &StoredUser,
        interaction: &Interaction,
    ) -> Result<(), OAuthError> {
        for resource in &interaction.resources {
            let consent = StoredConsent {
                user_id: user.user_id.clone(),
                client_id: interaction.client_id.clone(),
                resource: resource.clone(),
                scopes: interaction.scopes.clone(),
                redirect_uri: interaction.redirect_uri.clone(),
                granted_at: self.now(),
            };
            self.stores.consents.keep(consent).await?;
        }
        Ok(())
    }

    /// What people call these resources, each once, sorted. Where all of them together are named,
    /// nobody need read them one by one.
    pub(super) fn named_resources(&self, uris: &[String], frame: &Frame) -> Vec<String> {
        let offered = self.resources();
        let known = |uri: &String| offered.iter().find(|known| known.uris.contains(uri));
        let name = |uri: &String| known(uri).map_or_else(|| uri.clone(), |it| it.name.clone());
        let mut names: Vec<String> = uris.iter().map(name).collect();
        names.sort();
        names.dedup();
        if names.first().is_some_and(String::is_empty) {
            return vec![frame.say("All servers behind this gateway", "이 게이트웨이의 모든 서버")];
        }
        names
    }

    /// A scope in words: of the settings, of the standards, or its name.
    pub(super) fn in_words(&self, scope: &str, frame: &Frame) -> String {
        let known = self.config.scopes.iter().find(|known| known.name == scope);
        if let Some(known) = known {
            let name = || known.name.clone();
            let english = || known.english.clone().unwrap_or_else(name);
            let korean = || known.korean.clone().unwrap_or_else(english);
            return frame.language.choose(english(), korean());
        }
        let (english, korean) = match scope {
            "openid" => ("Know who you are", "회원님이 누구인지 확인"),
            "profile" => ("See your name and username", "이름과 사용자 이름 보기"),
            "email" => ("See your e-mail address", "이메일 주소 보기"),
            "offline_access" => (
                "Stay connected when you are away, until you take it back",
                "철회할 때까지 자리를 비운 동안에도 연결 유지",
            ),
            other => return other.to_owned(),
        };
        frame.say(english, korean)
    }
}

fn no_ticket() -> OAuthError {
    OAuthError::request("interaction-missing", "nothing waits for consent here")
}

fn purpose(ticket: &str) -> String {
    format!("consent {ticket}")
}

/// The name people know somebody by, and the one typed at sign-in.
pub(super) fn name_of(user: &StoredUser) -> String {
    match &user.display_name {
        Some(name) => format!("{name} ({})", user.username),
        None => user.username.clone(),
    }
}

/// How a client is known, with the host that stands for it.
fn known(interaction: &Interaction, frame: &Frame) -> String {
    let host = host_of(&interaction.client_id);
    match interaction.client_kind {
        ClientKind::Registered => {
            frame.say("Entered by the operator of this server", "이 서버의 운영자가 등록함")
        }
        ClientKind::Document => {
            let host = host.unwrap_or_default();
            frame.say(&format!("By a document at {host}"), &format!("{host}에 있는 문서로 확인"))
        }
        ClientKind::Dynamic => {
            frame.say("It registered itself; nobody checked it", "스스로 등록했으며 확인되지 않음")
        }
    }
}

/// What a person should think about before saying yes.
fn warning(interaction: &Interaction, frame: &Frame) -> Option<String> {
    let itself = interaction.client_kind == ClientKind::Dynamic;
    let listening = anybody_may_listen(&interaction.redirect_uri);
    let (english, korean) = match (itself, listening) {
        (true, true) => (
            "This program named itself, and any program on your computer can pose as it. Allow this only if you started it yourself just now.",
            "이 프로그램의 이름은 스스로 정한 것이며, 컴퓨터의 다른 프로그램이 사칭할 수 있습니다. 방금 직접 시작한 경우에만 허용하세요.",
        ),
        (true, false) => (
            "This program named itself, and nobody checked the name. Look at where the answer goes.",
            "이 프로그램의 이름은 스스로 정한 것이며 확인되지 않았습니다. 응답을 받는 곳을 확인하세요.",
        ),
        (false, true) => (
            "The answer goes to a program on this computer. Allow this only if you started it yourself just now.",
            "응답은 이 컴퓨터의 프로그램으로 전달됩니다. 방금 직접 시작한 경우에만 허용하세요.",
        ),
        (false, false) => return None,
    };
    Some(frame.say(english, korean))
}

/// Where an answer goes, as people read it: the host, or the scheme of a program.
fn destination(redirect_uri: &str) -> String {
    let Ok(address) = url::Url::parse(redirect_uri) else { return redirect_uri.to_owned() };
    match (host_of(redirect_uri), address.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host,
        (None, _) => format!("{}:", address.scheme()),
    }
}

/// The host of an address, in ASCII: look-alikes of other scripts show as `xn--`.
pub(super) fn host_of(address: &str) -> Option<String> {
    url::Url::parse(address).ok()?.host().map(|host| host.to_string())
}
