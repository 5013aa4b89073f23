//! A server with two tools, and their rules beside them.

use haechi_embed::{Caller, secure_tool, tool_router};
use rmcp::Json;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ErrorData as McpError, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which city.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct CityQuery {
    /// Its name.
    pub(crate) city: String,
}

/// The weather.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Report {
    pub(crate) summary: String,
}

/// Which user.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct UserId {
    pub(crate) user_id: String,
}

/// What is gone.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Deleted {
    pub(crate) user_id: String,
    pub(crate) by: String,
}

/// The server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather;

#[tool_router]
impl Weather {
    /// Weather of a city.
    #[secure_tool(roles("user", "admin"))]
    #[tool]
    async fn get_weather(
        &self,
        caller: Caller,
        Parameters(q): Parameters<CityQuery>,
    ) -> Result<Json<Report>, McpError> {
        let summary = format!("{} is sunny for {}", q.city, caller.subject());
        Ok(Json(Report { summary }))
    }

    #[secure_tool(roles("admin"), sensitive(max_age = "5m"), encrypt(arguments = ["EMAIL", "KR_RRN"]), results = "tokenize", audit(parameters = "names"), timeout = "10s", rate = "10/min")]
    #[tool]
    async fn delete_user_data(
        &self,
        caller: Caller,
        Parameters(q): Parameters<UserId>,
    ) -> Result<Json<Deleted>, McpError> {
        Ok(Json(Deleted { user_id: q.user_id, by: caller.subject().to_owned() }))
    }
}

#[tokio::test]
async fn what_was_written_is_tested_without_its_guard() {
    let query = Parameters(CityQuery { city: "Seoul".to_owned() });
    let answer = Weather.get_weather_unguarded(crate::macros::caller(), query).await;
    assert_eq!(answer.unwrap().0, Report { summary: "Seoul is sunny for ann".to_owned() });
    let query = Parameters(UserId { user_id: "bob".to_owned() });
    let answer = Weather.delete_user_data_unguarded(crate::macros::caller(), query).await;
    assert_eq!(answer.unwrap().0, Deleted { user_id: "bob".to_owned(), by: "ann".to_owned() });
}
