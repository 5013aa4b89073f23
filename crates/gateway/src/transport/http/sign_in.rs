//! `POST /sign-in`, by the face's own desk.

use haechi_face::intake::RequestBody;
use haechi_face::{SignInDesk, SignInVerdict};
use http::Response;

use super::reply::{self, ReplyBody};
use super::visit::Visit;
use crate::observability::metrics;

/// Lets a person sign in for the routes of this moment.
pub(super) async fn serve(visit: &Visit<'_>, body: impl RequestBody) -> Response<ReplyBody> {
    let routes = visit.gateway.routes();
    let desk = SignInDesk {
        guard: &visit.gateway.guard,
        resources: &routes.resources(),
        names: &routes.all_names(),
        origin: &visit.origin,
        language: visit.language,
        body_timeout: visit.gateway.http.limits.body_timeout,
    };
    let answer = desk.serve(visit.head, body).await;
    match answer.verdict {
        SignInVerdict::SignedIn => metrics::signed_in(None),
        SignInVerdict::TurnedAway(word) => metrics::refused_before_sign_in(word),
        SignInVerdict::Refused(word) => {
            metrics::refused_before_sign_in(word);
            metrics::signed_in(Some(word));
        }
        SignInVerdict::NotRecorded => {}
    }
    reply::whole(answer.response)
}
