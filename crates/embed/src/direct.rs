//! A function of this process in the place of an upstream.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use haechi_core::UpstreamName;
use haechi_core::json::{Checked, Limits, Text};
use haechi_guard::{
    Incoming, IncomingBody, Outgoing, Proofs, SessionPass, Upstream, UpstreamFailure,
};
use serde_json::Value;

/// The code of a function that failed; what it said stays in this process.
const FAILED: i32 = -32603;

/// A function in the place of an upstream, for one call.
pub(crate) struct Direct<F, E> {
    name: UpstreamName,
    run: Mutex<Option<F>>,
    failure: Arc<Mutex<Option<E>>>,
}

impl<F, E> Direct<F, E> {
    /// What `run` fails with is left in `failure`.
    pub(crate) const fn new(name: UpstreamName, run: F, failure: Arc<Mutex<Option<E>>>) -> Self {
        Self { name, run: Mutex::new(Some(run)), failure }
    }

    fn nonsense(&self, what: &'static str) -> UpstreamFailure {
        UpstreamFailure::Nonsense { upstream: self.name.clone(), what }
    }

    /// The screened arguments, as the guard let them out.
    fn arguments(&self, body: &Bytes) -> Result<Value, UpstreamFailure> {
        let message = Checked::new(body.clone(), &Limits::WIRE);
        let message = message.map_err(|_| self.nonsense("arguments that are no JSON"))?;
        let arguments = message.text().path(&["params", "arguments"]).map(Text::to_value);
        Ok(arguments.unwrap_or_default())
    }
}

impl<F, E> fmt::Debug for Direct<F, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<F, E, Running> Upstream for Direct<F, E>
where
    F: FnOnce(Value) -> Running + Send + 'static,
    Running: Future<Output = Result<Value, E>> + Send + 'static,
    E: Send + 'static,
{
    fn name(&self) -> &UpstreamName {
        &self.name
    }

    async fn forward(&self, outgoing: Outgoing, _: Proofs) -> Result<Incoming, UpstreamFailure> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
        let run = run.ok_or_else(|| self.nonsense("two answers"))?;
        let body = match run(self.arguments(&outgoing.body)?).await {
            Ok(result) => format!(
                r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[],"structuredContent":{result}}}}}"#
            ),
            Err(error) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{FAILED},"message":"the function failed"}}}}"#
                )
            }
        };
        let message = Checked::new(body.into(), &Limits::RESULT);
        let message = message.map_err(|_| self.nonsense("a result too large or too deep"))?;
        Ok(Incoming { status: 200, headers: Vec::new(), body: IncomingBody::Message(message) })
    }

    async fn relay(&self, _: Outgoing, _: &SessionPass) -> Result<Incoming, UpstreamFailure> {
        Err(self.nonsense("a message of the second door"))
    }

    async fn open_stream(&self, _: Outgoing, _: &SessionPass) -> Result<Incoming, UpstreamFailure> {
        Err(self.nonsense("a message of the second door"))
    }

    async fn end_session(&self, _: &str) {}
}
