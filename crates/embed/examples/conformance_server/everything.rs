//! The server: every method that the suite calls, and the state behind them.

#![expect(deprecated, reason = "logging is part of every revision that the suite tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::task_manager::TaskManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ErrorData, ServerHandler};
use tokio::sync::broadcast;

use crate::streams::Streams;
use crate::{prompts, resources, skills, tools};

/// How many changes a slow listener may fall behind before it misses some.
const CHANGES: usize = 16;

/// A server with everything the conformance suite looks for.
///
/// Clones share tasks, open rounds and announcements. [`Everything::for_a_session`] gives a clone
/// whose log level and resource subscriptions are its own.
#[derive(Clone, Debug)]
pub(crate) struct Everything {
    shared: Arc<Shared>,
    session: Arc<Mutex<Session>>,
}

struct Shared {
    tasks: TaskManager,
    streams: Streams,
    changes: broadcast::Sender<Change>,
    rounds: Mutex<BTreeMap<String, Round>>,
    next_round: AtomicU64,
}

/// What one session of the older revisions has set.
#[derive(Debug, Default)]
struct Session {
    level: Option<LoggingLevel>,
    watched: BTreeSet<String>,
}

/// What a server announces to those who listen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

/// What the server remembers between two rounds of one request, by the handle that the caller
/// brings back as `requestState`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Round {
    /// The tool whose round this is; no other may go on with it.
    pub(crate) tool: String,
    /// What the earlier rounds have brought.
    pub(crate) heard: Vec<String>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Everything {
    /// A server whose legacy sessions live in `sessions`.
    pub(crate) fn new(sessions: Arc<LocalSessionManager>) -> Self {
        let shared = Shared {
            tasks: TaskManager::new(),
            streams: Streams::new(sessions),
            changes: broadcast::channel(CHANGES).0,
            rounds: Mutex::default(),
            next_round: AtomicU64::new(1),
        };
        Self { shared: Arc::new(shared), session: Arc::default() }
    }

    /// A clone for a session of its own.
    pub(crate) fn for_a_session(&self) -> Self {
        Self { shared: self.shared.clone(), session: Arc::default() }
    }

    pub(crate) fn tasks(&self) -> &TaskManager {
        &self.shared.tasks
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.shared.streams
    }

    /// Tells every listener of a change; nobody may be listening.
    pub(crate) fn announce(&self, change: Change) {
        let _ = self.shared.changes.send(change);
    }

    /// Keeps a round and gives the handle it is found by.
    pub(crate) fn remember(&self, round: Round) -> String {
        let number = self.shared.next_round.fetch_add(1, Ordering::Relaxed);
        let handle = format!("round-{number}");
        let mut rounds = self.shared.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.insert(handle.clone(), round);
        handle
    }

    /// The round behind `handle`, which is not found again.
    pub(crate) fn recall(&self, tool: &str, handle: &str) -> Result<Round, ErrorData> {
        let mut rounds = self.shared.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        match rounds.get(handle) {
            Some(round) if round.tool == tool => rounds.remove(handle),
            Some(_) | None => None,
        }
        .ok_or_else(|| ErrorData::invalid_params("this requestState was never given out", None))
    }

    /// The lowest level at which the caller wants log messages; `None`: none at all.
    pub(crate) fn log_level(&self, context: &RequestContext<RoleServer>) -> Option<LoggingLevel> {
        if speaks_2026(context) {
            return context.meta.log_level();
        }
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        Some(session.level.unwrap_or(LoggingLevel::Info))
    }

    fn with_session(&self, change: impl FnOnce(&mut Session)) {
        change(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Whether the request is of 2026-07-28 or later.
pub(crate) fn speaks_2026(context: &RequestContext<RoleServer>) -> bool {
    let newest = ProtocolVersion::V_2026_07_28;
    context.protocol_version().is_some_and(|version| version.as_str() >= newest.as_str())
}

impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_tasks()
            .enable_skills_with_directory_read()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("everything", env!("CARGO_PKG_VERSION")))
            .with_instructions("Everything the conformance suite asks for.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(self, params, &context).await
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::all()))
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::one(&params)
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        prompts::complete(&params)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::all()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&params.uri).map(ReadResourceResponse::Complete)
    }

    async fn list_skills(
        &self,
        params: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        skills::page(params.and_then(|params| params.cursor).as_deref())
    }

    async fn get_skill(
        &self,
        params: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        skills::one(&params.uri)
    }

    async fn read_resource_directory(
        &self,
        params: ReadResourceDirectoryRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        skills::directory(&params.uri)
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks().get_task(&params.task_id).map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        params: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks().update_task(&params.task_id, params.input_responses)
    }

    async fn cancel_task(
        &self,
        params: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks().cancel_task(&params.task_id)
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.shared.changes.subscribe();
        loop {
            let change = tokio::select! {
                () = context.cancelled() => return Ok(()),
                change = changes.recv() => change,
            };
            // The sink refuses what this listener did not ask for, and that is as it should be.
            let _ = match change {
                Ok(Change::Tools) => context.sink().notify_tool_list_changed().await,
                Ok(Change::Prompts) => context.sink().notify_prompt_list_changed().await,
                Err(_) => continue,
            };
        }
    }

    async fn set_level(
        &self,
        params: SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if speaks_2026(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        self.with_session(|session| session.level = Some(params.level));
        Ok(())
    }

    async fn subscribe(
        &self,
        params: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.with_session(|session| {
            session.watched.insert(params.uri);
        });
        Ok(())
    }

    async fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.with_session(|session| {
            session.watched.remove(&params.uri);
        });
        Ok(())
    }
}
