//! Who asks, and what a refusal looks like: what every governed request of a server begins and ends
//! with.

use haechi_core::{Credentials, Origin};
use haechi_guard::Refusal;
use http::request::Parts;
use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use rmcp::service::{RequestContext, RoleServer};

use crate::govern::{Arrival, Failed, Governed};
use crate::wire::{Reply, Request};
use crate::{Caller, Haechi};

impl Haechi {
    /// Walks the line with one request of the server.
    pub(crate) async fn govern<P: Request, R: Reply>(
        &self,
        governed: Governed<P, R>,
    ) -> Result<R, ErrorData> {
        let origin = origin(&governed.context);
        let caller = match self.caller(&governed.context, &origin).await {
            Ok(caller) => caller,
            Err(refusal) => return Err(told(&refusal)),
        };
        let arrival =
            Arrival { caller: &caller, upstream: &self.0.name, origin, passed: Box::new(|| ()) };
        governed.walk(self.guard(), arrival).await.map_err(|failed| match failed {
            Failed::Refused(refusal) => told(&refusal),
            Failed::Answered(error) => error,
        })
    }

    /// Who asks. Over HTTP only the layer says so: without it nobody is known.
    async fn caller(
        &self,
        context: &RequestContext<RoleServer>,
        origin: &Origin,
    ) -> Result<Caller, Refusal> {
        let parts = context.extensions.get::<Parts>();
        let known = match parts {
            Some(parts) => parts.extensions.get::<Caller>(),
            None => context.extensions.get::<Caller>(),
        };
        match known {
            Some(caller) => Ok(caller.clone()),
            None => self.authenticate(&Credentials::Absent, origin).await,
        }
    }
}

fn origin(context: &RequestContext<RoleServer>) -> Origin {
    let parts = context.extensions.get::<Parts>();
    parts.and_then(|parts| parts.extensions.get::<Origin>()).cloned().unwrap_or_default()
}

fn told(refusal: &Refusal) -> ErrorData {
    let code = i32::try_from(refusal.code()).unwrap_or(i32::MAX);
    ErrorData::new(ErrorCode(code), refusal.to_string(), None)
}
