//! The tools of the older revisions that ask the client in the middle of a call.

#![expect(deprecated, reason = "sampling is part of the revisions that these tools are for")]

use rmcp::ErrorData;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer, ServiceError};
use serde_json::{Value, json};

use crate::content::said;
use crate::exchange::{argument, missing, typed};

/// Runs the tool if it is one of these.
pub(crate) async fn call(
    params: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Option<Result<CallToolResult, ErrorData>> {
    Some(match &*params.name {
        "test_sampling" => sample(params, context).await,
        "test_elicitation" => elicit_contact(params, context).await,
        "test_elicitation_sep1034_defaults" => elicit("Please check", defaults(), context).await,
        "test_elicitation_sep1330_enums" => elicit("Please choose", choices(), context).await,
        _ => return None,
    })
}

async fn sample(
    params: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let prompt = argument(params, "prompt")?;
    let able = context.client_capabilities().is_some_and(|able| able.sampling.is_some());
    if !able {
        return Err(missing(json!({ "sampling": {} })));
    }
    let request: CreateMessageRequestParams = typed(json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": prompt } }],
        "maxTokens": 100,
    }))?;
    let answer = context.peer.create_message(request).await.map_err(failed)?;
    let texts: Vec<String> = answer
        .message
        .content
        .into_vec()
        .iter()
        .filter_map(|content| content.as_text().map(|text| text.text.clone()))
        .collect();
    Ok(said(format!("LLM response: {}", texts.join(" "))))
}

async fn elicit_contact(
    params: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let message = argument(params, "message")?;
    let schema = json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    });
    elicit(&message, schema, context).await
}

async fn elicit(
    message: &str,
    schema: Value,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let able = context.client_capabilities().is_some_and(|able| able.elicitation.is_some());
    if !able {
        return Err(missing(json!({ "elicitation": {} })));
    }
    let request: ElicitRequestParams =
        typed(json!({ "mode": "form", "message": message, "requestedSchema": schema }))?;
    let answer = context.peer.create_elicitation(request).await.map_err(failed)?;
    let action = serde_json::to_value(&answer.action).unwrap_or_default();
    let content = answer.content.unwrap_or_default();
    let action = action.as_str().unwrap_or_default();
    Ok(said(format!("Elicitation completed: action={action}, content={content}")))
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "default": "John Doe" },
            "age": { "type": "integer", "default": 30 },
            "score": { "type": "number", "default": 95.5 },
            "status": {
                "type": "string", "enum": ["active", "inactive", "pending"], "default": "active",
            },
            "verified": { "type": "boolean", "default": true },
        },
    })
}

fn choices() -> Value {
    let plain = ["option1", "option2", "option3"];
    let titled = |titles: [&str; 3]| {
        let values = ["value1", "value2", "value3"];
        let pairs = values.iter().zip(titles);
        pairs.map(|(value, title)| json!({ "const": value, "title": title })).collect::<Vec<_>>()
    };
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": plain },
            "titledSingle": {
                "type": "string",
                "oneOf": titled(["First Option", "Second Option", "Third Option"]),
            },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
            "titledMulti": {
                "type": "array",
                "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) },
            },
        },
    })
}

fn failed(error: ServiceError) -> ErrorData {
    match error {
        ServiceError::McpError(error) => error,
        other => ErrorData::internal_error(other.to_string(), None),
    }
}
