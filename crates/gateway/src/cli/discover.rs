//! What upstreams offer, asked through the guard itself and recorded like every other call.

use std::sync::Arc;
use std::time::Duration;

use haechi_assembly::{Assembly, DataDirectory, Log, Settings, text_variable};
use haechi_core::json::{Checked, Limits};
use haechi_core::rpc::{
    Envelope, LATEST_LEGACY_VERSION, META_PROTOCOL_VERSION, MODERN_VERSION, method,
};
use haechi_core::{Credentials, Era, Origin, Principal, UpstreamName};
use haechi_guard::{Answer, AnswerBody, AnswerItem, Call, Guard, Passage, Refusal, Upstream};
use haechi_identity::Audience;
use haechi_policy::KnownTool;
use serde_json::{Value, json};

use super::carriers::Carriers;
use super::failure::{Failure, chain};

/// How long one upstream may take to show what it offers.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pages of a list that are read.
const MAX_PAGES: usize = 100;

/// What upstreams offer.
pub(super) struct Discovered {
    /// Each upstream, with the number of its tools or why it did not show them.
    pub(super) upstreams: Vec<(UpstreamName, Result<usize, String>)>,
    /// All tools.
    pub(super) tools: Vec<KnownTool>,
}

/// Asks every upstream of `settings` for its tools, as the operating-system user.
pub(super) async fn discover(
    settings: &Settings,
    directory: DataDirectory,
) -> Result<Discovered, Failure> {
    let mut asking = settings.clone();
    asking.owner = true;
    asking.roles.clear();
    asking.policy.files.clear();
    // Looking sends nothing anywhere.
    asking.exports.clear();
    let log = Log::Run("check".to_owned());
    let assembly = Assembly::open(&asking, directory, &log).await?;
    let carriers = Carriers::default().next(&asking, &assembly.rooms, false)?;
    let uid = rustix::process::getuid().as_raw();
    let credentials = Credentials::OperatingSystemUser { uid, username: text_variable("USER") };
    let principal =
        assembly.guard.authenticate(&credentials, &Audience::default(), &Origin::default()).await;
    let principal = principal.map_err(|error| Failure::of(&error))?;
    let asked = carriers.routes(false).into_iter().map(|(name, route)| {
        let visitor = Visitor {
            guard: Arc::clone(&assembly.guard),
            principal: principal.clone(),
            upstream: route.upstream,
            name: UpstreamName(name.into()),
        };
        async move {
            let shown = tokio::time::timeout(PATIENCE, visitor.tools()).await;
            let shown = shown.unwrap_or_else(|_| {
                Err(format!("it did not answer within {}s", PATIENCE.as_secs()))
            });
            (visitor.name, shown)
        }
    });
    let mut upstreams = futures::future::join_all(asked).await;
    upstreams.sort_by(|(one, _), (other, _)| one.cmp(other));
    let tools = assembly.guard.catalog().all();
    carriers.stop().await;
    assembly.audit.close().await;
    Ok(Discovered { upstreams, tools })
}

/// A client of one upstream, inside this process.
struct Visitor {
    guard: Arc<Guard>,
    principal: Principal,
    upstream: Arc<dyn Upstream>,
    name: UpstreamName,
}

impl Visitor {
    /// Lists all tools; the guard's catalog learns them on the way.
    async fn tools(&self) -> Result<usize, String> {
        let (message, _) = message(1, method::SERVER_DISCOVER, &json!({ "_meta": meta() }))?;
        let discovered = self.relay(message, Era::Modern, None).await;
        if discovered.is_ok_and(|answer| answer.get("result").is_some()) {
            return self.pages(Era::Modern, None).await;
        }
        let session = self.guard.open_session(&self.principal, &self.name);
        let session = session.map_err(|refusal| said(&refusal))?;
        let counted = self.in_session(&session).await;
        let _best_effort = self.guard.end_session(&self.principal, &session, &self.upstream).await;
        counted
    }

    async fn in_session(&self, session: &Arc<str>) -> Result<usize, String> {
        let params = json!({
            "protocolVersion": LATEST_LEGACY_VERSION,
            "capabilities": {},
            "clientInfo": { "name": "haechi", "version": env!("CARGO_PKG_VERSION") },
        });
        let (hello, _) = message(1, method::INITIALIZE, &params)?;
        let answer = self.relay(hello, Era::Legacy, Some(session)).await?;
        if answer.get("result").is_none() {
            return Err(error_of(&answer));
        }
        let note = json!({ "jsonrpc": "2.0", "method": method::NOTIFICATION_INITIALIZED });
        let note = checked(&note)?;
        self.relay_only(note, Era::Legacy, Some(session)).await?;
        self.pages(Era::Legacy, Some(session)).await
    }

    async fn pages(&self, era: Era, session: Option<&Arc<str>>) -> Result<usize, String> {
        let mut count = 0;
        let mut cursor = Value::Null;
        for page in 0..MAX_PAGES {
            let mut params = serde_json::Map::new();
            if era == Era::Modern {
                params.insert("_meta".to_owned(), meta());
            }
            if !cursor.is_null() {
                params.insert("cursor".to_owned(), cursor);
            }
            let (body, headers) = message(page + 2, method::TOOLS_LIST, &Value::Object(params))?;
            let call = Call {
                upstream: self.name.clone(),
                era,
                protocol_version: Some(version(era)),
                body,
                session: session.cloned(),
                headers: if era == Era::Modern { headers } else { Vec::new() },
                origin: Origin::default(),
            };
            let answer = self.guard.handle(&self.principal, call, &self.upstream).await;
            let answer = last(answer.map_err(|refusal| said(&refusal))?).await?;
            let Some(result) = answer.get("result") else { return Err(error_of(&answer)) };
            count += result.get("tools").and_then(Value::as_array).map_or(0, Vec::len);
            cursor = result.get("nextCursor").cloned().unwrap_or_default();
            if cursor.is_null() {
                break;
            }
        }
        Ok(count)
    }

    async fn relay(
        &self,
        body: Checked,
        era: Era,
        session: Option<&Arc<str>>,
    ) -> Result<Value, String> {
        last(self.relay_only(body, era, session).await?).await
    }

    async fn relay_only(
        &self,
        body: Checked,
        era: Era,
        session: Option<&Arc<str>>,
    ) -> Result<Answer, String> {
        let called = Envelope::read(body.text()).ok().and_then(|e| e.method().map(str::to_owned));
        let called = called.unwrap_or_default();
        let modern = era == Era::Modern;
        let headers = if modern { vec![("mcp-method".to_owned(), called.clone())] } else { vec![] };
        let hello = called == method::INITIALIZE;
        let passage = Passage {
            upstream: self.name.clone(),
            era,
            protocol_version: (!hello).then(|| version(era)),
            body: Some(body),
            session: session.cloned(),
            last_event_id: None,
            headers,
            origin: Origin::default(),
        };
        let answer = self.guard.relay(&self.principal, passage, &self.upstream).await;
        answer.map_err(|refusal| said(&refusal))
    }
}

fn version(era: Era) -> Arc<str> {
    match era {
        Era::Modern => MODERN_VERSION.into(),
        Era::Legacy => LATEST_LEGACY_VERSION.into(),
    }
}

fn meta() -> Value {
    json!({
        META_PROTOCOL_VERSION: MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": { "name": "haechi", "version": env!("CARGO_PKG_VERSION") },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A request, and the headers that mirror it in the modern era.
fn message(
    id: usize,
    called: &str,
    params: &Value,
) -> Result<(Checked, Vec<(String, String)>), String> {
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": called, "params": params });
    Ok((checked(&body)?, vec![("mcp-method".to_owned(), called.to_owned())]))
}

fn checked(body: &Value) -> Result<Checked, String> {
    Checked::new(body.to_string().into(), &Limits::WIRE).map_err(|error| error.to_string())
}

/// The answer itself, behind whatever came before it.
async fn last(answer: Answer) -> Result<Value, String> {
    let parse =
        |message: &Checked| serde_json::from_slice::<Value>(message.bytes()).unwrap_or_default();
    match answer.body {
        AnswerBody::Empty => Err(format!("it answered nothing (HTTP {})", answer.status)),
        AnswerBody::Message(message) => Ok(parse(&message)),
        AnswerBody::Stream(mut events) => {
            while let Some(item) = events.recv().await {
                match item {
                    AnswerItem::Refused { refusal, .. } => return Err(said(&refusal)),
                    AnswerItem::Event(event) => {
                        let message = event.message.as_ref().map(parse).unwrap_or_default();
                        if message.get("result").is_some() || message.get("error").is_some() {
                            return Ok(message);
                        }
                    }
                }
            }
            Err("its stream ended before the answer".to_owned())
        }
    }
}

fn said(refusal: &Refusal) -> String {
    chain(refusal)
}

fn error_of(answer: &Value) -> String {
    let message = answer.pointer("/error/message").and_then(Value::as_str);
    super::table::visible(message.unwrap_or("it answered neither result nor error"))
}
