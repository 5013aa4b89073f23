use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn read(text: &str) -> Result<Text<'_>, JsonError> {
    check(text.as_bytes(), &Limits::WIRE)
}

fn text(text: &str) -> Text<'_> {
    read(text).unwrap()
}

#[test]
fn every_reason_has_its_place() {
    let few = Limits { max_bytes: 40, max_depth: 3, max_members: 2 };
    let limit_of = |max_bytes| JsonError::TooLarge { limit: max_bytes };
    let cases: &[(&[u8], JsonError)] = &[
        (&[b' '; 41], limit_of(40)),
        (b"\"\xff\"", JsonError::NotUtf8 { at: 1 }),
        (b"\"\xed\xa0\x80\"", JsonError::NotUtf8 { at: 1 }),
        (b"", JsonError::UnexpectedEnd { at: 0 }),
        (b"[1,", JsonError::UnexpectedEnd { at: 3 }),
        (b"\"abc", JsonError::UnexpectedEnd { at: 4 }),
        (b"\"abc\\", JsonError::UnexpectedEnd { at: 5 }),
        (b"tru", JsonError::UnexpectedEnd { at: 3 }),
        (b"-", JsonError::UnexpectedEnd { at: 1 }),
        (b"\xef\xbb\xbf1", JsonError::Unexpected { at: 0 }),
        (b"{\"a\" 1}", JsonError::Unexpected { at: 5 }),
        (b"{a:1}", JsonError::Unexpected { at: 1 }),
        (b"[1,]", JsonError::Unexpected { at: 3 }),
        (b"{\"a\":1,}", JsonError::Unexpected { at: 7 }),
        (b"[1}", JsonError::Unexpected { at: 2 }),
        (b"/*c*/1", JsonError::Unexpected { at: 0 }),
        (b"1 1", JsonError::Trailing { at: 2 }),
        (b"{}\0", JsonError::Trailing { at: 2 }),
        (b"[[[[]]]]", JsonError::TooDeep { at: 3, limit: 3 }),
        (b"[1,2,3]", JsonError::TooManyMembers { at: 4, limit: 2 }),
        (b"{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", JsonError::DuplicateName { at: 18 }),
        (b"{\"a\":1,\"\\u0061\":2}", JsonError::DuplicateName { at: 7 }),
        (b"{\"\":1,\"\":2}", JsonError::DuplicateName { at: 6 }),
        (b"\"a\nb\"", JsonError::ControlCharacter { at: 2 }),
        (b"\"\\x\"", JsonError::BadEscape { at: 1 }),
        (b"\"\\u12g4\"", JsonError::BadEscape { at: 1 }),
        (b"\"\\u+123\"", JsonError::BadEscape { at: 1 }),
        (b"\"\\ud800\"", JsonError::LoneSurrogate { at: 1 }),
        (b"\"\\udc00\\ud800\"", JsonError::LoneSurrogate { at: 1 }),
        (b"\"\\ud800\\u0041\"", JsonError::LoneSurrogate { at: 1 }),
        (b"01", JsonError::BadNumber { at: 0 }),
        (b"1.x", JsonError::BadNumber { at: 2 }),
        (b"1ex", JsonError::BadNumber { at: 2 }),
        (b"-x", JsonError::BadNumber { at: 1 }),
        (b"[-1e999]", JsonError::NumberOutOfRange { at: 1 }),
    ];
    for (bytes, expected) in cases {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(check(bytes, &few).map(Text::raw), Err(expected.clone()), "{shown}");
    }
}

#[test]
fn a_name_that_comes_again_is_found_among_many() {
    for count in [2, 15, 16, 17, 18, 200] {
        for again in [0, count / 2, count - 1] {
            let names = |last: usize| {
                let all = (0..count).chain([last]).map(|n| format!("\"name{n}\":{n}"));
                format!("[{{{}}}]", all.collect::<Vec<_>>().join(","))
            };
            assert!(read(&names(count)).is_ok());
            let bad = names(again);
            let at = bad.rfind("\"name").unwrap();
            assert_eq!(read(&bad).map(Text::raw), Err(JsonError::DuplicateName { at }));
        }
    }
    // The same name in objects beside and inside each other is no duplicate.
    assert!(read(r#"{"a":{"a":[{"a":1},{"a":2}]},"b":{"a":1}}"#).is_ok());
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    let unlimited = Limits { max_bytes: usize::MAX, max_depth: usize::MAX, max_members: 10 };
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(100_000) + "1" + &close.repeat(100_000);
        let refused = check(deep.as_bytes(), &unlimited).map(Text::raw);
        let at = open.len() * MAX_DEPTH;
        assert_eq!(refused, Err(JsonError::TooDeep { at, limit: MAX_DEPTH }));
    }
    let allowed = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    assert!(check(allowed.as_bytes(), &unlimited).is_ok_and(|text| text.to_value().is_array()));
}

#[test]
fn navigation_finds_values_where_they_stand() {
    let source =
        r#" { "a" : [1, -2.5e1 ,"x\n\ud83d\ude00"], "\u0062":{"}":{"c":true}} ,"n":null } "#;
    let root = text(source);
    assert_eq!(root.kind(), Kind::Object);
    assert_eq!(root.raw(), source.trim());
    assert_eq!(root.len(), 3);
    let elements: Vec<&str> = root.member("a").unwrap().elements().map(Text::raw).collect();
    assert_eq!(elements, ["1", "-2.5e1", r#""x\n\ud83d\ude00""#]);
    assert_eq!(root.path(&["b", "}", "c"]).and_then(Text::boolean), Some(true));
    assert_eq!(root.path(&["b", "c"]).map(Text::raw), None);
    assert!(root.member("n").unwrap().is_null());
    for member in root.members() {
        let literal = source.get(member.key_span.clone()).unwrap();
        assert_eq!(text(literal).string().unwrap(), member.key);
        assert_eq!(source.get(member.value.span()).unwrap(), member.value.raw());
    }
    assert_eq!(root.to_value(), serde_json::from_str::<Value>(source).unwrap());
}

#[test]
fn numbers_are_read_as_they_are_written() {
    assert_eq!(text("-9223372036854775808").integer(), Some(i64::MIN));
    assert_eq!(text("9223372036854775808").integer(), None);
    assert_eq!(text("18446744073709551615").unsigned(), Some(u64::MAX));
    assert_eq!(text("-1").unsigned(), None);
    assert_eq!(text("1.0").integer(), None);
    assert_eq!(text("1e2").number(), Some(100.0));
    assert_eq!(text("\"1\"").number(), None);
    assert_eq!(text("1e-999").number(), Some(0.0));
    assert_eq!(text("-0").to_value(), json!(-0.0));
    let long = "1".repeat(308);
    assert_eq!(text(&long).to_value(), serde_json::from_str::<Value>(&long).unwrap());
    assert!(read(&"1".repeat(310)).is_err());
}

#[test]
fn a_walk_prints_no_content() {
    let root = text(r#"{"hunter2":["hunter2"]}"#);
    let member = root.members().next().unwrap();
    let mut editor = Editor::new(root);
    editor.set_member(root, "hunter2", "\"hunter2\"");
    let printed = format!("{root:?} {member:?} {:?} {editor:?}", root.members());
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn removed_members_take_their_comma_and_leave_the_rest_alone() {
    let source = r#"{ "a":1 , "b" : 2, "c":3 }"#;
    let cases: [(&[&str], &str); 9] = [
        (&[], source),
        (&["a"], r#"{ "b" : 2, "c":3 }"#),
        (&["b"], r#"{ "a":1, "c":3 }"#),
        (&["c"], r#"{ "a":1 , "b" : 2 }"#),
        (&["a", "b"], r#"{ "c":3 }"#),
        (&["c", "b"], r#"{ "a":1 }"#),
        (&["a", "c"], r#"{ "b" : 2 }"#),
        (&["a", "b", "c"], "{  }"),
        (&["d"], source),
    ];
    for (keys, expected) in cases {
        let root = text(source);
        let mut editor = Editor::new(root);
        for key in keys {
            editor.remove_member(root, key);
        }
        assert_eq!(editor.finish().as_deref(), Ok(expected), "{keys:?}");
    }
}

#[test]
fn set_members_replace_or_append() {
    let root = text(r#"{"a":{},"b":{"c":1 }}"#);
    let (a, b) = (root.member("a").unwrap(), root.member("b").unwrap());
    let mut editor = Editor::new(root);
    assert!(editor.is_empty());
    editor.set_member(a, "x\"", "[1]").set_member(a, "y", "2").set_member(b, "c", "null");
    editor.set_member(b, "d", "true").set_member(root, "z", "0").remove_member(root, "none");
    assert!(!editor.is_empty());
    let expected = r#"{"a":{"x\"":[1],"y":2},"b":{"c":null,"d":true },"z":0}"#;
    assert_eq!(editor.finish().as_deref(), Ok(expected));
}

#[test]
fn an_edit_of_a_part_gives_that_part() {
    let root = text(r#"{"a":[1,2,3],"b":0}"#);
    let part = root.member("a").unwrap();
    let mut editor = Editor::new(part);
    editor.remove_element(part, 0).remove_element(part, 2);
    assert_eq!(editor.finish().as_deref(), Ok("[2]"));
}

#[test]
fn edits_that_cannot_be_are_told() {
    let root = text(r#"{"a":{"b":1},"c":[1]}"#);
    let (a, c) = (root.member("a").unwrap(), root.member("c").unwrap());
    let foreign = text(r#"{"a":{"b":1},"c":[1]} "#);
    type Edit<'a> = Box<dyn Fn(&mut Editor<'a>) + 'a>;
    let cases: Vec<(Edit<'_>, EditError)> = vec![
        (
            Box::new(move |e| {
                e.replace(a, "1").set_member(a, "b", "2");
            }),
            overlap(10),
        ),
        (
            Box::new(move |e| {
                e.replace(a, "1").set_member(a, "z", "2");
            }),
            overlap(11),
        ),
        (
            Box::new(move |e| {
                e.replace(a, "1").replace(a, "1");
            }),
            overlap(5),
        ),
        (
            Box::new(move |e| {
                e.remove_member(root, "a").remove_member(a, "b");
            }),
            overlap(6),
        ),
        (
            Box::new(move |e| {
                e.set_member(a, "z", "1").set_member(a, "z", "1");
            }),
            overlap(12),
        ),
        (
            Box::new(move |e| {
                e.replace(foreign, "1");
            }),
            EditError::Foreign,
        ),
        (
            Box::new(move |e| {
                e.set_member(c, "x", "1");
            }),
            EditError::WrongKind { at: 17 },
        ),
        (
            Box::new(move |e| {
                e.remove_element(a, 0);
            }),
            EditError::WrongKind { at: 5 },
        ),
        (
            Box::new(move |e| {
                e.remove_element(c, 1);
            }),
            EditError::NoSuchElement { at: 17 },
        ),
        (
            Box::new(move |e| {
                e.replace(a, "1,\"x\":2");
            }),
            EditError::NotJson,
        ),
        (
            Box::new(move |e| {
                e.set_member(a, "z", "");
            }),
            EditError::NotJson,
        ),
    ];
    for (index, (edit, expected)) in cases.into_iter().enumerate() {
        let mut editor = Editor::new(root);
        edit(&mut editor);
        assert_eq!(editor.finish(), Err(expected), "case {index}");
    }
}

fn overlap(at: usize) -> EditError {
    EditError::Overlap { at }
}

/// Names from a few letters, so that they meet each other, with some that need escapes.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,2}", "[\\PC\"\\\\\n\u{1}😀é]{0,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000_i32..1000).prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        name().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::from),
            vec((name(), inner), 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn written(value: &Value, pretty: bool) -> String {
    let written = if pretty { serde_json::to_string_pretty(value) } else { Ok(value.to_string()) };
    written.unwrap()
}

/// Bytes that are JSON, or nearly.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let damaged = (value(), any::<bool>(), any::<usize>(), any::<u8>()).prop_map(|it| {
        let (value, pretty, place, byte) = it;
        let mut bytes = written(&value, pretty).into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        bytes
    });
    let soup = vec(
        prop_oneof![
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just(","),
            Just(":"),
            Just("\"a\""),
            Just("\"\\u00e9\""),
            Just("\"\\ud83d\\ude00\""),
            Just("1"),
            Just("-0.5e3"),
            Just("01"),
            Just("true"),
            Just("null"),
            Just(" "),
            Just("\"b\"")
        ],
        0..12,
    );
    prop_oneof![damaged, soup.prop_map(|parts| parts.concat().into_bytes())]
}

/// Equal, but for the last digit of long fractions, which serde_json rounds another way.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().eq(other.keys());
            names && one.values().zip(other.values()).all(|(one, other)| same(one, other))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 1e-15
        }
        _ => one == other,
    }
}

/// One random step into a value: the path to a container or leaf.
fn pick(value: &Value, mut choice: usize) -> Vec<usize> {
    let mut path = Vec::new();
    let mut at = value;
    loop {
        let children: Vec<&Value> = match at {
            Value::Object(members) => members.values().collect(),
            Value::Array(elements) => elements.iter().collect(),
            _ => return path,
        };
        let stop = choice % (children.len() + 1);
        choice /= children.len() + 1;
        if stop == children.len() {
            return path;
        }
        path.push(stop);
        at = children[stop];
    }
}

fn text_at<'a>(root: Text<'a>, path: &[usize]) -> Text<'a> {
    path.iter().fold(root, |text, index| match text.kind() {
        Kind::Object => text.members().nth(*index).unwrap().value,
        _ => text.elements().nth(*index).unwrap(),
    })
}

fn value_at<'a>(root: &'a mut Value, path: &[usize]) -> &'a mut Value {
    path.iter().fold(root, |value, index| match value {
        Value::Object(members) => members.values_mut().nth(*index).unwrap(),
        other => &mut other[*index],
    })
}

#[test]
fn a_renamed_member_keeps_its_value_and_its_neighbours() {
    let root = text(r#"{ "a\u0041" : [1, {"b":2}] , "c":3 }"#);
    let first = root.members().next().unwrap();
    let inner = first.value.elements().nth(1).unwrap();
    let mut editor = Editor::new(root);
    editor.rename(&first, "x\"y").rename(&inner.members().next().unwrap(), "d");
    editor.replace(root.member("c").unwrap(), "4");
    assert_eq!(editor.finish().unwrap(), r#"{ "x\"y" : [1, {"d":2}] , "c":4 }"#);

    let mut editor = Editor::new(inner);
    editor.rename(&first, "x");
    assert_eq!(editor.finish(), Err(EditError::Foreign));
    let mut editor = Editor::new(root);
    editor.rename(&first, "x").rename(&first, "y");
    assert!(matches!(editor.finish(), Err(EditError::Overlap { .. })));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = check(&bytes, &Limits::WIRE);
    }

    #[test]
    fn it_agrees_with_serde_json_on_what_is_json(bytes in nearly_json()) {
        let theirs = serde_json::from_slice::<Value>(&bytes);
        match check(&bytes, &Limits::WIRE) {
            Ok(text) => {
                prop_assert!(theirs.is_ok_and(|value| same(&value, &text.to_value())));
            }
            // Refused on purpose, whatever follows: serde_json keeps the last of two names.
            Err(JsonError::DuplicateName { .. }) => {}
            Err(error) => prop_assert!(theirs.is_err(), "{error}"),
        }
    }

    #[test]
    fn what_is_written_is_read_back(value in value(), pretty in any::<bool>()) {
        let source = written(&value, pretty);
        let root = text(&source);
        prop_assert_eq!(root.to_value(), value);
        prop_assert_eq!(root.raw(), source.trim());
    }

    #[test]
    fn a_quoted_text_opens_to_itself(plain in "\\PC*|[\\x00-\\x7f😀é]*") {
        let literal = quote(&plain);
        prop_assert_eq!(text(&literal).string().unwrap(), plain.as_str());
        prop_assert_eq!(serde_json::from_str::<String>(&literal).unwrap(), plain);
    }

    #[test]
    fn an_edit_of_text_is_the_edit_of_the_value(
        value in value(),
        pretty in any::<bool>(),
        place in any::<usize>(),
        what in 0..4_usize,
        indices in vec(any::<prop::sample::Index>(), 1..4),
        new in value(),
        key in name(),
    ) {
        let source = written(&value, pretty);
        let root = text(&source);
        let path = pick(&value, place);
        let target = text_at(root, &path);
        let mut expected = value;
        let changed = value_at(&mut expected, &path);
        let mut editor = Editor::new(root);
        match changed {
            Value::Object(members) if what == 1 && !members.is_empty() => {
                let keys: Vec<String> = members.keys().cloned().collect();
                for index in &indices {
                    let key = index.get(&keys);
                    members.shift_remove(key);
                    editor.remove_member(target, key);
                }
            }
            Value::Object(members) if what >= 2 => {
                members.insert(key.clone(), new.clone());
                editor.set_member(target, &key, new.to_string());
            }
            Value::Array(elements) if what >= 1 && !elements.is_empty() => {
                let mut gone: Vec<usize> = indices.iter().map(|i| i.index(elements.len())).collect();
                gone.sort_unstable();
                gone.dedup();
                for index in gone.into_iter().rev() {
                    elements.remove(index);
                    editor.remove_element(target, index);
                }
            }
            other => {
                *other = new.clone();
                editor.replace(target, new.to_string());
            }
        }
        let result = editor.finish().unwrap();
        prop_assert_eq!(text(&result).to_value(), expected.clone());
        // The order of what stays is kept too.
        prop_assert_eq!(text(&result).to_value().to_string(), expected.to_string());
    }
}
