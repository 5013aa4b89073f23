//! Prompts, and what completes their arguments.

use rmcp::ErrorData;
use rmcp::model::*;
use serde_json::{Value, json};

use crate::content::{PNG, embedded};
use crate::exchange::typed;
use crate::input::elicitation;

const ARGUMENTS: &str = "test_prompt_with_arguments";
const WORDS: [&str; 5] = ["test", "testing", "paris", "park", "party"];

/// Every prompt, always in the same order.
pub(crate) fn all() -> Vec<Prompt> {
    vec![
        prompt("test_simple_prompt", "A prompt without arguments.", &[]),
        prompt(ARGUMENTS, "A prompt that repeats its arguments.", &["arg1", "arg2"]),
        prompt("test_prompt_with_embedded_resource", "A prompt with a resource.", &["resourceUri"]),
        prompt("test_prompt_with_image", "A prompt with an image.", &[]),
        prompt("test_input_required_result_prompt", "A prompt that asks for its context.", &[]),
    ]
}

fn prompt(name: &str, description: &str, arguments: &[&str]) -> Prompt {
    let argument = |name: &&str| PromptArgument::new(*name).with_required(true);
    let arguments: Vec<PromptArgument> = arguments.iter().map(argument).collect();
    Prompt::new(name, Some(description), (!arguments.is_empty()).then_some(arguments))
}

/// The prompt that is asked for.
pub(crate) fn one(params: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let messages = match params.name.as_str() {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        ARGUMENTS => {
            let (first, second) = (argument(params, "arg1")?, argument(params, "arg2")?);
            vec![text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
        }
        "test_prompt_with_embedded_resource" => with_resource(&argument(params, "resourceUri")?),
        "test_prompt_with_image" => vec![
            PromptMessage::new(Role::User, ContentBlock::image(PNG, "image/png")),
            text("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => match context(params) {
            Some(context) => vec![text(&format!("Work in this context: {context}"))],
            None => return ask_context(),
        },
        name => {
            let message = format!("there is no prompt `{name}`");
            return Err(ErrorData::invalid_params(message, None));
        }
    };
    Ok(GetPromptResult::new(messages).into())
}

fn text(text: &str) -> PromptMessage {
    PromptMessage::new(Role::User, ContentBlock::text(text))
}

fn with_resource(uri: &str) -> Vec<PromptMessage> {
    let resource = embedded(uri, "text/plain", "Embedded resource content for testing.");
    vec![
        PromptMessage::new(Role::User, resource),
        text("Please process the embedded resource above."),
    ]
}

fn argument(params: &GetPromptRequestParams, name: &str) -> Result<String, ErrorData> {
    let arguments = params.arguments.as_ref();
    let text = arguments.and_then(|arguments| arguments.get(name)).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| ErrorData::invalid_params(format!("`{name}` must be a text"), None))
}

fn context(params: &GetPromptRequestParams) -> Option<String> {
    let response = params.input_responses.as_ref()?.get("user_context")?;
    response.pointer("/content/context")?.as_str().map(str::to_owned)
}

fn ask_context() -> Result<GetPromptResponse, ErrorData> {
    let question = elicitation("What context should the prompt use?", "context", "string");
    let requests: InputRequests = typed(json!({ "user_context": question }))?;
    Ok(InputRequiredResult::from_input_requests(requests).into())
}

/// Words that begin as the argument does.
pub(crate) fn complete(params: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let known = match &params.r#ref {
        Reference::Prompt(prompt) => prompt.name == ARGUMENTS,
        Reference::Resource(template) => template.uri == crate::resources::TEMPLATE,
        _ => false,
    };
    let begin = |word: &&str| known && word.starts_with(&params.argument.value);
    let words = WORDS.iter().copied().filter(begin).map(str::to_owned).collect();
    let completion = CompletionInfo::with_all_values(words)
        .map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(completion))
}
