//! What a client says, for the upstream it belongs to, under the upstream's own names.

use std::sync::Arc;

use haechi_core::json::{Checked, Editor, Limits, Text, quote};
use haechi_core::rpc::{Envelope, RequestId, method};

use super::names::{Names, question_inward, task_inward, uri_inward};
use super::outward::META_RELATED_TASK;

/// A message that belongs to one upstream, as that one understands it.
#[derive(Debug)]
pub(super) struct Directed {
    /// What the client named as its upstream; not necessarily one there is.
    pub(super) upstream: String,
    /// The message for it.
    pub(super) body: Checked,
    /// What `Mcp-Name` has to say.
    pub(super) name: Option<Arc<str>>,
}

/// How a text says whose it is: the upstream, and its own text for it.
type Reading = fn(&Names, &str) -> Option<(String, Arc<str>)>;

/// Finds whose a request is by the name, URI or task it is about. `None`: nobody's.
pub(super) fn request(names: &Names, body: &Checked) -> Option<Directed> {
    let envelope = Envelope::read(body.text()).ok()?;
    let params = envelope.params()?;
    let (text, upstream, own) = subject(names, envelope.method()?, params)?;
    let mut editor = Editor::new(body.text());
    editor.replace(text, quote(&own));
    let name = envelope.name().map(|_| own);
    Some(Directed { upstream, body: edited(editor)?, name })
}

/// What a request is about: where it says so, whose that is, and its own name there.
fn subject<'a>(
    names: &Names,
    asked: &str,
    params: Text<'a>,
) -> Option<(Text<'a>, String, Arc<str>)> {
    let (text, how): (Text<'a>, Reading) = match method::subject(asked) {
        Some(method::Subject::Name) => (params.member("name")?, of_name),
        Some(method::Subject::Uri) => (params.member("uri")?, of_uri),
        Some(method::Subject::TaskId) => (params.member("taskId")?, of_task),
        None if asked == method::COMPLETION_COMPLETE => {
            let reference = params.member("ref")?;
            match reference.member("name") {
                Some(name) => (name, of_name),
                None => (reference.member("uri")?, of_uri),
            }
        }
        None => return None,
    };
    let (upstream, own) = how(names, &text.string()?)?;
    Some((text, upstream, own))
}

fn of_name(names: &Names, name: &str) -> Option<(String, Arc<str>)> {
    names.inward(name).map(|(upstream, own)| (upstream.to_owned(), own))
}

fn of_uri(_: &Names, uri: &str) -> Option<(String, Arc<str>)> {
    uri_inward(uri).map(|(upstream, own)| (upstream.to_owned(), own.into()))
}

fn of_task(_: &Names, task: &str) -> Option<(String, Arc<str>)> {
    task_inward(task).map(|(upstream, own)| (upstream.to_owned(), own.into()))
}

/// A client's answer to what an upstream asked it.
pub(super) fn answer(body: &Checked) -> Option<Directed> {
    let envelope = Envelope::read(body.text()).ok()?;
    let (upstream, raw) = question_inward(envelope.id()?)?;
    let mut editor = Editor::new(body.text());
    editor.replace(body.text().member("id")?, raw);
    let task = body.text().path(&["result", "_meta", META_RELATED_TASK, "taskId"]);
    let own = task.and_then(Text::string);
    if let (Some(task), Some((_, own))) = (task, own.as_deref().and_then(task_inward)) {
        editor.replace(task, quote(own));
    }
    Some(Directed { upstream, body: edited(editor)?, name: None })
}

/// How far the client has come with what an upstream asked it.
pub(super) fn progress(body: &Checked) -> Option<Directed> {
    let token = body.text().path(&["params", "progressToken"])?;
    let (upstream, raw) = question_inward(&RequestId::read(token).ok()?)?;
    let mut editor = Editor::new(body.text());
    editor.replace(token, raw);
    Some(Directed { upstream, body: edited(editor)?, name: None })
}

/// The part of a `subscriptions/listen` that is `upstream`'s; `None` when nothing of it is.
pub(super) fn subscription(body: &Checked, upstream: &str) -> Option<Checked> {
    let wanted = body.text().path(&["params", "notifications"])?;
    let mut editor = Editor::new(body.text());
    let mut wants = false;
    for member in wanted.members() {
        let how: fn(&str) -> Option<(&str, &str)> = match &*member.key {
            "resourceSubscriptions" => uri_inward,
            "taskIds" => task_inward,
            _ => {
                wants |= member.value.boolean() != Some(false);
                continue;
            }
        };
        let own: Vec<String> = member
            .value
            .elements()
            .filter_map(Text::string)
            .filter_map(|text| {
                let (of, own) = how(&text)?;
                (of == upstream).then(|| quote(own))
            })
            .collect();
        wants |= !own.is_empty();
        if own.is_empty() {
            editor.remove_member(wanted, &member.key);
        } else {
            editor.replace(member.value, format!("[{}]", own.join(",")));
        }
    }
    if !wants {
        return None;
    }
    if editor.is_empty() { Some(body.clone()) } else { edited(editor) }
}

/// Whether every resource and task of a `subscriptions/listen` is one of `known` upstreams'.
pub(super) fn all_known(body: &Checked, known: impl Fn(&str) -> bool) -> bool {
    let wanted = body.text().path(&["params", "notifications"]);
    let texts = |list| wanted.and_then(|wanted| wanted.member(list)).into_iter();
    let of_uri = |text: Text<'_>| {
        let uri = text.string();
        uri.as_deref().and_then(uri_inward).is_some_and(|(upstream, _)| known(upstream))
    };
    let of_task = |text: Text<'_>| {
        let task = text.string();
        task.as_deref().and_then(task_inward).is_some_and(|(upstream, _)| known(upstream))
    };
    texts("resourceSubscriptions").flat_map(Text::elements).all(of_uri)
        && texts("taskIds").flat_map(Text::elements).all(of_task)
}

fn edited(editor: Editor<'_>) -> Option<Checked> {
    Checked::new(editor.finish().ok()?.into(), &Limits::WIRE).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Checked {
        Checked::new(text.to_owned().into(), &Limits::WIRE).unwrap()
    }

    #[test]
    fn a_request_finds_its_upstream_and_keeps_all_but_the_name() {
        let cases = [
            (
                "tools/call",
                r#""name":"crm__a__b","x":1.0"#,
                r#""name":"a__b","x":1.0"#,
                Some("a__b"),
            ),
            ("prompts/get", r#""name":"crm__p""#, r#""name":"p""#, Some("p")),
            (
                "resources/read",
                r#""uri":"haechi://crm/file:///a""#,
                r#""uri":"file:///a""#,
                Some("file:///a"),
            ),
            ("tasks/get", r#""taskId":"crm__t""#, r#""taskId":"t""#, Some("t")),
            (
                "completion/complete",
                r#""ref":{"type":"ref/prompt","name":"crm__p"}"#,
                r#""ref":{"type":"ref/prompt","name":"p"}"#,
                None,
            ),
            (
                "completion/complete",
                r#""ref":{"type":"ref/resource","uri":"haechi://crm/x:{y}"}"#,
                r#""ref":{"type":"ref/resource","uri":"x:{y}"}"#,
                None,
            ),
        ];
        for (method, ours, own, name) in cases {
            let wrap = |params: &str| {
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}}}}}"#)
            };
            let directed = request(&Names::default(), &checked(&wrap(ours))).unwrap();
            assert_eq!(directed.upstream, "crm");
            assert_eq!(directed.body.text().raw(), wrap(own));
            assert_eq!(directed.name.as_deref(), name);
        }
    }

    #[test]
    fn a_request_without_an_upstream_in_its_name_is_nobodys() {
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"no/such","params":{"name":"crm__a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        ] {
            assert!(request(&Names::default(), &checked(body)).is_none(), "{body}");
        }
    }

    #[test]
    fn an_answer_goes_back_under_the_upstreams_own_id() {
        let body = checked(r#"{"jsonrpc":"2.0","id":"crm:7","result":{"roots":[]}}"#);
        let directed = answer(&body).unwrap();
        assert_eq!(directed.upstream, "crm");
        assert_eq!(directed.body.text().raw(), r#"{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}"#);
        assert!(answer(&checked(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)).is_none());
    }

    #[test]
    fn each_upstream_hears_of_its_own_subscriptions_only() {
        let wrap = |wanted: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{wanted}}}}}"#
            )
        };
        let body = checked(&wrap(
            r#"{"resourceSubscriptions":["haechi://crm/a","haechi://files/b"],"taskIds":["files__t"]}"#,
        ));
        let part =
            |upstream| subscription(&body, upstream).map(|part| part.text().raw().to_owned());
        assert_eq!(part("crm"), Some(wrap(r#"{"resourceSubscriptions":["a"]}"#)));
        assert_eq!(part("files"), Some(wrap(r#"{"resourceSubscriptions":["b"],"taskIds":["t"]}"#)));
        assert_eq!(part("mail"), None);
        let lists = checked(&wrap(r#"{"toolsListChanged":true}"#));
        assert_eq!(subscription(&lists, "mail").unwrap().text().raw(), lists.text().raw());
        assert!(all_known(&body, |name| name != "mail"));
        assert!(!all_known(&body, |name| name == "crm"));
    }
}
