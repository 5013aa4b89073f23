//! A question, as segments are asked it.

use memchr::memmem::Finder;
use roaring::RoaringBitmap;

use super::{EventKind, Query};
use crate::index::{Field, Odd, Prefilter, SegmentIndex, Sketch, key};

/// Which conditions are fulfilled, a bit for each.
pub(super) type Fulfilled = u32;

/// One of these must be so.
#[derive(Debug)]
struct Condition {
    field: Field,
    values: Vec<String>,
}

/// A question.
#[derive(Debug)]
pub(super) struct Plan {
    conditions: Vec<Condition>,
    kinds: Vec<&'static str>,
    since: u64,
    until: u64,
    by_index: bool,
    /// Whether an outcome can say what its intent does not.
    dependent: bool,
    needles: Vec<Vec<Finder<'static>>>,
    kind_needles: Vec<Finder<'static>>,
    /// Where one condition is all there is, and outcomes can fulfil it: what must stand in them.
    outcome_needles: Option<Vec<Finder<'static>>>,
}

impl Plan {
    pub(super) fn new(query: &Query) -> Self {
        let persons = query.persons.iter().map(|sid| sid.0.to_string()).collect();
        let all = [
            (Field::Person, persons),
            (Field::Upstream, query.upstreams.clone()),
            (Field::Tool, query.tools.clone()),
            (Field::Method, query.methods.clone()),
            (Field::Decision, query.decisions.clone()),
            (Field::Rule, query.rules.clone()),
            (Field::Finding, query.findings.clone()),
            (Field::Completion, query.completions.clone()),
            (Field::Client, query.clients.clone()),
            (Field::Act, query.acts.clone()),
            (Field::SignIn, query.sign_ins.clone()),
        ];
        let conditions = all.into_iter().filter(|(_, values)| !values.is_empty());
        let conditions: Vec<_> =
            conditions.map(|(field, values)| Condition { field, values }).collect();
        let needle = |kind: &EventKind| {
            Finder::new(&format!("\"event\":\"{}\"", kind.as_str())).into_owned()
        };
        Self {
            kinds: query.kinds.iter().map(|kind| kind.as_str()).collect(),
            since: query.since.map_or(0, |at| at.as_millis()),
            until: query.until.map_or(u64::MAX, |at| at.as_millis()),
            by_index: query.by_index,
            dependent: conditions.iter().any(|condition| condition.field.is_of_outcomes()),
            outcome_needles: match conditions.as_slice() {
                [only] => only.outcome_needles(),
                _ => None,
            },
            kind_needles: query.kinds.iter().map(needle).collect(),
            needles: conditions.iter().filter_map(Condition::needles).collect(),
            conditions,
        }
    }

    /// Whether an intent can match by what its outcome says.
    pub(super) const fn is_dependent(&self) -> bool {
        self.dependent
    }

    /// Whether what stands in the files of indexes is believed.
    pub(super) const fn is_by_index(&self) -> bool {
        self.by_index
    }

    /// From when on, and before when, in milliseconds.
    pub(super) const fn period(&self) -> (u64, u64) {
        (self.since, self.until)
    }

    /// The conditions that an entry fulfils by itself.
    pub(super) fn fulfilled(&self, sketch: &Sketch<'_>) -> Fulfilled {
        let mut fulfilled = 0;
        if !self.conditions.is_empty() {
            sketch.facts(&mut |field, text| {
                for (place, condition) in self.conditions.iter().enumerate() {
                    let holds = condition.field == field;
                    if holds && condition.values.iter().any(|value| value == text) {
                        fulfilled |= 1 << place;
                    }
                }
            });
        }
        fulfilled
    }

    /// Whether these are all conditions.
    pub(super) fn is_whole(&self, fulfilled: Fulfilled) -> bool {
        fulfilled.count_ones() == u32::try_from(self.conditions.len()).unwrap_or(u32::MAX)
    }

    /// Whether the entry is of a kind and time that is asked for.
    pub(super) fn admits(&self, sketch: &Sketch<'_>) -> bool {
        let kind = self.kinds.is_empty() || self.kinds.contains(&&*sketch.event.0);
        kind && (self.since..self.until).contains(&sketch.at_ms)
    }

    /// The places of a segment that can match. `wanted` are those whose outcomes, in later segments,
    /// say something of what is asked.
    pub(super) fn candidates(
        &self,
        index: &SegmentIndex,
        wanted: &RoaringBitmap,
    ) -> Result<RoaringBitmap, Odd> {
        let awaited = index.awaited().iter().map(|(_, place)| *place).collect::<RoaringBitmap>();
        let mut found = index.all();
        for condition in &self.conditions {
            let keys = condition.values.iter().map(|value| key(condition.field as u8, value));
            // An outcome may match by what its intent, in an earlier segment, says.
            let mut any = awaited.clone();
            for key in keys {
                any |= index.set(key)?;
            }
            found &= any | wanted;
        }
        let (since, until) = self.period();
        if self.dependent {
            // Outcomes after the period may say something of intents within.
            found &= index.within(since, u64::MAX);
            if index.span().is_some_and(|(earliest, _)| earliest >= until) {
                found &= &awaited;
            }
        } else {
            found &= index.within(since, until);
            found &= self.of_kinds(index)?;
        }
        Ok(found | index.set(key(Field::Odd as u8, ""))?)
    }

    fn is_kind(&self, bytes: &[u8]) -> bool {
        self.kind_needles.iter().any(|needle| needle.find(bytes).is_some())
    }

    fn of_kinds(&self, index: &SegmentIndex) -> Result<RoaringBitmap, Odd> {
        if self.kinds.is_empty() {
            return Ok(index.all());
        }
        let mut any = RoaringBitmap::new();
        for kind in &self.kinds {
            any |= index.set(key(Field::Kind as u8, kind))?;
        }
        Ok(any)
    }
}

impl Condition {
    /// Bytes of which one must stand in the half of a call that fulfils this; `None` where a call
    /// does so by its intent.
    fn outcome_needles(&self) -> Option<Vec<Finder<'static>>> {
        if !self.field.is_of_outcomes() {
            return None;
        }
        let word = |value: &String| {
            let word = value.split_once(':').map_or(value.as_str(), |(kind, _)| kind);
            serde_json::to_vec(word).ok().map(|word| Finder::new(&word).into_owned())
        };
        self.values.iter().map(word).collect()
    }

    /// Bytes of which one must stand in whatever fulfils this; `None` where there are none.
    fn needles(&self) -> Option<Vec<Finder<'static>>> {
        let fixed = match self.field {
            Field::Odd | Field::Kind | Field::Finding | Field::Completion | Field::SignIn => false,
            Field::Person
            | Field::Upstream
            | Field::Tool
            | Field::Decision
            | Field::Rule
            | Field::Client
            | Field::Act
            | Field::Method => true,
        };
        let mut needles = Vec::new();
        for value in self.values.iter().filter(|_| fixed) {
            let written = serde_json::to_vec(value).ok()?;
            // `user` stands for `user.add` too.
            let open = usize::from(self.field == Field::Act);
            let written = written.get(..written.len().saturating_sub(open))?;
            needles.push(Finder::new(written).into_owned());
            if let (Field::Tool, Some((_, name))) = (self.field, value.split_once(':')) {
                needles.push(Finder::new(&serde_json::to_vec(name).ok()?).into_owned());
            }
        }
        fixed.then_some(needles)
    }
}

impl Prefilter for Plan {
    fn may_match(&self, bytes: &[u8]) -> bool {
        if self.conditions.is_empty() {
            // What is told by kind and time alone; everything, where no kind is asked for.
            return self.is_kind(bytes);
        }
        if let Some(needles) = &self.outcome_needles {
            return needles.iter().any(|needle| needle.find(bytes).is_some());
        }
        self.needles.iter().all(|any| any.iter().any(|needle| needle.find(bytes).is_some()))
    }

    fn may_match_outcome(&self, bytes: &[u8]) -> bool {
        if self.conditions.is_empty() {
            return self.is_kind(bytes);
        }
        // A call whose intent has not what must stand there does not match by its outcome.
        let needles = self.outcome_needles.iter().flatten();
        needles.into_iter().any(|needle| needle.find(bytes).is_some())
    }
}
