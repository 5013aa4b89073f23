//! The tools that go on as tasks (the extension `io.modelcontextprotocol/tasks`).

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::task_manager::{TaskContext, TaskExit, TaskOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::content::said;
use crate::everything::Everything;
use crate::exchange::{argument, typed};
use crate::input::{accepted, ask, elicitation};

const POLL_MS: u64 = 100;
const TTL_MS: u64 = 120_000;

/// The longest that `slow_compute` takes.
const LONGEST: Duration = Duration::from_secs(3600);

/// A job before it is known whether it will run as a task.
enum Job {
    Compute(Duration),
    Fail,
    Break,
    Delete(String),
    AskTwo,
    Greet(String),
}

/// Runs the tool if it is one of these.
pub(crate) async fn call(
    server: &Everything,
    params: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let job = match &*params.name {
        "slow_compute" => seconds(params).map(Job::Compute),
        "failing_job" => Ok(Job::Fail),
        "protocol_error_job" => Ok(Job::Break),
        "multi_input" => Ok(Job::AskTwo),
        "confirm_delete" => argument(params, "filename").map(Job::Delete),
        "test_tool_with_task" => match accepted(params, "user_name", "name") {
            Some(name) => Ok(Job::Greet(name)),
            None => {
                let question = elicitation("What is your name?", "name", "string");
                return Some(ask(json!({ "user_name": question })));
            }
        },
        _ => return None,
    };
    Some(match job {
        Ok(job) => start(server, job, context).await,
        Err(error) => Err(error),
    })
}

fn seconds(params: &CallToolRequestParams) -> Result<Duration, ErrorData> {
    let arguments = params.arguments.as_ref();
    let seconds = arguments.and_then(|arguments| arguments.get("seconds")).and_then(Value::as_f64);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| ErrorData::invalid_params("`seconds` must be from 0 to 3600", None))
}

/// Runs the job as a task, or at once for a client that knows no tasks and a job that needs none.
async fn start(
    server: &Everything,
    job: Job,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    if context.client_capabilities().is_some_and(|able| able.supports_tasks()) {
        let options = TaskOptions::new().with_ttl_ms(TTL_MS).with_poll_interval_ms(POLL_MS);
        let task = server.tasks().spawn(options, |task| Box::pin(run(job, task)));
        return Ok(CreateTaskResult::new(task).into());
    }
    match job {
        Job::Compute(length) => {
            sleep(length).await;
            Ok(computed(length).into())
        }
        Job::Fail | Job::Break | Job::Delete(_) | Job::AskTwo | Job::Greet(_) => {
            let required = ClientCapabilities::builder().enable_tasks().build();
            Err(ErrorData::missing_required_client_capability(required))
        }
    }
}

async fn run(job: Job, task: TaskContext) -> Result<CallToolResult, TaskExit> {
    match job {
        Job::Compute(length) => tokio::select! {
            () = task.cancelled() => Err(TaskExit::Cancelled),
            () = sleep(length) => Ok(computed(length)),
        },
        Job::Fail => {
            sleep(Duration::from_secs(1)).await;
            Ok(CallToolResult::error(vec![ContentBlock::text("The job failed.")]))
        }
        Job::Break => Err(ErrorData::internal_error("the job broke", None).into()),
        Job::Greet(name) => Ok(said(format!("Hello, {name}!"))),
        Job::Delete(filename) => {
            let question = format!("Delete {filename}?");
            let response = put(&task, "confirm", &question, "boolean").await?;
            let deleted = response.pointer("/content/confirm") == Some(&Value::Bool(true));
            let verb = if deleted { "Deleted" } else { "Kept" };
            Ok(said(format!("{verb} {filename}.")))
        }
        Job::AskTwo => {
            let name = put(&task, "name", "What is your name?", "string");
            let confirm = put(&task, "confirm", "Shall it go on?", "boolean");
            let (name, _) = tokio::try_join!(name, confirm)?;
            let name = name.pointer("/content/name").and_then(Value::as_str).unwrap_or("nobody");
            Ok(said(format!("Both were answered, by {name}.")))
        }
    }
}

fn computed(length: Duration) -> CallToolResult {
    said(format!("Computed for {} s.", length.as_secs_f64()))
}

/// Puts one question in the middle of a task; `field` is the question's key too.
async fn put(
    task: &TaskContext,
    field: &str,
    message: &str,
    kind: &str,
) -> Result<Value, TaskExit> {
    let request: InputRequest = typed(elicitation(message, field, kind))?;
    task.request_input(field, request).await
}
