use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;
use crate::json::{Limits, Text, check};
use crate::{Action, Era};

fn text(source: &str) -> Text<'_> {
    check(source.as_bytes(), &Limits::WIRE).unwrap()
}

fn read(source: &str) -> Result<Envelope<'_>, RpcError> {
    Envelope::read(text(source))
}

fn id(source: &str) -> RequestId {
    RequestId::read(text(source)).unwrap()
}

#[test]
fn the_four_messages_are_told_apart() {
    let request =
        read(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"n"},"x":1}"#);
    let Ok(Envelope::Request { id: of, method, params }) = request else { panic!("{request:?}") };
    assert_eq!((of.raw(), &*method, params.unwrap().raw()), ("7", "tools/call", r#"{"name":"n"}"#));

    let notification = read(r#"{"method":"notifications/initialized","jsonrpc":"2.0"}"#).unwrap();
    assert!(matches!(notification, Envelope::Notification { params: None, .. }));

    let response = read(r#"{"jsonrpc":"2.0","id":"a","result":null}"#).unwrap();
    assert!(matches!(&response, Envelope::Response { result, .. } if result.is_null()));
    assert_eq!(response.id(), Some(&RequestId::from_text("a")));

    for absent in ["", r#""id":null,"#] {
        let source = format!(
            r#"{{"jsonrpc":"2.0",{absent}"error":{{"code":-32700,"message":"no","data":[1]}}}}"#
        );
        let Ok(Envelope::Failure { id: None, code, message, data }) = read(&source) else {
            panic!("{source}")
        };
        assert_eq!((code, &*message, data.unwrap().raw()), (code::PARSE_ERROR, "no", "[1]"));
    }
}

#[test]
fn what_is_no_message_is_refused_by_name() {
    let long_id = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "i".repeat(255));
    let long_method = format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, "m".repeat(129));
    let cases = [
        ("1", RpcError::NotAMessage),
        ("[]", RpcError::NotAMessage),
        (r#"{"id":1,"method":"ping"}"#, RpcError::BadVersion),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, RpcError::BadVersion),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, RpcError::BadVersion),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, RpcError::BadId),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, RpcError::BadId),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, RpcError::BadId),
        (r#"{"jsonrpc":"2.0","id":true,"result":1}"#, RpcError::BadId),
        (&long_id, RpcError::BadId),
        (r#"{"jsonrpc":"2.0","result":1}"#, RpcError::MissingId),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, RpcError::BadMethod),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, RpcError::BadMethod),
        (&long_method, RpcError::BadMethod),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, RpcError::BadParams),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#, RpcError::BadParams),
        (r#"{"jsonrpc":"2.0","id":1}"#, RpcError::Ambiguous),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, RpcError::Ambiguous),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":1}"#, RpcError::Ambiguous),
        (r#"{"jsonrpc":"2.0","id":1,"error":5}"#, RpcError::BadError),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}}"#, RpcError::BadError),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, RpcError::BadError),
    ];
    for (source, expected) in cases {
        assert_eq!(read(source).map(|it| format!("{it:?}")), Err(expected), "{source}");
    }
    assert_eq!(RpcError::BadParams.code(), code::INVALID_PARAMS);
    assert_eq!(RpcError::Ambiguous.code(), code::INVALID_REQUEST);
}

#[test]
fn ids_compare_by_value_and_keep_their_text() {
    assert_eq!(id(r#""a""#), id(r#""\u0061""#));
    assert_eq!(id(r#""\u0061""#).raw(), r#""\u0061""#);
    assert_eq!(id(r#""\/""#), RequestId::from_text("/"));
    assert_eq!(id("-0"), RequestId::from(0));
    assert_eq!(id("18446744073709551615"), RequestId::from(u64::MAX));
    assert_ne!(id("1"), id(r#""1""#));
    assert_ne!(id("1"), id("-1"));
    let set = HashSet::from([id(r#""a""#), id(r#""\u0061""#), id("1"), id(r#""1""#)]);
    assert_eq!(set.len(), 3);
    assert_eq!(format!("{:?}", RequestId::from_text("hunter2")), "[id]");
}

#[test]
fn a_request_says_what_it_is_about() {
    let source = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_weather",
        "_meta":{"progressToken":"t","io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
    let request = read(source).unwrap();
    assert_eq!(request.name().as_deref(), Some("get_weather"));
    assert_eq!(request.progress_token(), Some(RequestId::from_text("t")));
    assert_eq!(request.protocol_version().as_deref(), Some(MODERN_VERSION));

    let cases = [
        ("resources/read", "uri", Some("x")),
        ("tasks/cancel", "taskId", Some("x")),
        ("prompts/get", "name", Some("x")),
        ("prompts/get", "uri", None),
        ("tools/list", "name", None),
    ];
    for (method, member, expected) in cases {
        let source = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"{member}":"x"}}}}"#
        );
        assert_eq!(read(&source).unwrap().name().as_deref(), expected, "{method}");
    }
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":3}}"#;
    assert_eq!(read(progress).unwrap().progress_token(), Some(RequestId::from(3)));
}

#[test]
fn a_batch_has_a_size_and_no_bad_member() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let of = |count: usize| format!("[{}]", vec![ping; count].join(","));
    let read = |source: &str| match Body::read(text(source)) {
        Ok(Body::Single(_)) => Ok(0),
        Ok(Body::Batch(messages)) => Ok(messages.len()),
        Err(error) => Err(error),
    };
    assert_eq!(read(ping), Ok(0));
    assert_eq!(read(&of(1)), Ok(1));
    assert_eq!(read(&of(MAX_BATCH)), Ok(MAX_BATCH));
    assert_eq!(read(&of(MAX_BATCH + 1)), Err(RpcError::LargeBatch));
    assert_eq!(read("[]"), Err(RpcError::EmptyBatch));
    assert_eq!(read(&format!("[{ping},[{ping}]]")), Err(RpcError::NotAMessage));
}

#[test]
fn every_method_has_its_door() {
    for relayed in ["initialize", "ping", "server/discover", "logging/setLevel", "notifications/x"]
    {
        assert!(method::is_relayed(relayed), "{relayed}");
        assert_eq!(method::action(relayed), None, "{relayed}");
    }
    let governed = [
        (method::TOOLS_CALL, Action::CallTool),
        (method::RESOURCES_UNSUBSCRIBE, Action::ReadResource),
        (method::PROMPTS_GET, Action::GetPrompt),
        (method::COMPLETION_COMPLETE, Action::Complete),
        (method::TASKS_UPDATE, Action::UseTask),
        (method::RESOURCES_TEMPLATES_LIST, Action::List),
        (method::SUBSCRIPTIONS_LISTEN, Action::Subscribe),
        ("tools/Call", Action::Other),
        ("notifications", Action::Other),
        (method::SAMPLING_CREATE_MESSAGE, Action::Other),
    ];
    for (name, action) in governed {
        assert_eq!(method::action(name), Some(action), "{name}");
    }
    assert!(method::is_server_request(method::ROOTS_LIST));
    assert!(!method::is_server_request(method::TOOLS_CALL));
}

#[test]
fn a_version_has_an_era_or_none() {
    let eras: Vec<Option<Era>> = VERSIONS.iter().map(|version| era(version)).collect();
    let legacy = Some(Era::Legacy);
    assert_eq!(eras, [legacy, legacy, legacy, legacy, Some(Era::Modern)]);
    assert_eq!(era("2027-01-01"), None);
    assert!(!is_modern_version("2026-07-28 "));
}

#[test]
fn an_error_message_is_read_back() {
    let id = id(r#""\u0061""#);
    let message = error_message(Some(&id), 4001, "no \"way\"\n", Some(r#"{"ref":"x"}"#));
    let expected = json!({"jsonrpc": "2.0", "id": "a",
        "error": {"code": 4001, "message": "no \"way\"\n", "data": {"ref": "x"}}});
    assert_eq!(serde_json::from_str::<Value>(&message).unwrap(), expected);
    assert!(message.contains(r#""id":"\u0061""#));
    let anonymous = error_message(None, code::PARSE_ERROR, "no", None);
    assert!(matches!(read(&anonymous), Ok(Envelope::Failure { id: None, data: None, .. })));
    assert!(matches!(read(&result_message(&id, "{}")), Ok(Envelope::Response { .. })));
}
