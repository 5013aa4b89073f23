//! A small server, as an author writes one.

use haechi_embed::{Caller, Haechi, secure_tool, tool_router};
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{ServerCapabilities, ServerConfig};
use rmcp::service::{RoleClient, RunningService};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Clone, Debug, Default)]
pub(crate) struct Weather;

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct City {
    city: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    city: String,
    asked_by: String,
}

#[tool_router]
impl Weather {
    /// Weather of a city.
    #[secure_tool(roles("user"), rate = "10/min")]
    #[tool]
    async fn get_weather(
        &self,
        caller: Caller,
        Parameters(City { city }): Parameters<City>,
    ) -> Json<Report> {
        Json(Report { city, asked_by: caller.subject().to_owned() })
    }

    /// Nobody says who may.
    #[tool]
    async fn forgotten(&self) -> String {
        "reached".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Weather {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// A guard in a folder of its own.
pub(crate) async fn haechi() -> (Haechi, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let builder = Haechi::builder("weather").data_directory(folder.path().join("data"));
    (builder.dangerous_allow_anonymous().build().await.unwrap(), folder)
}

/// A client of `server`, over a pipe of this process.
pub(crate) async fn client(server: impl ServerHandler) -> RunningService<RoleClient, ()> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let running = server.serve(far).await.unwrap();
        running.waiting().await.unwrap();
    });
    ().serve(near).await.unwrap()
}
