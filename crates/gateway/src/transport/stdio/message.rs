//! One line of a client, read.

use std::sync::Arc;

use haechi_core::json::Checked;
use haechi_core::rpc::{Envelope, RequestId, method};
use haechi_core::{Era, Origin};

/// Longest client name that is kept, in characters.
const MAX_CLIENT: usize = 128;
/// Who the client says it is, in a modern request.
const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// A message and what it is, owned so that it can go its own way.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) body: Checked,
    pub(super) kind: Kind,
    pub(super) era: Era,
    /// The version that a modern message states.
    pub(super) version: Option<Arc<str>>,
    pub(super) client: Option<Arc<str>>,
    /// The tool of `tools/call`.
    pub(super) tool: Option<Arc<str>>,
}

/// What a message is to this face.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Opens a legacy session.
    Initialize(RequestId),
    /// A request of the first door.
    Governed(RequestId),
    /// A request of the second door.
    Relayed(RequestId),
    /// The client gives a request up.
    Cancelled(Option<RequestId>),
    /// Anything else that has no answer.
    Told,
}

impl Message {
    /// Reads what `envelope`, which stands in `body`, is. Without a word of its own a message is of
    /// the era that the conversation is in.
    pub(super) fn of(body: Checked, envelope: &Envelope<'_>, has_session: bool) -> Self {
        let version: Option<Arc<str>> = envelope.protocol_version().map(|text| (*text).into());
        let kind = kind(envelope);
        let era = match (&version, &kind) {
            (Some(_), _) => Era::Modern,
            (None, Kind::Cancelled(_)) if !has_session => Era::Modern,
            (None, _) => Era::Legacy,
        };
        let is_call = envelope.method() == Some(method::TOOLS_CALL);
        let tool = envelope.name().filter(|_| is_call).map(|name| (*name).into());
        Self { kind, era, version, client: client(envelope), tool, body }
    }

    /// The id that must be answered.
    pub(super) const fn id(&self) -> Option<&RequestId> {
        match &self.kind {
            Kind::Initialize(id) | Kind::Governed(id) | Kind::Relayed(id) => Some(id),
            Kind::Cancelled(_) | Kind::Told => None,
        }
    }

    /// Where it comes from.
    pub(super) fn origin(&self, client: Option<Arc<str>>) -> Origin {
        let client = self.client.clone().or(client);
        Origin { address: None, client, trace_id: None, route: Some("stdio".into()) }
    }
}

fn kind(envelope: &Envelope<'_>) -> Kind {
    match envelope {
        Envelope::Request { id, method, .. } if method == method::INITIALIZE => {
            Kind::Initialize(id.clone())
        }
        Envelope::Request { id, method, .. } if method::is_relayed(method) => {
            Kind::Relayed(id.clone())
        }
        Envelope::Request { id, .. } => Kind::Governed(id.clone()),
        Envelope::Notification { method, params } if method == method::NOTIFICATION_CANCELLED => {
            let named = params.and_then(|params| params.member("requestId"));
            Kind::Cancelled(named.and_then(|id| RequestId::read(id).ok()))
        }
        Envelope::Notification { .. } | Envelope::Response { .. } | Envelope::Failure { .. } => {
            Kind::Told
        }
    }
}

/// Name and version as the client states them, cut.
fn client(envelope: &Envelope<'_>) -> Option<Arc<str>> {
    let modern = envelope.meta().and_then(|meta| meta.member(META_CLIENT_INFO));
    let stated = modern.or_else(|| envelope.params()?.member("clientInfo"))?;
    let part = |name: &str| stated.member(name).and_then(|text| text.string());
    let name = part("name")?;
    let whole = part("version").map_or(name.to_string(), |version| format!("{name} {version}"));
    Some(whole.chars().take(MAX_CLIENT).collect::<String>().into())
}
