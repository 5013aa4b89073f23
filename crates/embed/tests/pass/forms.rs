//! Every form of tool and of rule that the macros take.

use std::fmt::Debug;
use std::sync::Arc;

use haechi_embed::{Caller, Secured, ToolSecurity, secure_tool, tool_router};
use rmcp::Json;
use rmcp::RoleServer;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::RequestMetaObject;
use rmcp::service::RequestContext;
use rmcp::{ErrorData as McpError, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What tools are asked.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) times: usize,
}

/// What they answer.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Answer {
    pub(crate) text: String,
}

/// A server over any store.
#[derive(Clone, Debug)]
pub(crate) struct Generic<S>
where
    S: Clone,
{
    pub(crate) store: Arc<S>,
}

#[tool_router(vis = "pub(crate)")]
impl<S: Clone + Debug + Send + Sync + 'static> Generic<S>
where
    S: Default,
{
    /// Says who asks,
    /// and what.
    #[secure_tool(
        authenticated,
        scopes("files.read files.write", "mail"),
        condition = "context.arguments.times < 3 && principal has \"a(b\"",
        sensitive,
        refuse(arguments = ["CARD", "KR_*"]),
        mask(arguments = ["EMAIL"], results = "PHONE"),
        arguments = "mask:2",
        results = "generalize:date-shift:30",
        audit(parameters = "none"),
        concurrency = 4,
    )]
    #[tool(name = "customerData", annotations(title = "Data"))]
    #[expect(clippy::unused_async, reason = "the author's own")]
    pub(crate) async fn customer_data(
        &self,
        mut caller: Caller,
        Parameters(Question { text, times }): Parameters<Question>,
        context: RequestContext<RoleServer>,
        _meta: RequestMetaObject,
    ) -> Result<Json<Answer>, McpError> {
        caller = Caller::from(caller.principal().clone());
        let text = format!("{} {} {:?} {}", text, times, self.store, caller.subject());
        drop(context);
        Ok(Json(Answer { text }))
    }

    /// Without arguments.
    #[secure_tool(anyone, audit = "off", timeout = "1h30m", rate = "5/s")]
    #[tool]
    pub(crate) async fn ping(&self) -> String {
        "pong".to_owned()
    }

    #[tool]
    #[doc = "Does not wait."]
    async fn undecorated(&self, Parameters(question): Parameters<Question>) -> String {
        question.text
    }

    /// Does not wait.
    #[secure_tool(roles("a:b.c-d_1"))]
    #[tool]
    pub(crate) fn plain(&self, Parameters(question): Parameters<Question>) -> String {
        question.text.repeat(question.times)
    }

    /// Lifetimes.
    #[cfg(not(any()))]
    #[secure_tool(authenticated)]
    #[tool]
    #[expect(clippy::needless_lifetimes, reason = "the form is what is tested")]
    async fn r#loop<'a>(&'a self, _caller: Caller) -> String {
        "kept".to_owned()
    }

    /// Only elsewhere.
    #[secure_tool(authenticated)]
    #[cfg(any())]
    #[tool]
    async fn elsewhere(&self) -> String {
        missing()
    }
}

/// A server with two routers.
#[derive(Clone, Debug, Default)]
pub(crate) struct TwoRouters;

#[tool_router(router = first, vis = "pub(crate)")]
impl TwoRouters {
    /// The first.
    #[secure_tool(anyone)]
    #[tool]
    async fn one(&self) -> String {
        "one".to_owned()
    }
}

#[tool_router(router = second, vis = "pub(crate)")]
impl TwoRouters {
    /// The second.
    #[haechi_embed::secure_tool(authenticated)]
    #[rmcp::tool]
    async fn two(&self) -> String {
        "two".to_owned()
    }
}

impl Secured for TwoRouters {
    fn tool_security() -> Vec<(std::borrow::Cow<'static, str>, ToolSecurity)> {
        let mut all = Self::first_security();
        all.extend(Self::second_security());
        all
    }
}

/// A server whose handler the router writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct WithHandler;

#[tool_router(server_handler)]
impl WithHandler {
    /// Without arguments.
    #[secure_tool(anyone)]
    #[tool]
    async fn only(&self) -> String {
        "only".to_owned()
    }

    /// With arguments.
    #[secure_tool(anyone)]
    #[tool]
    async fn asks(&self, Parameters(question): Parameters<Question>) -> String {
        question.text
    }
}
