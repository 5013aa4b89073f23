//! The MCP server: the lesson in five tools, one prompt and one resource.

use std::path::Path;
use std::sync::Arc;

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{
    GetPromptResult, Implementation, ListResourcesResult, PaginatedRequestParams, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, RequestMetaObject,
    Resource, ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{
    ErrorData, ServerHandler, ServiceExt, prompt, prompt_handler, prompt_router, tool,
    tool_handler, tool_router,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::assertion::{AssertionError, Caller, Expected, KeySet, KeySetError};
use crate::customers::{Customer, CustomerArguments, Customers};
use crate::documents::{self, Document};
use crate::records::{Deleted, Records};
use crate::status::{self, SystemStatus};
use crate::today::{days_since_epoch, now_secs};
use crate::weather::{self, Weather};

const CALLER_META: &str = "haechi/caller";
const CITIES_URI: &str = "sample://cities";

/// Whom this server believes about its callers.
#[derive(Clone, Debug)]
pub struct CallerKeys {
    /// The name an assertion must carry as its audience: this server's own name at the gateway.
    pub audience: String,
    /// The gateway's public keys, a JSON Web Key Set (RFC 7517) as text, from the environment
    /// variable `HAECHI_CALLER_JWKS`. Without them `secure_data_access` answers an error.
    pub jwks: Option<String>,
}

/// Why the server ended before its client did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The public keys it was given are of no use.
    #[error("the public keys in `HAECHI_CALLER_JWKS` cannot be used")]
    Keys(#[source] KeySetError),
    /// The client spoke no MCP before it hung up.
    #[error("no MCP session could be opened")]
    Opening(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The task that served the session failed.
    #[error("the MCP session ended in the middle")]
    Session(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Serves the sample's tools on standard input and output, until the client closes them.
///
/// Both protocol eras are spoken. Nothing but protocol messages is written to standard output.
///
/// # Errors
///
/// [`SampleError`], which the process may print on standard error.
pub async fn serve_stdio(caller: CallerKeys) -> Result<(), SampleError> {
    let server = Sample::new(caller).map_err(SampleError::Keys)?;
    let running = server
        .serve(rmcp::transport::io::stdio_pipes())
        .await
        .map_err(|error| SampleError::Opening(error.into()))?;
    running.waiting().await.map_err(|error| SampleError::Session(error.into()))?;
    Ok(())
}

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    records: Arc<Records>,
    customers: Arc<Customers>,
    keys: Option<Arc<KeySet>>,
    audience: Arc<str>,
}

impl Sample {
    pub(crate) fn new(caller: CallerKeys) -> Result<Self, KeySetError> {
        let keys = caller.jwks.as_deref().map(KeySet::parse).transpose()?;
        Ok(Self {
            records: Arc::new(Records::seeded()),
            customers: Arc::new(Customers::seeded()),
            keys: keys.map(Arc::new),
            audience: caller.audience.into(),
        })
    }

    fn caller(&self, meta: &RequestMetaObject, tool: &str) -> Result<Caller, AssertionError> {
        let token = meta.get(CALLER_META).and_then(|value| value.as_str());
        let token = token.ok_or(AssertionError::Missing)?;
        let keys = self.keys.as_ref().ok_or(AssertionError::NoKeys)?;
        let now_secs = now_secs();
        keys.verify(
            token,
            Expected { audience: &self.audience, method: "tools/call", tool, now_secs },
        )
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CityArguments {
    /// The city, in English.
    city: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UserArguments {
    /// Whose records to delete.
    user_id: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct QueryArguments {
    /// Words that a document must hold.
    query: String,
}

/// What `secure_data_access` answers.
#[derive(Debug, Serialize, JsonSchema)]
struct SecureData {
    /// The caller's subject, as the gateway vouches.
    sub: String,
    /// The caller's display name, when the gateway gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The documents found.
    documents: Vec<Document>,
}

#[tool_router]
impl Sample {
    /// Today's weather in one of the cities this server knows.
    #[tool(annotations(title = "Weather", read_only_hint = true, open_world_hint = false))]
    async fn get_weather(
        &self,
        Parameters(CityArguments { city }): Parameters<CityArguments>,
    ) -> Result<Json<Weather>, String> {
        weather::weather(&city, days_since_epoch(now_secs())).map(Json).ok_or_else(|| {
            let known: Vec<_> = weather::cities().map(|(name, _)| name).collect();
            format!("unknown city; the known ones are {}", known.join(", "))
        })
    }

    /// Uptime, load and memory of the machine this server runs on.
    #[tool(annotations(title = "System status", read_only_hint = true, open_world_hint = false))]
    async fn admin_system_status(&self) -> Result<Json<SystemStatus>, String> {
        status::read(Path::new("/proc")).map(Json)
    }

    /// Deletes everything this server keeps of one user. It cannot be undone.
    #[tool(annotations(
        title = "Delete user data",
        read_only_hint = false,
        destructive_hint = true,
        idempotent_hint = false,
        open_world_hint = false
    ))]
    async fn delete_user_data(
        &self,
        Parameters(UserArguments { user_id }): Parameters<UserArguments>,
    ) -> Result<Json<Deleted>, String> {
        let deleted = self.records.delete(&user_id).map(Json);
        deleted.ok_or_else(|| "nothing is kept of this user".to_owned())
    }

    /// Everything that is kept of one customer. New values are kept before it answers; what they
    /// look like is up to whoever guards this server.
    #[tool(
        name = "customerData",
        annotations(title = "Customer data", read_only_hint = false, open_world_hint = false)
    )]
    async fn customer_data(
        &self,
        Parameters(arguments): Parameters<CustomerArguments>,
    ) -> Result<Json<Customer>, String> {
        let kept = self.customers.keep(arguments).map(Json);
        kept.ok_or_else(|| "there is no such customer; try C-1001 or C-1002".to_owned())
    }

    /// Searches the internal documents, and says in whose name it did.
    #[tool(annotations(
        title = "Internal documents",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn secure_data_access(
        &self,
        meta: RequestMetaObject,
        Parameters(QueryArguments { query }): Parameters<QueryArguments>,
    ) -> Result<Json<SecureData>, String> {
        let caller = self.caller(&meta, "secure_data_access").map_err(|error| error.to_string())?;
        let documents = documents::search(&query);
        Ok(Json(SecureData { sub: caller.sub, name: caller.name, documents }))
    }
}

#[prompt_router]
impl Sample {
    /// A request for advice on what to wear today.
    #[prompt]
    async fn what_to_wear(
        &self,
        Parameters(CityArguments { city }): Parameters<CityArguments>,
    ) -> GetPromptResult {
        let text = format!("Look up today's weather in {city}, then tell me what to wear.");
        GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)])
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for Sample {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("haechi-sample", env!("CARGO_PKG_VERSION")))
            .with_instructions("Weather for everyone, documents for whoever has signed in.")
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cities = Resource::new(CITIES_URI, "cities")
            .with_description("the cities whose weather this server knows")
            .with_mime_type("application/json");
        Ok(ListResourcesResult::with_all_items(vec![cities]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != CITIES_URI {
            let data = serde_json::json!({ "uri": request.uri });
            return Err(ErrorData::resource_not_found("no such resource", Some(data)));
        }
        let cities: Vec<_> = weather::cities()
            .map(|(city, country)| serde_json::json!({ "city": city, "country": country }))
            .collect();
        let text = serde_json::Value::from(cities).to_string();
        let contents = ResourceContents::text(text, CITIES_URI).with_mime_type("application/json");
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

#[cfg(test)]
mod tests;
