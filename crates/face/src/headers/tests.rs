use haechi_core::json::{Limits, Text, check};
use http::HeaderValue;
use proptest::prelude::*;

use super::parameters::AnnotationError;
use super::*;

type Pairs<'a> = Vec<(&'a str, &'a str)>;

fn text(source: &str) -> Text<'_> {
    check(source.as_bytes(), &Limits::WIRE).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(parse) {
        headers.append(name, value);
    }
    headers
}

fn problem(result: Result<(), HeaderError>) -> Option<(String, HeaderProblem)> {
    result.err().map(|error| (error.header.to_string(), error.problem))
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"날씨",
    "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
const VERSION: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");
const CALLED: (&str, &str) = ("mcp-METHOD", " tools/call\t");
const NAMED: (&str, &str) = ("Mcp-Name", "=?base64?64Kg7JSo?=");

#[test]
fn the_standard_headers_mirror_the_body() {
    use HeaderProblem::{Duplicate, Malformed, Mismatch, Missing, TooLong};
    let long = "x".repeat(8193);
    let cases: Vec<(Pairs<'_>, Option<(&str, HeaderProblem)>)> = vec![
        (vec![VERSION, CALLED, NAMED], None),
        (vec![VERSION, CALLED, NAMED, ("mcp-param-unknown", "x")], None),
        (vec![CALLED, NAMED], Some(("mcp-protocol-version", Missing))),
        (
            vec![("mcp-protocol-version", "2025-11-25"), CALLED, NAMED],
            Some(("mcp-protocol-version", Mismatch)),
        ),
        (vec![VERSION, VERSION, CALLED, NAMED], Some(("mcp-protocol-version", Duplicate))),
        (vec![VERSION, NAMED], Some(("mcp-method", Missing))),
        (vec![VERSION, CALLED, CALLED, NAMED], Some(("mcp-method", Duplicate))),
        (vec![VERSION, ("mcp-method", "TOOLS/CALL"), NAMED], Some(("mcp-method", Mismatch))),
        (vec![VERSION, CALLED], Some(("mcp-name", Missing))),
        (vec![VERSION, CALLED, NAMED, NAMED], Some(("mcp-name", Duplicate))),
        (vec![VERSION, CALLED, ("mcp-name", "other")], Some(("mcp-name", Mismatch))),
        (vec![VERSION, CALLED, ("mcp-name", "=?BASE64?64Kg7JSo?=")], Some(("mcp-name", Mismatch))),
        (vec![VERSION, CALLED, ("mcp-name", "=?base64?64Kg7JS?=")], Some(("mcp-name", Malformed))),
        (vec![VERSION, CALLED, ("mcp-name", "=?base64?/w==?=")], Some(("mcp-name", Malformed))),
        (vec![VERSION, CALLED, ("mcp-name", &long)], Some(("mcp-name", TooLong))),
    ];
    let envelope = Envelope::read(text(CALL)).unwrap();
    for (pairs, expected) in cases {
        let found = problem(check_standard(&headers(&pairs), &envelope));
        let expected = expected.map(|(header, problem)| (header.to_owned(), problem));
        assert_eq!(found, expected, "{pairs:?}");
    }
    let mut raw = headers(&[VERSION, CALLED]);
    raw.insert(NAME, HeaderValue::from_bytes("날씨".as_bytes()).unwrap());
    assert_eq!(problem(check_standard(&raw, &envelope)).map(|it| it.1), Some(Malformed));
    let error = check_standard(&headers(&[VERSION]), &envelope).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (-32020, "the header `mcp-method` is missing")
    );
}

#[test]
fn who_may_leave_a_header_out() {
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    let listing = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    for (source, without, contradicted) in [
        (initialize, true, false),
        (notification, true, false),
        (listing, false, false),
        (answer, true, true),
    ] {
        let envelope = Envelope::read(text(source)).unwrap();
        assert_eq!(check_standard(&headers(&[]), &envelope).is_ok(), without, "{source}");
        let other = headers(&[("mcp-method", "prompts/list")]);
        assert_eq!(check_standard(&other, &envelope).is_ok(), contradicted, "{source}");
    }
}

#[test]
fn written_headers_pass_the_check_and_replace_what_was_there() {
    let envelope = Envelope::read(text(CALL)).unwrap();
    let mut written = headers(&[("mcp-name", "old"), ("mcp-name", "older"), ("mcp-method", "x")]);
    write_standard(&mut written, "2026-07-28", &envelope).unwrap();
    assert_eq!(check_standard(&written, &envelope), Ok(()));
    assert_eq!(written.len(), 3);
}

const SCHEMA: &str = r#"{"type":"object","properties":{
    "region":{"type":"string","x-mcp-header":"Region"},
    "count":{"type":"integer","x-mcp-header":"count"},
    "deep":{"type":"object","properties":{"on":{"type":"boolean","x-mcp-header":"On"}}},
    "x-mcp-header":{"type":"object","default":{"x-mcp-header":1}}}}"#;

#[test]
fn parameters_are_held_against_arguments() {
    use HeaderProblem::{Duplicate, Malformed, Mismatch, Missing, Unexpected};
    let parameters = ParameterHeaders::read(text(SCHEMA)).unwrap();
    let region = |value| vec![("mcp-param-region", value)];
    let count = |value| vec![("mcp-param-count", value)];
    let cases: Vec<(&str, Pairs<'_>, Option<HeaderProblem>)> = vec![
        ("{}", vec![], None),
        (r#"{"region":null}"#, vec![], None),
        (r#"{"region":"Hello"}"#, region("=?base64?SGVsbG8=?="), None),
        (r#"{"region":"Hello"}"#, region("Hello"), None),
        (r#"{"region":"SGVsbG8="}"#, region("SGVsbG8="), None),
        (r#"{"region":"=?base64?SGVsbG8="}"#, region("=?base64?SGVsbG8="), None),
        (r#"{"region":""}"#, region(""), None),
        (r#"{"region":"Hello"}"#, region("=?base64?SGVsbG8?="), Some(Malformed)),
        (r#"{"region":"Hello"}"#, region("=?base64?SGVs!!!bG8=?="), Some(Malformed)),
        (r#"{"region":"Hello"}"#, region("hello"), Some(Mismatch)),
        (r#"{"region":"Hello"}"#, vec![], Some(Missing)),
        (r#"{"region":null}"#, region("null"), Some(Unexpected)),
        (r#"{"region":"a"}"#, [region("a"), region("a")].concat(), Some(Duplicate)),
        (r#"{"count":100}"#, count("100"), None),
        (r#"{"count":1e2}"#, count("100"), None),
        (r#"{"count":1e2}"#, count("1e2"), None),
        (r#"{"count":"100"}"#, count("100"), None),
        (r#"{"count":100}"#, count("1e2"), Some(Mismatch)),
        (r#"{"count":18446744073709551616}"#, count("18446744073709551616"), None),
        (r#"{"deep":{"on":false}}"#, vec![("mcp-param-on", "false")], None),
        (r#"{"deep":{"on":false}}"#, vec![("mcp-param-on", "False")], Some(Mismatch)),
        (r#"{"deep":{}}"#, vec![("mcp-param-on", "false")], Some(Unexpected)),
    ];
    for (arguments, pairs, expected) in cases {
        let found = parameters.check(&headers(&pairs), Some(text(arguments)));
        assert_eq!(problem(found).map(|it| it.1), expected, "{arguments} {pairs:?}");
    }
    assert_eq!(parameters.check(&headers(&[]), None), Ok(()));
}

#[test]
fn an_invalid_annotation_excludes_the_tool() {
    use AnnotationError::{Duplicate, Misplaced, NotAToken, NotPrimitive};
    let property = |property: &str| format!(r#"{{"properties":{{"a":{property}}}}}"#);
    let cases = [
        (r#"{"x-mcp-header":"A","type":"string"}"#.to_owned(), Misplaced),
        (property(r#"{"type":"array","items":{"type":"string","x-mcp-header":"A"}}"#), Misplaced),
        (r#"{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"#.to_owned(), Misplaced),
        (
            r#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#.to_owned(),
            Misplaced,
        ),
        (
            r#"{"if":{"properties":{"a":{"type":"string","x-mcp-\u0068eader":"A"}}}}"#.to_owned(),
            Misplaced,
        ),
        (property(r#"{"type":"string","x-mcp-header":""}"#), NotAToken),
        (property(r#"{"type":"string","x-mcp-header":5}"#), NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"a b"}"#), NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"a:b"}"#), NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"é"}"#), NotAToken),
        (property(r#"{"type":"string","x-mcp-header":"a\r\nb"}"#), NotAToken),
        (property(r#"{"type":"number","x-mcp-header":"A"}"#), NotPrimitive),
        (property(r#"{"type":["string"],"x-mcp-header":"A"}"#), NotPrimitive),
        (property(r#"{"x-mcp-header":"A"}"#), NotPrimitive),
        (
            property(
                r#"{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}"#,
            ),
            Duplicate,
        ),
    ];
    for (schema, expected) in cases {
        assert_eq!(ParameterHeaders::read(text(&schema)), Err(expected), "{schema}");
    }
    let many = |count: usize| {
        let property = |n| format!(r#""p{n}":{{"type":"string","x-mcp-header":"P{n}"}}"#);
        format!(
            r#"{{"properties":{{{}}}}}"#,
            (0..count).map(property).collect::<Vec<_>>().join(",")
        )
    };
    assert!(ParameterHeaders::read(text(&many(64))).is_ok());
    assert_eq!(ParameterHeaders::read(text(&many(65))), Err(AnnotationError::TooMany));
    assert!(ParameterHeaders::read(text("true")).unwrap().is_empty());
}

proptest! {
    #[test]
    fn what_is_written_passes_the_check(
        region in "\\PC*|[ \t\r\n\\x00-\\x7f]*|=\\?base64\\?[a-zA-Z0-9=]*\\?=",
        count in any::<i64>(),
        on in any::<bool>(),
    ) {
        let parameters = ParameterHeaders::read(text(SCHEMA)).unwrap();
        let region = haechi_core::json::quote(&region);
        let arguments = format!(r#"{{"region":{region},"count":{count},"deep":{{"on":{on}}}}}"#);
        let mut written = headers(&[("mcp-param-region", "old")]);
        parameters.write(&mut written, Some(text(&arguments))).unwrap();
        let checked = parameters.check(&written, Some(text(&arguments)));
        prop_assert_eq!(checked, Ok(()));
        prop_assert_eq!(written.len(), 3);
    }
}
