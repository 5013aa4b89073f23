//! Lists show what the caller may use, by the same policy that judges its calls.

use haechi_core::json::{Editor, Text};
use haechi_core::rpc::method;
use haechi_core::{Action, Era};

/// Freshness, in milliseconds, that a filtered list may claim at most: a new policy shows soon.
const MAX_TTL_MS: i64 = 60_000;

/// Which member of a list's result holds the entries, what names one, and what using one is.
pub(crate) fn listed(list: &str) -> Option<(&'static str, &'static str, Action)> {
    Some(match list {
        method::TOOLS_LIST => ("tools", "name", Action::CallTool),
        method::PROMPTS_LIST => ("prompts", "name", Action::GetPrompt),
        method::RESOURCES_LIST => ("resources", "uri", Action::ReadResource),
        method::RESOURCES_TEMPLATES_LIST => {
            ("resourceTemplates", "uriTemplate", Action::ReadResource)
        }
        method::SKILLS_LIST => ("skills", "uri", Action::ReadResource),
        _ => return None,
    })
}

/// The whole message with only the entries of `result.<member>` that `keep` wants; `None` when
/// nothing had to change. Entries that stay keep their exact text and their order.
pub(crate) fn keep_entries(
    message: Text<'_>,
    (member, era): (&str, Era),
    keep: impl Fn(Text<'_>) -> bool,
) -> Option<String> {
    let result = message.member("result")?;
    let mut editor = Editor::new(message);
    if let Some(entries) = result.member(member) {
        let kept: Vec<&str> =
            entries.elements().filter(|entry| keep(*entry)).map(Text::raw).collect();
        if kept.len() != entries.len() {
            editor.replace(entries, format!("[{}]", kept.join(",")));
        }
    }
    if era == Era::Modern {
        make_private(&mut editor, result);
    }
    (!editor.is_empty()).then(|| editor.finish().ok())?
}

/// What one caller was shown is no other caller's (`cacheScope`), and not for long (`ttlMs`).
pub(crate) fn make_private<'a>(editor: &mut Editor<'a>, result: Text<'a>) {
    let scope = result.member("cacheScope").and_then(Text::string);
    if scope.as_deref() != Some("private") {
        editor.set_member(result, "cacheScope", r#""private""#);
    }
    let ttl = result.member("ttlMs").and_then(Text::integer);
    if ttl.is_some_and(|ttl| ttl > MAX_TTL_MS) {
        editor.set_member(result, "ttlMs", MAX_TTL_MS.to_string());
    }
}

#[cfg(test)]
mod tests {
    use haechi_core::json::{Checked, Limits};

    use super::*;

    fn filtered(message: &str, era: Era) -> Option<String> {
        let message = Checked::new(message.to_owned().into(), &Limits::WIRE).expect("valid");
        keep_entries(message.text(), ("tools", era), |tool| {
            tool.member("name").and_then(Text::string).as_deref() != Some("b")
        })
    }

    #[test]
    fn entries_that_stay_keep_their_text_and_order() {
        let message = r#"{"id":1,"result":{"x":1.0, "tools":[{"name":"c", "z":1e2},{"name":"b"},{"name":"a"}]}}"#;
        let expected =
            r#"{"id":1,"result":{"x":1.0, "tools":[{"name":"c", "z":1e2},{"name":"a"}]}}"#;
        assert_eq!(filtered(message, Era::Legacy).as_deref(), Some(expected));
    }

    #[test]
    fn an_unfiltered_legacy_list_is_not_touched() {
        assert_eq!(filtered(r#"{"result":{"tools":[{"name":"a"}]}}"#, Era::Legacy), None);
    }

    #[test]
    fn a_modern_list_becomes_private_and_short_lived() {
        let message = r#"{"result":{"tools":[],"ttlMs":3600000,"cacheScope":"public"}}"#;
        let expected = r#"{"result":{"tools":[],"ttlMs":60000,"cacheScope":"private"}}"#;
        assert_eq!(filtered(message, Era::Modern).as_deref(), Some(expected));
    }
}
