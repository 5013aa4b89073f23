//! Texts back into the values they stand for.

use std::sync::Arc;

use haechi_core::{
    Opened, Place, ProtectError, Secret, Sid, StoredToken, ToOpen, TokenLookup, VaultPurpose,
};

use super::Vault;
use super::protect::{lookup_of_formatted, lookup_of_token};
use crate::base32;
use crate::envelope::{self, Envelope, decode_sid};
use crate::keyring::{KeyLine, Material};
use crate::problem::{Problem, unavailable};
use crate::sealing::{Keys, ROWS, of_place_and_kind, open_row};
use crate::subject_keys::SubjectKey;
use crate::text::{self, Form};

/// What a text needs before it can be opened.
enum Wanted<'a> {
    /// The row under this lookup.
    Row(usize),
    /// The keys it names itself.
    Itself(Form<'a>),
}

/// An error of all texts at once.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
struct Shared(Arc<ProtectError>);

impl Vault {
    pub(super) async fn open_all(&self, texts: &[ToOpen<'_>]) -> Vec<Result<Opened, ProtectError>> {
        match self.try_open_all(texts).await {
            Ok(opened) => opened,
            Err(error) => {
                let shared = Shared(Arc::new(error));
                let each = || Err(ProtectError::Unavailable(Box::new(shared.clone())));
                texts.iter().map(|_| each()).collect()
            }
        }
    }

    /// As [`Self::open_all`], for one.
    pub(crate) async fn open_one(&self, text: ToOpen<'_>) -> Result<Opened, ProtectError> {
        self.try_open_all(&[text]).await?.pop().unwrap_or(Err(ProtectError::Unknown))
    }

    /// Whether an envelope or deterministic token, which opens, names another version of its key than
    /// the one for new values, or an older one of its person.
    pub(crate) async fn is_outdated(&self, text: &str) -> Result<bool, ProtectError> {
        let bytes = match text::form(text) {
            Form::Same { body, .. } => base32::decode(body),
            _ => envelope::of_text(text),
        };
        let bytes = bytes.ok_or(ProtectError::Unknown)?;
        let (key_id, key_version, subject) = match (Same::decode(&bytes), Envelope::decode(&bytes))
        {
            (Some(same), _) if matches!(text::form(text), Form::Same { .. }) => {
                (same.key_id, same.key_version, same.subject)
            }
            (_, Some(Envelope { names, .. })) => (names.key_id, names.key_version, names.subject),
            _ => return Err(ProtectError::Unknown),
        };
        let line = self.keyring.by_id(key_id).await?.ok_or(ProtectError::Unknown)?;
        let older_person = match &subject {
            Some((sid, version)) => self.subjects.key_of(sid).await?.version() != *version,
            None => false,
        };
        Ok(older_person || line.stored.primary != key_version)
    }

    async fn try_open_all(
        &self,
        texts: &[ToOpen<'_>],
    ) -> Result<Vec<Result<Opened, ProtectError>>, ProtectError> {
        self.keyring.refresh().await?;
        let mut wanted = Vec::with_capacity(texts.len());
        let mut lookups = Vec::new();
        for text in texts {
            wanted.push(match text::form(text.text) {
                form @ (Form::Token | Form::Other) => match self.lookup(text, form).await? {
                    Some(lookup) => {
                        lookups.push(lookup);
                        Wanted::Row(lookups.len() - 1)
                    }
                    None => Wanted::Itself(Form::Hash),
                },
                form => Wanted::Itself(form),
            });
        }
        let rows = if lookups.is_empty() {
            Vec::new()
        } else {
            self.tokens.find(&lookups).await.map_err(unavailable)?
        };
        let mut opened = Vec::with_capacity(texts.len());
        let mut outdated = Vec::new();
        for (text, wanted) in texts.iter().zip(wanted) {
            opened.push(match wanted {
                Wanted::Row(at) => {
                    let row = rows.get(at).and_then(Option::as_ref);
                    self.open_found(text, row, &mut outdated).await
                }
                Wanted::Itself(form) => self.open_itself(text, form).await,
            });
        }
        self.reseal(outdated).await;
        Ok(opened)
    }

    /// What finds a token or a formatted value; `None` where there cannot be one.
    async fn lookup(
        &self,
        text: &ToOpen<'_>,
        form: Form<'_>,
    ) -> Result<Option<TokenLookup>, ProtectError> {
        if text.text.len() > self.config.longest_bytes {
            return Ok(None);
        }
        let Place { tenant, kind, .. } = text.place;
        // Who asks for a tenant that protected nothing makes no key for it.
        let Some(line) = self.keyring.find(tenant, VaultPurpose::Index, &Arc::from("")).await?
        else {
            return Ok(None);
        };
        let Ok(index) = line.opening(line.stored.primary, self.clock.now()) else {
            return Ok(None);
        };
        match form {
            Form::Token => lookup_of_token(&index, text.text).map(Some),
            _ if kind.is_empty() => Ok(None),
            _ => lookup_of_formatted(&index, kind, text.text).map(Some),
        }
    }

    async fn open_found(
        &self,
        text: &ToOpen<'_>,
        row: Option<&StoredToken>,
        outdated: &mut Vec<(StoredToken, Secret)>,
    ) -> Result<Opened, ProtectError> {
        let row = row.ok_or(ProtectError::Unknown)?;
        if row.place.tenant != text.place.tenant || !is_of_kind(text.place, &row.place.kind) {
            return Err(ProtectError::Elsewhere);
        }
        if row.expires_at.is_some_and(|end| end <= self.clock.now()) {
            return Err(ProtectError::Gone);
        }
        let (value, is_outdated) = self.open_stored(row).await?;
        if is_outdated {
            outdated.push((row.clone(), value.clone()));
        }
        Ok(Opened {
            value,
            kind: Arc::clone(&row.place.kind),
            subject: row.subject.clone(),
            receiver: row.receiver.clone(),
        })
    }

    /// The value in `row`, and whether another version of its key is in use for new ones.
    pub(crate) async fn open_stored(
        &self,
        row: &StoredToken,
    ) -> Result<(Secret, bool), ProtectError> {
        let envelope = Envelope::decode(&row.sealed).ok_or(ProtectError::Unknown)?;
        let (line, key) = self.key_of(&envelope, ROWS).await?;
        let person = self.person_of(&envelope).await?;
        let keys = Keys { key: &key, person: person.as_deref() };
        // A row cannot be made another person's, or nobody's.
        if person.as_ref().map(|person| person.sid()) != row.subject.as_ref() {
            return Err(ProtectError::Unknown);
        }
        Ok((open_row(row, keys)?, key.version != line.stored.primary))
    }

    /// The key that `envelope` names, when it is one for `purpose`.
    async fn key_of(
        &self,
        envelope: &Envelope<'_>,
        purpose: VaultPurpose,
    ) -> Result<(Arc<KeyLine>, Arc<Material>), ProtectError> {
        let names = &envelope.names;
        let (line, key) = self.keyring.opening(names.key_id, names.key_version).await?;
        if key.purpose == purpose { Ok((line, key)) } else { Err(ProtectError::Unknown) }
    }

    async fn person_of(
        &self,
        envelope: &Envelope<'_>,
    ) -> Result<Option<Arc<SubjectKey>>, ProtectError> {
        match &envelope.names.subject {
            Some((sid, version)) => self.subjects.version_of(sid, *version).await.map(Some),
            None => Ok(None),
        }
    }

    async fn open_itself(&self, text: &ToOpen<'_>, form: Form<'_>) -> Result<Opened, ProtectError> {
        match form {
            Form::Envelope => self.open_envelope(text).await,
            Form::Same { kind, body } => self.open_same(text, kind, body).await,
            Form::Fernet => self.open_fernet(text).await,
            Form::Token | Form::Hash | Form::Other => Err(ProtectError::Unknown),
        }
    }

    async fn open_envelope(&self, text: &ToOpen<'_>) -> Result<Opened, ProtectError> {
        let bytes = envelope::of_text(text.text).ok_or(ProtectError::Unknown)?;
        let envelope = Envelope::decode(&bytes).ok_or(ProtectError::Unknown)?;
        let (_, key) = self.key_of(&envelope, VaultPurpose::Seal).await?;
        is_here(text.place, &key)?;
        let person = self.person_of(&envelope).await?;
        let keys = Keys { key: &key, person: person.as_deref() };
        let value = keys.open(&envelope, &of_place_and_kind(text.place, &key.kind))?;
        Ok(opened(value, &key.kind, person.as_deref()))
    }

    async fn open_same(
        &self,
        text: &ToOpen<'_>,
        kind: &str,
        body: &str,
    ) -> Result<Opened, ProtectError> {
        let bytes = base32::decode(body).ok_or(ProtectError::Unknown)?;
        let same = Same::decode(&bytes).ok_or(ProtectError::Unknown)?;
        let (_, key) = self.keyring.opening(same.key_id, same.key_version).await?;
        if key.purpose != VaultPurpose::SameToken || !text::is_kind(kind, &key.kind) {
            return Err(ProtectError::Unknown);
        }
        is_here(text.place, &key)?;
        let person = match &same.subject {
            Some((sid, version)) => Some(self.subjects.version_of(sid, *version).await?),
            None => None,
        };
        let working = key.working(person.as_deref()).map_err(unavailable)?;
        let value = working.siv().map_err(unavailable)?.open(same.header, same.sealed);
        Ok(opened(value.map_err(|_| ProtectError::Unknown)?, &key.kind, person.as_deref()))
    }

    /// A Fernet token names no key: the tenant's imported keys are asked in turn, by their signature.
    async fn open_fernet(&self, text: &ToOpen<'_>) -> Result<Opened, ProtectError> {
        let line =
            self.keyring.find(&text.place.tenant, VaultPurpose::Fernet, &Arc::from("")).await?;
        let line = line.ok_or(ProtectError::Unknown)?;
        for key in line.all_opening(self.clock.now()) {
            let working = key.working(None).map_err(unavailable)?;
            if let Ok((value, _)) = working.fernet().map_err(unavailable)?.open(text.text) {
                return Ok(opened(value, &text.place.kind, None));
            }
        }
        Err(ProtectError::Unknown)
    }

    /// Seals rows anew under the newest version of their key. They were opened already: what goes
    /// wrong here is tried again when they are opened next.
    async fn reseal(&self, outdated: Vec<(StoredToken, Secret)>) {
        let mut renewed = Vec::with_capacity(outdated.len());
        for (row, value) in outdated {
            match self.seal_anew(&row, &value).await {
                Ok(new) => renewed.push((row, new)),
                Err(error) => tracing::debug!(%error, "a token keeps its old key version"),
            }
        }
        if renewed.is_empty() {
            return;
        }
        if let Err(error) = self.tokens.replace(renewed).await {
            tracing::debug!(%error, "tokens keep their old key version");
        }
    }

    /// `row` under the keys for new values.
    pub(crate) async fn seal_anew(
        &self,
        row: &StoredToken,
        value: &Secret,
    ) -> Result<StoredToken, ProtectError> {
        let Place { tenant, kind, .. } = &row.place;
        let person = match &row.subject {
            Some(sid) => Some(self.subjects.key_of(sid).await?),
            None => None,
        };
        let (key, nonce) = self.keyring.primary_with_nonce(tenant, ROWS, kind).await?;
        let mut new = StoredToken { sealed: Vec::new(), ..row.clone() };
        let keys = Keys { key: &key, person: person.as_deref() };
        let sealed = crate::sealing::seal_row(&mut new, keys, nonce, value.expose());
        sealed.map_err(|refused| unavailable(Problem::from(refused)))?;
        Ok(new)
    }
}

fn opened(value: Secret, kind: &Arc<str>, person: Option<&SubjectKey>) -> Opened {
    let subject = person.map(|person| person.sid().clone());
    Opened { value, kind: Arc::clone(kind), subject, receiver: None }
}

/// Whether `key` is for values of this tenant and kind.
fn is_here(place: &Place, key: &Material) -> Result<(), ProtectError> {
    if place.tenant != key.tenant || !is_of_kind(place, &key.kind) {
        return Err(ProtectError::Elsewhere);
    }
    Ok(())
}

fn is_of_kind(place: &Place, kind: &str) -> bool {
    place.kind.is_empty() || *place.kind == *kind
}

/// The parts of a deterministic token.
struct Same<'a> {
    key_id: u32,
    key_version: u32,
    subject: Option<(Sid, u32)>,
    header: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> Same<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let ([form], rest) = bytes.split_first_chunk()?;
        let (key_id, rest) = rest.split_first_chunk::<4>()?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (subject, sealed) = match *form {
            1 => (None, rest),
            2 => {
                let (sid, rest) = decode_sid(rest)?;
                let (version, rest) = rest.split_first_chunk::<4>()?;
                (Some((sid, u32::from_be_bytes(*version))), rest)
            }
            _ => return None,
        };
        let header = bytes.get(..bytes.len().checked_sub(sealed.len())?)?;
        let key_version = u32::from(u16::from_be_bytes(*version));
        Some(Self { key_id: u32::from_be_bytes(*key_id), key_version, subject, header, sealed })
    }
}
