//! Text whose units are words: what is seen of each word, and the features of it among its neighbours.

use super::features::Features;
use super::hash::{self, mix};
use super::lexicon::{Known, Lexicon};
use super::shape::{self, Shape};
use super::{Context, Place};

/// A word, a number, a mark or the end of a line, and what is known about it alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    pub(super) place: Place,
    word: u32,
    prefix: u32,
    suffix: u32,
    /// The word before the colon that this one answers, 0 when there is none.
    answers: u32,
    known: Known,
    class: u8,
    pub(super) shape: Shape,
    /// No space stands before it.
    glued: bool,
    first_in_line: bool,
}

impl Word {
    /// Whether nothing sought ever holds this word.
    pub(super) fn is_outside(&self) -> bool {
        self.known.lists & super::lexicon::OUTSIDE != 0 && self.shape == Shape::LOWER
    }
}

/// Reads the words of `text`, which starts at byte `offset` of the whole.
pub(super) fn read(text: &str, offset: usize, lexicon: &Lexicon<'_>, words: &mut Vec<Word>) {
    let mut asked = 0_u32;
    let mut asked_before = 0_u32;
    let mut previous = Word { first_in_line: true, shape: Shape::LINE_END, ..Word::default() };
    for piece in shape::pieces(text) {
        let mut word = look_at(piece, lexicon);
        word.place = Place { start: offset + piece.start, end: offset + piece.end };
        word.first_in_line = previous.shape == Shape::LINE_END;
        if word.shape == Shape::LINE_END {
            asked_before = if previous.word == *COLON { asked } else { 0 };
            asked = 0;
        } else if word.word == *COLON || word.word == *EQUALS {
            asked = previous.word;
        }
        word.answers = if asked == 0 { asked_before } else { asked };
        words.push(word);
        previous = word;
    }
}

static COLON: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| hash::word(":"));
static EQUALS: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| hash::word("="));

fn look_at(piece: shape::Piece<'_>, lexicon: &Lexicon<'_>) -> Word {
    let word =
        if piece.shape.is_number() { number_hash(piece.shape) } else { hash::word(piece.text) };
    let (prefix, suffix) =
        if piece.shape.is_letters() { hash::affixes(piece.text) } else { (0, 0) };
    let known = if piece.shape.is_letters() { lexicon.find(word) } else { Known::default() };
    let class = if piece.shape == Shape::LOWER || known.capital_class == 0 {
        known.class
    } else {
        known.capital_class
    };
    Word {
        word,
        prefix,
        suffix,
        known,
        class,
        shape: piece.shape,
        glued: piece.glued,
        ..Word::default()
    }
}

fn number_hash(shape: Shape) -> u32 {
    hash::upper(mix(77, shape.value()))
}

const START: Word = Word {
    place: Place { start: 0, end: 0 },
    word: 1,
    prefix: 1,
    suffix: 1,
    answers: 0,
    known: Known { lists: 0, class: 0, capital_class: 0 },
    class: 0,
    shape: Shape::LINE_END,
    glued: false,
    first_in_line: false,
};

/// The features of word `at`, seen from two words before to two after.
pub(super) fn features(words: &[Word], at: usize, context: &Context, out: &mut Features) {
    let see = |at: Option<usize>| at.and_then(|at| words.get(at)).unwrap_or(&START);
    let own = see(Some(at));
    let (left, far_left) = (see(at.checked_sub(1)), see(at.checked_sub(2)));
    let (right, far_right) = (see(Some(at + 1)), see(Some(at + 2)));
    about_itself(own, context, out);
    about_neighbours([far_left, left, own, right, far_right], out);
    about_place(own, left, context, out);
}

fn about_itself(own: &Word, context: &Context, out: &mut Features) {
    let shape = own.shape.value();
    let lists = u64::from(own.known.lists);
    let class = u64::from(own.class);
    let cased = shape * 4 + context.casing;
    out.add(1, u64::from(own.word), 0);
    out.add(2, cased, 0);
    out.add(3, u64::from(own.prefix), u64::from(own.shape == Shape::LOWER));
    out.add(4, u64::from(own.suffix), u64::from(own.shape == Shape::LOWER));
    out.add(5, lists, 0);
    out.add(6, lists, cased);
    out.add(7, class, cased);
    out.add(8, class, lists);
}

fn about_neighbours(window: [&Word; 5], out: &mut Features) {
    let [far_left, left, own, right, far_right] = window;
    let lists = |word: &Word| u64::from(word.known.lists) * 32 + word.shape.value();
    let own_lists = lists(own);
    let own_shape = own.shape.value();
    let of = |word: &Word| u64::from(word.word);
    let class = |word: &Word| u64::from(word.class) * 32 + word.shape.value();
    out.add(9, of(left), 0);
    out.add(10, of(right), 0);
    out.add(11, of(far_left), 0);
    out.add(12, of(far_right), 0);
    out.add(13, of(left), own_lists);
    out.add(14, of(right), own_lists);
    out.add(15, lists(left), own_lists);
    out.add(16, own_lists, lists(right));
    out.add(17, mix(lists(left), own_lists), lists(right));
    out.add(
        18,
        own_shape * 32 + left.shape.value(),
        right.shape.value() * 2 + u64::from(own.glued),
    );
    out.add(19, class(left), own_shape);
    out.add(20, class(right), own_shape);
    out.add(21, class(far_left), class(left));
    out.add(22, class(right), class(far_right));
    out.add(23, class(left), own_lists);
    out.add(24, class(right), own_lists);
    out.add(25, mix(of(far_left), of(left)), own_shape);
    out.add(26, mix(of(right), of(far_right)), own_shape);
    out.add(27, of(left), of(own));
    out.add(
        28,
        mix(own_shape, left.shape.value()),
        mix(far_left.shape.value(), right.shape.value()),
    );
    out.add(29, mix(lists(far_left), lists(left)), own_lists);
    out.add(30, mix(lists(far_right), lists(right)), own_lists);
}

fn about_place(own: &Word, left: &Word, context: &Context, out: &mut Features) {
    let lists = u64::from(own.known.lists) * 32 + own.shape.value();
    let answers = u64::from(own.answers);
    out.add(31, answers, own.shape.value());
    if own.answers != 0 {
        out.add(32, answers, lists);
    }
    out.add(33, u64::from(own.first_in_line), lists);
    out.add(34, u64::from(own.first_in_line), u64::from(left.first_in_line));
    for (number, key) in context.keys.iter().enumerate() {
        if *key != 0 {
            let number = 35 + 3 * u64::try_from(number).unwrap_or_default();
            out.add(number, u64::from(*key), own.shape.value());
            out.add(number + 1, u64::from(*key), lists);
            out.add(number + 2, u64::from(*key), u64::from(own.class));
        }
    }
}
