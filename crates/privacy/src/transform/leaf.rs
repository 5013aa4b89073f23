//! The leaves of a JSON text: where each stands, and what of its place may be told.

use std::borrow::Cow;
use std::sync::Arc;

use haechi_core::json::{Kind, Member, Text};

/// Where a leaf stands.
#[derive(Clone)]
pub(crate) enum Site<'a> {
    /// The name of a member of `object`.
    Key { member: Member<'a>, object: Text<'a> },
    /// A string.
    String(Text<'a>),
    /// A number, by its exact text.
    Number(Text<'a>),
    /// Plain text outside JSON.
    Plain,
}

/// One leaf.
#[derive(Clone)]
pub(crate) struct Leaf<'a> {
    pub(crate) site: Site<'a>,
    /// Its JSON pointer (RFC 6901), names in clear.
    pub(crate) pointer: String,
    /// The same without personal names and array positions.
    pub(crate) field: Arc<str>,
    /// What it says.
    pub(crate) text: Cow<'a, str>,
}

/// A JSON pointer (RFC 6901) that grows and shrinks with the walk, and its public form.
#[derive(Default)]
struct Pointer {
    exact: String,
    field: String,
}

impl Pointer {
    fn push(&mut self, name: &str, public: bool) -> (usize, usize) {
        let before = (self.exact.len(), self.field.len());
        push_name(&mut self.exact, name);
        push_name(&mut self.field, if public { name } else { "*" });
        before
    }

    fn cut(&mut self, (exact, field): (usize, usize)) {
        self.exact.truncate(exact);
        self.field.truncate(field);
    }
}

fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    for character in name.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// What a walk asks about each leaf.
pub(crate) trait Wanted {
    /// Whether the member name `key`, which makes `pointer`, is personal.
    fn is_personal(&mut self, pointer: &str, key: &str) -> bool;
    /// Whether the string or number that stands at `pointer` is wanted.
    fn wants(&mut self, pointer: &str, text: &str) -> bool;
}

/// The wanted leaves of `root` in the order of the text; a name comes before its value.
pub(crate) fn leaves<'a>(root: Text<'a>, wanted: &mut impl Wanted) -> Vec<Leaf<'a>> {
    let mut walk = Walk { pointer: Pointer::default(), leaves: Vec::new(), wanted };
    walk.value(root);
    walk.leaves
}

struct Walk<'a, 'w, W> {
    pointer: Pointer,
    leaves: Vec<Leaf<'a>>,
    wanted: &'w mut W,
}

impl<'a, W: Wanted> Walk<'a, '_, W> {
    /// Recursion is bounded by the depth that the checked text has.
    fn value(&mut self, text: Text<'a>) {
        match text.kind() {
            Kind::Object => text.members().for_each(|member| self.member(&member, text)),
            Kind::Array => {
                for (index, element) in text.elements().enumerate() {
                    let before = self.pointer.push(&index.to_string(), false);
                    self.value(element);
                    self.pointer.cut(before);
                }
            }
            Kind::String => {
                let string = text.string().unwrap_or_default();
                self.leaf(Site::String(text), string);
            }
            Kind::Number => self.leaf(Site::Number(text), Cow::Borrowed(text.raw())),
            Kind::Boolean | Kind::Null => {}
        }
    }

    fn member(&mut self, member: &Member<'a>, object: Text<'a>) {
        let before = self.pointer.push(&member.key, true);
        if self.wanted.is_personal(&self.pointer.exact, &member.key) {
            self.pointer.cut(before);
            self.pointer.push(&member.key, false);
            self.leaves.push(Leaf {
                pointer: self.pointer.exact.clone(),
                field: self.pointer.field.as_str().into(),
                text: member.key.clone(),
                site: Site::Key { member: member.clone(), object },
            });
        }
        self.value(member.value);
        self.pointer.cut(before);
    }

    fn leaf(&mut self, site: Site<'a>, text: Cow<'a, str>) {
        if self.wanted.wants(&self.pointer.exact, &text) {
            let field = self.pointer.field.as_str().into();
            self.leaves.push(Leaf { site, pointer: self.pointer.exact.clone(), field, text });
        }
    }
}
