//! A server with everything the guard governs: tools of every kind of rule, a prompt, a resource.

use std::time::Duration;

use haechi_embed::{Builder, Caller, Haechi, SecureServer, secure_tool, tool_router};
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{
    GetPromptResult, ListResourcesResult, PaginatedRequestParams, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleClient, RoleServer, RunningService};
use rmcp::{
    ErrorData, ServerHandler, ServiceExt, prompt, prompt_handler, prompt_router, tool, tool_handler,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const EMAIL: &str = "minseo.kim@example.com";
pub(crate) const URI: &str = "clinic://rooms";

#[derive(Clone, Debug, Default)]
pub(crate) struct Clinic;

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Text {
    pub(crate) text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Amount {
    amount: i64,
}

fn echo(text: impl Into<String>) -> Json<Text> {
    Json(Text { text: text.into() })
}

#[tool_router]
impl Clinic {
    /// Answers what it got.
    #[secure_tool(roles("nurse", "doctor"), encrypt(arguments = ["EMAIL", "KR_RRN"]))]
    #[tool]
    async fn note(&self, Parameters(Text { text }): Parameters<Text>) -> Json<Text> {
        assert!(!text.contains(EMAIL), "a tool saw what was to be encrypted");
        echo(text)
    }

    /// Answers with personal data.
    #[secure_tool(roles("nurse"), results = "tokenize")]
    #[tool]
    async fn look_up(&self) -> Json<Text> {
        echo(EMAIL)
    }

    /// Refuses personal data.
    #[secure_tool(roles("nurse"), refuse(arguments = ["EMAIL"]))]
    #[tool]
    async fn publish(&self, Parameters(Text { text }): Parameters<Text>) -> Json<Text> {
        echo(text)
    }

    /// Needs a fresh sign-in.
    #[secure_tool(roles("doctor"), sensitive(max_age = "5m"))]
    #[tool]
    async fn discharge(&self, caller: Caller) -> Json<Text> {
        echo(caller.subject())
    }

    /// Small amounts only.
    #[secure_tool(roles("nurse"), condition = "context.arguments.amount < 100")]
    #[tool]
    async fn pay(&self, Parameters(Amount { amount }): Parameters<Amount>) -> Json<Text> {
        echo(amount.to_string())
    }

    /// Twice a minute.
    #[secure_tool(authenticated, rate = "2/min")]
    #[tool]
    async fn count(&self) -> Json<Text> {
        echo("counted")
    }

    /// Too slow for its time.
    #[secure_tool(authenticated, timeout = "1s")]
    #[tool]
    async fn slow(&self) -> Json<Text> {
        tokio::time::sleep(Duration::from_secs(20)).await;
        echo("late")
    }

    /// One at a time.
    #[secure_tool(authenticated, concurrency = 1)]
    #[tool]
    async fn narrow(&self) -> Json<Text> {
        tokio::time::sleep(Duration::from_millis(500)).await;
        echo("through")
    }

    /// Leaves no entry.
    #[secure_tool(authenticated, audit = "off")]
    #[tool]
    async fn unrecorded(&self, Parameters(Text { text }): Parameters<Text>) -> Json<Text> {
        echo(text)
    }

    /// Leaves an entry without names of parameters.
    #[secure_tool(authenticated, audit(parameters = "none"))]
    #[tool]
    async fn nameless(&self, Parameters(Text { text }): Parameters<Text>) -> Json<Text> {
        echo(text)
    }

    /// Wants a scope.
    #[secure_tool(authenticated, scopes("clinic.write"))]
    #[tool]
    async fn scoped(&self) -> Json<Text> {
        echo("scoped")
    }

    /// For everybody.
    #[secure_tool(anyone)]
    #[tool]
    async fn hello(&self, caller: Caller) -> Json<Text> {
        echo(if caller.is_anonymous() { "stranger" } else { "friend" })
    }

    /// Fails.
    #[secure_tool(authenticated)]
    #[tool]
    async fn broken(&self) -> Json<Text> {
        panic!("broken on purpose")
    }

    /// Speaks before it answers.
    #[secure_tool(authenticated)]
    #[tool]
    async fn chatter(&self, context: RequestContext<RoleServer>) -> Json<Text> {
        let said = rmcp::model::ProgressNotificationParam::new(
            context.meta.get_progress_token().unwrap(),
            1.0,
        )
        .with_message(format!("asked by {EMAIL}"));
        let _heard = context.peer.notify_progress(said).await;
        echo("done")
    }

    /// Nobody says who may.
    #[tool]
    async fn forgotten(&self) -> Json<Text> {
        echo("reached")
    }
}

#[prompt_router]
impl Clinic {
    /// A letter.
    #[prompt]
    async fn letter(&self, Parameters(Text { text }): Parameters<Text>) -> GetPromptResult {
        GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for Clinic {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .build();
        ServerConfig::new(capabilities)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(URI, "rooms")]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = ResourceContents::text("four rooms", request.uri);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

/// A clinic in a folder of its own, and the operating-system user who works there with `roles`.
pub(crate) struct House {
    pub(crate) haechi: Haechi,
    pub(crate) server: SecureServer<Clinic>,
    folder: TempDir,
}

impl House {
    pub(crate) async fn open(roles: &[&str]) -> Self {
        Self::with(roles, |builder| builder).await
    }

    pub(crate) async fn with(roles: &[&str], more: impl FnOnce(Builder) -> Builder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builder = Haechi::builder("clinic").data_directory(folder.path().join("data"));
        let haechi = more(builder.owner_roles(roles)).build().await.unwrap();
        let server = SecureServer::new(Clinic, &haechi).unwrap();
        Self { haechi, server, folder }
    }

    /// A client of the person who works here.
    pub(crate) async fn client(&self) -> RunningService<RoleClient, ()> {
        let caller = self.haechi.stdio_caller().await.unwrap();
        serve(self.server.clone().for_caller(caller)).await
    }

    /// Everything the audit log holds, as JSON.
    pub(crate) async fn entries(&self) -> Vec<Value> {
        let directory = self.folder.path().join("data/run/clinic");
        let reader = haechi_audit::Reader::open(&directory).unwrap();
        reader.entries(0).map(|entry| serde_json::to_value(entry.unwrap()).unwrap()).collect()
    }
}

/// A client of `server`, over a pipe of this process.
pub(crate) async fn serve(server: SecureServer<Clinic>) -> RunningService<RoleClient, ()> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (reader, writer) = tokio::io::split(far);
    tokio::spawn(server.serve_over(reader, writer));
    ().serve(near).await.unwrap()
}

pub(crate) fn text(text: &str) -> Value {
    json!({ "text": text })
}

/// A client of a server that nobody guards.
pub(crate) async fn bare(server: impl ServerHandler) -> RunningService<RoleClient, ()> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let running = server.serve(far).await.unwrap();
        running.waiting().await.unwrap();
    });
    ().serve(near).await.unwrap()
}
