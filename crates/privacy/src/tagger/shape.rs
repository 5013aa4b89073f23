//! Text cut into words, numbers, marks and line ends, and how each of them looks.

/// How a piece looks: a small number that features are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape(u8);

impl Shape {
    pub(super) const MARK: Self = Self(0);
    pub(super) const LINE_END: Self = Self(1);
    pub(super) const LOWER: Self = Self(2);
    pub(super) const CAPITAL: Self = Self(3);
    pub(super) const UPPER: Self = Self(4);
    pub(super) const INITIAL: Self = Self(5);
    pub(super) const MIXED: Self = Self(6);
    pub(super) const CASELESS: Self = Self(7);
    pub(super) const IDENTIFIER: Self = Self(8);
    pub(super) const WITH_DIGITS: Self = Self(9);
    const NUMBER: u8 = 10;
    const LONGEST_NUMBER: usize = 7;

    fn of_number(digits: usize) -> Self {
        Self(Self::NUMBER + u8::try_from(digits.min(Self::LONGEST_NUMBER)).unwrap_or_default())
    }

    pub(super) fn is_number(self) -> bool {
        self.0 >= Self::NUMBER
    }

    /// Whether its own letters tell something.
    pub(super) fn is_letters(self) -> bool {
        (Self::LOWER.0..=Self::CASELESS.0).contains(&self.0)
    }

    pub(super) fn value(self) -> u64 {
        u64::from(self.0)
    }
}

/// A part of the text without spaces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) shape: Shape,
    pub(super) glued: bool,
}

/// The pieces of `text` from the left; spaces are left out, several line ends are one.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let before = at;
        at += spaces(text.get(at..)?);
        let start = at;
        let rest = text.get(start..)?;
        let first = rest.chars().next()?;
        let (length, shape) = measure(rest, first);
        at += length;
        Some(Piece {
            text: rest.get(..length)?,
            start,
            end: at,
            shape,
            glued: before == start && start > 0,
        })
    })
}

/// The bytes of white space that `rest` starts with, up to a line end.
fn spaces(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let count = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    match bytes.get(count) {
        Some(byte) if byte.is_ascii_graphic() || *byte == b'\n' => count,
        _ => rest
            .find(|letter: char| letter == '\n' || !letter.is_whitespace())
            .unwrap_or(rest.len()),
    }
}

fn measure(rest: &str, first: char) -> (usize, Shape) {
    if first == '\n' {
        let length = rest.find(|letter: char| !letter.is_whitespace()).unwrap_or(rest.len());
        return (length, Shape::LINE_END);
    }
    if is_syllable(first) {
        return (first.len_utf8(), Shape::CASELESS);
    }
    if first.is_alphanumeric() || first == '_' {
        let length = word_length(rest);
        return (length, shape_of(rest.get(..length).unwrap_or_default()));
    }
    (first.len_utf8(), Shape::MARK)
}

/// Whether a letter is a unit by itself: Hangul, kana and Chinese characters.
pub(super) fn is_syllable(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}' | '\u{F900}'..='\u{FAFF}')
}

fn word_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let joined = *byte == b'\'' && joins(bytes, at);
        if byte.is_ascii_alphanumeric() || *byte == b'_' || joined {
            at += 1;
        } else if byte.is_ascii() {
            break;
        } else {
            match rest.get(at..).and_then(|rest| rest.chars().next()) {
                Some('’') if at > 0 && joins(bytes, at + 2) => at += '’'.len_utf8(),
                Some(letter) if letter.is_alphanumeric() && !is_syllable(letter) => {
                    at += letter.len_utf8()
                }
                Some('\u{0300}'..='\u{036F}' | '\u{200C}' | '\u{200D}') => {
                    at += 2 + usize::from(*byte >= 0xE0)
                }
                _ => break,
            }
        }
    }
    at.max(1)
}

/// Whether the apostrophe that ends at `at` belongs to the word (O'Brien), not to a genitive (Ann's).
fn joins(bytes: &[u8], at: usize) -> bool {
    let letter = |at: usize| {
        bytes.get(at).is_some_and(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
    };
    letter(at + 1) && letter(at + 2)
}

fn shape_of(word: &str) -> Shape {
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == bytes.len() {
        return Shape::of_number(digits);
    }
    if bytes.contains(&b'_') {
        return Shape::IDENTIFIER;
    }
    if digits > 0 {
        return Shape::WITH_DIGITS;
    }
    if word.is_ascii() { ascii_shape(bytes) } else { other_shape(word) }
}

fn ascii_shape(bytes: &[u8]) -> Shape {
    let upper = bytes.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let first = bytes.first().is_some_and(u8::is_ascii_uppercase);
    cased(upper, bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count(), first)
}

fn other_shape(word: &str) -> Shape {
    let upper = word.chars().filter(|letter| letter.is_uppercase()).count();
    let lower = word.chars().filter(|letter| letter.is_lowercase()).count();
    if upper + lower == 0 {
        return Shape::CASELESS;
    }
    cased(upper, upper + lower, word.chars().next().is_some_and(char::is_uppercase))
}

fn cased(upper: usize, letters: usize, first: bool) -> Shape {
    match (upper, first) {
        (0, _) => Shape::LOWER,
        (1, true) if letters == 1 => Shape::INITIAL,
        (1, true) => Shape::CAPITAL,
        (upper, _) if upper == letters => Shape::UPPER,
        _ => Shape::MIXED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        pieces(text).map(|piece| piece.text).collect()
    }

    #[test]
    fn words_keep_their_apostrophes_and_lose_their_genitives() {
        assert_eq!(cut("O'Brien met Ann's dog."), ["O'Brien", "met", "Ann", "'", "s", "dog", "."]);
        assert_eq!(cut("D’Souza, Zoë’s"), ["D’Souza", ",", "Zoë", "’", "s"]);
    }

    #[test]
    fn line_ends_are_one_and_syllables_are_many() {
        assert_eq!(cut("a \n\n b"), ["a", "\n\n ", "b"]);
        assert_eq!(cut("홍길동 12번"), ["홍", "길", "동", "12", "번"]);
    }

    proptest::proptest! {
        #[test]
        fn pieces_cover_all_but_spaces(text in ".{0,80}") {
            let mut at = 0;
            for piece in pieces(&text) {
                proptest::prop_assert!(piece.start >= at && piece.end > piece.start);
                proptest::prop_assert!(text.get(at..piece.start).unwrap().chars().all(char::is_whitespace));
                at = piece.end;
            }
            proptest::prop_assert!(text.get(at..).unwrap().chars().all(char::is_whitespace));
        }
    }
}
