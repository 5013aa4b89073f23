//! Names that say whose they are: `<upstream>__<name>`, `haechi://<upstream>/<uri>`.
//!
//! An upstream's name holds neither `__` nor `.`, `:` or `/`, so the first separator always ends it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use haechi_core::UpstreamName;
use haechi_core::json::{Limits, check};
use haechi_core::rpc::{MAX_ID_BYTES, RequestId};

/// What stands between an upstream and its name for something.
const SEPARATOR: &str = "__";
/// The longest name of a tool or prompt, in characters (2025-11-25 and later, tool names).
const MAX_NAME_CHARS: usize = 128;
/// Bytes of the digest that keeps shortened names apart.
const DIGEST_BYTES: usize = 8;
/// Shortened names remembered at once; when there are more, clients have to list again.
const REMEMBERED: usize = 4096;

/// Resources of all upstreams.
const SCHEME: &str = "haechi://";
/// Hosts of user interfaces refuse a resource of any other scheme, so theirs keep it.
const UI_SCHEME: &str = "ui://";

/// What stands before the event ids of a session's own stream, and not before a call's.
const OWN_STREAM: char = '+';

/// Turns an upstream's names for tools and prompts into ours and back.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What was too long, by the name it has here.
    shortened: Mutex<HashMap<String, Arc<str>>>,
}

impl Names {
    /// Our name for `name` of `upstream`. One that would be too long ends in a digest of itself
    /// instead and is remembered.
    pub(super) fn outward(&self, upstream: &UpstreamName, name: &str) -> String {
        let full = format!("{upstream}{SEPARATOR}{name}");
        if full.chars().count() <= MAX_NAME_CHARS {
            return full;
        }
        let mut tail = String::from("-");
        for byte in digest(&SHA256, full.as_bytes()).as_ref().iter().take(DIGEST_BYTES) {
            let _ = write!(tail, "{byte:02x}");
        }
        let head = full.chars().take(MAX_NAME_CHARS - tail.len());
        let short: String = head.chain(tail.chars()).collect();
        let mut shortened = self.shortened();
        if shortened.len() >= REMEMBERED && !shortened.contains_key(&short) {
            shortened.clear();
        }
        shortened.insert(short.clone(), name.into());
        short
    }

    /// The upstream that `name` belongs to, and its own name for it.
    pub(super) fn inward<'n>(&self, name: &'n str) -> Option<(&'n str, Arc<str>)> {
        let (upstream, rest) = name.split_once(SEPARATOR)?;
        let full = self.shortened().get(name).cloned();
        Some((upstream, full.unwrap_or_else(|| rest.into())))
    }

    fn shortened(&self) -> MutexGuard<'_, HashMap<String, Arc<str>>> {
        self.shortened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our URI, or template of URIs, for one of `upstream`; its own follows the prefix verbatim.
pub(super) fn uri_outward(upstream: &UpstreamName, uri: &str) -> String {
    let scheme = if uri.starts_with(UI_SCHEME) { UI_SCHEME } else { SCHEME };
    format!("{scheme}{upstream}/{uri}")
}

/// The upstream that `uri` belongs to, and its own URI.
pub(super) fn uri_inward(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix(SCHEME).or_else(|| uri.strip_prefix(UI_SCHEME))?;
    rest.split_once('/')
}

/// Our id for a task of `upstream`.
pub(super) fn task_outward(upstream: &UpstreamName, task: &str) -> String {
    format!("{upstream}{SEPARATOR}{task}")
}

/// The upstream that a task belongs to, and its own id.
pub(super) fn task_inward(task: &str) -> Option<(&str, &str)> {
    task.split_once(SEPARATOR)
}

/// Our id for what a server asks the client: two servers may use the same one. `None` when it
/// would be longer than ids may be.
pub(super) fn question_outward(upstream: &UpstreamName, id: &RequestId) -> Option<RequestId> {
    let ours = RequestId::from_text(&format!("{upstream}:{}", id.raw()));
    (ours.raw().len() <= MAX_ID_BYTES).then_some(ours)
}

/// The upstream that asked, and the exact text of its own id.
pub(super) fn question_inward(id: &RequestId) -> Option<(String, String)> {
    let text = check(id.raw().as_bytes(), &Limits::WIRE).ok()?.string()?;
    let (upstream, raw) = text.split_once(':')?;
    let own = check(raw.as_bytes(), &Limits::WIRE).ok()?;
    RequestId::read(own).ok()?;
    Some((upstream.to_owned(), own.raw().to_owned()))
}

/// An event's id: of which upstream, and on which stream, so that the right one is resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventId {
    /// Whether it came on the session's own stream, and not on a call's.
    pub(super) own_stream: bool,
    /// Whose it is.
    pub(super) upstream: String,
    /// The upstream's own id.
    pub(super) id: String,
}

impl EventId {
    /// Reads `+<upstream>.<id>` or `<upstream>.<id>`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(OWN_STREAM);
        let (upstream, id) = rest.unwrap_or(text).split_once('.')?;
        let (upstream, id) = (upstream.to_owned(), id.to_owned());
        Some(Self { own_stream: rest.is_some(), upstream, id })
    }

    /// The text of an id.
    pub(super) fn write(own_stream: bool, upstream: &UpstreamName, id: &str) -> String {
        let mark = if own_stream { String::from(OWN_STREAM) } else { String::new() };
        format!("{mark}{upstream}.{id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(name: &str) -> UpstreamName {
        UpstreamName::parse(name).unwrap()
    }

    #[test]
    fn names_go_out_with_their_upstream_and_come_back_without() {
        let names = Names::default();
        for (of, name) in [("crm", "get"), ("my_files", "_hidden"), ("a", "b__c"), ("a", "")] {
            let ours = names.outward(&upstream(of), name);
            assert_eq!(ours, format!("{of}__{name}"));
            assert_eq!(names.inward(&ours), Some((of, name.into())));
        }
        assert_eq!(names.inward("get"), None);
    }

    #[test]
    fn names_that_are_too_long_stay_apart_and_find_back() {
        let names = Names::default();
        let (a, b) = ("x".repeat(127) + "a", "x".repeat(127) + "b");
        let ours = [&a, &b].map(|name| names.outward(&upstream("crm"), name));
        assert_ne!(ours[0], ours[1]);
        for (ours, name) in ours.iter().zip([a, b]) {
            assert_eq!(ours.chars().count(), MAX_NAME_CHARS);
            assert_eq!(names.inward(ours), Some(("crm", name.into())));
        }
        let exact = "x".repeat(MAX_NAME_CHARS - "crm__".len());
        assert_eq!(names.outward(&upstream("crm"), &exact), format!("crm__{exact}"));
    }

    #[test]
    fn shortened_names_are_bounded_in_number() {
        let names = Names::default();
        for number in 0..=REMEMBERED {
            names.outward(&upstream("crm"), &format!("{number}{}", "x".repeat(MAX_NAME_CHARS)));
        }
        assert!(names.shortened().len() <= REMEMBERED);
    }

    #[test]
    fn a_uri_keeps_every_byte_behind_its_prefix() {
        for uri in ["file:///a/b", "x", "haechi://crm/x", "file:///{path}", ""] {
            let ours = uri_outward(&upstream("files"), uri);
            assert_eq!(ours, format!("haechi://files/{uri}"));
            assert_eq!(uri_inward(&ours), Some(("files", uri)));
        }
        let ui = uri_outward(&upstream("crm"), "ui://card/main");
        assert_eq!(ui, "ui://crm/ui://card/main");
        assert_eq!(uri_inward(&ui), Some(("crm", "ui://card/main")));
        assert_eq!(uri_inward("file:///a"), None);
        assert_eq!(uri_inward("haechi://files"), None);
    }

    #[test]
    fn a_question_comes_back_under_the_exact_id_it_was_asked() {
        let read = |raw: &str| RequestId::read(check(raw.as_bytes(), &Limits::WIRE).unwrap());
        for raw in ["7", r#""7""#, r#""a:b\u0041""#, "-0"] {
            let ours = question_outward(&upstream("crm"), &read(raw).unwrap()).unwrap();
            let back = question_inward(&ours);
            assert_eq!(back, Some(("crm".to_owned(), raw.to_owned())), "{raw}");
        }
        let long = format!(r#""{}""#, "x".repeat(250));
        assert_eq!(question_outward(&upstream("crm"), &read(&long).unwrap()), None);
        for foreign in ["7", r#""crm""#, r#""crm:""#, r#""crm:{}""#, r#""crm:1 2""#] {
            assert_eq!(question_inward(&read(foreign).unwrap()), None, "{foreign}");
        }
    }

    #[test]
    fn an_event_id_names_its_upstream_and_stream() {
        for (own_stream, text) in [(false, "crm.7.1"), (true, "+crm.7.1")] {
            assert_eq!(EventId::write(own_stream, &upstream("crm"), "7.1"), text);
            let (upstream, id) = ("crm".to_owned(), "7.1".to_owned());
            assert_eq!(EventId::read(text), Some(EventId { own_stream, upstream, id }));
        }
        assert_eq!(EventId::read("7"), None);
    }
}
