//! Which parts of a message are somebody's words, and which are the protocol's own.

use haechi_core::json::{Kind, Member, Text};

/// Members of `params` that name things of the protocol: the line has checked them, and the other
/// side must find them as they were.
const PROTOCOL_PARAMS: [&str; 24] = [
    "_meta",
    "name",
    "uri",
    "ref",
    "cursor",
    "task",
    "taskId",
    "requestState",
    "notifications",
    "level",
    "logger",
    "progressToken",
    "progress",
    "total",
    "requestId",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "mode",
    "requestedSchema",
    "elicitationId",
    "modelPreferences",
    "tools",
    "toolChoice",
];

/// The same in results.
pub(crate) const PROTOCOL_RESULT: [&str; 11] = [
    "_meta",
    "nextCursor",
    "requestState",
    "resultType",
    "task",
    "taskId",
    "cacheScope",
    "ttlMs",
    "isError",
    "model",
    QUESTIONS,
];

/// The same in what a client answers to a question.
const PROTOCOL_ANSWER: [&str; 5] = ["_meta", "action", "role", "model", "stopReason"];

/// Questions and their answers, by keys that the server chose. A key such as `user_name` says
/// nothing of what stands below it: without care it would make personal data of the protocol's
/// words there.
const QUESTIONS: &str = "inputRequests";
const ANSWERS: &str = "inputResponses";

pub(crate) fn is_payload(key: &str) -> bool {
    !PROTOCOL_PARAMS.contains(&key)
}

/// The payload of `params`, in order.
pub(crate) fn of_params(params: Text<'_>) -> Vec<Text<'_>> {
    let members = params.members().filter(|member| is_payload(&member.key));
    members.flat_map(|member| of_member(&member.key, member.value)).collect()
}

/// The payload of the questions in `result`, which is screened apart from the rest of it.
pub(crate) fn of_questions(result: Text<'_>) -> Vec<Text<'_>> {
    result.member(QUESTIONS).map(questions).unwrap_or_default()
}

fn of_member<'a>(key: &str, value: Text<'a>) -> Vec<Text<'a>> {
    match key {
        QUESTIONS => questions(value),
        ANSWERS => entries(value, |answer| {
            let payload = |member: &Member<'_>| !PROTOCOL_ANSWER.contains(&&*member.key);
            answer.members().filter(payload).map(|member| member.value).collect()
        }),
        _ => vec![value],
    }
}

/// Each question is a request: its `params` are as those of any other, the rest of it is none.
fn questions(questions: Text<'_>) -> Vec<Text<'_>> {
    entries(questions, |question| {
        let rest = question.members().filter(|member| !["method", "_meta"].contains(&&*member.key));
        rest.flat_map(|member| match &*member.key {
            "params" if member.value.kind() == Kind::Object => of_params(member.value),
            _ => vec![member.value],
        })
        .collect()
    })
}

/// What `payload` finds in every entry that is an object; the whole of what is none.
fn entries<'a>(all: Text<'a>, payload: impl Fn(Text<'a>) -> Vec<Text<'a>>) -> Vec<Text<'a>> {
    if all.kind() != Kind::Object {
        return vec![all];
    }
    let entry = |entry: Text<'a>| match entry.kind() {
        Kind::Object => payload(entry),
        _ => vec![entry],
    };
    all.members().flat_map(|member| entry(member.value)).collect()
}
