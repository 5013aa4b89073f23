//! Text whose units are syllables: Korean, where a name and the particle after it are one word.

use super::features::Features;
use super::hash::{self, mix};
use super::shape::{self, Shape};
use super::{Context, Place};

/// A syllable, a word of another script, a number, a mark or the end of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Syllable {
    pub(super) place: Place,
    own: u32,
    /// What it is: the shape, which for numbers tells the digits.
    pub(super) shape: Shape,
    /// The word between spaces and marks that it stands in.
    word: u32,
    /// The word before the colon that this one answers, 0 when there is none.
    answers: u32,
    /// Syllables before it in the word.
    before: u8,
    /// Syllables after it in the word.
    after: u8,
    spaced: bool,
}

const FAR: u8 = 5;

/// Reads the syllables of `text`, which starts at byte `offset` of the whole.
pub(super) fn read(text: &str, offset: usize, syllables: &mut Vec<Syllable>) {
    let begin = syllables.len();
    for piece in shape::pieces(text) {
        let own = match piece.shape {
            Shape::CASELESS => piece.text.chars().next().map_or(0, u32::from),
            shape if shape.is_number() => hash::upper(mix(77, shape.value())),
            _ => hash::word(piece.text),
        };
        let place = Place { start: offset + piece.start, end: offset + piece.end };
        let spaced = !piece.glued;
        syllables.push(Syllable { place, own, shape: piece.shape, spaced, ..Syllable::default() });
    }
    let fresh = syllables.get_mut(begin..).unwrap_or_default();
    join_words(fresh);
    join_lines(fresh);
}

fn join_words(syllables: &mut [Syllable]) {
    for word in syllables.chunk_by_mut(|_, next| !next.spaced && is_word(next)) {
        let length = word.len() - usize::from(word.first().is_some_and(|first| !is_word(first)));
        let skipped = word.len() - length;
        let whole = word
            .iter()
            .skip(skipped)
            .fold(3, |whole, syllable| mix(whole, u64::from(syllable.own)));
        for (at, syllable) in word.iter_mut().enumerate().skip(skipped) {
            let near = |count: usize| u8::try_from(count).unwrap_or(FAR).min(FAR);
            syllable.before = near(at - skipped);
            syllable.after = near(length + skipped - at - 1);
            syllable.word = hash::upper(whole);
        }
    }
}

fn is_word(syllable: &Syllable) -> bool {
    syllable.shape != Shape::MARK && syllable.shape != Shape::LINE_END
}

fn join_lines(syllables: &mut [Syllable]) {
    let colon = hash::word(":");
    let wide_colon = hash::word("：");
    let (mut asked, mut word) = (0, 0);
    for syllable in syllables {
        if syllable.shape == Shape::LINE_END {
            asked = 0;
        } else if syllable.own == colon || syllable.own == wide_colon {
            asked = word;
        }
        if is_word(syllable) {
            word = syllable.word;
        }
        syllable.answers = asked;
    }
}

const START: Syllable = Syllable {
    place: Place { start: 0, end: 0 },
    own: 1,
    shape: Shape::LINE_END,
    word: 1,
    answers: 0,
    before: 0,
    after: 0,
    spaced: true,
};

/// The features of syllable `at`.
pub(super) fn features(syllables: &[Syllable], at: usize, context: &Context, out: &mut Features) {
    let see = |at: Option<usize>| at.and_then(|at| syllables.get(at)).unwrap_or(&START);
    let back = |count: usize| see(at.checked_sub(count));
    let window = [
        back(3),
        back(2),
        back(1),
        see(Some(at)),
        see(Some(at + 1)),
        see(Some(at + 2)),
        see(Some(at + 3)),
    ];
    about_syllables(window, out);
    about_words(syllables, at, context, out);
}

/// A syllable and whether a space stands before it.
fn seen(syllable: &Syllable) -> u64 {
    u64::from(syllable.own) * 2 + u64::from(syllable.spaced)
}

fn about_syllables(window: [&Syllable; 7], out: &mut Features) {
    let [third, second, left, own, right, next, last] = window.map(seen);
    let position = position(window[3]);
    out.add(101, own, 0);
    out.add(102, left, 0);
    out.add(103, right, 0);
    out.add(104, second, 0);
    out.add(105, next, 0);
    out.add(106, left, own);
    out.add(107, own, right);
    out.add(108, second, left);
    out.add(109, right, next);
    out.add(110, mix(left, own), right);
    out.add(111, mix(second, left), own);
    out.add(112, mix(own, right), next);
    out.add(113, own, position);
    out.add(114, position, window[3].shape.value());
    out.add(115, mix(third, second), left);
    out.add(116, mix(right, next), last);
    out.add(117, mix(own, position), right);
    out.add(118, mix(left, position), right);
    out.add(
        119,
        mix(window[2].shape.value(), window[3].shape.value()),
        mix(window[4].shape.value(), position),
    );
}

fn position(syllable: &Syllable) -> u64 {
    u64::from(syllable.before) * 8 + u64::from(syllable.after)
}

fn about_words(syllables: &[Syllable], at: usize, context: &Context, out: &mut Features) {
    let own = syllables.get(at).unwrap_or(&START);
    let back = at
        .checked_sub(usize::from(own.before) + 1)
        .and_then(|at| syllables.get(at))
        .unwrap_or(&START);
    let ahead = syllables.get(at + usize::from(own.after) + 1).unwrap_or(&START);
    let (left, right) = (word_of(back), word_of(ahead));
    let position = position(own);
    out.add(120, u64::from(own.word), position);
    out.add(121, left, position);
    out.add(122, right, position);
    out.add(123, left, u64::from(own.own));
    out.add(124, mix(left, right), position);
    out.add(125, u64::from(own.answers), position);
    out.add(126, u64::from(own.answers), u64::from(own.own));
    for (number, key) in context.keys.iter().enumerate() {
        if *key != 0 {
            let number = 130 + 2 * u64::try_from(number).unwrap_or_default();
            out.add(number, u64::from(*key), position);
            out.add(number + 1, u64::from(*key), own.shape.value());
        }
    }
}

fn word_of(syllable: &Syllable) -> u64 {
    u64::from(if is_word(syllable) { syllable.word } else { syllable.own })
}
