//! What an upstream says, with the names that clients of all upstreams know.
//!
//! Members are found by what the protocol calls them, not by the method that is answered: an
//! answer may come on another stream than its call's.

use haechi_core::json::{Checked, EditError, Editor, Kind, Limits, Text, quote};
use haechi_core::rpc::{Envelope, RequestId, method};
use haechi_core::{Era, UpstreamName};

use super::names::{Names, question_outward, task_outward, uri_outward};

/// The task that a message belongs to (2025-11-25).
pub(super) const META_RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
/// Where the apps extension names a tool's user interface; the second is its older form.
const META_UI: &str = "ui";
const META_UI_RESOURCE: &str = "ui/resourceUri";

/// What becomes of a message on its way to the client.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It goes as it came.
    Same,
    /// It goes so.
    Renamed(Checked),
    /// It cannot go: the word says why.
    Dropped(&'static str),
}

/// What the strings of one member are.
#[derive(Clone, Copy)]
enum Word {
    Name,
    Uri,
    Task,
}

/// Lists in results, what names one of their entries, and what that is.
const LISTS: [(&str, &str, Word); 7] = [
    ("tools", "name", Word::Name),
    ("prompts", "name", Word::Name),
    ("resources", "uri", Word::Uri),
    ("resourceTemplates", "uriTemplate", Word::Uri),
    ("skills", "uri", Word::Uri),
    ("contents", "uri", Word::Uri),
    ("tasks", "taskId", Word::Task),
];

/// Renames what one upstream says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outward<'n> {
    pub(super) upstream: &'n UpstreamName,
    pub(super) names: &'n Names,
    pub(super) era: Era,
}

impl Outward<'_> {
    /// Renames in one message; all else keeps its bytes.
    pub(super) fn message(&self, message: &Checked) -> Outcome {
        let Ok(envelope) = Envelope::read(message.text()) else {
            return Outcome::Dropped("not-json-rpc");
        };
        let mut editor = Editor::new(message.text());
        match &envelope {
            Envelope::Response { result, .. } => self.result(&mut editor, *result),
            Envelope::Failure { data, .. } => {
                self.word(&mut editor, data.and_then(|data| data.member("uri")), Word::Uri);
            }
            Envelope::Notification { method, params } => {
                let Some(params) = params else { return Outcome::Same };
                if !self.notification(&mut editor, method, *params) {
                    return Outcome::Dropped("long-id");
                }
            }
            Envelope::Request { id, params, .. } => {
                if !self.question(&mut editor, message.text(), id, *params) {
                    return Outcome::Dropped("long-id");
                }
            }
        }
        finished(editor)
    }

    fn result<'a>(&self, editor: &mut Editor<'a>, result: Text<'a>) {
        self.result_once(editor, result);
        // `tasks/get` of the extension holds the result that the task came to.
        if let Some(inner) = result.member("result") {
            self.result_once(editor, inner);
        }
    }

    fn result_once<'a>(&self, editor: &mut Editor<'a>, result: Text<'a>) {
        for Named { text, word, entry } in named(result) {
            self.word(editor, Some(text), word);
            self.meta(editor, entry);
        }
        if let Some(content) = result.member("content") {
            self.blocks(editor, content);
        }
        for message in elements(result.member("messages")) {
            if let Some(content) = message.member("content") {
                self.blocks(editor, content);
            }
        }
        self.word(editor, result.member("taskId"), Word::Task);
        self.word(editor, result.path(&["task", "taskId"]), Word::Task);
        self.meta(editor, result);
    }

    /// Content of a tool's result or a prompt's message: one block, or several.
    fn blocks<'a>(&self, editor: &mut Editor<'a>, content: Text<'a>) {
        if content.kind() == Kind::Object {
            return self.block(editor, content);
        }
        for block in content.elements() {
            self.block(editor, block);
        }
    }

    fn block<'a>(&self, editor: &mut Editor<'a>, block: Text<'a>) {
        let uri = match block.member("type").and_then(Text::string).as_deref() {
            Some("resource_link") => block.member("uri"),
            Some("resource") => block.path(&["resource", "uri"]),
            _ => None,
        };
        self.word(editor, uri, Word::Uri);
        self.meta(editor, block);
    }

    fn meta<'a>(&self, editor: &mut Editor<'a>, holder: Text<'a>) {
        let Some(meta) = holder.member("_meta") else { return };
        self.word(editor, meta.path(&[META_UI, "resourceUri"]), Word::Uri);
        self.word(editor, meta.member(META_UI_RESOURCE), Word::Uri);
        self.word(editor, meta.path(&[META_RELATED_TASK, "taskId"]), Word::Task);
    }

    /// Whether it can be said.
    fn notification<'a>(&self, editor: &mut Editor<'a>, told: &str, params: Text<'a>) -> bool {
        self.meta(editor, params);
        match told {
            method::NOTIFICATION_RESOURCES_UPDATED => {
                self.word(editor, params.member("uri"), Word::Uri);
            }
            method::NOTIFICATION_TASKS | method::NOTIFICATION_TASKS_STATUS => {
                self.word(editor, params.member("taskId"), Word::Task);
                if let Some(result) = params.member("result") {
                    self.result_once(editor, result);
                }
            }
            method::NOTIFICATION_SUBSCRIPTIONS_ACKNOWLEDGED => {
                let agreed = params.member("notifications");
                for (list, word) in [("resourceSubscriptions", Word::Uri), ("taskIds", Word::Task)]
                {
                    for text in elements(agreed.and_then(|agreed| agreed.member(list))) {
                        self.word(editor, Some(text), word);
                    }
                }
            }
            // A server takes back what it asked the client.
            method::NOTIFICATION_CANCELLED if self.era == Era::Legacy => {
                return self.id(editor, params.member("requestId"));
            }
            _ => {}
        }
        true
    }

    /// A server asks the client. Whether it can be asked.
    fn question<'a>(
        &self,
        editor: &mut Editor<'a>,
        message: Text<'a>,
        id: &RequestId,
        params: Option<Text<'a>>,
    ) -> bool {
        let Some(ours) = question_outward(self.upstream, id) else { return false };
        editor.set_member(message, "id", ours.raw());
        let Some(params) = params else { return true };
        self.meta(editor, params);
        self.id(editor, params.path(&["_meta", "progressToken"]))
    }

    fn id<'a>(&self, editor: &mut Editor<'a>, text: Option<Text<'a>>) -> bool {
        let Some(text) = text else { return true };
        let ours = RequestId::read(text).ok();
        let Some(ours) = ours.and_then(|id| question_outward(self.upstream, &id)) else {
            return false;
        };
        editor.replace(text, ours.raw());
        true
    }

    fn word<'a>(&self, editor: &mut Editor<'a>, text: Option<Text<'a>>, word: Word) {
        let Some(text) = text else { return };
        let Some(own) = text.string() else { return };
        let ours = match word {
            Word::Name => self.names.outward(self.upstream, &own),
            Word::Uri => uri_outward(self.upstream, &own),
            Word::Task => task_outward(self.upstream, &own),
        };
        editor.replace(text, quote(&ours));
    }
}

/// A name in a list of a result.
struct Named<'a> {
    text: Text<'a>,
    word: Word,
    entry: Text<'a>,
}

/// Everything that names an entry of a list in `result`.
fn named(result: Text<'_>) -> impl Iterator<Item = Named<'_>> {
    result.members().flat_map(|member| {
        let list = LISTS.iter().find(|(list, _, _)| *list == member.key).copied();
        list.into_iter().flat_map(move |(_, key, word)| {
            let entries = member.value.elements();
            entries
                .filter_map(move |entry| entry.member(key).map(|text| Named { text, word, entry }))
        })
    })
}

fn elements(array: Option<Text<'_>>) -> impl Iterator<Item = Text<'_>> {
    array.into_iter().flat_map(Text::elements)
}

fn finished(editor: Editor<'_>) -> Outcome {
    if editor.is_empty() {
        return Outcome::Same;
    }
    let edited: Result<String, EditError> = editor.finish();
    let checked = edited.ok().and_then(|text| Checked::new(text.into(), &Limits::RESULT).ok());
    checked.map_or(Outcome::Dropped("too-large"), Outcome::Renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(era: Era, message: &str) -> String {
        let names = Names::default();
        let upstream = UpstreamName::parse("crm").unwrap();
        let outward = Outward { upstream: &upstream, names: &names, era };
        let message = Checked::new(message.to_owned().into(), &Limits::WIRE).unwrap();
        match outward.message(&message) {
            Outcome::Same => message.text().raw().to_owned(),
            Outcome::Renamed(renamed) => renamed.text().raw().to_owned(),
            Outcome::Dropped(why) => why.to_owned(),
        }
    }

    #[test]
    fn names_in_results_say_whose_they_are_and_all_else_keeps_its_text() {
        let cases = [
            (
                r#"{"tools":[{"name":"a", "x":1.0,"_meta":{"ui":{"resourceUri":"ui://c"}}}, {"name":"b"}]}"#,
                r#"{"tools":[{"name":"crm__a", "x":1.0,"_meta":{"ui":{"resourceUri":"ui://crm/ui://c"}}}, {"name":"crm__b"}]}"#,
            ),
            (
                r#"{"prompts":[{"name":"p","arguments":[{"name":"q"}]}]}"#,
                r#"{"prompts":[{"name":"crm__p","arguments":[{"name":"q"}]}]}"#,
            ),
            (
                r#"{"resources":[{"uri":"file:///a","name":"a"}],"resourceTemplates":[{"uriTemplate":"x:{y}"}]}"#,
                r#"{"resources":[{"uri":"haechi://crm/file:///a","name":"a"}],"resourceTemplates":[{"uriTemplate":"haechi://crm/x:{y}"}]}"#,
            ),
            (
                r#"{"contents":[{"uri":"file:///a","text":"file:///a"}]}"#,
                r#"{"contents":[{"uri":"haechi://crm/file:///a","text":"file:///a"}]}"#,
            ),
            (
                r#"{"content":[{"type":"text","text":"t","uri":"u"},{"type":"resource_link","uri":"u"},{"type":"resource","resource":{"uri":"u"}}],"structuredContent":{"uri":"u"}}"#,
                r#"{"content":[{"type":"text","text":"t","uri":"u"},{"type":"resource_link","uri":"haechi://crm/u"},{"type":"resource","resource":{"uri":"haechi://crm/u"}}],"structuredContent":{"uri":"u"}}"#,
            ),
            (
                r#"{"messages":[{"role":"user","content":{"type":"resource_link","uri":"u"}}]}"#,
                r#"{"messages":[{"role":"user","content":{"type":"resource_link","uri":"haechi://crm/u"}}]}"#,
            ),
            (
                r#"{"task":{"taskId":"t"},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}"#,
                r#"{"task":{"taskId":"crm__t"},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"crm__t"}}}"#,
            ),
            (
                r#"{"taskId":"t","result":{"content":[{"type":"resource_link","uri":"u"}]}}"#,
                r#"{"taskId":"crm__t","result":{"content":[{"type":"resource_link","uri":"haechi://crm/u"}]}}"#,
            ),
            (r#"{"completion":{"values":["a"]}}"#, r#"{"completion":{"values":["a"]}}"#),
        ];
        for (own, ours) in cases {
            let wrap = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
            assert_eq!(said(Era::Modern, &wrap(own)), wrap(ours));
        }
    }

    #[test]
    fn what_a_server_asks_and_takes_back_has_an_id_of_ours() {
        let ask = r#"{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"_meta":{"progressToken":"p"}}}"#;
        let asked = r#"{"jsonrpc":"2.0","id":"crm:1","method":"roots/list","params":{"_meta":{"progressToken":"crm:\"p\""}}}"#;
        assert_eq!(said(Era::Legacy, ask), asked);
        let back =
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        assert_eq!(said(Era::Legacy, back), back.replace(":1}", r#":"crm:1"}"#));
        assert_eq!(said(Era::Modern, back), back);
        let long = ask.replace(r#""id":1"#, &format!(r#""id":"{}""#, "x".repeat(253)));
        assert_eq!(said(Era::Legacy, &long), "long-id");
    }

    #[test]
    fn notifications_name_resources_and_tasks_as_lists_do() {
        let cases = [
            ("resources/updated", r#"{"uri":"u"}"#, r#"{"uri":"haechi://crm/u"}"#),
            ("tasks/status", r#"{"taskId":"t"}"#, r#"{"taskId":"crm__t"}"#),
            ("progress", r#"{"progressToken":1}"#, r#"{"progressToken":1}"#),
            (
                "subscriptions/acknowledged",
                r#"{"notifications":{"resourceSubscriptions":["u"],"taskIds":["t"]}}"#,
                r#"{"notifications":{"resourceSubscriptions":["haechi://crm/u"],"taskIds":["crm__t"]}}"#,
            ),
        ];
        for (name, own, ours) in cases {
            let wrap = |params: &str| {
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/{name}","params":{params}}}"#)
            };
            assert_eq!(said(Era::Legacy, &wrap(own)), wrap(ours));
        }
    }
}
