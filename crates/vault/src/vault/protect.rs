//! Values into texts that stand for them.

use std::collections::HashMap;
use std::sync::Arc;

use haechi_core::{
    Entropy, Place, ProtectError, Protection, Sid, StoredToken, ToProtect, TokenLookup,
    VaultPurpose,
};

use super::{Vault, digest};
use crate::aead::associated;
use crate::derive::Refused;
use crate::envelope::{self, encode_sid};
use crate::fernet::VECTOR_BYTES;
use crate::format::{FormatError, essence};
use crate::keyring::Material;
use crate::problem::{Problem, unavailable};
use crate::sealing::{Keys, ROWS, of_place, seal_row};
use crate::subject_keys::SubjectKey;
use crate::text::{self, RANDOM_BYTES};

/// How often a formatted value is made again when its text stands for another value already.
const ATTEMPTS: u32 = 16;

/// The persons of one batch, each asked for once.
type Persons<'a> = HashMap<&'a Sid, Arc<SubjectKey>>;

/// One text that is kept in the store.
struct Kept {
    /// Its place among the values.
    position: usize,
    /// How often a formatted value was tried.
    attempt: u32,
}

/// The random parts of a batch's tokens, drawn in one go.
struct Chance(std::vec::IntoIter<u8>);

impl Chance {
    fn draw(tokens: usize, entropy: &dyn Entropy) -> Result<Self, ProtectError> {
        let mut bytes = vec![0; tokens * RANDOM_BYTES];
        if !bytes.is_empty() {
            entropy.fill(&mut bytes).map_err(unavailable)?;
        }
        Ok(Self(bytes.into_iter()))
    }

    fn next(&mut self) -> Option<[u8; RANDOM_BYTES]> {
        let bytes = *self.0.as_slice().first_chunk()?;
        self.0.nth(RANDOM_BYTES - 1)?;
        Some(bytes)
    }
}

/// What a text is made of.
enum Draw<'a> {
    /// For the first time.
    First(&'a mut Chance),
    /// Again, so many times, because the text before was taken: formatted values only.
    Again(u32),
}

impl Vault {
    pub(super) async fn protect_all(
        &self,
        values: &[ToProtect<'_>],
    ) -> Result<Vec<String>, ProtectError> {
        self.keyring.refresh().await?;
        let persons = self.persons(values).await?;
        let tokens = values.iter().filter(|value| value.how == Protection::Token).count();
        let mut chance = Chance::draw(tokens, &*self.entropy)?;
        let mut texts = Vec::with_capacity(values.len());
        let (mut kept, mut rows) = (Vec::new(), Vec::new());
        for (position, value) in values.iter().enumerate() {
            let person = value.subject.and_then(|sid| persons.get(sid)).map(Arc::as_ref);
            if matches!(value.how, Protection::Token | Protection::Format) {
                let (text, row) = self.keep(value, person, Draw::First(&mut chance)).await?;
                texts.push(text);
                rows.push(row);
                kept.push(Kept { position, attempt: 0 });
            } else {
                texts.push(self.convert(value, person).await?);
            }
        }
        self.put(values, &persons, (kept, rows), &mut texts).await?;
        Ok(texts)
    }

    /// As [`Self::protect_all`], for one.
    pub(crate) async fn protect_one(&self, value: ToProtect<'_>) -> Result<String, ProtectError> {
        self.protect_all(&[value]).await?.pop().ok_or_else(|| unavailable(Refused))
    }

    /// Every person of the batch; an erased one ends it before anything is made.
    async fn persons<'a>(&self, values: &[ToProtect<'a>]) -> Result<Persons<'a>, ProtectError> {
        let mut persons = Persons::new();
        for value in values {
            if value.value.len() > self.config.longest_bytes {
                return Err(ProtectError::TooLong { limit_bytes: self.config.longest_bytes });
            }
            if let Some(sid) = value.subject.filter(|sid| !persons.contains_key(sid)) {
                persons.insert(sid, self.subjects.key_of(sid).await?);
            }
        }
        Ok(persons)
    }

    /// What needs no store: the text holds the value, or nothing does.
    async fn convert(
        &self,
        value: &ToProtect<'_>,
        person: Option<&SubjectKey>,
    ) -> Result<String, ProtectError> {
        let Place { tenant, kind, .. } = value.place;
        match value.how {
            Protection::SameToken => {
                let key = self.keyring.primary(tenant, VaultPurpose::SameToken, kind).await?;
                same_token(&key, person, value).map_err(unavailable)
            }
            Protection::Hash => {
                let key = self.keyring.primary(tenant, VaultPurpose::Hash, kind).await?;
                Ok(text::hash(kind, &digest(&key, person, &[value.value.as_bytes()])?))
            }
            Protection::Seal | Protection::Token | Protection::Format => {
                self.seal(value, person).await
            }
        }
    }

    async fn seal(
        &self,
        value: &ToProtect<'_>,
        person: Option<&SubjectKey>,
    ) -> Result<String, ProtectError> {
        let Place { tenant, kind, .. } = value.place;
        if self.config.write_fernet
            && person.is_none()
            && let Some(token) = self.seal_fernet(tenant, value.value).await?
        {
            return Ok(token);
        }
        let (key, nonce) =
            self.keyring.primary_with_nonce(tenant, VaultPurpose::Seal, kind).await?;
        let keys = Keys { key: &key, person };
        let sealed = keys.seal(nonce, &of_place(value.place), value.value.as_bytes());
        Ok(envelope::to_text(&sealed.map_err(unavailable)?))
    }

    /// A Fernet token, where the tenant has a key for it.
    async fn seal_fernet(
        &self,
        tenant: &Arc<str>,
        value: &str,
    ) -> Result<Option<String>, ProtectError> {
        let line = self.keyring.find(tenant, VaultPurpose::Fernet, &Arc::from("")).await?;
        if line.is_none() {
            return Ok(None);
        }
        let key = self.keyring.primary(tenant, VaultPurpose::Fernet, &Arc::from("")).await?;
        let mut vector = [0; VECTOR_BYTES];
        self.entropy.fill(&mut vector).map_err(unavailable)?;
        let working = key.working(None).map_err(unavailable)?;
        let fernet = working.fernet().map_err(unavailable)?;
        let token = fernet.seal(self.clock.now(), vector, value.as_bytes());
        token.map(Some).map_err(unavailable)
    }

    /// A text that stands for the value in the store, and the row that says so.
    async fn keep(
        &self,
        value: &ToProtect<'_>,
        person: Option<&SubjectKey>,
        draw: Draw<'_>,
    ) -> Result<(String, StoredToken), ProtectError> {
        let Place { tenant, kind, .. } = value.place;
        let index = self.index(tenant).await?;
        let (text, lookup, same) = if value.how == Protection::Format {
            let key = self.keyring.primary(tenant, VaultPurpose::Format, kind).await?;
            let attempt = if let Draw::Again(attempt) = draw { attempt } else { 0 };
            let text = formatted(&key, person, value, attempt)?;
            let plain = essence(value.value);
            let same = [&b"same"[..], kind.as_bytes(), plain.as_bytes()];
            (
                text.clone(),
                lookup_of_formatted(&index, kind, &text)?,
                Some(digest(&index, person, &same)?),
            )
        } else {
            let random = match draw {
                Draw::First(chance) => chance.next().ok_or_else(|| unavailable(Refused))?,
                Draw::Again(_) => return Err(unavailable(Problem::Taken)),
            };
            let text = text::token(kind, &random);
            let lookup = lookup_of_token(&index, &text)?;
            (text, lookup, None)
        };
        let mut row = self.row(value, lookup);
        row.same = same;
        let (key, nonce) = self.keyring.primary_with_nonce(tenant, ROWS, kind).await?;
        let keys = Keys { key: &key, person };
        seal_row(&mut row, keys, nonce, value.value.as_bytes()).map_err(unavailable)?;
        Ok((text, row))
    }

    fn row(&self, value: &ToProtect<'_>, lookup: TokenLookup) -> StoredToken {
        let created_at = self.clock.now();
        let retention = self.config.retention.of(&value.place.tenant, &value.place.kind);
        // One formatted text goes to whoever asks for the same value.
        let receiver = value.receiver.filter(|_| value.how == Protection::Token);
        StoredToken {
            lookup,
            how: value.how,
            place: value.place.clone(),
            sealed: Vec::new(),
            key_id: 0,
            key_version: 0,
            same: None,
            subject: value.subject.cloned(),
            receiver: receiver.cloned(),
            created_at,
            expires_at: retention.map(|retention| created_at.after(retention)),
        }
    }

    /// Keeps `rows`. Those whose text stands for another value already are made again.
    async fn put(
        &self,
        values: &[ToProtect<'_>],
        persons: &Persons<'_>,
        (mut kept, mut rows): (Vec<Kept>, Vec<StoredToken>),
        texts: &mut [String],
    ) -> Result<(), ProtectError> {
        if rows.is_empty() {
            return Ok(());
        }
        let has_formatted = rows.iter().any(|row| row.how == Protection::Format);
        loop {
            // Random tokens are never taken, so the copy is made only where it may be needed.
            let again = if has_formatted { rows.clone() } else { Vec::new() };
            let taken = self.tokens.put(rows).await.map_err(unavailable)?;
            if taken.is_empty() {
                return Ok(());
            }
            rows = again;
            for at in taken {
                let (Some(kept), Some(row)) = (kept.get_mut(at), rows.get_mut(at)) else {
                    return Err(unavailable(Problem::Taken));
                };
                kept.attempt += 1;
                let value = values.get(kept.position).ok_or_else(|| unavailable(Refused))?;
                if kept.attempt >= ATTEMPTS {
                    return Err(unavailable(Problem::Taken));
                }
                let person = value.subject.and_then(|sid| persons.get(sid)).map(Arc::as_ref);
                let (text, other) = self.keep(value, person, Draw::Again(kept.attempt)).await?;
                *row = other;
                if let Some(to) = texts.get_mut(kept.position) {
                    *to = text;
                }
            }
        }
    }
}

/// What finds a random token.
pub(super) fn lookup_of_token(index: &Material, text: &str) -> Result<TokenLookup, ProtectError> {
    digest(index, None, &[b"token", text.as_bytes()]).map(upper)
}

/// What finds a formatted value, whatever its separators.
pub(super) fn lookup_of_formatted(
    index: &Material,
    kind: &str,
    text: &str,
) -> Result<TokenLookup, ProtectError> {
    digest(index, None, &[b"format", kind.as_bytes(), essence(text).as_bytes()]).map(upper)
}

fn upper(digest: [u8; 32]) -> TokenLookup {
    let mut lookup = TokenLookup::default();
    lookup.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    lookup
}

fn formatted(
    key: &Material,
    person: Option<&SubjectKey>,
    value: &ToProtect<'_>,
    attempt: u32,
) -> Result<String, ProtectError> {
    let Place { tenant, kind, .. } = value.place;
    let working = key.working(person).map_err(unavailable)?;
    let format = working.format().map_err(unavailable)?;
    let tweak = [tenant.as_bytes(), kind.as_bytes(), &attempt.to_be_bytes()];
    let tweak = associated(&tweak).map_err(unavailable)?;
    format.seal(kind, value.value, &tweak).map_err(|error| match error {
        FormatError::Small => ProtectError::DomainTooSmall { kind: Arc::clone(kind) },
        FormatError::Long => ProtectError::TooLong { limit_bytes: crate::format::MOST_SYMBOLS },
        FormatError::Refused => unavailable(Refused),
    })
}

/// Form, key, version and, where there is one, the person: what stands before the ciphertext in a
/// deterministic token.
fn same_token(
    key: &Material,
    person: Option<&SubjectKey>,
    value: &ToProtect<'_>,
) -> Result<String, Refused> {
    let version = u16::try_from(key.version).map_err(|_| Refused)?;
    let mut bytes = vec![if person.is_some() { 2 } else { 1 }];
    bytes.extend_from_slice(&key.key_id.to_be_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    if let Some(person) = person {
        encode_sid(person.sid(), &mut bytes).ok_or(Refused)?;
        bytes.extend_from_slice(&person.version().to_be_bytes());
    }
    let sealed = key.working(person)?.siv()?.seal(&bytes, value.value.as_bytes())?;
    bytes.extend_from_slice(&sealed);
    Ok(text::same_token(&key.kind, &bytes))
}
