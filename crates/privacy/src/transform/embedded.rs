//! Values that stand inside an encoding: JSON in a string, URL-encoding, Base64.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use haechi_core::json::{Kind, Limits, Text, check, quote};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&STANDARD, LENIENT), GeneralPurpose::new(&URL_SAFE, LENIENT)];

/// How a value is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is.
    Plain,
    /// Inside a string of JSON that is itself the text of a leaf.
    Json,
    /// As a number of such JSON, or of JSON inside it: where it becomes a string, its quotes have so
    /// many backslashes before them.
    JsonNumber {
        /// How many.
        slashes: usize,
    },
    /// URL-encoded (RFC 3986 §2.1).
    Percent,
    /// The whole run is Base64 (RFC 4648), and the value stands in what it says.
    Base64,
}

/// The JSON that a leaf consists of, where it does.
pub(crate) struct Embedded {
    numbers: Vec<Range<usize>>,
    /// Strings that may be JSON themselves.
    inner: Vec<Range<usize>>,
    /// The names of members.
    names: Vec<Range<usize>>,
}

impl Embedded {
    /// `None` where `text` is no object or array.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if !text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let root = check(text.as_bytes(), &Limits::RESULT).ok()?;
        let mut embedded = Self { numbers: Vec::new(), inner: Vec::new(), names: Vec::new() };
        embedded.collect(root);
        Some(embedded)
    }

    fn collect(&mut self, text: Text<'_>) {
        match text.kind() {
            Kind::Object => text.members().for_each(|member| {
                self.names.push(member.key_span);
                self.collect(member.value);
            }),
            Kind::Array => text.elements().for_each(|element| self.collect(element)),
            Kind::Number => self.numbers.push(text.span()),
            Kind::String if is_open(text.raw()) => {
                self.inner.push(text.span());
            }
            Kind::String | Kind::Boolean | Kind::Null => {}
        }
    }

    /// Whether `range` lies in the name of a member.
    pub(crate) fn is_name(&self, range: &Range<usize>) -> bool {
        around(&self.names, range).is_some_and(|name| range.end <= name.end)
    }

    /// The number that `range` of `text` lies in, and how it is written.
    pub(crate) fn number(
        &self,
        text: &str,
        range: &Range<usize>,
    ) -> Option<(Range<usize>, Encoding)> {
        if let Some(number) = around(&self.numbers, range) {
            return Some((number, Encoding::JsonNumber { slashes: 0 }));
        }
        let inner = around(&self.inner, range)?;
        let head = text.get(inner.start..range.start)?.trim_end();
        let tail = text.get(range.end..inner.end)?.trim_start();
        let bare = head.ends_with([':', ',', '[']) && tail.starts_with([',', '}', ']']);
        if !bare || !is_number(text.get(range.clone())?) {
            return None;
        }
        // Inside JSON that is a string, every quote is escaped as the nearest one is.
        let before_quote = head.rsplit_once('"')?.0;
        let slashes = before_quote.len() - before_quote.trim_end_matches('\\').len();
        Some((range.clone(), Encoding::JsonNumber { slashes }))
    }
}

/// The one of `ranges`, which ascend, that `range` lies in.
fn around(ranges: &[Range<usize>], range: &Range<usize>) -> Option<Range<usize>> {
    let index = ranges.partition_point(|other| other.end <= range.start);
    ranges.get(index).filter(|other| other.start < range.end).cloned()
}

/// Whether the literal is that of a string that opens an object or array.
fn is_open(literal: &str) -> bool {
    literal.strip_prefix('"').is_some_and(|inside| inside.trim_start().starts_with(['{', '[']))
}

/// How `slice`, found inside an encoding, is encoded itself.
pub(crate) fn encoding_of(slice: &str, in_json: bool) -> Encoding {
    if says_text(slice) {
        return Encoding::Base64;
    }
    if slice.contains('%') || !in_json { Encoding::Percent } else { Encoding::Json }
}

/// Whether `slice` is one run of Base64 that says readable text.
fn says_text(slice: &str) -> bool {
    if slice.len() < 12 {
        return false;
    }
    let readable = |bytes: Vec<u8>| {
        String::from_utf8(bytes).is_ok_and(|text| {
            text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))
        })
    };
    let joined: String = slice.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.iter().any(|engine| engine.decode(&joined).is_ok_and(readable))
}

/// What the slice of the text says.
pub(crate) fn decode(slice: &str, encoding: Encoding) -> Cow<'_, str> {
    match encoding {
        Encoding::Plain | Encoding::Base64 | Encoding::JsonNumber { .. } => Cow::Borrowed(slice),
        Encoding::Json => {
            let literal = format!("\"{slice}\"");
            let opened = check(literal.as_bytes(), &Limits::RESULT).ok().and_then(Text::string);
            opened.map_or(Cow::Borrowed(slice), |text| Cow::Owned(text.into_owned()))
        }
        Encoding::Percent => percent_decode(slice),
    }
}

/// `new` as it must be written there.
pub(crate) fn encode(new: &str, encoding: Encoding) -> String {
    match encoding {
        Encoding::Plain | Encoding::Base64 => new.to_owned(),
        Encoding::Json => {
            let literal = quote(new);
            literal.get(1..literal.len() - 1).unwrap_or_default().to_owned()
        }
        Encoding::JsonNumber { .. } if is_number(new) => new.to_owned(),
        Encoding::JsonNumber { slashes: 0 } => quote(new),
        Encoding::JsonNumber { slashes } => {
            let escape = "\\".repeat(slashes);
            format!("{escape}\"{new}{escape}\"")
        }
        Encoding::Percent => {
            percent_encode(new, |byte| byte.is_ascii_alphanumeric() || b"-._~*".contains(&byte))
        }
    }
}

/// Whether `text` is a number as JSON writes it.
pub(crate) fn is_number(text: &str) -> bool {
    check(text.as_bytes(), &Limits::TOKEN)
        .is_ok_and(|it| it.kind() == Kind::Number && it.raw().len() == text.len())
}

pub(crate) fn percent_encode(text: &str, stays: impl Fn(u8) -> bool) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stays(byte) {
            encoded.push(char::from(byte));
            continue;
        }
        let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or('0');
        encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
    }
    encoded
}

fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let pair = after.first_chunk::<2>().filter(|_| *byte == b'%');
        let decoded = pair.and_then(|[high, low]| Some(hex(*high)? << 4 | hex(*low)?));
        bytes.push(decoded.unwrap_or(*byte));
        rest = if decoded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encodings_are_told_apart() {
        assert_eq!(encoding_of("am9lQGV4YW1wbGUuY29t", false), Encoding::Base64);
        assert_eq!(encoding_of("4111111111111111", false), Encoding::Percent);
        assert_eq!(encoding_of("joe%40example.com", true), Encoding::Percent);
        assert_eq!(encoding_of("joe@example.com", true), Encoding::Json);
        assert_eq!(encode("[PERSON_1]", Encoding::Percent), "%5BPERSON_1%5D");
        assert_eq!(encode("[PERSON_1]", Encoding::Json), "[PERSON_1]");
        let number = Encoding::JsonNumber { slashes: 0 };
        assert_eq!(encode("1234", number), "1234");
        assert_eq!(encode("tok_A", number), "\"tok_A\"");
    }

    #[test]
    fn numbers_of_embedded_json_are_found_whole() {
        let text = r#"{"a": 12345, "b": ["67", 89]}"#;
        let embedded = Embedded::of(text).unwrap();
        let number = |range| embedded.number(text, &range).map(|(number, _)| number);
        assert_eq!(number(7..9), Some(6..11));
        assert_eq!(number(20..22), None);
        assert_eq!(number(25..27), Some(25..27));
        assert!(Embedded::of("{not json").is_none());
        let deep = r#"{"a": "{\"b\": 12, \"c\": \"34\"}", "d": "5, 67, 8"}"#;
        let embedded = Embedded::of(deep).unwrap();
        let at = |word: &str| deep.find(word).map(|at| at..at + word.len()).unwrap();
        let number = Encoding::JsonNumber { slashes: 1 };
        assert_eq!(embedded.number(deep, &at("12")), Some((at("12"), number)));
        assert_eq!(encode("tok_A", number), "\\\"tok_A\\\"");
        assert_eq!(embedded.number(deep, &at("34")), None);
        assert_eq!(embedded.number(deep, &at("67")), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in "\\PC{0,40}") {
            for encoding in [Encoding::Plain, Encoding::Json, Encoding::Percent] {
                let encoded = encode(&text, encoding);
                prop_assert_eq!(decode(&encoded, encoding), text.as_str());
            }
        }

        #[test]
        fn decoding_never_panics(text in "\\PC*|[%0-9a-f\\\\\"u]*") {
            for encoding in [Encoding::Json, Encoding::Percent, Encoding::Base64] {
                let _ = decode(&text, encoding);
            }
            let _ = (Embedded::of(&text), encoding_of(&text, true));
        }
    }
}
