//! The list of tools, and those that answer in one go.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::content::{PNG, WAV, embedded, said};
use crate::everything::{Change, Everything};
use crate::exchange::argument;
use crate::{asking, input, jobs};

const PAUSE: Duration = Duration::from_millis(50);

/// Long enough for a client to see that its stream was closed.
const RECONNECTION: Duration = Duration::from_millis(100);

/// The tools without arguments, in the order of the list. The suite calls the first one of all.
const PLAIN: [(&str, &str); 30] = [
    ("test_simple_text", "Answers a text."),
    ("test_image_content", "Answers an image."),
    ("test_audio_content", "Answers a sound."),
    ("test_embedded_resource", "Answers a resource."),
    ("test_multiple_content_types", "Answers a text, an image and a resource."),
    ("test_error_handling", "Always fails."),
    ("test_tool_with_logging", "Logs three messages while it runs."),
    ("test_logging_tool", "Logs one message, if the caller wants any."),
    ("test_tool_with_progress", "Reports its progress three times."),
    ("test_reconnection", "Closes the answer's stream and answers on the next one."),
    ("test_trigger_tool_change", "Announces that the list of tools has changed."),
    ("test_trigger_prompt_change", "Announces that the list of prompts has changed."),
    ("test_missing_capability", "Needs a client that can sample."),
    ("test_streaming_elicitation", "Asks the user to go on."),
    ("test_elicitation_sep1034_defaults", "Asks with a default for every kind of field."),
    ("test_elicitation_sep1330_enums", "Asks with every kind of choice."),
    ("test_input_required_result_elicitation", "Asks for a name."),
    ("test_input_required_result_sampling", "Asks the client's model."),
    ("test_input_required_result_list_roots", "Asks for the client's roots."),
    ("test_input_required_result_request_state", "Asks, and checks the state that comes back."),
    ("test_input_required_result_multiple_inputs", "Asks three things at once."),
    ("test_input_required_result_multi_round", "Asks twice, one after the other."),
    ("test_input_required_result_tampered_state", "Refuses a state that was changed."),
    ("test_input_required_result_capabilities", "Asks only what the client can answer."),
    ("failing_job", "A task that ends in a tool's error."),
    ("protocol_error_job", "A task that ends in a protocol error."),
    ("multi_input", "A task that asks two things at once."),
    ("test_tool_with_task", "Asks for a name and goes on as a task."),
    ("test_no_arguments", "Answers nothing but that it ran."),
    ("test_structured_content", "Answers structured content."),
];

/// Every tool, always in the same order.
pub(crate) fn all() -> Vec<Tool> {
    let nothing = json!({ "type": "object", "properties": {} });
    let plain = PLAIN.iter().map(|(name, description)| tool(name, description, nothing.clone()));
    plain.chain(with_arguments()).collect()
}

fn with_arguments() -> [Tool; 7] {
    [
        tool("test_sampling", "Passes a prompt to the client's model.", text("prompt")),
        tool("test_elicitation", "Asks the user for a name and an address.", text("message")),
        tool("greet", "Greets by name.", text("name")),
        tool("confirm_delete", "A task that asks before it deletes.", text("filename")),
        tool("slow_compute", "A task that takes its time.", slow()),
        tool("test_x_mcp_header", "Answers its argument, which a header repeats.", header()),
        tool("json_schema_2020_12_tool", "Has a schema of the 2020-12 dialect.", dialect()),
    ]
}

fn tool(name: &'static str, description: &'static str, schema: Value) -> Tool {
    let schema = match schema {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    };
    Tool::new(name, description, schema)
}

fn text(argument: &str) -> Value {
    json!({
        "type": "object",
        "properties": { argument: { "type": "string" } },
        "required": [argument],
    })
}

fn slow() -> Value {
    json!({
        "type": "object",
        "properties": { "seconds": { "type": "number", "minimum": 0 }, "label": { "type": "string" } },
        "required": ["seconds"],
    })
}

fn header() -> Value {
    json!({
        "type": "object",
        "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
        "required": ["region"],
    })
}

fn dialect() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

/// Runs the tool that is asked for.
pub(crate) async fn call(
    server: &Everything,
    params: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = params.name.clone();
    if let Some(response) = input::call(server, &params, context) {
        return response;
    }
    if let Some(response) = jobs::call(server, &params, context).await {
        return response;
    }
    if let Some(response) = asking::call(&params, context).await {
        return response.map(CallToolResponse::Complete);
    }
    let result = match &*name {
        "test_tool_with_logging" => log_three(server, context).await,
        "test_logging_tool" => log_one(server, context).await,
        "test_tool_with_progress" => progress(context).await,
        "test_reconnection" => reconnect(server, context).await,
        "test_trigger_tool_change" => announce(server, Change::Tools),
        "test_trigger_prompt_change" => announce(server, Change::Prompts),
        "greet" => said(format!("Hello, {}!", argument(&params, "name")?)),
        "test_x_mcp_header" => said(argument(&params, "region")?),
        _ => still(&name)
            .ok_or_else(|| ErrorData::invalid_params(format!("there is no tool `{name}`"), None))?,
    };
    Ok(CallToolResponse::Complete(result))
}

/// The tools that do nothing but answer.
fn still(name: &str) -> Option<CallToolResult> {
    let content = match name {
        "test_simple_text" => ContentBlock::text("This is a simple text response for testing."),
        "test_image_content" => ContentBlock::image(PNG, "image/png"),
        "test_audio_content" => ContentBlock::audio(WAV, "audio/wav"),
        "test_embedded_resource" => embedded(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        ),
        "test_error_handling" => {
            let text = "This tool intentionally returns an error for testing";
            return Some(CallToolResult::error(vec![ContentBlock::text(text)]));
        }
        "test_multiple_content_types" => return Some(CallToolResult::success(mixed())),
        "test_structured_content" => {
            return Some(CallToolResult::structured(json!({ "test": "data", "value": 123 })));
        }
        "test_no_arguments" | "json_schema_2020_12_tool" => ContentBlock::text("It ran."),
        _ => return None,
    };
    Some(CallToolResult::success(vec![content]))
}

fn mixed() -> Vec<ContentBlock> {
    vec![
        ContentBlock::text("Multiple content types test:"),
        ContentBlock::image(PNG, "image/png"),
        embedded(
            "test://mixed-content-resource",
            "application/json",
            r#"{"test":"data","value":123}"#,
        ),
    ]
}

fn announce(server: &Everything, change: Change) -> CallToolResult {
    server.announce(change);
    said("Announced.")
}

async fn log_three(server: &Everything, context: &RequestContext<RoleServer>) -> CallToolResult {
    log(server, context, "Tool execution started").await;
    sleep(PAUSE).await;
    log(server, context, "Tool processing data").await;
    sleep(PAUSE).await;
    log(server, context, "Tool execution completed").await;
    said("Three messages were logged.")
}

async fn log_one(server: &Everything, context: &RequestContext<RoleServer>) -> CallToolResult {
    log(server, context, "The tool ran").await;
    said("The tool ran.")
}

#[expect(deprecated, reason = "logging is part of every revision that the suite tests")]
async fn log(server: &Everything, context: &RequestContext<RoleServer>, message: &str) {
    use LoggingLevel::{Debug, Info};
    if !matches!(server.log_level(context), Some(Debug | Info)) {
        return;
    }
    let notification = LoggingMessageNotificationParam::new(Info, json!(message));
    // A caller that is gone needs no log.
    let _ = context.peer.notify_logging_message(notification).await;
}

async fn progress(context: &RequestContext<RoleServer>) -> CallToolResult {
    for step in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let notification = ProgressNotificationParam::new(token, step).with_total(100.0);
            // A caller that is gone needs no progress.
            let _ = context.peer.notify_progress(notification).await;
        }
        sleep(PAUSE).await;
    }
    said("Progress was reported three times.")
}

async fn reconnect(server: &Everything, context: &RequestContext<RoleServer>) -> CallToolResult {
    server.streams().close(context).await;
    sleep(RECONNECTION).await;
    said("The answer came on another stream than the call.")
}
