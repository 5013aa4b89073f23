//! What was sealed with older keys, sealed anew: nobody sees a value on the way.

use std::fmt;
use std::sync::Arc;

use haechi_core::{
    Place, ProtectError, Protection, Sid, StoredToken, ToOpen, ToProtect, TokenLookup,
};

use crate::envelope::Envelope;
use crate::problem::unavailable;
use crate::text::{self, Form};
use crate::vault::Vault;

/// How many tokens are taken at once.
const PAGE: u32 = 512;

/// How far a rewrap has come. A later one that is given [`Self::cursor`] goes on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RewrapProgress {
    /// How many tokens there were when it began.
    pub total: u64,
    /// How many were looked at.
    pub seen: u64,
    /// How many were sealed anew.
    pub renewed: u64,
    /// How many cannot be opened: their key or person is gone, or they were altered.
    pub unreadable: u64,
    /// Where to go on; `None` at the end.
    pub cursor: Option<RewrapCursor>,
}

/// A place between two tokens. As text it is 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewrapCursor(TokenLookup);

impl fmt::Display for RewrapCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor has 32 hexadecimal digits")]
pub struct CursorError;

impl std::str::FromStr for RewrapCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len() == 32).ok_or(CursorError)?;
        let mut out = TokenLookup::default();
        for (to, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
            *to = u8::try_from(byte).map_err(|_| CursorError)?;
        }
        Ok(Self(out))
    }
}

impl Vault {
    /// Seals every token anew that is not under the newest version of its key and person, from
    /// `cursor` on. `progress` is told after each page, and ends the work by answering `false`; what
    /// was done until then stays done. Tokens that are used meanwhile stay right.
    ///
    /// # Errors
    ///
    /// [`ProtectError::Unavailable`]; the last progress told is where to go on.
    pub async fn rewrap(
        &self,
        cursor: Option<RewrapCursor>,
        progress: &mut (dyn FnMut(&RewrapProgress) -> bool + Send),
    ) -> Result<RewrapProgress, ProtectError> {
        self.keyring.refresh().await?;
        let counts = self.tokens.count().await.map_err(unavailable)?;
        let total = counts.iter().map(|count| count.count).sum();
        let mut done = RewrapProgress { total, cursor, ..RewrapProgress::default() };
        loop {
            let after = done.cursor.map(|cursor| cursor.0);
            let page = self.tokens.page(None, after, PAGE).await.map_err(unavailable)?;
            let Some(last) = page.last() else {
                done.cursor = None;
                progress(&done);
                return Ok(done);
            };
            done.cursor = Some(RewrapCursor(last.lookup));
            self.rewrap_page(page, &mut done).await?;
            if !progress(&done) {
                return Ok(done);
            }
            self.keyring.refresh().await?;
        }
    }

    async fn rewrap_page(
        &self,
        page: Vec<StoredToken>,
        done: &mut RewrapProgress,
    ) -> Result<(), ProtectError> {
        let mut renewed = Vec::new();
        for row in page {
            done.seen += 1;
            match self.rewrap_row(&row).await {
                Ok(Some(new)) => renewed.push((row, new)),
                Ok(None) => {}
                Err(error @ ProtectError::Unavailable(_)) => return Err(error),
                Err(_) => done.unreadable += 1,
            }
        }
        if !renewed.is_empty() {
            done.renewed += self.tokens.replace(renewed).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// `row` under the newest keys; `None` when it is already.
    async fn rewrap_row(&self, row: &StoredToken) -> Result<Option<StoredToken>, ProtectError> {
        let (value, is_outdated) = self.open_stored(row).await?;
        if !is_outdated && !self.has_older_person(row).await? {
            return Ok(None);
        }
        self.seal_anew(row, &value).await.map(Some)
    }

    /// Whether the person has a newer key than `row` is sealed with.
    async fn has_older_person(&self, row: &StoredToken) -> Result<bool, ProtectError> {
        let envelope = Envelope::decode(&row.sealed).ok_or(ProtectError::Unknown)?;
        let Some((sid, version)) = &envelope.names.subject else { return Ok(false) };
        Ok(self.subjects.key_of(sid).await?.version() != *version)
    }

    /// An envelope, deterministic token or Fernet token under the newest keys, for the same place;
    /// `None` when it is already, or stands in the store, where [`Self::rewrap`] finds it.
    ///
    /// # Errors
    ///
    /// As opening it would have.
    pub async fn renew(&self, text: &str, place: &Place) -> Result<Option<String>, ProtectError> {
        let how = match text::form(text) {
            Form::Same { .. } => Protection::SameToken,
            Form::Envelope | Form::Fernet => Protection::Seal,
            Form::Token | Form::Hash | Form::Other => return Ok(None),
        };
        let opened = self.open_one(ToOpen { text, place }).await?;
        if text::form(text) != Form::Fernet && !self.is_outdated(text).await? {
            return Ok(None);
        }
        let place = Place { kind: Arc::clone(&opened.kind), ..place.clone() };
        let value = opened.value.expose_str().ok_or(ProtectError::Unknown)?;
        let subject: Option<&Sid> = opened.subject.as_ref();
        let value = ToProtect { how, value, place: &place, subject, receiver: None };
        self.protect_one(value).await.map(Some)
    }
}
