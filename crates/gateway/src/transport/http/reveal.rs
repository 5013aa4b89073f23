//! `POST /<name>/reveal`: what a token holds, for a person who may see it.

use haechi_core::json::{Checked, Kind, Limits, Text, quote};
use haechi_face::intake::{self, BodyLimits, RequestBody};
use haechi_face::{TransportError, credentials};
use haechi_guard::{Refusal, RevealRequest, Revealed, place_of};
use http::{Method, Response, StatusCode};
use zeroize::Zeroize;

use super::reply::{self, ReplyBody};
use super::visit::Visit;
use crate::gateway::Place;
use crate::observability::metrics;

/// Room for the longest text that is opened, with escapes.
const LIMITS: Limits = Limits { max_bytes: 160 << 10, max_depth: 2, max_members: 8 };
const MEMBERS: [&str; 6] = ["text", "purpose", "note", "tool", "field", "kind"];

/// Answers `{"text","purpose","note"?,"tool"?,"field"?,"kind"?}` with `{"value","kind","entry"}`.
///
/// Whoever calls proves itself as at the protocol's own route, with a token for that route.
pub(super) async fn serve(
    visit: &Visit<'_>,
    host: &str,
    place: &Place,
    body: impl RequestBody,
) -> Response<ReplyBody> {
    let turn_away = |error: &TransportError| {
        visit.count_stranger(error.word());
        reply::whole(haechi_face::reply::plain_transport(error, visit.language))
    };
    if visit.head.method != Method::POST {
        return turn_away(&TransportError::Method { allow: "POST" });
    }
    let presented = match credentials::read(visit.head, &visit.resource(place)) {
        Ok(presented) => presented,
        Err(error) => return turn_away(&error),
    };
    let guard = &visit.gateway.guard;
    let principal = match guard.authenticate(&presented, &place.audience, &visit.origin).await {
        Ok(principal) => principal,
        Err(refusal) => {
            metrics::refused_before_sign_in(refusal.word());
            return refused(visit, host, place, &refusal);
        }
    };
    let request = match asked(visit, place, body).await {
        Ok(request) => request,
        Err(error) => return turn_away(&error),
    };
    match guard.reveal(&principal, &visit.origin, request).await {
        Ok(revealed) => shown(&revealed),
        Err(refusal) => refused(visit, host, place, &refusal),
    }
}

async fn asked(
    visit: &Visit<'_>,
    place: &Place,
    body: impl RequestBody,
) -> Result<RevealRequest, TransportError> {
    intake::is_json(visit.headers())?;
    let limits = BodyLimits { bytes: LIMITS.max_bytes, ..visit.gateway.http.limits.body() };
    let bytes = intake::read(body, limits).await?;
    let checked = Checked::new(bytes, &LIMITS).map_err(TransportError::NotJson)?;
    read(checked.text(), place).ok_or(TransportError::RevealForm)
}

fn read(text: Text<'_>, place: &Place) -> Option<RevealRequest> {
    if text.kind() != Kind::Object || text.members().any(|m| !MEMBERS.contains(&&*m.key)) {
        return None;
    }
    // Absent, or a string.
    let member = |name| match text.member(name) {
        Some(value) => value.string().map(|value| Some(value.into_owned())),
        None => Some(None),
    };
    let (tool, field, kind) = (member("tool")?, member("field")?, member("kind")?);
    // Of all upstreams together, none in particular is meant.
    let upstream = place.together.is_none().then(|| place.route.upstream.name());
    Some(RevealRequest {
        text: member("text")??,
        purpose: member("purpose")??,
        note: member("note")?,
        place: place_of(
            upstream,
            &tool.unwrap_or_default(),
            &field.unwrap_or_default(),
            &kind.unwrap_or_default(),
        ),
    })
}

fn shown(revealed: &Revealed) -> Response<ReplyBody> {
    let Revealed { value, kind, entry } = revealed;
    let mut value = value.expose_str().map(quote).unwrap_or_default();
    let (kind, entry) = (quote(kind), quote(entry));
    let body = format!(r#"{{"value":{value},"kind":{kind},"entry":{entry}}}"#);
    value.zeroize();
    reply::json(StatusCode::OK, body)
}

/// As the protocol's route refuses, but that a no is a status here: no model reads this.
fn refused(visit: &Visit<'_>, host: &str, place: &Place, refusal: &Refusal) -> Response<ReplyBody> {
    let resource = visit.resource(place);
    let metadata = resource.metadata_address(host);
    let challenge = resource.challenge(&metadata, visit.headers());
    reply::whole(haechi_face::reply::plain_refused(refusal, visit.language, &challenge))
}
