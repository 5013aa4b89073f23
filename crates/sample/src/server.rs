//! The server: the lesson in five tools, one prompt and one resource. Who may call a tool stands
//! above it.

use std::path::Path;
use std::sync::Arc;

use haechi_embed::{Caller, secure_tool, tool_router};
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{
    GetPromptResult, Implementation, ListResourcesResult, PaginatedRequestParams, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServerHandler, prompt, prompt_handler, prompt_router, tool, tool_handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::customers::{Customer, CustomerArguments, Customers};
use crate::documents::{self, Document};
use crate::records::{Deleted, Records};
use crate::status::{self, SystemStatus};
use crate::today::{days_since_epoch, now_secs};
use crate::weather::{self, Weather};

pub(crate) const CITIES_URI: &str = "sample://cities";

/// What the tools work with. Nothing in here asks who is calling: the guard around it did.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    records: Arc<Records>,
    customers: Arc<Customers>,
}

impl Tools {
    pub(crate) fn seeded() -> Self {
        Self { records: Arc::new(Records::seeded()), customers: Arc::new(Customers::seeded()) }
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
    /// The caller's subject, as proved.
    sub: String,
    /// The caller's display name, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The documents found.
    documents: Vec<Document>,
}

#[tool_router]
impl Tools {
    /// Today's weather in one of the cities this server knows.
    #[secure_tool(roles("user", "admin"))]
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
    #[secure_tool(roles("admin"))]
    #[tool(annotations(title = "System status", read_only_hint = true, open_world_hint = false))]
    async fn admin_system_status(&self) -> Result<Json<SystemStatus>, String> {
        status::read(Path::new("/proc")).map(Json)
    }

    /// Deletes everything this server keeps of one user. It cannot be undone.
    #[secure_tool(roles("admin"), sensitive(max_age = "1h"))]
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
    // This tool has to call people, so it gets their numbers; everything else is kept sealed.
    #[secure_tool(
        roles("user", "admin"),
        allow(arguments = ["PHONE_NUMBER"]),
        refuse(arguments = ["CREDIT_CARD"]),
        arguments = "encrypt",
        audit(parameters = "names")
    )]
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
    #[secure_tool(authenticated)]
    #[tool(annotations(
        title = "Internal documents",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn secure_data_access(
        &self,
        caller: Caller,
        Parameters(QueryArguments { query }): Parameters<QueryArguments>,
    ) -> Json<SecureData> {
        let name = caller.name().map(str::to_owned);
        let documents = documents::search(&query);
        Json(SecureData { sub: caller.subject().to_owned(), name, documents })
    }
}

#[prompt_router]
impl Tools {
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
impl ServerHandler for Tools {
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
