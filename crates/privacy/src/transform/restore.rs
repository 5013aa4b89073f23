//! Protected values that came back, opened for those who may.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use haechi_core::json::{EditError, Editor, Text, quote};
use haechi_core::{FindingCount, Place, ProtectError, Protector, ToOpen};

use crate::finding::Finding;
use crate::obligation::{Openings, Scene};

use super::counts::Counts;
use super::embedded::{Embedded, Encoding, encode, is_number, percent_encode};
use super::leaf::{Leaf, Site, Wanted, leaves};
use super::spots::shape_around;

/// The word for the audit log.
const RESTORE: &str = "restore";

/// How far before a token the start of its URL is looked for, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// A protected text in a leaf.
struct Handed {
    leaf: usize,
    /// What is replaced: the protected text with the address that was put around it.
    range: Range<usize>,
    /// Which of the opened texts it is.
    opened: usize,
}

/// All protected texts of one message.
pub(crate) struct Restoring<'a> {
    leaves: Vec<Leaf<'a>>,
    handed: Vec<Handed>,
    texts: Vec<(String, Place)>,
    by_text: HashMap<(String, Arc<str>, Arc<str>), usize>,
    values: Vec<Option<(String, Arc<str>)>>,
}

/// Wants every string and name that may hold something protected, or a value of the same form.
struct Protected<'p> {
    protector: &'p dyn Protector,
    found: &'p HashMap<String, Vec<Finding>>,
}

impl Wanted for Protected<'_> {
    fn is_personal(&mut self, _: &str, key: &str) -> bool {
        !self.protector.recognize(key).is_empty()
    }

    fn wants(&mut self, pointer: &str, text: &str) -> bool {
        self.found.contains_key(pointer) || !self.protector.recognize(text).is_empty()
    }
}

impl<'a> Restoring<'a> {
    /// Looks for what was protected; `found` are findings, by the pointer of their leaf, that may be
    /// values made to look like others.
    pub(crate) fn new(
        root: Text<'a>,
        scene: &Scene<'_>,
        found: &HashMap<String, Vec<Finding>>,
        protector: &dyn Protector,
    ) -> Self {
        let mut restoring = Self {
            leaves: leaves(root, &mut Protected { protector, found }),
            handed: Vec::new(),
            texts: Vec::new(),
            by_text: HashMap::new(),
            values: Vec::new(),
        };
        for index in 0..restoring.leaves.len() {
            restoring.leaf(index, scene, found, protector);
        }
        restoring
    }

    fn leaf(
        &mut self,
        index: usize,
        scene: &Scene<'_>,
        found: &HashMap<String, Vec<Finding>>,
        protector: &dyn Protector,
    ) {
        let Some(leaf) = self.leaves.get(index).cloned() else { return };
        let tokens = protector.recognize(&leaf.text);
        let overlaps_token = |range: &Range<usize>| {
            let next = tokens.partition_point(|token| token.range.end <= range.start);
            tokens.get(next).is_some_and(|token| token.range.start < range.end)
        };
        let is_key = matches!(leaf.site, Site::Key { .. });
        let findings = found.get(&leaf.pointer).filter(|_| !is_key).into_iter().flatten();
        let lookalikes = findings.filter(|finding| !overlaps_token(&finding.range));
        let mut parts: Vec<(Range<usize>, Arc<str>)> =
            lookalikes.map(|it| (it.range.clone(), Arc::clone(&it.kind))).collect();
        parts.extend(tokens.iter().map(|token| (token.range.clone(), Arc::from(""))));
        parts.sort_by_key(|(range, _)| range.start);
        let mut end = 0;
        for (range, kind) in parts {
            let Some(text) = leaf.text.get(range.clone()) else { continue };
            let around = shape_around(&leaf.text, range);
            if around.start < end {
                continue;
            }
            end = around.end;
            let opened = self.text(text, &leaf.field, &kind, scene);
            self.handed.push(Handed { leaf: index, range: around, opened });
        }
    }

    fn text(&mut self, text: &str, field: &Arc<str>, kind: &Arc<str>, scene: &Scene<'_>) -> usize {
        let next = self.texts.len();
        let key = (text.to_owned(), Arc::clone(field), Arc::clone(kind));
        let index = *self.by_text.entry(key).or_insert(next);
        if index == next {
            let place = Place {
                tenant: scene.tenant.into(),
                upstream: scene.upstream.into(),
                tool: scene.tool.into(),
                field: Arc::clone(field),
                kind: Arc::clone(kind),
            };
            self.texts.push((text.to_owned(), place));
        }
        index
    }

    /// How many texts must be opened.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Opens what `openings` permit. What does not open, or is not for this caller, stays as it is.
    pub(crate) async fn open(
        &mut self,
        scene: &Scene<'_>,
        openings: &Openings<'_>,
        protector: &dyn Protector,
    ) -> Result<(), ProtectError> {
        let texts: Vec<ToOpen<'_>> =
            self.texts.iter().map(|(text, place)| ToOpen { text, place }).collect();
        for opened in protector.open(&texts).await {
            let opened = match opened {
                Ok(opened) => opened,
                // A locked vault means no; anything else is the token's own fault.
                Err(error @ ProtectError::Unavailable(_)) => return Err(error),
                Err(_) => {
                    self.values.push(None);
                    continue;
                }
            };
            let is_caller = |sid: &Option<haechi_core::Sid>| sid.as_ref() == Some(scene.receiver);
            let own = is_caller(&opened.receiver) || is_caller(&opened.subject);
            let value = openings
                .permit(&opened.kind, own)
                .then(|| std::str::from_utf8(opened.value.expose()).ok())
                .flatten()
                .map(|value| (value.to_owned(), Arc::clone(&opened.kind)));
            self.values.push(value);
        }
        Ok(())
    }

    /// The message with values in the place of tokens, numbers where `wants_number` says so of a
    /// pointer; `None` when that changes nothing.
    pub(crate) fn json(
        &self,
        root: Text<'a>,
        wants_number: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, EditError> {
        let mut editor = Editor::new(root);
        let mut renamed: HashMap<usize, HashSet<String>> = HashMap::new();
        for (index, leaf) in self.leaves.iter().enumerate() {
            let Some(new) = self.rewritten(index, leaf) else { continue };
            match &leaf.site {
                Site::String(text) | Site::Number(text) => {
                    let number =
                        matches!(leaf.site, Site::Number(_)) || wants_number(&leaf.pointer);
                    let new = if number && is_number(&new) { new } else { quote(&new) };
                    editor.replace(*text, new);
                }
                Site::Key { member, object } => {
                    let taken = renamed.entry(object.span().start).or_insert_with(|| {
                        object.members().map(|it| it.key.into_owned()).collect()
                    });
                    // A name that is taken stays a token.
                    if taken.insert(new.clone()) {
                        editor.rename(member, &new);
                    }
                }
                Site::Plain => {}
            }
        }
        if editor.is_empty() { Ok(None) } else { editor.finish().map(Some) }
    }

    fn rewritten(&self, index: usize, leaf: &Leaf<'_>) -> Option<String> {
        let in_json = Embedded::of(&leaf.text).is_some();
        let mut new = String::with_capacity(leaf.text.len());
        let mut at = 0;
        let first = self.handed.partition_point(|handed| handed.leaf < index);
        let here = self.handed.iter().skip(first).take_while(|handed| handed.leaf == index);
        let mut changed = false;
        for (handed, value) in here.filter_map(|it| Some((it, &self.opened(it)?.0))) {
            changed = true;
            new.push_str(leaf.text.get(at..handed.range.start)?);
            new.push_str(&written(value, &leaf.text, handed.range.start, in_json));
            at = handed.range.end;
        }
        if !changed {
            return None;
        }
        new.push_str(leaf.text.get(at..)?);
        Some(new)
    }

    /// The value of a handed text and its kind, where it was opened.
    fn opened(&self, handed: &Handed) -> Option<&(String, Arc<str>)> {
        self.values.get(handed.opened)?.as_ref()
    }

    pub(crate) fn counts(&self) -> Vec<FindingCount> {
        let mut counts = Counts::default();
        for handed in &self.handed {
            if let (Some((_, kind)), Some(leaf)) =
                (self.opened(handed), self.leaves.get(handed.leaf))
            {
                counts.add(kind, &leaf.field, RESTORE);
            }
        }
        counts.into_vec()
    }
}

/// `value` as it must be written at `start` of `text`, so that it cannot be more than one value there.
fn written(value: &str, text: &str, start: usize, in_json: bool) -> String {
    // No URL is looked for further back: many tokens in one long text would take long.
    let from = (start.saturating_sub(MAX_URL_BYTES)..=start).find(|at| text.is_char_boundary(*at));
    let head = text.get(from.unwrap_or(start)..start).unwrap_or_default();
    let run = head.rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<')).next();
    if run.is_some_and(|run| run.contains("://")) {
        let parts_urls = |byte: u8| b"\"#%&+/;<=>?[\\]^`{|}".contains(&byte);
        return percent_encode(value, |byte| byte > b' ' && byte != 0x7f && !parts_urls(byte));
    }
    encode(value, if in_json { Encoding::Json } else { Encoding::Plain })
}
