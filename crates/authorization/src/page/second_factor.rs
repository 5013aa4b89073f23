//! `/oauth/second-factor`: shows the second factor, or makes one.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use haechi_core::{FactorKind, Secret};
use haechi_identity::{SecondFactorError, SecondFactors, TotpKey};
use http::{Response, StatusCode};

use super::answer::{Frame, Page, form_target, see_other, with_cookie};
use super::consent::{host_of, name_of};
use super::next::Step;
use super::picture::picture;
use super::sign_in::not_recorded;
use crate::csrf::form_word;
use crate::form::Form;
use crate::interaction::Interaction;
use crate::session::{BrowserSession, Cookie};
use crate::{AuthorizationServer, OAuthError, Visit};

/// How long after a sign-in factors may be changed; later the person signs in again.
pub(super) const FRESH_SECS: u64 = 15 * 60;
/// What a key is sealed for while it is shown.
const OFFER: &str = "haechi totp key that is offered";

#[derive(Template)]
#[template(path = "second_factor.html")]
struct CodePage {
    frame: Frame,
    error: Option<String>,
    user: String,
    word: String,
    ticket: Option<String>,
    script: Option<String>,
    passkey: String,
    challenge: String,
}

#[derive(Template)]
#[template(path = "make_factor.html")]
struct MakePage {
    frame: Frame,
    error: Option<String>,
    needed: bool,
    word: String,
    ticket: Option<String>,
    size: i32,
    picture: String,
    key: String,
    offer: String,
    script: Option<String>,
    passkey: String,
    challenge: String,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct RecoveryPage {
    frame: Frame,
    codes: Vec<String>,
    onward: String,
}

/// Somebody before this page, and what waits.
pub(super) struct Scene<'a> {
    pub(super) session: &'a BrowserSession,
    pub(super) waiting: Option<(&'a str, &'a Interaction)>,
    pub(super) step: Step,
}

impl Scene<'_> {
    fn ticket(&self) -> Option<&str> {
        self.waiting.map(|(ticket, _)| ticket)
    }

    fn word(&self) -> String {
        form_word(&self.session.secret, &purpose(self.ticket()))
    }

    fn target(&self) -> String {
        self.waiting.map(|(_, asked)| form_target(&asked.redirect_uri)).unwrap_or_default()
    }
}

fn purpose(ticket: Option<&str>) -> String {
    format!("second-factor {}", ticket.unwrap_or_default())
}

impl AuthorizationServer {
    pub(super) fn factors(&self) -> SecondFactors<'_> {
        self.rooms.identity.second_factors(&*self.stores.factors)
    }

    /// The form for a code, or for a new factor.
    pub(super) async fn second_factor_page(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let waiting = self.waiting(&Form::of_query(visit)?).await?;
        let waiting = waiting.as_ref().map(|(ticket, asked)| (ticket.as_str(), asked));
        let session = self.session(visit).await?;
        let step = self.step(session.as_ref(), waiting.map(|(_, asked)| asked)).await?;
        let Some(session) = &session else { return self.go_on(visit, None, waiting).await };
        let scene = Scene { session, waiting, step };
        match step {
            Step::SecondFactor => self.show_code_form(visit, &scene, None).await,
            Step::MakeFactor => self.show_new_factor(visit, &scene, None, None).await,
            // Without anything that waits, one comes here from the account to add another.
            Step::Done if waiting.is_none() && self.is_fresh(session) => {
                self.show_new_factor(visit, &scene, None, None).await
            }
            Step::Done if waiting.is_none() => Ok(see_other("/oauth/sign-in")),
            _ => self.go_on(visit, Some(session), waiting).await,
        }
    }

    /// Whether the person proved itself moments ago.
    pub(super) fn is_fresh(&self, session: &BrowserSession) -> bool {
        self.now().since(session.stored.authenticated_at).as_secs() < FRESH_SECS
    }

    async fn show_code_form(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        error: Option<&SecondFactorError>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let frame = Frame::new(visit, "second-factor", scene.ticket());
        let (target, status) = (scene.target(), status(error));
        let passkey = self.passkey_question(scene.session).await?;
        let script = passkey.as_ref().map(|_| super::style::script_address());
        let (passkey, challenge) = passkey.unwrap_or_default();
        let page = Page { status, targets: &target, script: script.is_some() };
        let template = CodePage {
            error: error.map(|error| sentence(error, &frame)),
            user: name_of(&scene.session.user),
            word: scene.word(),
            ticket: scene.ticket().map(str::to_owned),
            script,
            passkey,
            challenge,
            frame,
        };
        Ok(page.show(visit, &template))
    }

    pub(super) async fn show_new_factor(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        key: Option<TotpKey>,
        error: Option<&SecondFactorError>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let session = scene.session;
        let frame = Frame::new(visit, "second-factor", scene.ticket());
        let key = key.map_or_else(|| self.factors().new_totp_key(), Ok)?;
        let here = host_of(&self.config.issuer).unwrap_or_else(|| "Haechi".to_owned());
        let address = key.address(&here, &session.user.username);
        let drawn = address.expose_str().and_then(picture);
        let (size, picture) = drawn.unwrap_or_default();
        let offer = self.rooms.identity.seal_with_secret(OFFER, &session.secret, key.secret());
        let offer = offer.map_err(|_| OAuthError::failed("offer"))?;
        let passkey = self.passkey_offer(session).await?;
        let script = passkey.as_ref().map(|_| super::style::script_address());
        let (passkey, challenge) = passkey.unwrap_or_default();
        let (target, status) = (scene.target(), status(error));
        let page = Page { status, targets: &target, script: script.is_some() };
        let template = MakePage {
            error: error.map(|error| sentence(error, &frame)),
            needed: scene.step == Step::MakeFactor,
            word: scene.word(),
            ticket: scene.ticket().map(str::to_owned),
            size,
            picture,
            key: key.text().expose_str().unwrap_or_default().to_owned(),
            offer: URL_SAFE_NO_PAD.encode(offer),
            script,
            passkey,
            challenge,
            frame,
        };
        Ok(page.show(visit, &template))
    }

    /// What was typed or pressed.
    pub(super) async fn second_factor_sent(
        &self,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let form = Form::of_body(visit)?;
        let holder = Cookie::Session.read(visit);
        self.check_form(visit, &form, holder, &purpose(form.one("ticket")))?;
        let waiting = self.waiting(&form).await?;
        let waiting = waiting.as_ref().map(|(ticket, asked)| (ticket.as_str(), asked));
        let session = self.session(visit).await?;
        let step = self.step(session.as_ref(), waiting.map(|(_, asked)| asked)).await?;
        let Some(session) = &session else { return self.go_on(visit, None, waiting).await };
        let scene = Scene { session, waiting, step };
        let makes = step == Step::MakeFactor
            || (step == Step::Done && waiting.is_none() && self.is_fresh(session));
        match (form.one("action"), step) {
            (Some("code"), Step::SecondFactor) => self.code_sent(visit, &scene, &form).await,
            (Some("passkey"), Step::SecondFactor) => self.passkey_sent(visit, &scene, &form).await,
            (Some("make-totp"), _) if makes => self.totp_sent(visit, &scene, &form).await,
            (Some("make-passkey"), _) if makes => self.new_passkey_sent(visit, &scene, &form).await,
            _ => self.go_on(visit, Some(session), waiting).await,
        }
    }

    async fn code_sent(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        let typed = Secret::from(form.one("code").unwrap_or_default().to_owned());
        let user_id = &scene.session.user.user_id;
        match self.factors().check_code(user_id, &typed).await {
            Ok(_) => self.proved(visit, scene, "otp").await,
            Err(error) => self.code_refused(visit, scene, &error).await,
        }
    }

    /// A second factor that failed is recorded: whoever fails here knew the password.
    pub(super) async fn code_refused(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        error: &SecondFactorError,
    ) -> Result<Response<Bytes>, OAuthError> {
        self.rooms.guard.count_refusal(visit.origin, error.word());
        if matches!(error, SecondFactorError::WrongCode | SecondFactorError::WrongPasskey) {
            let user_id = &scene.session.user.user_id;
            self.record_sign_in(visit, user_id, Some(error.word())).await;
        }
        self.show_code_form(visit, scene, Some(error)).await
    }

    /// The person proved itself twice: the session is a new one, and says so.
    pub(super) async fn proved(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        method: &str,
    ) -> Result<Response<Bytes>, OAuthError> {
        let session = self.raised(visit, scene.session, method).await?;
        let response = self.go_on(visit, Some(&session), scene.waiting).await?;
        Ok(with_cookie(response, Cookie::Session.set(visit, &session.secret)))
    }

    async fn raised(
        &self,
        visit: &Visit<'_>,
        session: &BrowserSession,
        method: &str,
    ) -> Result<BrowserSession, OAuthError> {
        if !self.record_sign_in(visit, &session.user.user_id, None).await {
            return Err(not_recorded());
        }
        let mut methods = session.stored.methods.clone();
        for word in [method, "mfa"] {
            if !methods.iter().any(|known| known == word) {
                methods.push(word.to_owned());
            }
        }
        let details = session.stored.details.clone();
        self.begin_session(visit, &session.user, methods, details).await
    }

    async fn totp_sent(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        let offered = || OAuthError::request("offer", "this key was not offered to this browser");
        let sealed = URL_SAFE_NO_PAD.decode(form.required("offer")?).map_err(|_| offered())?;
        let identity = &self.rooms.identity;
        let key = identity.open_with_secret(OFFER, &scene.session.secret, &sealed);
        let key = key.ok().and_then(TotpKey::from_secret).ok_or_else(offered)?;
        let typed = Secret::from(form.one("code").unwrap_or_default().to_owned());
        let user_id = &scene.session.user.user_id;
        match self.factors().add_totp(user_id, "", &key, &typed).await {
            Ok(()) => self.factor_made(visit, scene, "otp").await,
            Err(error) => self.show_new_factor(visit, scene, Some(key), Some(&error)).await,
        }
    }

    /// After the first factor come the codes for the day it is lost.
    pub(super) async fn factor_made(
        &self,
        visit: &Visit<'_>,
        scene: &Scene<'_>,
        method: &str,
    ) -> Result<Response<Bytes>, OAuthError> {
        let user_id = &scene.session.user.user_id;
        let kind = if method == "otp" { "added:totp" } else { "added:passkey" };
        self.note_own(scene.session, "user.second-factor", kind).await?;
        let all = self.factors().list(user_id).await?;
        if all.iter().any(|factor| factor.kind == FactorKind::RecoveryCodes) {
            return self.proved(visit, scene, method).await;
        }
        let session = self.raised(visit, scene.session, method).await?;
        let onward = scene.ticket().map(|ticket| format!("/oauth/consent?ticket={ticket}"));
        let onward = onward.unwrap_or_else(|| "/oauth/account".to_owned());
        let response = self.show_recovery_codes(visit, &session, onward).await?;
        Ok(with_cookie(response, Cookie::Session.set(visit, &session.secret)))
    }

    /// New codes in the place of any before, shown this once.
    pub(super) async fn show_recovery_codes(
        &self,
        visit: &Visit<'_>,
        session: &BrowserSession,
        onward: String,
    ) -> Result<Response<Bytes>, OAuthError> {
        self.note_own(session, "user.second-factor", "recovery-codes").await?;
        let codes = self.factors().new_recovery_codes(&session.user.user_id).await?;
        let shown = codes.iter().filter_map(|code| code.expose_str().map(str::to_owned)).collect();
        let frame = Frame::new(visit, "account", None);
        Ok(Page::PLAIN.show(visit, &RecoveryPage { frame, codes: shown, onward }))
    }
}

const fn status(error: Option<&SecondFactorError>) -> StatusCode {
    match error {
        None => StatusCode::OK,
        Some(SecondFactorError::Throttled { .. }) => StatusCode::TOO_MANY_REQUESTS,
        Some(_) => StatusCode::UNAUTHORIZED,
    }
}

fn sentence(error: &SecondFactorError, frame: &Frame) -> String {
    let (english, korean) = match error {
        SecondFactorError::WrongCode => (
            "This code is wrong, or was used before. Wait for the next one.",
            "코드가 틀렸거나 이미 사용되었습니다. 다음 코드를 기다리세요.",
        ),
        SecondFactorError::WrongPasskey => (
            "The passkey was not accepted. Try again, or use a code.",
            "패스키를 확인하지 못했습니다. 다시 시도하거나 코드를 사용하세요.",
        ),
        SecondFactorError::Throttled { retry_after } => {
            let wait = retry_after.as_secs().max(1);
            return frame.say(
                &format!("Too many attempts. Try again in {wait}s."),
                &format!("시도가 너무 많습니다. {wait}초 뒤에 다시 시도하세요."),
            );
        }
        SecondFactorError::TooMany => (
            "You have as many second factors as anybody can have. Remove one first.",
            "2단계 인증 수단이 너무 많습니다. 먼저 하나를 삭제하세요.",
        ),
        _ => (
            "This cannot be checked right now. Try again in a moment.",
            "지금은 확인할 수 없습니다. 잠시 후 다시 시도하세요.",
        ),
    };
    frame.say(english, korean)
}

impl From<SecondFactorError> for OAuthError {
    fn from(error: SecondFactorError) -> Self {
        match error {
            SecondFactorError::Store(error) => error.into(),
            other => Self::failed(other.word()),
        }
    }
}
