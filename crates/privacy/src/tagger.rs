//! Names, places, organisations and dates in free text, by what stands around them and what words are
//! known for: a linear chain over words, and for Korean over syllables. `docs/tagger.md` tells how it is trained.

mod context;
mod features;
mod hangul;
mod hash;
mod label;
mod latin;
mod lexicon;
mod model;
mod shape;
mod spans;

use std::sync::{Arc, LazyLock};

use crate::{Evidence, Finding};

pub use context::Context;
pub use features::Features;
pub use label::{KINDS, LABELS, OUTSIDE, kind_of, may_follow, of_kind};
pub use lexicon::{Known, Lexicon, OUTSIDE as OUTSIDE_BIT, key_of};
pub use model::{Chain, Model, STEPS, Scores};

static LEXICON: &[u8] = include_bytes!("../weights/lexicon.bin");
static LATIN: &[u8] = include_bytes!("../weights/latin.bin");
static HANGUL: &[u8] = include_bytes!("../weights/hangul.bin");

static EMBEDDED: LazyLock<Tagger<'static>> = LazyLock::new(|| Tagger::new(LEXICON, LATIN, HANGUL));

/// Finds what no pattern can: names of persons, places and organisations, addresses and dates.
#[derive(Clone, Debug)]
pub struct Tagger<'a> {
    lexicon: Lexicon<'a>,
    latin: Model<'a>,
    hangul: Model<'a>,
    kinds: [Arc<str>; KINDS.len()],
    rule: Arc<str>,
}

impl Tagger<'static> {
    /// The tagger that is part of the program.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }
}

impl<'a> Tagger<'a> {
    /// A tagger of these weights; weights that do not fit find nothing.
    #[doc(hidden)]
    #[must_use]
    pub fn new(lexicon: &'a [u8], latin: &'a [u8], hangul: &'a [u8]) -> Self {
        Self {
            lexicon: Lexicon::read(lexicon),
            latin: Model::read(latin),
            hangul: Model::read(hangul),
            kinds: KINDS.map(Arc::from),
            rule: Arc::from("tagger"),
        }
    }

    /// Adds what is found in `text`, from left to right and without overlaps.
    ///
    /// `keys` are the names of the JSON members from the root to this text, none for plain text. The
    /// time taken is linear in the length.
    pub fn tag(&self, text: &str, keys: &[&str], out: &mut Vec<Finding>) {
        let context = Context::of(text, keys);
        for (offset, part, korean) in context::stretches(text) {
            let model = if korean { &self.hangul } else { &self.latin };
            let analysis = Analysis::read(part, offset, korean, &self.lexicon);
            Self::tag_stretch(model, &analysis, &context, |span| {
                out.extend(self.finding(text, &span));
            });
        }
    }

    fn tag_stretch(
        model: &Model<'_>,
        analysis: &Analysis,
        context: &Context,
        mut found: impl FnMut(spans::Span),
    ) {
        let mut run = Run::default();
        let mut features = Features::default();
        for at in analysis.runs().into_iter().flatten() {
            analysis.features(at, context, &mut features);
            let weighed = model.weigh(&features);
            let calm = model.is_calm(&weighed);
            if run.end() != at || calm {
                run.finish(model, analysis, &mut found);
            }
            if !calm {
                run.push(at, weighed);
            }
        }
        run.finish(model, analysis, &mut found);
    }

    fn finding(&self, text: &str, span: &spans::Span) -> Option<Finding> {
        let kind = self.kinds.get(span.kind)?;
        let range = spans::trimmed(text, span.start..span.end);
        let possible = spans::is_possible(kind, text.get(range.clone())?);
        (possible && !range.is_empty()).then(|| Finding {
            kind: Arc::clone(kind),
            range,
            score: span.score,
            rule: Arc::clone(&self.rule),
            evidence: Evidence::default(),
        })
    }
}

/// Units in a row of which some may be more than outside.
#[derive(Debug, Default)]
struct Run {
    start: usize,
    weighed: Vec<Scores>,
    chain: Chain,
}

impl Run {
    fn end(&self) -> usize {
        self.start + self.weighed.len()
    }

    /// Decodes what was gathered, and starts anew.
    fn finish(&mut self, model: &Model<'_>, analysis: &Analysis, found: impl FnMut(spans::Span)) {
        if self.weighed.is_empty() {
            return;
        }
        model.decode(&self.weighed, &mut self.chain);
        spans::collect(analysis, self.start, &self.chain, found);
        self.weighed.clear();
    }

    fn push(&mut self, at: usize, weighed: Scores) {
        if self.weighed.is_empty() {
            self.start = at;
        }
        self.weighed.push(weighed);
    }
}

/// Where a unit stands, in bytes of the whole text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// The units of a stretch of text in one script, which the runtime and the trainer read alike.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Analysis(Units);

#[derive(Clone, Debug)]
enum Units {
    Latin(Vec<latin::Word>),
    Hangul(Vec<hangul::Syllable>),
}

impl Analysis {
    /// Reads the units of `part`, which starts at byte `offset` of the whole text.
    #[must_use]
    pub fn read(part: &str, offset: usize, korean: bool, lexicon: &Lexicon<'_>) -> Self {
        if korean {
            let mut syllables = Vec::with_capacity(part.len() / 3);
            hangul::read(part, offset, &mut syllables);
            return Self(Units::Hangul(syllables));
        }
        let mut words = Vec::with_capacity(part.len() / 4);
        latin::read(part, offset, lexicon, &mut words);
        Self(Units::Latin(words))
    }

    /// The stretches of units in which something may be found; the units between them are outside.
    #[must_use]
    pub fn runs(&self) -> Vec<std::ops::Range<usize>> {
        match &self.0 {
            Units::Hangul(syllables) => std::iter::once(0..syllables.len()).collect(),
            Units::Latin(words) => runs_of(words),
        }
    }

    /// The features of unit `at`, in place of what `out` held.
    pub fn features(&self, at: usize, context: &Context, out: &mut Features) {
        out.clear();
        match &self.0 {
            Units::Latin(words) => latin::features(words, at, context, out),
            Units::Hangul(syllables) => hangul::features(syllables, at, context, out),
        }
    }

    /// Whether unit `at` is the end of a line.
    pub(crate) fn ends_line(&self, at: usize) -> bool {
        let shape = match &self.0 {
            Units::Latin(words) => words.get(at).map(|word| word.shape),
            Units::Hangul(syllables) => syllables.get(at).map(|syllable| syllable.shape),
        };
        shape == Some(shape::Shape::LINE_END)
    }

    /// Where unit `at` stands.
    #[must_use]
    pub fn place(&self, at: usize) -> Option<Place> {
        match &self.0 {
            Units::Latin(words) => words.get(at).map(|word| word.place),
            Units::Hangul(syllables) => syllables.get(at).map(|syllable| syllable.place),
        }
    }
}

fn runs_of(words: &[latin::Word]) -> Vec<std::ops::Range<usize>> {
    let mut at = 0;
    let chunks = words.chunk_by(|one, next| one.is_outside() == next.is_outside());
    let runs = chunks.map(|chunk| {
        let start = at;
        at += chunk.len();
        (start..at, chunk.first().is_some_and(latin::Word::is_outside))
    });
    runs.filter(|(_, outside)| !outside).map(|(run, _)| run).collect()
}

/// The stretches of lines with and without Korean, for the trainer.
#[doc(hidden)]
pub fn stretches(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    context::stretches(text)
}

#[cfg(test)]
mod tests;
