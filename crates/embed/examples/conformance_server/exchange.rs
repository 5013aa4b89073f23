//! What the tools read from a request, and how they say what they need.

use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, ClientCapabilities};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A text among the arguments.
pub(crate) fn argument(params: &CallToolRequestParams, name: &str) -> Result<String, ErrorData> {
    let arguments = params.arguments.as_ref();
    let text = arguments.and_then(|arguments| arguments.get(name)).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| ErrorData::invalid_params(format!("`{name}` must be a text"), None))
}

/// The error for a client that lacks a capability, which `required` names.
pub(crate) fn missing(required: Value) -> ErrorData {
    match typed::<ClientCapabilities>(required) {
        Ok(required) => ErrorData::missing_required_client_capability(required),
        Err(error) => error,
    }
}

/// A protocol type from JSON, which says in one line what builders say in ten.
pub(crate) fn typed<T: DeserializeOwned>(json: Value) -> Result<T, ErrorData> {
    serde_json::from_value(json).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
