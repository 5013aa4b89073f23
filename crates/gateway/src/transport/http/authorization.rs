//! Requests to the authorization server: their body is read, the rest is its own.

use haechi_face::TransportError;
use haechi_face::credentials::ClientCertificate;
use haechi_face::intake::{self, BodyLimits, RequestBody};
use http::Response;

use super::reply::{self, ReplyBody};
use super::visit::Visit;

/// The largest body: a form with two signed tokens in it.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Passes a request on.
pub(super) async fn serve(visit: &Visit<'_>, body: impl RequestBody) -> Response<ReplyBody> {
    let gateway = visit.gateway;
    let Some(server) = &gateway.authorization else {
        return visit.turn_away(&TransportError::NotFound);
    };
    let limits = BodyLimits { bytes: MAX_BODY_BYTES, timeout: gateway.http.limits.body_timeout };
    let body = match intake::read(body, limits).await {
        Ok(body) => body,
        Err(error) => return visit.turn_away(&error),
    };
    let certificate = visit.head.extensions.get::<ClientCertificate>();
    let asked = haechi_authorization::Visit {
        head: visit.head,
        body: &body,
        origin: &visit.origin,
        language: visit.language,
        secure: server.issuer().starts_with("https://"),
        certificate: certificate.map(|it| it.0.0),
    };
    match server.answer(&asked).await {
        Some(response) => reply::whole(response),
        None => visit.turn_away(&TransportError::NotFound),
    }
}
