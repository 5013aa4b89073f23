//! Stages of the author's own, before and after every call.

use std::fmt;

use async_trait::async_trait;
use haechi_core::Principal;
use haechi_core::json::{Checked, Text};
use haechi_guard::{GovernedCall, Refusal};
use haechi_policy::Permitted;

use crate::Caller;

/// Why a stage stops a call. The caller reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop(pub &'static str);

/// One call, as a stage sees it: names, and values to look at. What a stage learns here must not
/// reach a log: values may be personal.
#[derive(Clone, Copy, Debug)]
pub struct ToolCall<'a> {
    call: &'a GovernedCall,
    permitted: &'a Permitted,
}

impl<'a> ToolCall<'a> {
    /// The JSON-RPC method: `tools/call`, `prompts/get`, …
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.call.method()
    }

    /// The tool, prompt or resource.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.call.resource().name
    }

    /// Names of the arguments, in their order.
    #[must_use]
    pub fn parameters(&self) -> Vec<String> {
        let members = self.call.arguments().into_iter().flat_map(Text::members);
        members.map(|member| member.key.into_owned()).collect()
    }

    /// The arguments that will reach the tool, `null` where there are none.
    #[must_use]
    pub fn arguments(&self) -> serde_json::Value {
        self.call.arguments().map(Text::to_value).unwrap_or_default()
    }

    /// Whether a rule says that this call wants a fresh sign-in.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.permitted.sensitive().is_some()
    }
}

/// A stage around every call that policy permits: it may refuse, and can never grant.
///
/// ```
/// use haechi_embed::{Caller, Interceptor, Stop, ToolCall};
///
/// /// Sensitive tools rest at night.
/// #[derive(Debug)]
/// struct NightRest;
///
/// #[haechi_embed::async_trait]
/// impl Interceptor for NightRest {
///     fn name(&self) -> &'static str {
///         "night-rest"
///     }
///
///     async fn before(&self, _: &Caller, call: &ToolCall<'_>) -> Result<(), Stop> {
///         if call.is_sensitive() { Err(Stop("this tool rests at night")) } else { Ok(()) }
///     }
/// }
/// ```
#[async_trait]
pub trait Interceptor: fmt::Debug + Send + Sync + 'static {
    /// The name that audit entries and refusals show.
    fn name(&self) -> &'static str;

    /// After everything was decided, before the call is recorded and made.
    async fn before(&self, _: &Caller, _: &ToolCall<'_>) -> Result<(), Stop> {
        Ok(())
    }

    /// The result (or JSON-RPC error) as JSON, before the caller gets it; it can only be taken
    /// away.
    async fn after(&self, _: &Caller, _: &serde_json::Value) -> Result<(), Stop> {
        Ok(())
    }
}

/// A stage in the hall's own form.
#[derive(Debug)]
pub(crate) struct Around<I>(pub(crate) I);

impl<I: Interceptor> Around<I> {
    fn refusal(&self, Stop(reason): Stop) -> Refusal {
        Refusal::Intercepted { stage: self.0.name(), reason, entry: None }
    }
}

#[async_trait]
impl<I: Interceptor> haechi_guard::interceptor::Interceptor for Around<I> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn before_execution(
        &self,
        principal: &Principal,
        call: &GovernedCall,
        permitted: &Permitted,
    ) -> Result<(), Refusal> {
        let caller = Caller::new(principal.clone());
        let call = ToolCall { call, permitted };
        self.0.before(&caller, &call).await.map_err(|stop| self.refusal(stop))
    }

    async fn on_result(
        &self,
        principal: &Principal,
        message: &Checked,
    ) -> Result<Option<Checked>, Refusal> {
        let caller = Caller::new(principal.clone());
        let text = message.text();
        let body = text.member("result").or_else(|| text.member("error"));
        let body = body.map(Text::to_value).unwrap_or_default();
        self.0.after(&caller, &body).await.map_err(|stop| self.refusal(stop))?;
        Ok(None)
    }
}
