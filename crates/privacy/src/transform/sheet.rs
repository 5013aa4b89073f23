//! All replacements of one message.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use haechi_core::json::{EditError, Editor, Text, quote};
use haechi_core::{FindingCount, Place, ProtectError, Protection, Protector, ToProtect};

use crate::finding::Finding;
use crate::obligation::{Action, Direction, Duties, Generalization, Scene};

use super::copies::{Copies, is_copy, is_structured};
use super::counts::Counts;
use super::embedded::{Embedded, Encoding, decode, encode, is_number};
use super::generalize::generalize;
use super::leaf::{Leaf, Site};
use super::mask::mask_number;
use super::replacement::{Form, Replacement};
use super::spots::{Covered, covered};

/// What makes two values get one replacement: the action, kind and value; for envelopes, which open
/// at their place only, the place too.
type Same = (Action, Arc<str>, String, Option<Arc<str>>);

/// A value in a leaf and its replacement.
struct Spot {
    range: Range<usize>,
    encoding: Encoding,
    replacement: usize,
}

/// A leaf and what is replaced in it.
struct Line<'a> {
    leaf: Leaf<'a>,
    spots: Vec<Spot>,
    /// What stands for the whole leaf where a schema accepts nothing else.
    constant: Option<serde_json::Value>,
}

/// All replacements of one message.
pub(crate) struct Sheet<'a> {
    lines: Vec<Line<'a>>,
    replacements: Vec<Replacement>,
    by_value: HashMap<Same, usize>,
    /// What was decided for a value of `structuredContent`: its copy in text gets the same.
    decided: HashMap<(Arc<str>, String), (Action, Arc<str>)>,
    /// What stays, and what is refused.
    stays: Counts,
    refused: Counts,
}

impl<'a> Sheet<'a> {
    /// Decides on everything that was found.
    pub(crate) fn lay(
        leaves: Vec<(Leaf<'a>, Vec<Finding>)>,
        scene: &Scene<'_>,
        duties: &Duties<'_>,
        protector: &dyn Protector,
    ) -> Self {
        let mut sheet = Self {
            lines: Vec::with_capacity(leaves.len()),
            replacements: Vec::new(),
            by_value: HashMap::new(),
            decided: HashMap::new(),
            stays: Counts::default(),
            refused: Counts::default(),
        };
        let results = scene.direction == Direction::Results;
        let (structured, others): (Vec<_>, Vec<_>) =
            leaves.into_iter().partition(|(leaf, _)| results && is_structured(&leaf.pointer));
        for (leaf, findings) in structured {
            let parts = covered(&leaf, &findings, protector);
            sheet.line(leaf, parts, scene, duties);
        }
        let copies = sheet.copies();
        for (leaf, mut findings) in others {
            if let Some(copies) = copies.as_ref().filter(|_| results && is_copy(&leaf.pointer)) {
                findings.extend(copies.find(&leaf));
            }
            let parts = covered(&leaf, &findings, protector);
            sheet.line(leaf, parts, scene, duties);
        }
        sheet
    }

    /// The values of `structuredContent` that do not stay.
    fn copies(&self) -> Option<Copies> {
        let goes = |action: &Action| !matches!(action, Action::Allow | Action::Refuse);
        let values = self.decided.iter().filter(|(_, (action, _))| goes(action));
        Copies::of(values.map(|((kind, value), _)| (kind, value.as_str())))
    }

    fn line(
        &mut self,
        leaf: Leaf<'a>,
        parts: Vec<Covered>,
        scene: &Scene<'_>,
        duties: &Duties<'_>,
    ) {
        let mut spots = Vec::new();
        for part in parts {
            let slice = leaf.text.get(part.range.clone()).unwrap_or_default();
            let value = decode(slice, part.encoding).into_owned();
            let own = duties.action(&part.kind, part.score, &leaf.field);
            let (action, field) = match scene.direction {
                Direction::Arguments => (own, Arc::clone(&leaf.field)),
                Direction::Results => self.decide(own, &leaf, &part.kind, &value),
            };
            match action {
                Action::Allow => self.stays.add(&part.kind, &leaf.field, action.as_str()),
                Action::Refuse => self.refused.add(&part.kind, &leaf.field, action.as_str()),
                _ => {
                    let place = place(scene, &field, &part.kind);
                    let replacement = self.replacement(action, value, place);
                    spots.push(Spot { range: part.range, encoding: part.encoding, replacement });
                }
            }
        }
        if !spots.is_empty() {
            self.lines.push(Line { leaf, spots, constant: None });
        }
    }

    /// What was decided for a value of `structuredContent` holds for its copy in text.
    fn decide(
        &mut self,
        own: Action,
        leaf: &Leaf<'_>,
        kind: &Arc<str>,
        value: &str,
    ) -> (Action, Arc<str>) {
        let same = (Arc::clone(kind), value.to_owned());
        if is_structured(&leaf.pointer) {
            let first = self.decided.entry(same).or_insert((own, Arc::clone(&leaf.field)));
            // Elsewhere in it other rules may hold.
            return if first.0 == own { first.clone() } else { (own, Arc::clone(&leaf.field)) };
        }
        let copied = is_copy(&leaf.pointer).then(|| self.decided.get(&same).cloned()).flatten();
        copied.unwrap_or_else(|| (own, Arc::clone(&leaf.field)))
    }

    fn replacement(&mut self, action: Action, value: String, place: Place) -> usize {
        let at = (action == Action::Encrypt).then(|| Arc::clone(&place.field));
        let kind = Arc::clone(&place.kind);
        let next = self.replacements.len();
        let same = (action, Arc::clone(&kind), value.clone(), at);
        let index = *self.by_value.entry(same).or_insert(next);
        if index == next {
            self.replacements.push(Replacement {
                action,
                kind,
                value,
                place,
                form: Form::Chosen,
                number: None,
                coarse: None,
                token: None,
                formatted: None,
            });
        }
        index
    }

    /// What must not be let through at all.
    pub(crate) const fn refused(&self) -> &Counts {
        &self.refused
    }

    /// Whether nothing is replaced.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Has everything made that the replacements still need. `source` is the whole message.
    pub(crate) async fn complete(
        &mut self,
        source: &str,
        scene: &Scene<'_>,
        protector: &dyn Protector,
    ) -> Result<(), ProtectError> {
        self.make_coarse(scene, protector).await?;
        self.protect(scene, protector).await?;
        self.number(source);
        Ok(())
    }

    async fn make_coarse(
        &mut self,
        scene: &Scene<'_>,
        protector: &dyn Protector,
    ) -> Result<(), ProtectError> {
        let shifts = |it: &Replacement| {
            matches!(it.action, Action::Generalize(Generalization::DateShift { .. }))
        };
        let shift = if self.replacements.iter().any(shifts) {
            Some(protector.keyed_number(scene.tenant, "date-shift", scene.subject).await?)
        } else {
            None
        };
        for it in &mut self.replacements {
            if let Action::Generalize(how) = it.action
                && it.coarse.is_none()
            {
                it.coarse = generalize(how, &it.kind, &it.value, shift);
                if it.coarse.is_none() {
                    it.action = Action::Redact;
                }
            }
        }
        Ok(())
    }

    /// One batch. What has no other value of its form becomes a token, what is too long for the
    /// vault a placeholder; then the batch is tried again.
    async fn protect(
        &mut self,
        scene: &Scene<'_>,
        protector: &dyn Protector,
    ) -> Result<(), ProtectError> {
        loop {
            let wanted: Vec<(usize, ToProtect<'_>)> = self
                .replacements
                .iter()
                .enumerate()
                .filter_map(|(index, it)| Some((index, to_protect(it, it.wanted()?, scene))))
                .collect();
            if wanted.is_empty() {
                return Ok(());
            }
            let (indices, batch): (Vec<usize>, Vec<ToProtect<'_>>) = wanted.into_iter().unzip();
            match protector.protect(&batch).await {
                Ok(made) => {
                    drop(batch);
                    return self.keep(&indices, made);
                }
                Err(error) if self.give_way(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn keep(&mut self, indices: &[usize], made: Vec<String>) -> Result<(), ProtectError> {
        if made.len() != indices.len() {
            return Err(ProtectError::Unknown);
        }
        for (index, text) in indices.iter().zip(made) {
            if let Some(it) = self.replacements.get_mut(*index) {
                it.keep(text);
            }
        }
        Ok(())
    }

    /// Whether something was changed so that trying again can help.
    fn give_way(&mut self, error: &ProtectError) -> bool {
        let mut changed = false;
        match error {
            ProtectError::DomainTooSmall { kind } => {
                let fits = |it: &&mut Replacement| {
                    it.kind == *kind && it.wanted() == Some(Protection::Format)
                };
                // The vault names the kind only: first the short ones give way, then all.
                let short = self.replacements.iter_mut().filter(fits);
                for it in short.filter(|it| letters(&it.value) < 8) {
                    it.give_up_format();
                    changed = true;
                }
                if !changed {
                    for it in self.replacements.iter_mut().filter(fits) {
                        it.give_up_format();
                        changed = true;
                    }
                }
            }
            ProtectError::TooLong { limit_bytes } => {
                let wanting = self.replacements.iter_mut().filter(|it| it.wanted().is_some());
                for it in wanting.filter(|it| it.value.len() > *limit_bytes) {
                    it.action = Action::Redact;
                    it.form = Form::Chosen;
                    changed = true;
                }
            }
            _ => {}
        }
        changed
    }

    /// Numbers the placeholders by value, above those that stand in `source` already.
    fn number(&mut self, source: &str) {
        let mut next: HashMap<Arc<str>, u32> = HashMap::new();
        for it in &self.replacements {
            if let Some(number) = it.number {
                let free = next.entry(Arc::clone(&it.kind)).or_default();
                *free = (*free).max(number + 1);
            }
        }
        for it in &mut self.replacements {
            let placeholder = it.action == Action::Redact
                || (it.form == Form::Shaped && it.action.protection().is_none());
            if placeholder && it.number.is_none() {
                let kind = Arc::clone(&it.kind);
                let free = next.entry(kind).or_insert_with_key(|kind| first_free(source, kind));
                it.number = Some(*free);
                *free += 1;
            }
        }
    }

    /// The message with everything replaced; `None` when that changes nothing.
    pub(crate) fn json(&self, root: Text<'a>) -> Result<Option<String>, EditError> {
        let mut editor = Editor::new(root);
        let mut names: HashMap<usize, BTreeSet<String>> = HashMap::new();
        for line in &self.lines {
            let new = self.rewritten(line);
            match &line.leaf.site {
                Site::String(text) => {
                    if let Some(constant) = &line.constant {
                        editor.replace(*text, constant.to_string());
                    } else if new != *line.leaf.text {
                        editor.replace(*text, quote(&new));
                    }
                }
                Site::Number(text) => {
                    if let Some(constant) = &line.constant {
                        editor.replace(*text, constant.to_string());
                    } else if new != *line.leaf.text {
                        editor.replace(*text, if is_number(&new) { new } else { quote(&new) });
                    }
                }
                Site::Key { member, object } => {
                    let taken = names.entry(object.span().start).or_insert_with(|| {
                        object.members().map(|it| it.key.into_owned()).collect()
                    });
                    if new != *line.leaf.text {
                        editor.rename(member, &free_name(&new, taken));
                    }
                }
                Site::Plain => {}
            }
        }
        if editor.is_empty() { Ok(None) } else { editor.finish().map(Some) }
    }

    /// As [`Self::json`] for plain text, which has one leaf.
    pub(crate) fn plain(&self) -> Option<String> {
        let line = self.lines.first()?;
        let new = self.rewritten(line);
        (new != *line.leaf.text).then_some(new)
    }

    fn rewritten(&self, line: &Line<'_>) -> String {
        let new = self.spliced(line, false);
        // A number of JSON two levels down has no quotes that could be put around a token.
        if Embedded::of(&line.leaf.text).is_some() && Embedded::of(&new).is_none() {
            return self.spliced(line, true);
        }
        new
    }

    fn spliced(&self, line: &Line<'_>, numbers_stay: bool) -> String {
        let text = &*line.leaf.text;
        let in_number = matches!(line.leaf.site, Site::Number(_));
        let mut new = String::with_capacity(text.len() + 32 * line.spots.len());
        let mut at = 0;
        for spot in &line.spots {
            new.push_str(text.get(at..spot.range.start).unwrap_or_default());
            at = spot.range.end;
            let Some(it) = self.replacements.get(spot.replacement) else { continue };
            if numbers_stay && is_number(&it.value) {
                new.push_str(&mask_number(&it.value, 0));
                continue;
            }
            new.push_str(&encode(&it.text(spot.encoding, in_number), spot.encoding));
        }
        new.push_str(text.get(at..).unwrap_or_default());
        new
    }

    /// What was found and what was done, in the order of the text.
    pub(crate) fn counts(&self) -> Vec<FindingCount> {
        let mut counts = self.stays.clone();
        for line in &self.lines {
            for spot in &line.spots {
                if let Some(it) = self.replacements.get(spot.replacement) {
                    counts.add(&it.kind, &line.leaf.field, it.action.as_str());
                }
            }
        }
        counts.into_vec()
    }

    /// What is replaced, where that cannot be and all of it is refused.
    pub(crate) fn found(&self) -> Vec<FindingCount> {
        let replaced = self.counts().into_iter().filter(|it| &*it.action != "allow");
        replaced.map(|it| FindingCount { action: Action::Refuse.as_str().into(), ..it }).collect()
    }

    /// The leaves that are replaced, by their number, and their JSON pointers.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().map(|line| &*line.leaf.pointer).enumerate()
    }

    /// The replacements in leaf `line`.
    pub(crate) fn replacements_in(&self, line: usize) -> BTreeSet<usize> {
        let spots = self.lines.get(line).into_iter().flat_map(|line| &line.spots);
        spots.map(|spot| spot.replacement).collect()
    }

    /// Whether a value stands as another of its form because a schema wants it.
    pub(crate) fn has_formatted(&self) -> bool {
        self.replacements.iter().any(|it| it.formatted.is_some())
    }

    /// Gives a replacement its next form; `false` when it has none.
    pub(crate) fn advance(&mut self, replacement: usize) -> bool {
        self.replacements.get_mut(replacement).is_some_and(Replacement::advance)
    }

    /// Whether `constant` tells what the leaf says.
    pub(crate) fn says(&self, line: usize, constant: &serde_json::Value) -> bool {
        let text = self.lines.get(line).map(|line| &*line.leaf.text);
        text.is_some_and(|text| {
            constant.as_str() == Some(text)
                || serde_json::from_str(text).is_ok_and(|it: serde_json::Value| it == *constant)
        })
    }

    /// Puts `constant` in the place of the whole leaf.
    pub(crate) fn set_constant(&mut self, line: usize, constant: serde_json::Value) {
        if let Some(line) = self.lines.get_mut(line) {
            line.constant = Some(constant);
        }
    }

    /// Whether the leaf is a string or a number, and not a name.
    pub(crate) fn is_value(&self, line: usize) -> bool {
        let site = self.lines.get(line).map(|line| &line.leaf.site);
        matches!(site, Some(Site::String(_) | Site::Number(_)))
    }
}

impl Replacement {
    fn give_up_format(&mut self) {
        if self.form == Form::Formatted {
            self.form = Form::Zeroed;
        } else {
            self.action = Action::Tokenize;
        }
    }
}

fn place(scene: &Scene<'_>, field: &Arc<str>, kind: &Arc<str>) -> Place {
    Place {
        tenant: scene.tenant.into(),
        upstream: scene.upstream.into(),
        tool: scene.tool.into(),
        field: Arc::clone(field),
        kind: Arc::clone(kind),
    }
}

fn to_protect<'v>(it: &'v Replacement, how: Protection, scene: &Scene<'v>) -> ToProtect<'v> {
    ToProtect {
        how,
        value: &it.value,
        place: &it.place,
        subject: scene.subject,
        receiver: Some(scene.receiver),
    }
}

fn letters(value: &str) -> usize {
    value.chars().filter(|c| c.is_alphanumeric()).count()
}

/// One more than the highest number that a placeholder of `kind` has in `source`.
fn first_free(source: &str, kind: &str) -> u32 {
    let start = format!("{kind}_");
    let numbers = memchr::memmem::find_iter(source.as_bytes(), &start).filter_map(|at| {
        let rest = source.get(at + start.len()..)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end.min(6))?.parse::<u32>().ok()
    });
    numbers.max().unwrap_or_default() + 1
}

/// `name`, or with a number behind it where another member has it.
fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut free = name.to_owned();
    let mut number = 2_u32;
    while !taken.insert(free.clone()) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}
