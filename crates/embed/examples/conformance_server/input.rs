//! The tools that answer `input_required` and are called again with what was asked (2026-07-28).

use rmcp::ErrorData;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use crate::content::said;
use crate::everything::{Everything, Round};
use crate::exchange::{missing, typed};

/// Runs the tool if it is one of these.
pub(crate) fn call(
    server: &Everything,
    params: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Option<Result<CallToolResponse, ErrorData>> {
    Some(match &*params.name {
        "test_input_required_result_elicitation" => ask_name(params),
        "test_input_required_result_sampling" => ask_model(params),
        "test_input_required_result_list_roots" => ask_roots(params),
        "test_input_required_result_request_state" => confirm(server, params, "state-ok"),
        "test_input_required_result_tampered_state" => confirm(server, params, "untouched"),
        "test_input_required_result_multiple_inputs" => ask_three(server, params),
        "test_input_required_result_multi_round" => ask_twice(server, params),
        "test_input_required_result_capabilities" => ask_the_able(params, context),
        "test_streaming_elicitation" => ask_to_go_on(params),
        "test_missing_capability" => need_sampling(context),
        _ => return None,
    })
}

type Answer = Result<CallToolResponse, ErrorData>;

fn ask_name(params: &CallToolRequestParams) -> Answer {
    match accepted(params, "user_name", "name") {
        Some(name) => complete(format!("Hello, {name}!")),
        None => ask(json!({ "user_name": elicitation("What is your name?", "name", "string") })),
    }
}

fn ask_model(params: &CallToolRequestParams) -> Answer {
    match sampled(params, "capital_question") {
        Some(text) => complete(text),
        None => ask(json!({ "capital_question": sampling("What is the capital of France?", 100) })),
    }
}

fn ask_roots(params: &CallToolRequestParams) -> Answer {
    match roots(params, "client_roots") {
        Some(roots) => complete(format!("The roots are {}.", roots.join(", "))),
        None => ask(json!({ "client_roots": roots_list() })),
    }
}

fn confirm(server: &Everything, params: &CallToolRequestParams, word: &str) -> Answer {
    // A state that was never given out is refused even when nothing else came with it.
    let round = recalled(server, params)?;
    if round.is_some() && answered(params, "confirm", "ok").is_some() {
        return complete(word);
    }
    let requests = json!({ "confirm": elicitation("Please confirm", "ok", "boolean") });
    ask_again(server, params, requests, Vec::new())
}

fn ask_three(server: &Everything, params: &CallToolRequestParams) -> Answer {
    let round = recalled(server, params)?;
    let name = accepted(params, "user_name", "name");
    let greeting = sampled(params, "greeting");
    let roots = roots(params, "client_roots");
    if let (Some(_), Some(name), Some(greeting), Some(roots)) = (round, name, greeting, roots) {
        return complete(format!("{greeting} {name} of {}", roots.join(", ")));
    }
    let requests = json!({
        "user_name": elicitation("What is your name?", "name", "string"),
        "greeting": sampling("Generate a greeting", 50),
        "client_roots": roots_list(),
    });
    ask_again(server, params, requests, Vec::new())
}

fn ask_twice(server: &Everything, params: &CallToolRequestParams) -> Answer {
    let heard = recalled(server, params)?.map(|round| round.heard).unwrap_or_default();
    if let Some(name) = heard.first() {
        if let Some(color) = accepted(params, "step2", "color") {
            return complete(format!("{name} likes {color}."));
        }
        let question = elicitation("Step 2: What is your favorite color?", "color", "string");
        return ask_again(server, params, json!({ "step2": question }), heard);
    }
    match accepted(params, "step1", "name") {
        Some(name) if params.request_state.is_some() => {
            let question = elicitation("Step 2: What is your favorite color?", "color", "string");
            ask_again(server, params, json!({ "step2": question }), vec![name])
        }
        Some(_) | None => {
            let question = elicitation("Step 1: What is your name?", "name", "string");
            ask_again(server, params, json!({ "step1": question }), Vec::new())
        }
    }
}

fn ask_the_able(params: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> Answer {
    let able = context.client_capabilities().unwrap_or_default();
    let mut requests = JsonObject::new();
    if able.sampling.is_some() && sampled(params, "summary").is_none() {
        requests.insert("summary".to_owned(), sampling("Sum this up", 50));
    }
    if able.elicitation.is_some() && accepted(params, "user_name", "name").is_none() {
        let question = elicitation("What is your name?", "name", "string");
        requests.insert("user_name".to_owned(), question);
    }
    if requests.is_empty() { complete("Nothing is left to ask.") } else { ask(requests.into()) }
}

fn ask_to_go_on(params: &CallToolRequestParams) -> Answer {
    match answered(params, "go_on", "ok") {
        Some(_) => complete("It went on."),
        None => ask(json!({ "go_on": elicitation("Shall it go on?", "ok", "boolean") })),
    }
}

fn need_sampling(context: &RequestContext<RoleServer>) -> Answer {
    if context.client_capabilities().is_some_and(|able| able.sampling.is_some()) {
        return complete("The client can sample.");
    }
    Err(missing(json!({ "sampling": {} })))
}

// ---- the questions ------------------------------------------------------------------------------

/// One elicitation for one field.
pub(crate) fn elicitation(message: &str, field: &str, kind: &str) -> Value {
    json!({
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": message,
            "requestedSchema": {
                "type": "object", "properties": { field: { "type": kind } }, "required": [field],
            },
        },
    })
}

fn sampling(text: &str, max_tokens: u32) -> Value {
    json!({
        "method": "sampling/createMessage",
        "params": {
            "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
            "maxTokens": max_tokens,
        },
    })
}

fn roots_list() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

/// Asks without a state.
pub(crate) fn ask(requests: Value) -> Answer {
    let requests: InputRequests = typed(requests)?;
    Ok(InputRequiredResult::from_input_requests(requests).into())
}

/// Asks with a handle of what was heard so far.
fn ask_again(
    server: &Everything,
    params: &CallToolRequestParams,
    requests: Value,
    heard: Vec<String>,
) -> Answer {
    let requests: InputRequests = typed(requests)?;
    let handle = server.remember(Round { tool: params.name.to_string(), heard });
    Ok(InputRequiredResult::new(Some(requests), Some(handle)).into())
}

fn complete(text: impl Into<String>) -> Answer {
    Ok(said(text).into())
}

// ---- what came back -----------------------------------------------------------------------------

/// The round that the caller's state stands for; `None` when it brought none.
fn recalled(
    server: &Everything,
    params: &CallToolRequestParams,
) -> Result<Option<Round>, ErrorData> {
    let state = params.request_state.as_deref();
    state.map(|state| server.recall(&params.name, state)).transpose()
}

/// The text that the user gave for `field`, if the user accepted to.
pub(crate) fn accepted(params: &CallToolRequestParams, key: &str, field: &str) -> Option<String> {
    answered(params, key, field)?.as_str().map(str::to_owned)
}

fn answered(params: &CallToolRequestParams, key: &str, field: &str) -> Option<Value> {
    let response = params.input_responses.as_ref()?.get(key)?;
    (response.get("action")?.as_str()? == "accept").then_some(())?;
    response.get("content")?.get(field).cloned()
}

fn sampled(params: &CallToolRequestParams, key: &str) -> Option<String> {
    let response = params.input_responses.as_ref()?.get(key)?;
    response.pointer("/content/text")?.as_str().map(str::to_owned)
}

fn roots(params: &CallToolRequestParams, key: &str) -> Option<Vec<String>> {
    let roots = params.input_responses.as_ref()?.get(key)?.get("roots")?.as_array()?;
    roots.iter().map(|root| Some(root.get("uri")?.as_str()?.to_owned())).collect()
}
