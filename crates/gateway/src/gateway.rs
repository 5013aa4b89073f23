//! The gateway as `serve` runs it: the guard, its routes, and how HTTP may reach them.

mod config;
mod published_log;
mod routes;

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use haechi_authorization::{AuthorizationServer, OfferedResource};
use haechi_core::UpstreamName;
use haechi_face::Names;
use haechi_guard::{Guard, Upstream};
use haechi_identity::Identity;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use config::{HttpConfig, HttpLimits};
pub(crate) use published_log::PublishedLog;
pub(crate) use routes::{Place, Route, Routes};

use crate::transport::together::Together;

/// Says whether everything a call needs works now: `Err` names what does not, in a fixed word.
pub(crate) type Readiness =
    Arc<dyn Fn() -> BoxFuture<'static, Result<(), &'static str>> + Send + Sync>;

/// What a gateway is made of.
pub(crate) struct Parts {
    /// The line every call walks.
    pub(crate) guard: Arc<Guard>,
    /// For sign-in and the public keys.
    pub(crate) identity: Arc<Identity>,
    /// Where clients come to tokens, when this gateway is an authorization server.
    pub(crate) authorization: Option<Arc<AuthorizationServer>>,
    /// What HTTP may do.
    pub(crate) http: HttpConfig,
    /// One route for each upstream, in the order of the settings; that of all of them together
    /// follows from these.
    pub(crate) routes: Vec<(String, Route)>,
    /// What `/readyz` asks: the audit log can write, the store can be read.
    pub(crate) ready: Readiness,
    /// What `/metrics` shows.
    pub(crate) metrics: Option<PrometheusHandle>,
    /// What `/audit` shows.
    pub(crate) log: Option<PublishedLog>,
}

/// The gateway. Made once, shared in an `Arc`.
pub(crate) struct Gateway {
    pub(crate) guard: Arc<Guard>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) authorization: Option<Arc<AuthorizationServer>>,
    pub(crate) http: HttpConfig,
    pub(crate) names: Names,
    pub(crate) ready: Readiness,
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) log: Option<PublishedLog>,
    /// Cancelled when the gateway stops: streams that would never end by themselves end then.
    pub(crate) stopping: CancellationToken,
    routes: ArcSwap<Routes>,
    together: Arc<Together>,
}

impl Gateway {
    /// Puts the parts together.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { guard, identity, authorization, http, routes, ready, metrics, log } = parts;
        let together = Together::new(Arc::clone(&guard), upstreams(&routes));
        let routes = Routes::new(&http, routes, &together);
        if let Some(authorization) = &authorization {
            authorization.offer(offered(&routes));
        }
        Self {
            guard,
            identity,
            authorization,
            names: Names::new(&http.names()),
            http,
            ready,
            metrics,
            log,
            stopping: CancellationToken::new(),
            routes: ArcSwap::from_pointee(routes),
            together,
        }
    }

    /// Replaces all routes, for requests from now on.
    pub(crate) fn replace_routes(&self, routes: Vec<(String, Route)>) {
        self.together.replace(upstreams(&routes));
        let routes = Routes::new(&self.http, routes, &self.together);
        if let Some(authorization) = &self.authorization {
            authorization.offer(offered(&routes));
        }
        self.routes.store(Arc::new(routes));
    }

    /// The routes of this moment.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// The upstream of this name; `""` is all of them together.
    pub(crate) fn upstream(&self, name: &UpstreamName) -> Option<Arc<dyn Upstream>> {
        self.routes.load().get(name.as_str()).map(|place| Arc::clone(&place.route.upstream))
    }
}

fn upstreams(routes: &[(String, Route)]) -> Vec<Arc<dyn Upstream>> {
    routes.iter().map(|(_, route)| Arc::clone(&route.upstream)).collect()
}

/// What tokens can be for.
fn offered(routes: &Routes) -> Vec<OfferedResource> {
    let offer = |(name, place): (&str, &Arc<Place>)| OfferedResource {
        uris: place.audience.resources.clone(),
        name: name.to_owned(),
        scopes: place.route.scopes.clone(),
    };
    routes.all().map(offer).collect()
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("http", &self.http).finish_non_exhaustive()
    }
}
