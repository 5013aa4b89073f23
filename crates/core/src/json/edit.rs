//! Edits that leave every other byte as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::{Kind, Limits, MAX_DEPTH, Member, Text, check, quote};

/// What is new is checked for being JSON, not for its size: it is ours.
const NEW: Limits = Limits { max_bytes: usize::MAX, max_depth: MAX_DEPTH, max_members: usize::MAX };

/// Why edits could not be made. Nothing of either text is carried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Two edits touch the same bytes.
    #[error("two edits touch byte {at}")]
    Overlap {
        /// The first byte that both touch.
        at: usize,
    },
    /// The value is not part of the text that is edited.
    #[error("an edit names a value outside the edited text")]
    Foreign,
    /// A member of what is no object, or an element of what is no array.
    #[error("the value at byte {at} is not of the kind that the edit needs")]
    WrongKind {
        /// Where that value starts.
        at: usize,
    },
    /// The array has no such element.
    #[error("the array at byte {at} has no such element")]
    NoSuchElement {
        /// Where the array starts.
        at: usize,
    },
    /// What was to be put in is not one JSON value.
    #[error("what was to be put in is not JSON")]
    NotJson,
}

/// Collects edits against one [`Text`] and makes a new text in which everything untouched keeps
/// its exact bytes. A mistake is remembered and told by [`Editor::finish`].
pub struct Editor<'a> {
    root: Text<'a>,
    splices: Vec<Splice>,
    containers: BTreeMap<usize, ContainerEdit>,
    mistake: Option<EditError>,
}

/// `range` of the source becomes `new`.
struct Splice {
    range: Range<usize>,
    new: String,
}

struct ContainerEdit {
    /// Just behind the opening bracket.
    inside: usize,
    /// The whole span of each member (name included) or element.
    spans: Vec<Range<usize>>,
    removed: BTreeSet<usize>,
    /// Members to append, by name, each with its whole text.
    appended: BTreeMap<String, String>,
}

impl<'a> Editor<'a> {
    /// Starts with no edits of `root`.
    #[must_use]
    pub const fn new(root: Text<'a>) -> Self {
        Self { root, splices: Vec::new(), containers: BTreeMap::new(), mistake: None }
    }

    /// Whether nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.splices.is_empty() && self.containers.is_empty() && self.mistake.is_none()
    }

    /// Puts `json` in the place of `text`.
    pub fn replace(&mut self, text: Text<'a>, json: impl Into<String>) -> &mut Self {
        let new = json.into();
        if !self.contains(text) {
            return self.reject(EditError::Foreign);
        }
        if check(new.as_bytes(), &NEW).is_err() {
            return self.reject(EditError::NotJson);
        }
        self.splices.push(Splice { range: text.span(), new });
        self
    }

    /// Gives `member` the name `key`. That no other member of its object has this name is for the
    /// caller to see to.
    pub fn rename(&mut self, member: &Member<'a>, key: &str) -> &mut Self {
        if !self.contains(member.value) || member.key_span.start < self.root.span().start {
            return self.reject(EditError::Foreign);
        }
        self.splices.push(Splice { range: member.key_span.clone(), new: quote(key) });
        self
    }

    /// Takes the member `key` out of `object`, with its comma; nothing when there is none.
    pub fn remove_member(&mut self, object: Text<'a>, key: &str) -> &mut Self {
        if !self.accepts(object, Kind::Object) {
            return self;
        }
        if let Some(index) = object.members().position(|member| member.key == key) {
            self.container(object).removed.insert(index);
        }
        self
    }

    /// Takes element `index`, counted in the text as it was, out of `array`, with its comma.
    pub fn remove_element(&mut self, array: Text<'a>, index: usize) -> &mut Self {
        if !self.accepts(array, Kind::Array) {
            return self;
        }
        let edit = self.container(array);
        if index >= edit.spans.len() {
            return self.reject(EditError::NoSuchElement { at: array.span().start });
        }
        edit.removed.insert(index);
        self
    }

    /// Gives `object` the member `key`: in the place of the one it has, or as its last.
    pub fn set_member(
        &mut self,
        object: Text<'a>,
        key: &str,
        json: impl Into<String>,
    ) -> &mut Self {
        if !self.accepts(object, Kind::Object) {
            return self;
        }
        if let Some(value) = object.member(key) {
            return self.replace(value, json);
        }
        let json = json.into();
        if check(json.as_bytes(), &NEW).is_err() {
            return self.reject(EditError::NotJson);
        }
        let member = format!("{}:{json}", quote(key));
        if self.container(object).appended.insert(key.to_owned(), member).is_some() {
            return self.reject(EditError::Overlap { at: object.span().end });
        }
        self
    }

    /// The new text of what [`Editor::new`] was given.
    ///
    /// # Errors
    ///
    /// The first mistake made while collecting, or [`EditError::Overlap`].
    pub fn finish(self) -> Result<String, EditError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let mut splices = self.splices;
        for edit in self.containers.values() {
            edit.splices(&mut splices);
        }
        splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
        apply(self.root, &splices)
    }

    fn container(&mut self, container: Text<'a>) -> &mut ContainerEdit {
        let start = container.span().start;
        self.containers.entry(start).or_insert_with(|| ContainerEdit {
            inside: start + 1,
            spans: spans(container),
            removed: BTreeSet::new(),
            appended: BTreeMap::new(),
        })
    }

    fn accepts(&mut self, text: Text<'a>, kind: Kind) -> bool {
        if !self.contains(text) {
            self.reject(EditError::Foreign);
            return false;
        }
        if text.kind() != kind {
            self.reject(EditError::WrongKind { at: text.span().start });
            return false;
        }
        true
    }

    fn contains(&self, text: Text<'a>) -> bool {
        let (inner, outer) = (text.span(), self.root.span());
        let same_source = std::ptr::eq(text.source(), self.root.source());
        same_source && outer.start <= inner.start && inner.end <= outer.end
    }

    fn reject(&mut self, mistake: EditError) -> &mut Self {
        self.mistake.get_or_insert(mistake);
        self
    }
}

impl fmt::Debug for Editor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edits = self.splices.len() + self.containers.len();
        write!(f, "{edits} edits of {:?}", self.root)
    }
}

impl ContainerEdit {
    fn splices(&self, splices: &mut Vec<Splice>) {
        let appended = self.appended.values().cloned().collect::<Vec<_>>().join(",");
        let (Some(first), Some(last)) = (self.spans.first(), self.spans.last()) else {
            return splices.push(Splice { range: self.inside..self.inside, new: appended });
        };
        if self.removed.len() == self.spans.len() {
            return splices.push(Splice { range: first.start..last.end, new: appended });
        }
        self.remove_runs(splices);
        if !appended.is_empty() {
            splices.push(Splice { range: last.end..last.end, new: format!(",{appended}") });
        }
    }

    /// Cuts each member that goes: with the comma before it when a member that stays precedes it,
    /// with the comma after it otherwise.
    fn remove_runs(&self, splices: &mut Vec<Splice>) {
        let mut kept_end = None;
        let mut gone_start = None;
        for (index, span) in self.spans.iter().enumerate() {
            if self.removed.contains(&index) {
                match kept_end {
                    Some(end) => splices.push(cut(end..span.end)),
                    None => gone_start = gone_start.or(Some(span.start)),
                }
                // The next one that goes starts where this cut ended.
                kept_end = kept_end.map(|_| span.end);
                continue;
            }
            if let Some(start) = gone_start.take() {
                splices.push(cut(start..span.start));
            }
            kept_end = Some(span.end);
        }
    }
}

fn spans(container: Text<'_>) -> Vec<Range<usize>> {
    if container.kind() == Kind::Array {
        return container.elements().map(Text::span).collect();
    }
    let whole = |member: Member<'_>| member.key_span.start..member.value.span().end;
    container.members().map(whole).collect()
}

const fn cut(range: Range<usize>) -> Splice {
    Splice { range, new: String::new() }
}

/// Copies `root` with `splices`, which are sorted.
fn apply(root: Text<'_>, splices: &[Splice]) -> Result<String, EditError> {
    let source = root.source();
    let mut text = String::with_capacity(root.raw().len());
    let mut at = root.span().start;
    for Splice { range, new } in splices {
        if range.start < at {
            return Err(EditError::Overlap { at: range.start });
        }
        text.push_str(source.get(at..range.start).unwrap_or_default());
        text.push_str(new);
        at = range.end;
    }
    text.push_str(source.get(at..root.span().end).unwrap_or_default());
    Ok(text)
}
