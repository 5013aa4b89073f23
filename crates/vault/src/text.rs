//! The texts that stand for values: how they are written, and how they are found again.

use std::ops::Range;

use haechi_core::{Protection, Recognized};
use memchr::memmem;

use crate::base32;
use crate::{envelope, fernet};

/// Characters of a random token or digest: 130 bits.
const BODY: usize = 26;
/// Random bytes that a token is made of.
pub(crate) const RANDOM_BYTES: usize = 17;
/// The longest name of a kind in a token.
const LONGEST_KIND: usize = 64;
/// What stands for a kind that has no name.
const NO_KIND: &str = "VALUE";
/// How each form begins.
const FORMS: [(&str, Protection); 5] = [
    ("tok_", Protection::Token),
    ("det_", Protection::SameToken),
    ("hash_", Protection::Hash),
    (envelope::PREFIX, Protection::Seal),
    (fernet::PREFIX, Protection::Seal),
];
/// The fewest characters of an envelope behind its prefix, and of a Fernet token behind its own.
const SHORTEST_ENVELOPE: usize = (envelope::LEAST_BYTES * 8).div_ceil(6);
const SHORTEST_FERNET: usize = 100 - fernet::PREFIX.len();
/// The fewest characters of a deterministic token's body: form, key, version and AES-SIV's own.
const SHORTEST_SAME: usize = base32::length(1 + 4 + 2 + 16);

/// A random token of `kind`.
pub(crate) fn token(kind: &str, random: &[u8; RANDOM_BYTES]) -> String {
    with_body("tok_", kind, random)
}

/// The digest of a value of `kind`.
pub(crate) fn hash(kind: &str, digest: &[u8; 32]) -> String {
    with_body("hash_", kind, digest)
}

fn with_body(prefix: &str, kind: &str, bytes: &[u8]) -> String {
    let mut text = start(prefix, kind, 2 * BODY);
    let end = text.len() + BODY;
    base32::encode_into(bytes, &mut text);
    text.truncate(end);
    text
}

/// A deterministic token of `kind` that holds `bytes`.
pub(crate) fn same_token(kind: &str, bytes: &[u8]) -> String {
    let mut text = start("det_", kind, base32::length(bytes.len()));
    base32::encode_into(bytes, &mut text);
    text
}

fn start(prefix: &str, kind: &str, more: usize) -> String {
    let mut text = String::with_capacity(prefix.len() + kind.len() + 1 + more);
    text.push_str(prefix);
    text.extend(kind_characters(kind));
    text.push('_');
    text
}

/// `kind` as it stands in a token.
fn kind_characters(kind: &str) -> impl Iterator<Item = char> {
    let kind = if kind.is_empty() { NO_KIND } else { kind };
    kind.chars().take(LONGEST_KIND).map(kind_character)
}

/// `c` as it stands in a token: a kind of another spelling is still found by its form.
const fn kind_character(c: char) -> char {
    let upper = c.to_ascii_uppercase();
    if upper.is_ascii_uppercase() || upper.is_ascii_digit() { upper } else { '_' }
}

/// Whether `name` in a token is how `kind` is written there.
pub(crate) fn is_kind(name: &str, kind: &str) -> bool {
    name.chars().eq(kind_characters(kind))
}

/// What a text is by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form<'a> {
    Token,
    Same { kind: &'a str, body: &'a str },
    Hash,
    Envelope,
    Fernet,
    Other,
}

/// The form of the whole of `text`.
pub(crate) fn form(text: &str) -> Form<'_> {
    let Some((prefix, how)) = FORMS.iter().find(|(prefix, _)| text.starts_with(prefix)) else {
        return Form::Other;
    };
    // Envelopes and Fernet tokens are read to the last bit where they are opened.
    match *prefix {
        envelope::PREFIX => return Form::Envelope,
        fernet::PREFIX => return Form::Fernet,
        _ => {}
    }
    if end(text, 0, prefix, *how) != Some(text.len()) {
        return Form::Other;
    }
    match how {
        Protection::Token => Form::Token,
        Protection::Hash => Form::Hash,
        Protection::SameToken => {
            let parts = text.get(prefix.len()..).and_then(|rest| rest.rsplit_once('_'));
            parts.map_or(Form::Other, |(kind, body)| Form::Same { kind, body })
        }
        Protection::Seal | Protection::Format => Form::Other,
    }
}

/// What of `text` has the form of something protected.
pub(crate) fn recognize(text: &str) -> Vec<Recognized> {
    let mut starts: Vec<(usize, &str, Protection)> = Vec::new();
    for (prefix, how) in FORMS {
        let found = memmem::find_iter(text.as_bytes(), prefix);
        starts.extend(found.map(|start| (start, prefix, how)));
    }
    starts.sort_unstable_by_key(|(start, ..)| *start);
    let mut recognized: Vec<Recognized> = Vec::new();
    for (start, prefix, how) in starts {
        let free = recognized.last().is_none_or(|last| last.range.end <= start);
        // A candidate within a word is not looked at, so that no byte is looked at twice.
        if !free || is_within_word(text, start) {
            continue;
        }
        if let Some(end) = end(text, start, prefix, how) {
            recognized.push(Recognized { range: Range { start, end }, how });
        }
    }
    recognized
}

fn is_within_word(text: &str, start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| text.as_bytes().get(before));
    before.is_some_and(|byte| is_word(*byte))
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn is_base64url(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

/// Where what starts at `start` ends; `None` when it has not the form.
fn end(text: &str, start: usize, prefix: &str, how: Protection) -> Option<usize> {
    let rest = text.as_bytes().get(start + prefix.len()..)?;
    let length = match how {
        Protection::Token | Protection::Hash => kind_and_body(rest, BODY, BODY)?,
        Protection::SameToken => kind_and_body(rest, SHORTEST_SAME, usize::MAX)?,
        Protection::Seal if prefix == fernet::PREFIX => fernet_length(rest)?,
        Protection::Seal | Protection::Format => {
            let length = run(rest, is_base64url);
            (length >= SHORTEST_ENVELOPE).then_some(length)?
        }
    };
    Some(start + prefix.len() + length)
}

fn kind_and_body(bytes: &[u8], shortest: usize, longest: usize) -> Option<usize> {
    let most = bytes.get(..bytes.len().min(LONGEST_KIND + 1))?;
    let head = run(most, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    // A body may begin with digits, a kind ends with the last underscore before it.
    let kind = most.get(..head)?.iter().rposition(|byte| *byte == b'_')? + 1;
    let body = run(bytes.get(kind..)?, base32::is_character);
    let whole = bytes.get(kind + body).is_none_or(|byte| !is_word(*byte));
    (kind > 1 && whole && (shortest..=longest).contains(&body)).then_some(kind + body)
}

fn fernet_length(bytes: &[u8]) -> Option<usize> {
    let body = run(bytes, is_base64url);
    let padding = run(bytes.get(body..)?, |byte| byte == b'=').min(2);
    let length = body + padding;
    let whole = (fernet::PREFIX.len() + length).is_multiple_of(4);
    (whole && length >= SHORTEST_FERNET).then_some(length)
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<(&str, Protection)> {
        recognize(text).into_iter().map(|r| (text.get(r.range).unwrap(), r.how)).collect()
    }

    #[test]
    fn every_form_is_found_in_running_text() {
        let token = token("EMAIL_ADDRESS", &[7; RANDOM_BYTES]);
        assert_eq!(token.len(), "tok_EMAIL_ADDRESS_".len() + BODY);
        let hash = hash("KR_RRN", &[9; 32]);
        let same = same_token("US_SSN", &[1; 30]);
        let sealed = envelope::to_text(&[3; 90]);
        let fernet = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        let text = format!("<{token}>, {hash}는 {same}'s ({sealed}) {fernet}.");
        let expected = [
            (&*token, Protection::Token),
            (&*hash, Protection::Hash),
            (&*same, Protection::SameToken),
            (&*sealed, Protection::Seal),
            (fernet, Protection::Seal),
        ];
        assert_eq!(found(&text), expected);
        assert_eq!(form(&token), Form::Token);
        assert_eq!(form(&sealed), Form::Envelope);
        assert_eq!(form(fernet), Form::Fernet);
        assert!(matches!(form(&same), Form::Same { kind: "US_SSN", .. }));
    }

    #[test]
    fn what_only_looks_alike_is_not_found() {
        let token = token("EMAIL_ADDRESS", &[7; RANDOM_BYTES]);
        let longer = format!("{token}a");
        for text in [
            "",
            "tok_",
            "tok__",
            "hv1.",
            "hv1.abc",
            "gAAAAA",
            "det_A_aaaa",
            "tok_a_b",
            &longer,
            &format!("x{token}"),
            token.get(1..).unwrap(),
            token.get(..token.len() - 1).unwrap(),
            &token.to_uppercase(),
            &token.to_lowercase(),
        ] {
            assert_eq!(found(text), [], "{text}");
            assert!(matches!(form(text), Form::Other | Form::Envelope | Form::Fernet), "{text}");
        }
    }

    #[test]
    fn a_kind_of_any_spelling_is_written_in_one_alphabet() {
        let token = token("my kind é2", &[7; RANDOM_BYTES]);
        assert!(token.starts_with("tok_MY_KIND__2_"));
        assert_eq!(found(&token).len(), 1);
        assert!(is_kind("MY_KIND__2", "my kind é2") && !is_kind("MY_KIND", "my kind é2"));
    }

    proptest! {
        #[test]
        fn any_text_is_searched(text in "([ _.=a-c27A가-]|tok_|det_|hash_|hv1\\.|gAAAAA|[A-Z]{1,9}_[a-z2-7]{26}){0,40}") {
            let mut last = 0;
            for recognized in recognize(&text) {
                prop_assert!(recognized.range.start >= last);
                last = recognized.range.end;
                prop_assert_ne!(form(text.get(recognized.range).unwrap()), Form::Other);
            }
        }

        #[test]
        fn tokens_of_any_kind_are_found(kind in "[A-Z][A-Z0-9_]{0,40}", random: [u8; RANDOM_BYTES]) {
            let token = token(&kind, &random);
            prop_assert_eq!(found(&token), [(&*token, Protection::Token)]);
        }
    }
}
