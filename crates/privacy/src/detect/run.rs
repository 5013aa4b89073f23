//! One scan under way: a text, and the texts inside it.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use haechi_core::json::{self, Limits};

use super::above::Above;
use super::gate::Traits;
use super::judge::Bench;
use super::scan::Target;
use super::scratch::{Key, Scratch};
use super::view::View;
use super::{Detector, encoded, names, overlap, protected, walk};
use crate::finding::Finding;
use crate::{Limit, Tagger};

/// The largest JSON that is recognised inside a text.
const EMBEDDED: Limits = Limits { max_bytes: 16 << 20, max_depth: 64, max_members: 1_000_000 };

/// How many names above a value speak for it.
const KEYS: usize = 2;

/// How deep encodings are followed.
const DEPTH: usize = 3;

/// Bytes that are decoded for each byte of a scan, and some more.
const DECODED_PER_BYTE: usize = 4;
const DECODED_FREE: usize = 1 << 16;

/// The longest value that is looked at together with its member name.
const MAX_ASSIGNED: usize = 4 << 10;

/// Fewer digits than this are no number that anyone is known by.
const PLAIN_DIGITS: usize = 4;

/// The longest word that is passed over.
const PLAIN_BYTES: usize = 24;

#[derive(Debug)]
pub(super) struct Run<'r> {
    pub(super) detector: &'r Detector,
    pub(super) scratch: &'r mut Scratch,
    pub(super) only: Option<usize>,
    by_key: Vec<(usize, Arc<str>)>,
    /// What the nearest name tells.
    nearest: Arc<Key>,
    /// Bytes that may still be decoded.
    budget: usize,
    /// Whether all of it was read, where that is asked for.
    pub(super) read: Result<(), Limit>,
    #[cfg(feature = "deep")]
    allowance: crate::deep::Allowance,
}

/// What is scanned, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'p> {
    pub(super) text: &'p str,
    pub(super) above: Above<'p>,
    pub(super) target: Target,
    pub(super) depth: usize,
}

impl<'p> Piece<'p> {
    /// A text that this one encodes.
    const fn inner<'i>(self, text: &'i str) -> Piece<'i>
    where
        'p: 'i,
    {
        Piece { text, above: self.above, target: self.target, depth: self.depth + 1 }
    }
}

impl<'r> Run<'r> {
    pub(super) fn new(
        detector: &'r Detector,
        scratch: &'r mut Scratch,
        only: Option<usize>,
        bytes: usize,
    ) -> Self {
        let budget = bytes.saturating_mul(DECODED_PER_BYTE).saturating_add(DECODED_FREE);
        Self {
            detector,
            scratch,
            only,
            by_key: Vec::new(),
            nearest: Arc::default(),
            budget,
            read: Ok(()),
            #[cfg(feature = "deep")]
            allowance: crate::deep::Allowance::whole(),
        }
    }

    /// Adds what is found in `piece` and in what it encodes; what overlaps is left in.
    pub(super) fn scan(&mut self, piece: Piece<'_>, findings: &mut Vec<Finding>) {
        if piece.target == Target::String && self.document(piece, findings) {
            return;
        }
        self.supported_by(piece.above, piece.target);
        if self.detector.config.passes_plain && self.by_key.is_empty() && self.is_plain(piece) {
            return;
        }
        let traits = Traits::of(piece.text);
        let from = findings.len();
        self.patterns(piece, &traits, findings);
        if piece.target == Target::Number {
            return;
        }
        self.assigned(piece, findings);
        self.names(piece, findings);
        self.encoded(piece, &traits, findings);
        if findings.len() > from {
            let mut own = findings.split_off(from);
            protected::spare(piece.text, &mut own);
            findings.append(&mut own);
        }
    }

    /// Whether nothing can be found in `piece` without a name that speaks for it: small numbers, and
    /// words such as states, labels and the names of members.
    fn is_plain(&mut self, piece: Piece<'_>) -> bool {
        let text = piece.text.as_bytes();
        match piece.target {
            Target::Number => {
                text.iter().filter(|byte| byte.is_ascii_digit()).count() < PLAIN_DIGITS
            }
            Target::Key => is_word(text),
            Target::String => {
                is_word(text)
                    && piece.above.nearest().next().is_some_and(|key| {
                        let key = self.scratch.of_key(self.detector, key);
                        !key.holds_keyword && !key.is_naming
                    })
            }
        }
    }

    /// Scans `piece` leaf by leaf when all of it is JSON.
    fn document(&mut self, piece: Piece<'_>, findings: &mut Vec<Finding>) -> bool {
        let text = piece.text;
        if piece.depth >= DEPTH
            || !text.trim_start().starts_with(['{', '['])
            || !self.afford(text.len())
        {
            return false;
        }
        let Ok(document) = json::check(text.as_bytes(), &EMBEDDED) else { return false };
        let outer = piece.above.all();
        walk::walk(text, document.span(), &mut |leaf| {
            let from = findings.len();
            let above = Above::new(&outer, Some(leaf.path));
            let target = leaf.target;
            let mut scan = |text: &str, findings: &mut Vec<Finding>| {
                self.scan(Piece { text, above, target, depth: piece.depth + 1 }, findings);
            };
            let Some((decoded, offsets)) = walk::open_mapped(leaf.raw) else {
                scan(leaf.raw, findings);
                return shift(findings, from, leaf.start);
            };
            scan(&decoded, findings);
            for finding in findings.iter_mut().skip(from) {
                finding.range = offsets.source(&finding.range);
            }
            shift(findings, from, leaf.start);
        });
        true
    }

    fn patterns(&mut self, piece: Piece<'_>, traits: &Traits, findings: &mut Vec<Finding>) {
        let view = View::of(piece.text, traits);
        let from = findings.len();
        if view.is_changed() {
            self.judge(&view.text, &Traits::of(&view.text), false, findings);
            for finding in findings.iter_mut().skip(from) {
                finding.range = view.source(&finding.range);
            }
        } else {
            self.judge(piece.text, traits, false, findings);
        }
    }

    fn judge(
        &mut self,
        text: &str,
        traits: &Traits,
        only_keyword_rules: bool,
        findings: &mut Vec<Finding>,
    ) {
        self.scratch.nearby.forget();
        self.scratch.seen.forget();
        let Detector { rules, words, keywords, config, patterns, .. } = self.detector;
        let mut bench = Bench {
            rules,
            words,
            keywords,
            text,
            by_key: &self.by_key,
            against: &self.nearest.against,
            only: self.only,
            only_keyword_rules,
            minimum_score: config.minimum_score,
            limit: config.max_findings,
            nearby: &mut self.scratch.nearby,
            seen: &mut self.scratch.seen,
            findings,
        };
        patterns.find(&mut self.scratch.progress, text, traits, &mut bench);
    }

    /// Scans `"name": "value"` where the name holds a keyword: secrets are told by what they are
    /// assigned to, and in a document that is the name above.
    fn assigned(&mut self, piece: Piece<'_>, findings: &mut Vec<Finding>) {
        let Some(key) = piece.above.nearest().next().filter(|_| piece.target == Target::String)
        else {
            return;
        };
        if piece.text.is_empty()
            || piece.text.len() > MAX_ASSIGNED
            || piece.text.contains(['"', '\\'])
            || !self.scratch.of_key(self.detector, key).holds_keyword
        {
            return;
        }
        let assignment = format!("\"{key}\": \"{}\"", piece.text);
        let value = key.len() + 5..assignment.len() - 1;
        let from = findings.len();
        self.by_key.clear();
        self.nearest = Arc::default();
        self.judge(&assignment, &Traits::of(&assignment), true, findings);
        let mut own = findings.split_off(from);
        own.retain(|finding| value.start <= finding.range.start && finding.range.end <= value.end);
        for mut finding in own {
            finding.range = finding.range.start - value.start..finding.range.end - value.start;
            findings.push(finding);
        }
    }

    fn names(&mut self, piece: Piece<'_>, findings: &mut Vec<Finding>) {
        if !self.detector.config.names || self.only.is_some() {
            return;
        }
        let mut is_named = || {
            let key = piece.above.nearest().next().filter(|_| piece.target == Target::String);
            key.is_some_and(|key| self.scratch.of_key(self.detector, key).is_naming)
        };
        if !names::is_free_text(piece.text) && !is_named() {
            return;
        }
        let from = findings.len();
        Tagger::embedded().tag(piece.text, &piece.above.all(), findings);
        #[cfg(feature = "deep")]
        self.deep(piece.text, findings);
        let mut own = findings.split_off(from);
        own.retain(|finding| !self.detector.disabled_kinds.contains(&*finding.kind));
        own.iter_mut().for_each(|finding| names::doubt(piece.text, finding));
        findings.append(&mut own);
    }

    #[cfg(feature = "deep")]
    fn deep(&mut self, text: &str, findings: &mut Vec<Finding>) {
        let Some(deep) = &self.detector.deep else { return };
        let read = deep.tag_within(text, &mut self.allowance, findings);
        if read.is_err() && deep.on_failure() == crate::deep::OnFailure::Closed {
            self.read = Err(Limit::Time(deep.budget()));
        }
    }

    /// Follows URL-encoding and Base64.
    fn encoded(&mut self, piece: Piece<'_>, traits: &Traits, findings: &mut Vec<Finding>) {
        if piece.depth >= DEPTH {
            return;
        }
        if traits.percent
            && let Some((decoded, offsets)) = encoded::url_decoded(piece.text)
            && self.afford(decoded.len())
        {
            let from = findings.len();
            self.scan(piece.inner(&decoded), findings);
            let mut own = findings.split_off(from);
            // What holds nothing encoded was found before.
            own.retain(|finding| offsets.touches(&finding.range));
            for mut finding in own {
                finding.range = offsets.source(&finding.range);
                finding.evidence.encoded = true;
                findings.push(finding);
            }
        }
        let mut runs = Vec::new();
        encoded::base64_runs(piece.text, &mut |range, decoded| {
            runs.push((range, decoded.to_owned()))
        });
        for (range, decoded) in runs {
            if self.afford(decoded.len()) {
                findings.extend(self.whole_run(piece.inner(&decoded), range));
            }
        }
    }

    /// One finding for all of an encoded run: what is surest in it.
    fn whole_run(&mut self, piece: Piece<'_>, run: Range<usize>) -> Option<Finding> {
        let mut inside = Vec::new();
        self.scan(piece, &mut inside);
        overlap::resolve(&mut inside);
        let surest = inside.into_iter().max_by(|a, b| a.score.total_cmp(&b.score))?;
        let mut finding = Finding { range: run, ..surest };
        finding.evidence.encoded = true;
        Some(finding)
    }

    const fn afford(&mut self, bytes: usize) -> bool {
        match self.budget.checked_sub(bytes) {
            Some(rest) => {
                self.budget = rest;
                true
            }
            None => false,
        }
    }

    fn supported_by(&mut self, above: Above<'_>, target: Target) {
        self.by_key.clear();
        self.nearest = Arc::default();
        // What is itself a name does not speak for itself.
        let own = usize::from(target == Target::Key);
        for (key, distance) in above.nearest().skip(own).take(KEYS).zip(0..) {
            let known = self.scratch.of_key(self.detector, key);
            self.by_key.extend(known.rules.iter().cloned());
            if distance == 0 {
                self.nearest = known;
            }
        }
        // The sort is stable: the innermost name goes first.
        self.by_key.sort_by_key(|(rule, _)| *rule);
        self.by_key.dedup_by_key(|(rule, _)| *rule);
    }
}

/// Whether `text` is one short word or name of a program: ASCII letters, joints, and few digits.
fn is_word(text: &[u8]) -> bool {
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    text.len() <= PLAIN_BYTES
        && text.iter().all(joins)
        && text.iter().filter(|byte| byte.is_ascii_digit()).count() < PLAIN_DIGITS
}

/// Moves the findings from number `from` on by `by` bytes.
fn shift(findings: &mut [Finding], from: usize, by: usize) {
    for finding in findings.iter_mut().skip(from) {
        finding.range = finding.range.start + by..finding.range.end + by;
    }
}

/// The text of a leaf.
pub(super) fn decoded(raw: &str) -> Cow<'_, str> {
    walk::open_mapped(raw).map_or(Cow::Borrowed(raw), |(decoded, _)| Cow::Owned(decoded))
}
