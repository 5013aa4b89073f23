//! One child, several clients: their ids may be the same, so each request gets a number of ours on
//! the way in, and its own ids again on the way out. Everything else keeps its exact bytes.

use bytes::Bytes;
use haechi_core::json::{Checked, Editor, JsonError, Limits, Text, check};
use haechi_guard::{CALLER_META, CALLER_REQUEST_META};

/// The member of `_meta` that names the subscription a message belongs to (2026-07-28).
pub(super) const META_SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A request under our number.
#[derive(Debug)]
pub(super) struct Renumbered {
    /// What goes to the child.
    pub(super) body: String,
    /// The client's progress token, as JSON.
    pub(super) token: Option<Box<str>>,
}

/// Puts `number` in the place of the id and of the progress token of the request `body`. An
/// assertion of the caller is about the client's own id, which then stands beside it.
pub(super) fn renumbered(body: &[u8], number: u64) -> Result<Renumbered, JsonError> {
    let text = check(body, &Limits::RESULT)?;
    let mut editor = Editor::new(text);
    editor.set_member(text, "id", number.to_string());
    let meta = text.path(&["params", "_meta"]);
    if let (Some(meta), Some(id)) = (meta, text.member("id"))
        && meta.member(CALLER_META).is_some()
    {
        editor.set_member(meta, CALLER_REQUEST_META, id.raw());
    }
    let token = text.path(&["params", "_meta", "progressToken"]);
    if let Some(token) = token {
        editor.replace(token, number.to_string());
    }
    // Edits of distinct values in one checked text do not fail.
    let body = editor.finish().map_err(|_| JsonError::UnexpectedEnd { at: 0 })?;
    Ok(Renumbered { body, token: token.map(|token| token.raw().into()) })
}

/// The number that `text` holds, as an integer or, where a server made text of it, as a string.
pub(super) fn number(text: Text<'_>) -> Option<u64> {
    text.unsigned().or_else(|| text.string()?.parse().ok())
}

/// `message` with each of `places` replaced by its JSON.
///
/// A place whose number came back as a string gets its original as a string as well.
pub(super) fn restored(message: &Checked, places: &[(Text<'_>, &str)]) -> Option<Checked> {
    let mut editor = Editor::new(message.text());
    for (place, original) in places {
        let became_text = place.unsigned().is_none() && !original.starts_with('"');
        let original = if became_text { format!("\"{original}\"") } else { (*original).to_owned() };
        editor.replace(*place, original);
    }
    Checked::new(Bytes::from(editor.finish().ok()?), &Limits::RESULT).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Checked {
        Checked::new(Bytes::from(text.to_owned()), &Limits::RESULT).unwrap()
    }

    #[test]
    fn only_id_and_token_change_on_the_way_in() {
        let body = br#"{ "jsonrpc":"2.0", "id" : "\u0061", "params":{"x":1.0,"_meta":{"progressToken":"t","v":1e2}},"method":"tools/call"}"#;
        let Renumbered { body, token } = renumbered(body, 7).unwrap();
        let expected = r#"{ "jsonrpc":"2.0", "id" : 7, "params":{"x":1.0,"_meta":{"progressToken":7,"v":1e2}},"method":"tools/call"}"#;
        assert_eq!(body, expected);
        assert_eq!(token.as_deref(), Some("\"t\""));
        let plain = renumbered(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, 8).unwrap();
        assert_eq!(plain.body, r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#);
        assert!(plain.token.is_none());
    }

    #[test]
    fn the_id_that_an_assertion_names_comes_along() {
        let body = br#"{"id":"a","params":{"_meta":{"haechi/caller":"h.c.s","haechi/request":1}},"method":"x"}"#;
        let expected = r#"{"id":7,"params":{"_meta":{"haechi/caller":"h.c.s","haechi/request":"a"}},"method":"x"}"#;
        assert_eq!(renumbered(body, 7).unwrap().body, expected);
    }

    #[test]
    fn originals_come_back_in_the_form_the_server_used() {
        let message = checked(r#"{"id":7,"a":"7", "b":7}"#);
        let text = message.text();
        let places = [
            (text.member("id").unwrap(), "\"\\u0061\""),
            (text.member("a").unwrap(), "5"),
            (text.member("b").unwrap(), "5"),
        ];
        let restored = restored(&message, &places).unwrap();
        assert_eq!(restored.text().raw(), r#"{"id":"\u0061","a":"5", "b":5}"#);
        assert_eq!(number(text.member("a").unwrap()), Some(7));
        assert_eq!(number(text.member("b").unwrap()), Some(7));
    }
}
