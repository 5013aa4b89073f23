//! The answer streams of legacy sessions, which a server may close in the middle of a call.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

const SESSION: &str = "mcp-session-id";

/// How soon a client may come back to a closed stream.
const RETRY: Duration = Duration::from_millis(200);

/// The service numbers the streams of a session from 0 and tells the handler no number. More than
/// this many are not opened by one session of the suite.
const NUMBERS: std::ops::Range<u64> = 0..32;

/// The sessions' answer streams.
#[derive(Debug)]
pub(crate) struct Streams {
    sessions: Arc<LocalSessionManager>,
}

impl Streams {
    pub(crate) fn new(sessions: Arc<LocalSessionManager>) -> Self {
        Self { sessions }
    }

    /// Closes the open answer streams of the caller's session; answers wait for a client that
    /// comes back with `Last-Event-ID`. A caller without a session keeps its stream.
    pub(crate) async fn close(&self, context: &RequestContext<RoleServer>) {
        let Some(parts) = context.extensions.get::<Parts>() else { return };
        let Some(id) = parts.headers.get(SESSION).and_then(|value| value.to_str().ok()) else {
            return;
        };
        let handle = self.sessions.sessions.read().await.get(id).cloned();
        let Some(handle) = handle else { return };
        for number in NUMBERS {
            // Most numbers stand for no stream.
            let _ = handle.close_sse_stream(number, Some(RETRY)).await;
        }
    }
}
