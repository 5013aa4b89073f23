//! What is done with findings: `encrypt(arguments = ["EMAIL"])` and `results = "tokenize"`.

use proc_macro2::Span;
use syn::LitStr;

use crate::form::{Form, Item, items};
use crate::kind;
use crate::nearest::advice;
use crate::problems::Problems;

/// Options that name kinds, and the action each stands for.
pub(crate) const ACTIONS: [(&str, &str); 10] = [
    ("allow", "allow"),
    ("encrypt", "encrypt"),
    ("format", "format"),
    ("generalize", "generalize"),
    ("hash", "hash"),
    ("mask", "mask"),
    ("redact", "redact"),
    ("refuse", "refuse"),
    ("tokenize", "tokenize"),
    ("tokenize_same", "tokenize-same"),
];

/// The rules of one direction.
#[derive(Debug)]
pub(crate) struct Protections {
    direction: &'static str,
    named: Vec<Named>,
    /// What is done with every other kind.
    pub(crate) otherwise: Option<LitStr>,
}

/// One kind or pattern under one action.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) action: &'static str,
    pub(crate) kind: String,
}

impl Protections {
    pub(crate) const fn new(direction: &'static str) -> Self {
        Self { direction, named: Vec::new(), otherwise: None }
    }

    /// Kinds by action, in the order written.
    pub(crate) fn by_action(&self) -> Vec<(&'static str, Vec<&str>)> {
        let mut groups: Vec<(&'static str, Vec<&str>)> = Vec::new();
        for Named { action, kind } in &self.named {
            match groups.iter_mut().find(|(known, _)| known == action) {
                Some((_, kinds)) => kinds.push(kind),
                None => groups.push((action, vec![kind])),
            }
        }
        groups
    }

    fn name(&mut self, action: &'static str, word: &LitStr, problems: &mut Problems) {
        let written = word.value();
        let Some(kind) = problems.keep(word.span(), kind::kind(&written)) else { return };
        match self.conflict(action, kind) {
            Some(conflict) => problems.add(word.span(), conflict),
            None => self.named.push(Named { action, kind: kind.to_owned() }),
        }
    }

    fn conflict(&self, action: &str, kind: &str) -> Option<String> {
        let direction = self.direction;
        self.named.iter().find_map(|named| {
            let common = kind::common(&named.kind, kind)?;
            let other = named.action;
            Some(if other == action {
                format!("`{common}` stands twice under `{action}` of {direction}; keep one")
            } else {
                format!("`{common}` in {direction} is under `{other}` and `{action}`; keep one")
            })
        })
    }
}

/// Reads `encrypt(arguments = [...], results = [...])` into the two directions.
pub(crate) fn read(
    action: &'static str,
    item: Item,
    directions: &mut [Protections; 2],
    problems: &mut Problems,
) {
    let word = item.name;
    let example = format!("`{word}(arguments = [\"EMAIL\"])`");
    let Form::List(tokens) = item.form else {
        let every = format!("`arguments = \"{action}\"`");
        let text =
            format!("`{word}` names directions and kinds; write {example}, or {every} for all");
        return problems.add(item.span, text);
    };
    if tokens.is_empty() {
        return problems.add(item.span, format!("`{word}` names no kinds; write {example}"));
    }
    let mut seen = Vec::new();
    for Item { name, span, form } in items(tokens, &example, problems) {
        let Some(direction) = directions.iter_mut().find(|it| it.direction == name) else {
            let words = ["arguments", "results"];
            let advice = advice(&name, words, "write `arguments` or `results`");
            problems.add(span, format!("`{name}` is no direction{advice}"));
            continue;
        };
        if seen.contains(&name) {
            problems.add(span, format!("`{name}` stands twice in `{word}`; keep one"));
            continue;
        }
        let kinds = kinds(&name, span, form, problems);
        kinds.iter().for_each(|kind| direction.name(action, kind, problems));
        seen.push(name);
    }
}

fn kinds(direction: &str, place: Span, form: Form, problems: &mut Problems) -> Vec<LitStr> {
    let example = format!("`{direction} = [\"EMAIL\", \"KR_RRN\"]`");
    if matches!(&form, Form::Value(syn::Expr::Array(array)) if array.elems.is_empty()) {
        problems.add(place, format!("`{direction}` names no kinds; write {example}"));
        return Vec::new();
    }
    let kinds = form.one_or_more("`\"EMAIL\"`", problems);
    kinds.unwrap_or_else(|| {
        problems.add(place, format!("`{direction}` lists kinds; write {example}"));
        Vec::new()
    })
}
