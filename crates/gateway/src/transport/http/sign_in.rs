//! `POST /sign-in`: username and password for an access token.

use haechi_core::json::{Checked, Kind, Limits, Text, quote};
use haechi_core::{Event, Secret, SignIn};
use haechi_identity::{IssuedToken, SignInAttempt, SignInError};
use http::header::RETRY_AFTER;
use http::{HeaderValue, Method, Response, StatusCode};
use zeroize::Zeroize;

use super::visit::Visit;
use super::{ReplyBody, RequestBody, count_stranger, intake, reply};
use crate::gateway::HttpLimits;
use crate::language;
use crate::observability::metrics;
use crate::problem::{TransportError, whole_seconds};

/// Room for the longest password and username, with escapes.
const LIMITS: Limits = Limits { max_bytes: 16 << 10, max_depth: 2, max_members: 8 };

/// What somebody typed.
struct Typed {
    username: String,
    password: Secret,
    resource: Option<String>,
}

/// Answers `{"username","password","resource"?}` with `{"access_token","token_type","expires_in"}`.
///
/// JSON must be declared, which no form of another site can do; there are no cookies.
pub(super) async fn serve(visit: &Visit<'_>, body: impl RequestBody) -> Response<ReplyBody> {
    let typed = match typed(visit, body).await {
        Ok(typed) => typed,
        Err(error) => {
            count_stranger(visit, error.word());
            return reply::plain_transport(&error, visit.language);
        }
    };
    let routes = visit.gateway.routes();
    let audiences = match typed.resource {
        Some(resource) if routes.has_resource(&resource) => vec![resource],
        // RFC 8707 §2
        Some(_) => return wrong_target(visit),
        None => routes.resources(),
    };
    let attempt = SignInAttempt {
        username: &typed.username,
        password: &typed.password,
        audiences: &audiences,
        address: visit.origin.address,
        client_id: None,
    };
    match visit.gateway.identity.sign_in(&attempt).await {
        Ok(token) => signed_in(visit, &token).await,
        Err(error) => refused(visit, &error).await,
    }
}

async fn typed(visit: &Visit<'_>, body: impl RequestBody) -> Result<Typed, TransportError> {
    if visit.head.method != Method::POST {
        return Err(TransportError::Method { allow: "POST" });
    }
    intake::is_json(visit.headers())?;
    let limits = HttpLimits { body_bytes: LIMITS.max_bytes, ..visit.gateway.http.limits.clone() };
    let bytes = intake::read(body, &limits).await?;
    let checked = Checked::new(bytes, &LIMITS).map_err(TransportError::NotJson)?;
    read(checked.text()).ok_or(TransportError::SignInForm)
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

fn wrong_target(visit: &Visit<'_>) -> Response<ReplyBody> {
    count_stranger(visit, "wrong-resource");
    let text = visit.language.choose(
        "`resource` is no address of this gateway",
        "`resource`는 이 게이트웨이의 주소가 아닙니다",
    );
    reply::plain_error(StatusCode::BAD_REQUEST, "invalid_target", &text)
}

/// The sign-in is recorded before its token leaves.
async fn signed_in(visit: &Visit<'_>, token: &IssuedToken) -> Response<ReplyBody> {
    if !record(visit, &token.user_id, None).await {
        let text = visit.language.choose(
            "the audit log cannot record this sign-in; no token was issued",
            "감사 로그에 기록할 수 없어 토큰을 발급하지 않았습니다",
        );
        return reply::plain_error(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            &text,
        );
    }
    metrics::signed_in(None);
    let mut text = token.token.expose_str().map(quote).unwrap_or_default();
    let expires_in = token.expires_in.as_secs();
    let body =
        format!(r#"{{"access_token":{text},"token_type":"Bearer","expires_in":{expires_in}}}"#);
    text.zeroize();
    reply::json(StatusCode::OK, body)
}

async fn refused(visit: &Visit<'_>, error: &SignInError) -> Response<ReplyBody> {
    let (status, code, word) = match error {
        SignInError::WrongCredentials { .. } => {
            (StatusCode::UNAUTHORIZED, "invalid_grant", "wrong-credentials")
        }
        SignInError::UserDisabled { .. } => {
            (StatusCode::UNAUTHORIZED, "invalid_grant", "user-disabled")
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
    };
    count_stranger(visit, word);
    metrics::signed_in(Some(word));
    if let SignInError::UserDisabled { user_id } = error {
        record(visit, user_id, Some(word)).await;
    }
    let wait = match error {
        SignInError::Throttled { retry_after } | SignInError::Busy { retry_after } => {
            Some(HeaderValue::from(whole_seconds(*retry_after)))
        }
        _ => None,
    };
    let text = language::sign_in(error, visit.language);
    reply::with(reply::plain_error(status, code, &text), RETRY_AFTER, wait)
}

/// Writes the sign-in of a person whose password was right. Wrong ones are counted only: nobody
/// fills the log from outside.
async fn record(visit: &Visit<'_>, user_id: &str, reason: Option<&str>) -> bool {
    let rooms = visit.gateway.guard.rooms();
    let Ok(sid) = visit.gateway.identity.sid_of(user_id).await else { return false };
    let address = visit.origin.address.map(|address| address.to_string());
    let address = address.and_then(|text| rooms.sealer.seal(&sid, "address", text.as_bytes()).ok());
    let (success, reason) = (reason.is_none(), reason.map(str::to_owned));
    rooms.audit.note(Event::SignIn(SignIn { sid, success, reason, address })).await.is_ok()
}
