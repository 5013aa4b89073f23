//! A vault in memory: real tokens, kept in a map, with the limits that a vault has.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use haechi_core::{
    Opened, Place, ProtectError, Protection, Protector, Recognized, Secret, Sid, ToOpen, ToProtect,
};

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// FF1 wants 10⁶ values: six digits.
const SHORTEST: usize = 6;
/// Longer values are not kept.
pub(crate) const LONGEST: usize = 4096;

#[derive(Debug, Clone)]
struct Kept {
    value: String,
    place: Place,
    how: Protection,
    subject: Option<Sid>,
    receiver: Option<Sid>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<String, Kept>,
    calls: usize,
    locked: bool,
}

/// Keeps everything it was given.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<State>);

impl Shelf {
    /// How many batches were protected.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    pub(crate) fn lock(&self) {
        self.0.lock().unwrap().locked = true;
    }
}

fn hashed(parts: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

fn letters(seed: u64) -> String {
    (0..26_u64).map(|i| char::from(ALPHABET[(hashed(&(seed, i)) % 32) as usize])).collect()
}

/// Digits become other digits, letters other letters; the first digit is never 0.
fn formatted(value: &str, kind: &str) -> String {
    let seed = hashed(&(value, kind));
    let one = |(i, c): (usize, char)| {
        let n = hashed(&(seed, i));
        match c {
            '0'..='9' => char::from(b'1' + (n % 9) as u8),
            'a'..='z' => char::from(b'a' + (n % 26) as u8),
            'A'..='Z' => char::from(b'A' + (n % 26) as u8),
            other => other,
        }
    };
    value.chars().enumerate().map(one).collect()
}

impl State {
    fn protect(&mut self, one: &ToProtect<'_>) -> Result<String, ProtectError> {
        let kind = &one.place.kind;
        if one.value.len() > LONGEST {
            return Err(ProtectError::TooLong { limit_bytes: LONGEST });
        }
        let next = hashed(&("random", self.kept.len(), self.calls));
        let same = hashed(&(&one.place.tenant, kind, one.value));
        let text = match one.how {
            Protection::Token => format!("tok_{kind}_{}", letters(next)),
            Protection::SameToken => format!("det_{kind}_{}", letters(same)),
            Protection::Hash => format!("hash_{kind}_{}", letters(same ^ 1)),
            Protection::Seal => format!("hv1.{}", letters(next)),
            Protection::Format => {
                let digits = one.value.bytes().filter(u8::is_ascii_alphanumeric).count();
                if digits < SHORTEST {
                    return Err(ProtectError::DomainTooSmall { kind: Arc::clone(kind) });
                }
                formatted(one.value, kind)
            }
        };
        if one.how != Protection::Hash {
            let says_receiver = one.how == Protection::Token;
            let kept = Kept {
                value: one.value.to_owned(),
                place: one.place.clone(),
                how: one.how,
                subject: one.subject.cloned(),
                receiver: one.receiver.filter(|_| says_receiver).cloned(),
            };
            self.kept.insert(text.clone(), kept);
        }
        Ok(text)
    }

    fn open(&self, one: &ToOpen<'_>) -> Result<Opened, ProtectError> {
        if self.locked {
            return Err(ProtectError::Unavailable("locked".into()));
        }
        let kept = self.kept.get(one.text).ok_or(ProtectError::Unknown)?;
        let here = Place { kind: Arc::clone(&kept.place.kind), ..one.place.clone() };
        if kept.place.tenant != one.place.tenant
            || (kept.how == Protection::Seal && here != kept.place)
        {
            return Err(ProtectError::Elsewhere);
        }
        Ok(Opened {
            value: Secret::from(kept.value.clone()),
            kind: Arc::clone(&kept.place.kind),
            subject: kept.subject.clone(),
            receiver: kept.receiver.clone(),
        })
    }
}

#[async_trait]
impl Protector for Shelf {
    async fn protect(&self, values: &[ToProtect<'_>]) -> Result<Vec<String>, ProtectError> {
        let mut state = self.0.lock().unwrap();
        if state.locked {
            return Err(ProtectError::Unavailable("locked".into()));
        }
        state.calls += 1;
        values.iter().map(|one| state.protect(one)).collect()
    }

    fn recognize(&self, text: &str) -> Vec<Recognized> {
        let mut recognized = Vec::new();
        let mut start = 0;
        let of_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
            if of_word(c) {
                continue;
            }
            recognized.extend(recognize_word(text, start..at));
            start = at + c.len_utf8();
        }
        recognized
    }

    async fn open(&self, texts: &[ToOpen<'_>]) -> Vec<Result<Opened, ProtectError>> {
        let state = self.0.lock().unwrap();
        texts.iter().map(|one| state.open(one)).collect()
    }

    async fn keyed_number(
        &self,
        tenant: &str,
        purpose: &str,
        subject: Option<&Sid>,
    ) -> Result<u64, ProtectError> {
        Ok(hashed(&(tenant, purpose, subject)))
    }
}

fn recognize_word(text: &str, range: Range<usize>) -> Option<Recognized> {
    let word = text.get(range.clone())?;
    let trimmed = word.trim_end_matches('.');
    let how = [
        ("tok_", Protection::Token),
        ("det_", Protection::SameToken),
        ("hash_", Protection::Hash),
        ("hv1.", Protection::Seal),
    ]
    .into_iter()
    .find(|(prefix, _)| trimmed.starts_with(prefix) && trimmed.len() >= 30)?
    .1;
    Some(Recognized { range: range.start..range.start + trimmed.len(), how })
}
