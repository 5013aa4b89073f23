//! `POST /sign-in`: username and password for an access token.

use std::time::Duration;

use bytes::Bytes;
use haechi_core::json::{Checked, Kind, Limits, Text, quote};
use haechi_core::{Event, Origin, Secret, SignIn};
use haechi_guard::Guard;
use haechi_identity::{IssuedToken, SignInAttempt, SignInError};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use zeroize::Zeroize;

use crate::intake::{self, BodyLimits, RequestBody};
use crate::language::{self, Language};
use crate::problem::{TransportError, whole_seconds};
use crate::reply;

/// Where people sign in.
pub const SIGN_IN_PATH: &str = "/sign-in";

/// Room for the longest password and username, with escapes.
const LIMITS: Limits = Limits { max_bytes: 16 << 10, max_depth: 2, max_members: 8 };

/// Who signs in where, and what for.
#[derive(Clone, Copy, Debug)]
pub struct SignInDesk<'a> {
    /// Checks passwords, issues tokens and records.
    pub guard: &'a Guard,
    /// What a token is for when a person asks for no `resource`.
    pub resources: &'a [String],
    /// What a person may ask for: these addresses by all of their names (RFC 8707 §2).
    pub names: &'a [String],
    /// Where the request came from.
    pub origin: &'a Origin,
    /// The person's language.
    pub language: Language,
    /// From the headers to the end of the body.
    pub body_timeout: Duration,
}

/// An answer to somebody who tried to sign in.
#[derive(Debug)]
pub struct SignInAnswer {
    /// `{"access_token","token_type","expires_in"}`, or an error in the members of RFC 6749 §5.2.
    pub response: Response<Bytes>,
    /// What came of it, for metrics; the audit log has counted or recorded it already.
    pub verdict: SignInVerdict,
}

/// What came of an attempt to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInVerdict {
    /// A token was issued, and recorded before it leaves.
    SignedIn,
    /// It was no attempt: a fixed word for what was wrong with the request.
    TurnedAway(&'static str),
    /// A fixed word for why not.
    Refused(&'static str),
    /// The audit log could not record it, so no token leaves.
    NotRecorded,
}

/// What somebody typed.
struct Typed {
    username: String,
    password: Secret,
    resource: Option<String>,
}

impl SignInDesk<'_> {
    /// Answers `{"username","password","resource"?}` with
    /// `{"access_token","token_type","expires_in"}`.
    ///
    /// JSON must be declared, which no form of another site can do; there are no cookies. `Host`
    /// and `Origin` are checked before, by [`Names::check`](crate::Names::check).
    pub async fn serve(&self, head: &Parts, body: impl RequestBody) -> SignInAnswer {
        let typed = match self.typed(head, body).await {
            Ok(typed) => typed,
            Err(error) => {
                let response = reply::plain_transport(&error, self.language);
                return self.turned_away(error.word(), response);
            }
        };
        let stated = typed.resource.as_ref().map(std::slice::from_ref);
        if stated.is_some_and(|stated| !stated.iter().all(|one| self.names.contains(one))) {
            return self.wrong_target();
        }
        let attempt = SignInAttempt {
            username: &typed.username,
            password: &typed.password,
            audiences: stated.unwrap_or(self.resources),
            address: self.origin.address,
            client_id: None,
        };
        match self.guard.rooms().identity.sign_in(&attempt).await {
            Ok(token) => self.signed_in(&token).await,
            Err(error) => self.refused(&error).await,
        }
    }

    async fn typed(&self, head: &Parts, body: impl RequestBody) -> Result<Typed, TransportError> {
        if head.method != Method::POST {
            return Err(TransportError::Method { allow: "POST" });
        }
        intake::is_json(&head.headers)?;
        let limits = BodyLimits { bytes: LIMITS.max_bytes, timeout: self.body_timeout };
        let bytes = intake::read(body, limits).await?;
        let checked = Checked::new(bytes, &LIMITS).map_err(TransportError::NotJson)?;
        read(checked.text()).ok_or(TransportError::SignInForm)
    }

    fn turned_away(&self, word: &'static str, response: Response<Bytes>) -> SignInAnswer {
        self.guard.count_refusal(self.origin, word);
        SignInAnswer { response, verdict: SignInVerdict::TurnedAway(word) }
    }

    /// RFC 8707 §2
    fn wrong_target(&self) -> SignInAnswer {
        let text = self.language.choose(
            "`resource` is no address of this server",
            "`resource`는 이 서버의 주소가 아닙니다",
        );
        let response = reply::plain_error(StatusCode::BAD_REQUEST, "invalid_target", &text);
        self.turned_away("wrong-resource", response)
    }

    /// The sign-in is recorded before its token leaves.
    async fn signed_in(&self, token: &IssuedToken) -> SignInAnswer {
        if !self.record(&token.user_id, None).await {
            return self.not_recorded();
        }
        let mut text = token.token.expose_str().map(quote).unwrap_or_default();
        let expires_in = token.expires_in.as_secs();
        let body =
            format!(r#"{{"access_token":{text},"token_type":"Bearer","expires_in":{expires_in}}}"#);
        text.zeroize();
        let response = reply::json(StatusCode::OK, body);
        SignInAnswer { response, verdict: SignInVerdict::SignedIn }
    }

    fn not_recorded(&self) -> SignInAnswer {
        let text = self.language.choose(
            "the audit log cannot record this sign-in; no token was issued",
            "감사 로그에 기록할 수 없어 토큰을 발급하지 않았습니다",
        );
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let response = reply::plain_error(status, "temporarily_unavailable", &text);
        SignInAnswer { response, verdict: SignInVerdict::NotRecorded }
    }

    async fn refused(&self, error: &SignInError) -> SignInAnswer {
        let (status, code, word) = row(error);
        self.guard.count_refusal(self.origin, word);
        if let SignInError::UserDisabled { user_id } | SignInError::SecondFactorNeeded { user_id } =
            error
        {
            self.record(user_id, Some(word)).await;
        }
        let wait = match error {
            SignInError::Throttled { retry_after } | SignInError::Busy { retry_after } => {
                Some(HeaderValue::from(whole_seconds(*retry_after)))
            }
            _ => None,
        };
        let text = language::sign_in(error, self.language);
        let response = reply::with(reply::plain_error(status, code, &text), RETRY_AFTER, wait);
        SignInAnswer { response, verdict: SignInVerdict::Refused(word) }
    }

    /// Writes the sign-in of a person whose password was right. Wrong ones are counted only: nobody
    /// fills the log from outside.
    async fn record(&self, user_id: &str, reason: Option<&str>) -> bool {
        let rooms = self.guard.rooms();
        let Ok(sid) = rooms.identity.sid_of(user_id).await else { return false };
        let address = self.origin.address.map(|address| address.to_string());
        let address =
            address.and_then(|text| rooms.sealer.seal(&sid, "address", text.as_bytes()).ok());
        let (success, reason) = (reason.is_none(), reason.map(str::to_owned));
        rooms.audit.note(Event::SignIn(SignIn { sid, success, reason, address })).await.is_ok()
    }
}

fn read(text: Text<'_>) -> Option<Typed> {
    let known = ["username", "password", "resource"];
    if text.kind() != Kind::Object || text.members().any(|m| !known.contains(&&*m.key)) {
        return None;
    }
    let member = |name| text.member(name).map(|value| value.string().map(|s| s.into_owned()));
    let resource = match member("resource") {
        Some(stated) => Some(stated?),
        None => None,
    };
    let username = member("username")??;
    let password = Secret::from(member("password")??);
    Some(Typed { username, password, resource })
}

/// Status, error of RFC 6749 §5.2, and the fixed word for counts.
const fn row(error: &SignInError) -> (StatusCode, &'static str, &'static str) {
    match error {
        SignInError::WrongCredentials { .. } => {
            (StatusCode::UNAUTHORIZED, "invalid_grant", "wrong-credentials")
        }
        SignInError::UserDisabled { .. } => {
            (StatusCode::UNAUTHORIZED, "invalid_grant", "user-disabled")
        }
        SignInError::SecondFactorNeeded { .. } => {
            (StatusCode::UNAUTHORIZED, "invalid_grant", "second-factor-needed")
        }
        SignInError::Throttled { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "slow_down", "sign-in-throttled")
        }
        SignInError::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "slow_down", "sign-in-busy"),
        SignInError::NoAudience
        | SignInError::Unavailable(_)
        | SignInError::Entropy(_)
        | SignInError::Failed => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "sign-in-unavailable")
        }
    }
}
