//! The guard as a function: for servers that are built on something else than `rmcp`.

use haechi_core::json::{Checked, Limits, quote};
use haechi_core::{Era, Origin};
use haechi_guard::{Answer, AnswerBody, Call, Refusal, Upstream};
use serde_json::Value;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::direct::Direct;
use crate::{Caller, Haechi};

/// Why a guarded function gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// The guard refused the call. `Display` is what the caller may know.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The function itself failed; the audit log has its outcome.
    #[error("the function failed")]
    Failed(E),
}

impl<E> From<Refusal> for CallError<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl Haechi {
    /// Calls `run` as the tool `tool` for `caller`: the arguments are judged, screened and
    /// recorded before it runs, and its result is screened before it comes back. `arguments` and
    /// the result are JSON objects.
    ///
    /// ```no_run
    /// # use haechi_embed::{Caller, Haechi};
    /// # async fn example(haechi: Haechi, caller: Caller) -> Result<(), Box<dyn std::error::Error>> {
    /// use serde_json::json;
    ///
    /// let arguments = json!({ "city": "Seoul" });
    /// let answer = haechi
    ///     .call(&caller, "get_weather", arguments, |arguments| async move {
    ///         Ok::<_, std::io::Error>(json!({ "city": arguments["city"], "degrees": 21 }))
    ///     })
    ///     .await?;
    /// # let _ = answer;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`CallError::Refused`] as the guard says; [`CallError::Failed`] with what `run` said.
    pub async fn call<E, F, Running>(
        &self,
        caller: &Caller,
        tool: &str,
        arguments: Value,
        run: F,
    ) -> Result<Value, CallError<E>>
    where
        E: Send + 'static,
        F: FnOnce(Value) -> Running + Send + 'static,
        Running: Future<Output = Result<Value, E>> + Send + 'static,
    {
        self.call_from(caller, (tool, &Origin::default()), arguments, run).await
    }

    /// As [`Haechi::call`], of a call that came from somewhere.
    pub(crate) async fn call_from<E, F, Running>(
        &self,
        caller: &Caller,
        (tool, origin): (&str, &Origin),
        arguments: Value,
        run: F,
    ) -> Result<Value, CallError<E>>
    where
        E: Send + 'static,
        F: FnOnce(Value) -> Running + Send + 'static,
        Running: Future<Output = Result<Value, E>> + Send + 'static,
    {
        if !arguments.is_object() {
            return Err(Refusal::Malformed("arguments are a JSON object").into());
        }
        let call = self.call_of(tool, &arguments, origin.clone())?;
        let failure = Arc::new(Mutex::new(None));
        let server: Arc<dyn Upstream> =
            Arc::new(Direct::new(self.0.name.clone(), run, Arc::clone(&failure)));
        let answer = self.guard().handle(caller.principal(), call, &server).await;
        if let Some(failed) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(CallError::Failed(failed));
        }
        Ok(structured(answer?)?)
    }

    /// The message that a client would send for this call.
    fn call_of(&self, tool: &str, arguments: &Value, origin: Origin) -> Result<Call, Refusal> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{},"arguments":{arguments}}}}}"#,
            quote(tool)
        );
        let body = Checked::new(body.into(), &Limits::WIRE)
            .map_err(|_| Refusal::Malformed("the arguments are too large or too deep"))?;
        Ok(Call {
            upstream: self.0.name.clone(),
            era: Era::Modern,
            protocol_version: None,
            body,
            session: None,
            headers: Vec::new(),
            origin,
        })
    }
}

fn structured(answer: Answer) -> Result<Value, Refusal> {
    let AnswerBody::Message(message) = answer.body else { return Err(Refusal::Unavailable(None)) };
    let result = message.text().path(&["result", "structuredContent"]);
    result.map(|result| result.to_value()).ok_or(Refusal::Unavailable(None))
}
