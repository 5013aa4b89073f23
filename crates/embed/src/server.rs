//! A server with the guard around it.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam,
    CompleteRequestParams, CompleteResult, CustomNotification, CustomRequest, CustomResult,
    DiscoverResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams,
    GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};

use haechi_core::rpc::{is_modern_version, method};
use haechi_face::era::was_removed;

use crate::govern::{Governed, Run};
use crate::wire::{Reply, Request};
use crate::{Caller, Haechi, RulesError, Secured};

/// A server with the guard around it: whatever is asked of the server inside walks the line first.
///
/// Tools, prompts, resources, completion, tasks, subscriptions and every method there is no word
/// for are authenticated, judged, screened and recorded; lists show a caller what it may use, and
/// may be kept by nobody else (`cacheScope: "private"`). A tool that no rule names is refused.
/// Opening and keeping a conversation (`initialize`, `ping`, `server/discover`, notifications) is
/// left to the server inside.
///
/// Clones share the server and the guard, so each session may have one: `rmcp`'s
/// `StreamableHttpService::new(move || Ok(server.clone()), …)` takes it as it takes any handler. What
/// the server says aside (progress, log messages, questions to the client) goes around its results:
/// it is screened by [`HttpLayer`](crate::HttpLayer), [`SecureServer::serve_stdio`] and
/// [`SecureServer::serve_over`], and by no other transport.
pub struct SecureServer<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) haechi: Haechi,
    /// Who asks where the transport carries no credentials.
    pub(crate) caller: Option<Caller>,
}

impl<H> Clone for SecureServer<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            haechi: self.haechi.clone(),
            caller: self.caller.clone(),
        }
    }
}

impl<H> std::fmt::Debug for SecureServer<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecureServer").field("haechi", &self.haechi).finish_non_exhaustive()
    }
}

impl<H: ServerHandler + Secured> SecureServer<H> {
    /// Puts the guard around `handler`, with what `#[secure_tool]` says of its tools added to the
    /// settings.
    ///
    /// # Errors
    ///
    /// [`RulesError`] when the rules of a tool cannot be in force, such as a Cedar condition that
    /// is none; every problem at once.
    pub fn new(handler: H, haechi: &Haechi) -> Result<Self, RulesError> {
        let rules = H::tool_security();
        let tools = rules.iter().filter_map(|(name, _)| handler.get_tool(name)).collect();
        haechi.learn(tools);
        haechi.enforce(&rules)?;
        Ok(Self::undecorated(handler, haechi))
    }
}

impl<H: ServerHandler> SecureServer<H> {
    /// Puts the guard around a server whose tools carry no `#[secure_tool]`: the settings alone say
    /// who may call what, and what they do not name is refused.
    #[must_use]
    pub fn undecorated(handler: H, haechi: &Haechi) -> Self {
        Self { handler: Arc::new(handler), haechi: haechi.clone(), caller: None }
    }

    /// The server inside, unguarded: for its own work, never to be served.
    #[must_use]
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The guard.
    #[must_use]
    pub const fn haechi(&self) -> &Haechi {
        &self.haechi
    }

    /// Adds who asks where the transport does not say, and walks the line.
    async fn walk<P: Request, R: Reply>(
        &self,
        mut governed: Governed<P, R>,
        tool: Option<&str>,
    ) -> Result<R, ErrorData> {
        if let Some(caller) = &self.caller {
            governed.context.extensions.insert(caller.clone());
        }
        self.haechi.govern(governed, tool).await
    }

    /// Walks the line with one request and runs it on the server inside.
    async fn govern<P, R, F, Running>(
        &self,
        method: &str,
        (params, context): (P, RequestContext<RoleServer>),
        run: F,
    ) -> Result<R, ErrorData>
    where
        P: Request,
        R: Reply,
        F: FnOnce(Arc<H>, P, RequestContext<RoleServer>) -> Running + Send + 'static,
        Running: Future<Output = Result<R, ErrorData>> + Send + 'static,
    {
        let handler = Arc::clone(&self.handler);
        let run: Run<P, R> = Box::new(move |params, context| run(handler, params, context).boxed());
        let governed = Governed { method: method.to_owned(), params, context, run };
        self.walk(governed, None).await
    }
}

/// The code of a refusal that says nothing but no.
const DENIED: i32 = 40_300;

/// One governed method: its parameters and context go to the same method of the server inside.
macro_rules! governed {
    ($server:ident, $method:expr, $request:expr, $context:expr, $name:ident) => {
        $server
            .govern($method, ($request, $context), |handler, request, context| async move {
                handler.$name(request, context).await
            })
            .await
    };
}

impl<H: ServerHandler> ServerHandler for SecureServer<H> {
    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.handler.ping(context).await
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.handler.initialize(request, context).await
    }

    fn negotiate_initialize(
        &self,
        request: &InitializeRequestParams,
    ) -> Result<InitializeResult, ErrorData> {
        self.handler.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler.supported_protocol_versions()
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        self.handler.discover(context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        governed!(self, method::COMPLETION_COMPLETE, request, context, complete)
    }

    async fn set_level(
        &self,
        request: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.handler.set_level(request, context).await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        governed!(self, method::PROMPTS_GET, request, context, get_prompt)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        governed!(self, method::PROMPTS_LIST, request, context, list_prompts)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        governed!(self, method::RESOURCES_LIST, request, context, list_resources)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        governed!(self, method::RESOURCES_TEMPLATES_LIST, request, context, list_resource_templates)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        governed!(self, method::RESOURCES_READ, request, context, read_resource)
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.handler.accepted_subscription_filter(requested)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let request = context.request_context().clone();
        self.govern(
            method::SUBSCRIPTIONS_LISTEN,
            (context, request),
            |handler, context, _| async move { handler.listen(context).await },
        )
        .await
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        governed!(self, method::RESOURCES_SUBSCRIBE, request, context, subscribe)
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        governed!(self, method::RESOURCES_UNSUBSCRIBE, request, context, unsubscribe)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = request.name.clone();
        let run: Run<_, _> = {
            let handler = Arc::clone(&self.handler);
            Box::new(|request, context| {
                async move { handler.call_tool(request, context).await }.boxed()
            })
        };
        let method = method::TOOLS_CALL.to_owned();
        let governed = Governed { method, params: request, context, run };
        self.walk(governed, Some(&tool)).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        governed!(self, method::TOOLS_LIST, request, context, list_tools)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.handler.get_tool(name)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let called = request.method.clone();
        if is_nobodys(&called, &context) {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, called, None));
        }
        let answered = governed!(self, &called, request, context, on_custom_request);
        // A method that no rule names is none for this caller, as a tool is.
        answered.map_err(|error| match error.code.0 {
            DENIED => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, called, error.data),
            _ => error,
        })
    }

    async fn on_cancelled(
        &self,
        notification: CancelledNotificationParam,
        context: NotificationContext<RoleServer>,
    ) {
        self.handler.on_cancelled(notification, context).await;
    }

    async fn on_progress(
        &self,
        notification: ProgressNotificationParam,
        context: NotificationContext<RoleServer>,
    ) {
        self.handler.on_progress(notification, context).await;
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.handler.on_initialized(context).await;
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        self.handler.on_roots_list_changed(context).await;
    }

    async fn on_custom_notification(
        &self,
        notification: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) {
        self.handler.on_custom_notification(notification, context).await;
    }

    fn get_info(&self) -> ServerConfig {
        self.handler.get_info()
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        governed!(self, method::TASKS_GET, request, context, get_task)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        governed!(self, method::TASKS_UPDATE, request, context, update_task)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        governed!(self, method::TASKS_CANCEL, request, context, cancel_task)
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        governed!(self, method::SKILLS_LIST, request, context, list_skills)
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        governed!(self, method::SKILLS_GET, request, context, get_skill)
    }

    async fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        let called = method::RESOURCES_DIRECTORY_READ;
        governed!(self, called, request, context, read_resource_directory)
    }
}

/// Whether a method that came without a type of its own is one of the protocol's that no server has
/// under that name: taken away from the revision that is spoken, or of those that open and keep a
/// conversation, whose parameters then are none.
fn is_nobodys(called: &str, context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    let modern = version.is_some_and(|version| is_modern_version(version.as_str()));
    method::is_relayed(called) || (modern && was_removed(called))
}
