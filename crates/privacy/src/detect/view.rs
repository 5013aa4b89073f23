//! The normalised view: a text as patterns see it, with the way back to the bytes it came from.
//!
//! Full-width and foreign digits become ASCII, invisible characters vanish, dashes, spaces and quotes
//! become plain; numbers written with single spaces, in Korean words, or with `O` for 0 and `l` for 1
//! become numbers. Most texts are their own view, and then nothing is copied.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex_automata::Input;
use regex_automata::meta::Regex;

use super::gate::Traits;
use super::offsets::Offsets;

/// The first code point of each set of ten digits beyond ASCII.
const ZEROS: [u32; 18] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50,
    0xed0, 0xf20, 0x1040, 0x17e0, 0x1810,
];

/// Numbers in Korean words, six at least, with single separators.
static KOREAN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("[공영일이삼사오육륙칠팔구](?:[-. ~]?[공영일이삼사오육륙칠팔구]){6,19}").ok()
});

/// Digits that stand apart, six at least.
static SPACED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[0-9](?:[ .][0-9]|[ ]?[-/][ ]?[0-9]){5,24}(?-u:\b)").ok()
});

/// Runs in which letters may stand for digits.
static CONFUSED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u:\b)[0-9OoIl](?:[-. ]?[0-9OoIl]){6,24}(?-u:\b)").ok());

/// A text as patterns see it.
#[derive(Debug)]
pub(super) struct View<'t> {
    pub(super) text: Cow<'t, str>,
    offsets: Vec<Offsets>,
}

impl<'t> View<'t> {
    pub(super) fn of(text: &'t str, traits: &Traits) -> Self {
        let mut view = Self { text: Cow::Borrowed(text), offsets: Vec::new() };
        if traits.not_ascii {
            view.rewrite(plain_characters);
            view.rewrite(|text| numbers(text, &KOREAN, korean_digit));
        }
        if traits.confusable {
            view.rewrite(|text| numbers(text, &CONFUSED, confused_digit));
        }
        if traits.spaced {
            view.rewrite(|text| numbers(text, &SPACED, joined_digit));
        }
        view
    }

    /// The bytes of the text that `range` of the view came from.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        self.offsets.iter().rev().fold(range.clone(), |range, offsets| offsets.source(&range))
    }

    pub(super) fn is_changed(&self) -> bool {
        !self.offsets.is_empty()
    }

    fn rewrite(&mut self, step: impl Fn(&str) -> Option<(String, Offsets)>) {
        if let Some((text, offsets)) = step(&self.text) {
            self.text = Cow::Owned(text);
            self.offsets.push(offsets);
        }
    }
}

/// A copy under way; nothing is copied before the first change.
#[derive(Default)]
struct Copy {
    out: String,
    offsets: Offsets,
    /// Up to where the source is copied.
    done: usize,
    changed: bool,
}

impl Copy {
    fn put(&mut self, source: &str, range: Range<usize>, new: Option<char>) {
        self.out.push_str(source.get(self.done..range.start).unwrap_or_default());
        let start = self.out.len();
        self.out.extend(new);
        self.offsets.push(start..self.out.len(), range.clone());
        self.done = range.end;
        self.changed = true;
    }

    fn finish(mut self, source: &str) -> Option<(String, Offsets)> {
        if !self.changed {
            return None;
        }
        self.out.push_str(source.get(self.done..).unwrap_or_default());
        Some((self.out, self.offsets))
    }
}

fn plain_characters(text: &str) -> Option<(String, Offsets)> {
    let bytes = text.as_bytes();
    let mut copy = Copy::default();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(skipped) = rest.iter().position(|byte| may_change(*byte)) else { break };
        at += skipped;
        let Some(character) = text.get(at..).and_then(|rest| rest.chars().next()) else { break };
        let range = at..at + character.len_utf8();
        at = range.end;
        match plain(character) {
            Plain::Same => {}
            Plain::Other(other) => copy.put(text, range, Some(other)),
            Plain::Nothing => copy.put(text, range, None),
        }
    }
    copy.finish(text)
}

/// Whether a character that starts with `byte` may have another form. Hangul and Han start with others.
const fn may_change(byte: u8) -> bool {
    matches!(byte, 0xc2 | 0xd9 | 0xdb | 0xdf..=0xe3 | 0xef)
}

enum Plain {
    Same,
    Other(char),
    Nothing,
}

fn plain(character: char) -> Plain {
    match character {
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Plain::Other(' ')
        }
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => Plain::Nothing,
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => Plain::Other('-'),
        '\u{2018}' | '\u{2019}' => Plain::Other('\''),
        '\u{201c}' | '\u{201d}' => Plain::Other('"'),
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xfee0).map_or(Plain::Same, Plain::Other)
        }
        other => foreign_digit(other).map_or(Plain::Same, Plain::Other),
    }
}

fn foreign_digit(character: char) -> Option<char> {
    let code = u32::from(character);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

/// What one character of a number becomes; `None` when it stays, `Some(None)` when it goes.
type Digit = fn(&str, usize, char) -> Option<Option<char>>;

/// Rewrites the numbers that `regex` finds. Linear, since each number has a longest length.
fn numbers(text: &str, regex: &LazyLock<Option<Regex>>, digit: Digit) -> Option<(String, Offsets)> {
    let regex = regex.as_ref()?;
    let mut copy = Copy::default();
    for found in regex.find_iter(Input::new(text)) {
        let number = text.get(found.range()).unwrap_or_default();
        for (at, character) in number.char_indices() {
            if let Some(new) = digit(number, at, character) {
                let start = found.start() + at;
                copy.put(text, start..start + character.len_utf8(), new);
            }
        }
    }
    copy.finish(text)
}

fn korean_digit(_: &str, _: usize, character: char) -> Option<Option<char>> {
    let digit = match character {
        '공' | '영' => '0',
        '일' => '1',
        '이' => '2',
        '삼' => '3',
        '사' => '4',
        '오' => '5',
        '육' | '륙' => '6',
        '칠' => '7',
        '팔' => '8',
        '구' => '9',
        _ => return None,
    };
    Some(Some(digit))
}

fn confused_digit(number: &str, _: usize, character: char) -> Option<Option<char>> {
    // Words and identifiers stay: most must be digits already.
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let letters = number.bytes().filter(u8::is_ascii_alphabetic).count();
    if digits < 5 || letters * 2 > digits {
        return None;
    }
    match character {
        'O' | 'o' => Some(Some('0')),
        'I' | 'l' => Some(Some('1')),
        _ => None,
    }
}

fn joined_digit(_: &str, _: usize, character: char) -> Option<Option<char>> {
    (character == ' ' || character == '.').then_some(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(text: &str) -> View<'_> {
        View::of(text, &Traits::of(text))
    }

    #[test]
    fn numbers_in_disguise_become_numbers_and_lead_back() {
        let cases = [
            ("번호 ９００１０１－１２３４５６７ 끝", "번호 900101-1234567 끝"),
            ("call 공일공-일이삼사-오육칠팔", "call 010-1234-5678"),
            ("id 9 0 0 1 0 1 - 1 2 3 4 5 6 7.", "id 900101-1234567."),
            ("no 9OO1O1-l234567", "no 900101-1234567"),
            ("12\u{200b}34\u{2013}56", "1234-56"),
            ("٠١٢", "012"),
        ];
        for (text, expected) in cases {
            let view = view(text);
            assert_eq!(view.text, expected, "{text}");
            assert_eq!(view.source(&(0..view.text.len())), 0..text.len(), "{text}");
        }
        let text = "번호 ９０ 끝";
        let view = view(text);
        let start = view.text.find("90").unwrap();
        assert_eq!(text.get(view.source(&(start..start + 2))), Some("９０"));
    }

    #[test]
    fn plain_text_is_its_own_view() {
        for text in ["ordinary text of 2026, no. 5", "오늘은 일이 많다", "the 1oz and 10l tins", ""]
        {
            assert!(!view(text).is_changed(), "{text}");
        }
    }
}
