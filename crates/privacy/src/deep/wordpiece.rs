//! Text in pieces of words, as a network of the BERT family was taught to read it.

use std::collections::HashMap;
use std::ops::Range;

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The longest word that is taken apart, in characters; longer ones are unknown.
const MAX_WORD: usize = 100;

/// The vocabulary, and what stands for what is not in it.
#[derive(Debug)]
pub(super) struct WordPiece {
    first: HashMap<Box<str>, i32>,
    rest: HashMap<Box<str>, i32>,
    longest: usize,
    unknown: i32,
    pub(super) begin: i32,
    pub(super) end: i32,
    lower_case: bool,
    strip_accents: bool,
}

/// A piece, and the bytes of the text that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) id: i32,
    pub(super) range: Range<usize>,
}

/// What of a `tokenizer.json` is read.
#[derive(Deserialize)]
struct RawTokenizer {
    normalizer: RawNormalizer,
    model: RawModel,
}

#[derive(Deserialize)]
struct RawNormalizer {
    #[serde(default)]
    lowercase: bool,
    strip_accents: Option<bool>,
}

#[derive(Deserialize)]
struct RawModel {
    #[serde(rename = "type")]
    kind: String,
    unk_token: String,
    continuing_subword_prefix: String,
    vocab: HashMap<String, i32>,
}

/// A word that is being read: what it is reduced to, and for each character of that its length and
/// where it stands in the text.
#[derive(Debug, Default)]
struct Word {
    text: String,
    chars: Vec<(usize, Range<usize>)>,
}

impl WordPiece {
    /// Reads a `tokenizer.json`; `None` when it is of another kind.
    pub(super) fn read(json: &str) -> Option<Self> {
        let RawTokenizer { normalizer, model } = serde_json::from_str(json).ok()?;
        if model.kind != "WordPiece" {
            return None;
        }
        let id = |token: &str| model.vocab.get(token).copied();
        let (unknown, begin, end) = (id(&model.unk_token)?, id("[CLS]")?, id("[SEP]")?);
        let longest = model.vocab.keys().map(String::len).max()?;
        let (mut first, mut rest) = (HashMap::new(), HashMap::new());
        for (piece, id) in model.vocab {
            match piece.strip_prefix(&model.continuing_subword_prefix) {
                Some(piece) if !piece.is_empty() => rest.insert(piece.into(), id),
                _ => first.insert(piece.into(), id),
            };
        }
        let lower_case = normalizer.lowercase;
        let strip_accents = normalizer.strip_accents.unwrap_or(lower_case);
        Some(Self { first, rest, longest, unknown, begin, end, lower_case, strip_accents })
    }

    /// The pieces of `text`, ascending.
    pub(super) fn pieces(&self, text: &str) -> Vec<Piece> {
        let (mut pieces, mut word) = (Vec::new(), Word::default());
        for (start, c) in text.char_indices() {
            let range = start..start + c.len_utf8();
            if c.is_whitespace() {
                self.take(&mut word, &mut pieces);
            } else if is_mark(c) {
                self.take(&mut word, &mut pieces);
                word.push(c, range);
                self.take(&mut word, &mut pieces);
            } else if !is_noise(c) {
                self.reduce(c, |c| word.push(c, range.clone()));
            }
        }
        self.take(&mut word, &mut pieces);
        pieces
    }

    /// What `c` is reduced to.
    fn reduce(&self, c: char, mut push: impl FnMut(char)) {
        let mut lower = |c: char| match self.lower_case {
            true => c.to_lowercase().for_each(&mut push),
            false => push(c),
        };
        if !self.strip_accents || c.is_ascii() {
            return lower(c);
        }
        std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c)).for_each(lower);
    }

    /// Takes `word` apart: the longest piece that is known goes first.
    fn take(&self, word: &mut Word, pieces: &mut Vec<Piece>) {
        let Word { text, chars } = std::mem::take(word);
        let whole = match (chars.first(), chars.last()) {
            (Some((_, first)), Some((_, last))) => first.start..last.end,
            _ => return,
        };
        let known = pieces.len();
        if chars.len() > MAX_WORD || self.apart(&text, &chars, pieces).is_none() {
            pieces.truncate(known);
            pieces.push(Piece { id: self.unknown, range: whole });
        }
    }

    fn apart(
        &self,
        text: &str,
        chars: &[(usize, Range<usize>)],
        pieces: &mut Vec<Piece>,
    ) -> Option<()> {
        let (mut at, mut from) = (0, 0);
        while from < chars.len() {
            let vocabulary = if from == 0 { &self.first } else { &self.rest };
            let mut ends = Vec::new();
            let mut end = at;
            for (length, _) in chars.get(from..)? {
                end += length;
                if end - at > self.longest {
                    break;
                }
                ends.push(end);
            }
            let known = ends.iter().enumerate().rev().find_map(|(index, end)| {
                let id = vocabulary.get(text.get(at..*end)?)?;
                Some((index, *end, *id))
            });
            let (index, end, id) = known?;
            let (_, first) = chars.get(from)?;
            let (_, last) = chars.get(from + index)?;
            pieces.push(Piece { id, range: first.start..last.end });
            from += index + 1;
            at = end;
        }
        Some(())
    }
}

impl Word {
    fn push(&mut self, c: char, range: Range<usize>) {
        self.text.push(c);
        self.chars.push((c.len_utf8(), range));
    }
}

/// Whether `c` is a word by itself.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c, '\u{a1}'..='\u{bf}' | '\u{2010}'..='\u{205e}' | '\u{3001}'..='\u{303f}')
            && !c.is_alphanumeric()
        || matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// Whether `c` is passed over.
fn is_noise(c: char) -> bool {
    c.is_control() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{fffd}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn small() -> WordPiece {
        WordPiece::read(
            r###"{"normalizer": {"lowercase": true, "strip_accents": null}, "model": {
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "jo": 3, "##se": 4, "##f": 5,
                          ",": 6, "a": 7, "##a": 8}}}"###,
        )
        .unwrap()
    }

    #[test]
    fn words_fall_into_the_longest_pieces_and_ranges_are_of_the_text() {
        let text = "José, Josef\tzz";
        let pieces = small().pieces(text);
        let told: Vec<_> =
            pieces.iter().map(|p| (p.id, text.get(p.range.clone()).unwrap())).collect();
        let expected = [(3, "Jo"), (4, "sé"), (6, ","), (3, "Jo"), (4, "se"), (5, "f"), (0, "zz")];
        assert_eq!(told, expected);
    }

    #[test]
    fn another_kind_of_file_is_not_read() {
        for json in ["", "{}", r#"{"normalizer": {}, "model": {"type": "BPE"}}"#] {
            assert!(WordPiece::read(json).is_none(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn pieces_ascend_on_character_boundaries(text in "\\PC{0,80}|[Jjosefa, é한\u{301}İ]{0,120}") {
            let mut end = 0;
            for piece in small().pieces(&text) {
                prop_assert!(piece.range.start >= end || piece.range.end >= end);
                prop_assert!(text.get(piece.range.clone()).is_some_and(|it| !it.is_empty()));
                end = piece.range.end;
            }
        }
    }
}
