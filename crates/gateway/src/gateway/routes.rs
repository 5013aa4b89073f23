//! Which upstream answers at which address, and for whom its tokens must be.

use std::collections::HashMap;
use std::sync::Arc;

use haechi_face::Resource;
use haechi_guard::Upstream;
use haechi_identity::{Audience, SenderConstraint};

use super::HttpConfig;
use crate::transport::together::Together;

/// One upstream as HTTP offers it.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// Whom requests go to.
    pub(crate) upstream: Arc<dyn Upstream>,
    /// Whether callers without credentials come in here, where identity has a role for them.
    pub(crate) anonymous: bool,
    /// The scopes a newcomer should ask for (RFC 6750 §3); may be empty.
    pub(crate) scopes: Vec<String>,
    /// What tokens must be bound to.
    pub(crate) sender: SenderConstraint,
}

/// A route with what follows from its address.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The route.
    pub(crate) route: Route,
    /// For whom tokens must be.
    pub(crate) audience: Audience,
    /// `/<name>/mcp` or `/mcp`.
    pub(crate) path: Arc<str>,
    /// All upstreams together, at `/mcp`.
    pub(crate) together: Option<Arc<Together>>,
}

impl Place {
    /// This route as clients see it, who may come with `certificates` or not.
    pub(crate) fn resource(&self, certificates: bool) -> Resource<'_> {
        let scopes = &self.route.scopes;
        Resource { audience: &self.audience, path: &self.path, scopes, certificates }
    }
}

/// All routes by name; `""` is all upstreams together.
#[derive(Debug, Default)]
pub(crate) struct Routes(HashMap<String, Arc<Place>>);

impl Routes {
    /// Derives what follows from the addresses, and the route of all upstreams `together`: open
    /// to those for whom every route is open.
    pub(crate) fn new(
        http: &HttpConfig,
        routes: Vec<(String, Route)>,
        together: &Arc<Together>,
    ) -> Self {
        let bases = http.bases();
        let place = |name: &str, route: Route, together: Option<Arc<Together>>| {
            let path = if name.is_empty() { "/mcp".to_owned() } else { format!("/{name}/mcp") };
            let resources = bases.iter().map(|base| format!("{base}{path}")).collect();
            let audience = Audience { resources, anonymous: route.anonymous, sender: route.sender };
            Arc::new(Place { route, audience, path: path.into(), together })
        };
        let all = place("", all_of(&routes, together), Some(Arc::clone(together)));
        let mut places: HashMap<_, _> = routes
            .into_iter()
            .map(|(name, route)| (name.clone(), place(&name, route, None)))
            .collect();
        places.insert(String::new(), all);
        Self(places)
    }

    /// The route of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Place>> {
        self.0.get(name)
    }

    /// All routes with their names, sorted.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Arc<Place>)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, place)| (name.as_str(), place)).collect();
        all.sort_by_key(|(name, _)| *name);
        all.into_iter()
    }

    /// The resource of every route, the address to show first; sorted.
    pub(crate) fn resources(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.0.values().filter_map(|place| place.audience.resources.first().cloned()).collect();
        all.sort();
        all
    }

    /// The resource of every route by each of our names.
    pub(crate) fn all_names(&self) -> Vec<String> {
        self.0.values().flat_map(|place| place.audience.resources.iter().cloned()).collect()
    }
}

/// The route of all upstreams.
fn all_of(routes: &[(String, Route)], together: &Arc<Together>) -> Route {
    let mut scopes: Vec<String> = Vec::new();
    for scope in routes.iter().flat_map(|(_, route)| &route.scopes) {
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    let anonymous = !routes.is_empty() && routes.iter().all(|(_, route)| route.anonymous);
    // What meets the demand of every route.
    let demands = routes.iter().map(|(_, route)| route.sender);
    let sender = demands.fold(SenderConstraint::default(), SenderConstraint::and);
    Route { upstream: Arc::clone(together) as Arc<dyn Upstream>, anonymous, scopes, sender }
}
