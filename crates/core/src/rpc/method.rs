//! The methods of both eras and their extensions, and by which door each travels.

use crate::Action;

/// Opens a legacy session.
pub const INITIALIZE: &str = "initialize";
/// Asks for a sign of life; legacy.
pub const PING: &str = "ping";
/// Asks what the server speaks and can do; modern.
pub const SERVER_DISCOVER: &str = "server/discover";
/// Sets the level of log messages; legacy.
pub const LOGGING_SET_LEVEL: &str = "logging/setLevel";
/// Lists tools.
pub const TOOLS_LIST: &str = "tools/list";
/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Lists resources.
pub const RESOURCES_LIST: &str = "resources/list";
/// Lists templates of resources.
pub const RESOURCES_TEMPLATES_LIST: &str = "resources/templates/list";
/// Reads a resource.
pub const RESOURCES_READ: &str = "resources/read";
/// Asks for notifications of a resource; legacy.
pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
/// Ends them; legacy.
pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
/// Reads a directory of resources; extension.
pub const RESOURCES_DIRECTORY_READ: &str = "resources/directory/read";
/// Lists prompts.
pub const PROMPTS_LIST: &str = "prompts/list";
/// Fills in a prompt.
pub const PROMPTS_GET: &str = "prompts/get";
/// Proposes values for an argument of a prompt or template.
pub const COMPLETION_COMPLETE: &str = "completion/complete";
/// Opens a stream of notifications; modern.
pub const SUBSCRIPTIONS_LISTEN: &str = "subscriptions/listen";
/// Lists tasks; 2025-11-25.
pub const TASKS_LIST: &str = "tasks/list";
/// Asks how a task stands.
pub const TASKS_GET: &str = "tasks/get";
/// Waits for what a task came to; 2025-11-25.
pub const TASKS_RESULT: &str = "tasks/result";
/// Gives a task what it asked for; extension.
pub const TASKS_UPDATE: &str = "tasks/update";
/// Stops a task.
pub const TASKS_CANCEL: &str = "tasks/cancel";
/// Lists skills; extension.
pub const SKILLS_LIST: &str = "skills/list";
/// Reads a skill; extension.
pub const SKILLS_GET: &str = "skills/get";

/// From server to client: asks for a completion by the client's model; legacy.
pub const SAMPLING_CREATE_MESSAGE: &str = "sampling/createMessage";
/// From server to client: asks the user; legacy.
pub const ELICITATION_CREATE: &str = "elicitation/create";
/// From server to client: asks for the client's roots; legacy.
pub const ROOTS_LIST: &str = "roots/list";

/// What all notifications start with.
pub const NOTIFICATION_PREFIX: &str = "notifications/";
/// The client has taken the answer to `initialize`; legacy.
pub const NOTIFICATION_INITIALIZED: &str = "notifications/initialized";
/// A request is not wanted any more.
pub const NOTIFICATION_CANCELLED: &str = "notifications/cancelled";
/// How far a request has come.
pub const NOTIFICATION_PROGRESS: &str = "notifications/progress";
/// A log message.
pub const NOTIFICATION_MESSAGE: &str = "notifications/message";
/// A resource has changed.
pub const NOTIFICATION_RESOURCES_UPDATED: &str = "notifications/resources/updated";
/// The list of resources has changed.
pub const NOTIFICATION_RESOURCES_LIST_CHANGED: &str = "notifications/resources/list_changed";
/// The list of tools has changed.
pub const NOTIFICATION_TOOLS_LIST_CHANGED: &str = "notifications/tools/list_changed";
/// The list of prompts has changed.
pub const NOTIFICATION_PROMPTS_LIST_CHANGED: &str = "notifications/prompts/list_changed";
/// The client's roots have changed; legacy.
pub const NOTIFICATION_ROOTS_LIST_CHANGED: &str = "notifications/roots/list_changed";
/// A task has changed; 2025-11-25.
pub const NOTIFICATION_TASKS_STATUS: &str = "notifications/tasks/status";
/// A task has changed; extension.
pub const NOTIFICATION_TASKS: &str = "notifications/tasks";
/// The user has done what a URL asked for; 2025-11-25.
pub const NOTIFICATION_ELICITATION_COMPLETE: &str = "notifications/elicitation/complete";
/// A stream of notifications stands; modern.
pub const NOTIFICATION_SUBSCRIPTIONS_ACKNOWLEDGED: &str =
    "notifications/subscriptions/acknowledged";

/// The parameter that says what a method is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
    /// `params.taskId`
    TaskId,
}

impl Subject {
    /// The name of the parameter.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Uri => "uri",
            Self::TaskId => "taskId",
        }
    }
}

/// The parameter that says what `method` is about; `None` when there is none.
#[must_use]
pub fn subject(method: &str) -> Option<Subject> {
    match method {
        TOOLS_CALL | PROMPTS_GET => Some(Subject::Name),
        RESOURCES_READ
        | RESOURCES_SUBSCRIBE
        | RESOURCES_UNSUBSCRIBE
        | RESOURCES_DIRECTORY_READ
        | SKILLS_GET => Some(Subject::Uri),
        TASKS_GET | TASKS_RESULT | TASKS_UPDATE | TASKS_CANCEL => Some(Subject::TaskId),
        _ => None,
    }
}

/// Whether `method`, sent by a client, travels by the second door: it opens or keeps a
/// conversation, and asks for nothing that a policy could govern.
#[must_use]
pub fn is_relayed(method: &str) -> bool {
    matches!(method, INITIALIZE | PING | SERVER_DISCOVER | LOGGING_SET_LEVEL)
        || method.starts_with(NOTIFICATION_PREFIX)
}

/// The action that `method`, sent by a client, asks for; [`Action::Other`] for a method there is
/// no word for, `None` for one that is relayed.
#[must_use]
pub fn action(method: &str) -> Option<Action> {
    if is_relayed(method) {
        return None;
    }
    Some(match method {
        TOOLS_CALL => Action::CallTool,
        RESOURCES_READ
        | RESOURCES_SUBSCRIBE
        | RESOURCES_UNSUBSCRIBE
        | RESOURCES_DIRECTORY_READ
        | SKILLS_GET => Action::ReadResource,
        PROMPTS_GET => Action::GetPrompt,
        COMPLETION_COMPLETE => Action::Complete,
        TASKS_LIST | TASKS_GET | TASKS_RESULT | TASKS_UPDATE | TASKS_CANCEL => Action::UseTask,
        TOOLS_LIST | RESOURCES_LIST | RESOURCES_TEMPLATES_LIST | PROMPTS_LIST | SKILLS_LIST => {
            Action::List
        }
        SUBSCRIPTIONS_LISTEN => Action::Subscribe,
        _ => Action::Other,
    })
}

/// Whether a server may send this request to its client; legacy.
#[must_use]
pub fn is_server_request(method: &str) -> bool {
    let asks = matches!(method, SAMPLING_CREATE_MESSAGE | ELICITATION_CREATE | ROOTS_LIST | PING);
    // A client that runs tasks of its own is asked for them (2025-11-25).
    asks || matches!(method, TASKS_LIST | TASKS_GET | TASKS_RESULT | TASKS_CANCEL)
}
