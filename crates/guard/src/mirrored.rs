//! `Mcp-Param-*` headers say what arguments say: when an argument changes, its header follows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::json::{Kind, Text};

/// The prefix of headers that mirror arguments (MCP 2026-07-28).
const PREFIX: &str = "mcp-param-";
/// What marks a value that is no plain header text.
const MARK: (&str, &str) = ("=?base64?", "?=");

/// `headers` with each that mirrored a changed leaf of `before` saying what `after` says.
pub(crate) fn follow(
    headers: &[(String, String)],
    before: Text<'_>,
    after: Text<'_>,
) -> Vec<(String, String)> {
    let mut headers = headers.to_vec();
    if !headers.iter().any(|(name, _)| is_mirror(name)) {
        return headers;
    }
    let mut changes = Vec::new();
    changed(
        before.path(&["params", "arguments"]),
        after.path(&["params", "arguments"]),
        &mut changes,
    );
    for (_, value) in headers.iter_mut().filter(|(name, _)| is_mirror(name)) {
        let Some(said) = decode(value) else { continue };
        if let Some((_, now)) = changes.iter().find(|(was, _)| *was == said) {
            *value = encode(now);
        }
    }
    headers
}

fn is_mirror(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Leaves that differ, as what they were and what they are. Recursion is bounded by the scanner.
fn changed(before: Option<Text<'_>>, after: Option<Text<'_>>, into: &mut Vec<(String, String)>) {
    let (Some(before), Some(after)) = (before, after) else { return };
    if before.raw() == after.raw() {
        return;
    }
    match before.kind() {
        Kind::Object => {
            for (was, is) in before.members().zip(after.members()) {
                changed(Some(was.value), Some(is.value), into);
            }
        }
        Kind::Array => {
            for (was, is) in before.elements().zip(after.elements()) {
                changed(Some(was), Some(is), into);
            }
        }
        _ => into.push((said(before), said(after))),
    }
}

fn said(leaf: Text<'_>) -> String {
    leaf.string().map_or_else(|| leaf.raw().to_owned(), |text| text.into_owned())
}

fn decode(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix(MARK.0).and_then(|rest| rest.strip_suffix(MARK.1)) else {
        return Some(value.to_owned());
    };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

fn encode(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, 0x21..=0x7e | b' '))
        && text.trim() == text
        && !text.starts_with(MARK.0);
    if plain { text.to_owned() } else { format!("{}{}{}", MARK.0, STANDARD.encode(text), MARK.1) }
}

#[cfg(test)]
mod tests {
    use haechi_core::json::{Checked, Limits};

    use super::*;

    fn checked(arguments: &str) -> Checked {
        let text = format!(r#"{{"params":{{"arguments":{arguments}}}}}"#);
        Checked::new(text.into(), &Limits::WIRE).expect("JSON")
    }

    #[test]
    fn a_header_says_what_its_argument_says_now() {
        let before = checked(r#"{"to":"김민수","region":"eu","n":7}"#);
        let after = checked(r#"{"to":"tok_PERSON_x","region":"eu","n":7}"#);
        let mirror = format!("=?base64?{}?=", STANDARD.encode("김민수"));
        let headers = [
            ("Mcp-Param-To".to_owned(), mirror),
            ("mcp-param-region".to_owned(), "eu".to_owned()),
            ("Accept-Language".to_owned(), "김민수".to_owned()),
        ];
        let followed = follow(&headers, before.text(), after.text());
        let values: Vec<&str> = followed.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["tok_PERSON_x", "eu", "김민수"]);
        let back = follow(&followed, after.text(), before.text());
        assert_eq!(back[0].1, headers[0].1);
    }
}
