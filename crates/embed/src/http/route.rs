//! The guard around a plain HTTP service: a route that takes and gives JSON becomes a guarded tool.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use haechi_core::json::{Checked, Limits, Text};
use haechi_face::intake::{self, RequestBody};
use haechi_face::reply;
use haechi_guard::Refusal;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};

use super::body::ReplyBody;
use super::config::{Door, HttpConfig};
use super::visit::Visit;
use crate::{CallError, Haechi};

/// The guard around a plain HTTP service, for a web framework or another SDK: each request is one
/// call of `tool`. Its JSON object is the arguments, the JSON object that comes back is the result;
/// both are judged, screened and recorded as those of any tool. The service finds the
/// [`Caller`](crate::Caller) among the request's extensions.
///
/// A request without a body has no arguments; the query string is not looked at, and goes nowhere.
/// An answer that is no JSON object is taken for a failure: what cannot be screened does not leave.
///
/// ```no_run
/// # use haechi_embed::{Caller, Haechi, HttpConfig, RouteLayer};
/// # fn example(haechi: Haechi) {
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{Layer, service_fn};
///
/// let report = service_fn(|request: Request<Full<bytes::Bytes>>| async move {
///     let caller = request.extensions().get::<Caller>().map(|caller| caller.subject().to_owned());
///     let body = serde_json::json!({ "for": caller }).to_string();
///     Ok::<_, std::convert::Infallible>(Response::new(Full::new(bytes::Bytes::from(body))))
/// });
/// let guarded = RouteLayer::new(&haechi, "export_report", HttpConfig::at("/report")).layer(report);
/// # let _ = guarded;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RouteLayer {
    door: Arc<Door>,
    tool: Arc<str>,
}

impl RouteLayer {
    /// Requests are calls of `tool` of `haechi`'s server.
    #[must_use]
    pub fn new(haechi: &Haechi, tool: &str, config: HttpConfig) -> Self {
        Self { door: Arc::new(Door::new(haechi, config)), tool: tool.into() }
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inside: S) -> Self::Service {
        RouteService { layer: self.clone(), inside }
    }
}

/// A service behind a [`RouteLayer`].
#[derive(Clone, Debug)]
pub struct RouteService<S> {
    layer: RouteLayer,
    inside: S,
}

impl<S, B, R> Service<Request<B>> for RouteService<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: RequestBody + 'static,
    R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inside.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes with the request; the clone waits for its turn.
        let fresh = self.inside.clone();
        let inside = std::mem::replace(&mut self.inside, fresh);
        let layer = self.layer.clone();
        async move {
            let (head, body) = request.into_parts();
            let visit = Visit::new(&layer.door, None, &head);
            let mut response = visit.call(&layer.tool, body, inside).await;
            let identity = layer.door.haechi.identity();
            haechi_face::credentials::renew_nonce(&mut response, &head.headers, identity);
            Ok(response)
        }
        .boxed()
    }
}

impl Visit<'_> {
    /// Guards one request as a call of `tool`.
    async fn call<S, R>(&self, tool: &str, body: impl RequestBody, inside: S) -> Response<ReplyBody>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
        S: Send + 'static,
        S::Future: Send + 'static,
        R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        if self.is_foreign() {
            return self.foreign();
        }
        let caller = match self.caller().await {
            Ok(caller) => caller,
            Err(answer) => return *answer,
        };
        let arguments = match self.arguments(body).await {
            Ok(arguments) => arguments,
            Err(answer) => return *answer,
        };
        let head = self.inward_head(Some(&caller));
        let run = move |arguments: Value| async move {
            let body =
                if head.method == Method::GET { String::new() } else { arguments.to_string() };
            ask(inside, Request::from_parts(head, Full::new(body.into()))).await
        };
        let haechi = &self.door.haechi;
        match haechi.call_from(&caller, (tool, &self.origin), arguments, run).await {
            Ok(result) => reply::json(StatusCode::OK, result.to_string()).map(ReplyBody::whole),
            Err(CallError::Refused(refusal)) => self.refused_plainly(&refusal),
            Err(CallError::Failed(response)) => response.map(ReplyBody::whole),
        }
    }

    async fn arguments(&self, body: impl RequestBody) -> Result<Value, Box<Response<ReplyBody>>> {
        let body = intake::read(body, self.door.limits).await;
        let body = body.map_err(|error| Box::new(self.turn_away(&error)))?;
        if body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let declared = intake::is_json(&self.head.headers);
        let checked = declared.and_then(|()| intake::checked(body, self.door.limits));
        let checked = checked.map_err(|error| Box::new(self.turn_away(&error)))?;
        let object = Some(checked.text().to_value()).filter(Value::is_object);
        object.ok_or_else(|| {
            Box::new(self.refused_plainly(&Refusal::Malformed("the body is no JSON object")))
        })
    }

    fn refused_plainly(&self, refusal: &Refusal) -> Response<ReplyBody> {
        self.challenged(|challenge| reply::plain_refused(refusal, self.language, challenge))
    }
}

/// Asks the service inside; the answer of one that failed goes on with its status and no content,
/// because nobody screened that.
async fn ask<S, R>(inside: S, request: Request<Full<Bytes>>) -> Result<Value, Response<Bytes>>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
    R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let Ok(response) = inside.oneshot(request).await;
    let (head, body) = response.into_parts();
    let failed =
        |status| reply::plain_error(status, "failed", "the service behind the guard failed");
    if !head.status.is_success() {
        return Err(failed(head.status));
    }
    let nonsense = || failed(StatusCode::BAD_GATEWAY);
    let limited = Limited::new(body, Limits::RESULT.max_bytes);
    let bytes = limited.collect().await.map_err(|_| nonsense())?.to_bytes();
    let checked = Checked::new(bytes, &Limits::RESULT).map_err(|_| nonsense())?;
    let result = Text::to_value(checked.text());
    if result.is_object() { Ok(result) } else { Err(nonsense()) }
}
