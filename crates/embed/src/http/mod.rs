//! The layer around a server that is reached over HTTP: who is calling, and everything that must be
//! so before a server of the protocol is asked.

mod body;
mod config;
mod route;
mod sessions;
mod verdict;
mod visit;

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use haechi_face::intake::RequestBody;
use haechi_face::{KEYS_PATH, METADATA_PATH, SIGN_IN_PATH, credentials};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service};

pub use body::ReplyBody;
pub use config::HttpConfig;
pub use route::{RouteLayer, RouteService};
pub(crate) use verdict::Verdict;

use crate::Haechi;
use config::Door;
use sessions::Owners;
use visit::Visit;

/// Proves who calls before a server is asked, and serves what clients need to come in.
///
/// Checks `Host` and `Origin`; reads `Authorization`, the proof of possession beside it and the
/// certificate of the connection ([`ClientCertificate`](crate::ClientCertificate)), and nothing
/// else; wants strict JSON within limits; keeps a session to the person who opened it; answers refusals with the status and the
/// challenge that clients act on (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1). Serves
/// `/.well-known/oauth-protected-resource…`, `/.well-known/jwks.json` and, where
/// [`HttpConfig::sign_in`] says so, `POST /sign-in`. Every other path is the server's.
///
/// ```no_run
/// # use haechi_embed::{Haechi, HttpConfig, HttpLayer, SecureServer, rmcp};
/// # struct Weather;
/// # impl rmcp::ServerHandler for Weather {}
/// # fn example(haechi: Haechi) {
/// use rmcp::transport::streamable_http_server::StreamableHttpService;
/// use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
/// use tower::Layer;
///
/// let server = SecureServer::undecorated(Weather, &haechi);
/// let inside: StreamableHttpService<_, LocalSessionManager> =
///     StreamableHttpService::new(move || Ok(server.clone()), Default::default(), Default::default());
/// let service = HttpLayer::new(&haechi, HttpConfig::at("/mcp")).layer(inside);
/// # let _ = service;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpLayer {
    door: Arc<Door>,
}

impl HttpLayer {
    /// The layer of one address of `haechi`'s server.
    #[must_use]
    pub fn new(haechi: &Haechi, config: HttpConfig) -> Self {
        Self { door: Arc::new(Door::new(haechi, config)) }
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inside: S) -> Self::Service {
        let mut limits = self.door.haechi.session_limits();
        if self.door.haechi.identity().has_gateway() {
            limits.per_person = limits.total;
        }
        let owners = Arc::new(Owners::new(limits));
        HttpService { door: Arc::clone(&self.door), owners, inside }
    }
}

/// A service behind an [`HttpLayer`].
#[derive(Clone, Debug)]
pub struct HttpService<S> {
    door: Arc<Door>,
    owners: Arc<Owners>,
    inside: S,
}

impl<S, B, R> Service<Request<B>> for HttpService<S>
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
        let (door, owners) = (Arc::clone(&self.door), Arc::clone(&self.owners));
        async move {
            let (head, body) = request.into_parts();
            let visit = Visit::new(&door, Some(&owners), &head);
            let mut response = match Destination::of(&head, &door) {
                _ if visit.is_foreign() => visit.foreign(),
                Destination::Keys => visit.keys(),
                Destination::Metadata => visit.metadata(),
                Destination::SignIn => visit.sign_in(body).await,
                Destination::Server => visit.ask(body, inside).await,
            };
            credentials::renew_nonce(&mut response, &head.headers, door.haechi.identity());
            Ok(response)
        }
        .boxed()
    }
}

/// Where a request wants to go.
enum Destination {
    Keys,
    Metadata,
    SignIn,
    Server,
}

impl Destination {
    fn of(head: &http::request::Parts, door: &Door) -> Self {
        match head.uri.path() {
            KEYS_PATH => Self::Keys,
            SIGN_IN_PATH if door.config.sign_in => Self::SignIn,
            path if path
                .strip_prefix(METADATA_PATH)
                .is_some_and(|rest| rest.is_empty() || rest == door.config.path) =>
            {
                Self::Metadata
            }
            _ => Self::Server,
        }
    }
}
