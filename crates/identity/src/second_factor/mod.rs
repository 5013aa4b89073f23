//! Second factors: by what a person proves itself besides the password.

mod passkey;
mod recovery;
mod totp;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::NONCE_LEN;
use haechi_core::{EntropyError, FactorKind, FactorStore, Secret, StoreError, StoredFactor};

pub use passkey::PasskeyQuestion;
pub use totp::TotpKey;

use crate::keyring;
use crate::{AdministrationError, Identity};

/// The most factors of one person.
pub const MAX_FACTORS: usize = 16;
/// The longest code that is looked at, in bytes.
const MAX_CODE_BYTES: usize = 64;

/// The second factors of this house's users.
#[derive(Clone, Copy)]
pub struct SecondFactors<'a> {
    identity: &'a Identity,
    store: &'a dyn FactorStore,
}

impl fmt::Debug for SecondFactors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactors").finish_non_exhaustive()
    }
}

/// What a code that was accepted was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// Of an app.
    Totp,
    /// From paper; so many are left.
    Recovery {
        /// How many.
        left: usize,
    },
}

/// Why a second factor was not accepted, or not made. No variant carries a code.
#[derive(Debug, thiserror::Error)]
pub enum SecondFactorError {
    /// No factor of this person gives this code now, or it was used before.
    #[error("the code is wrong, or was used before")]
    WrongCode,
    /// The browser's answer is not that of a passkey this person has or may have, to this question.
    #[error("the passkey was not accepted")]
    WrongPasskey,
    /// Too many codes were wrong; nothing was tried.
    #[error("too many attempts; try again in {}s", .retry_after.as_secs())]
    Throttled {
        /// When to come back; whole seconds, at least one.
        retry_after: Duration,
    },
    /// The person has [`MAX_FACTORS`] already.
    #[error("there are {MAX_FACTORS} second factors already")]
    TooMany,
    /// A stored factor does not open under the file key.
    #[error("a second factor does not open under this file key")]
    Sealed,
    /// The store cannot be read or written.
    #[error("second factors cannot be read or written")]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl SecondFactorError {
    /// A fixed word for logs, counts and messages in other languages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::WrongCode => "second-factor-wrong",
            Self::WrongPasskey => "passkey-wrong",
            Self::Throttled { .. } => "second-factor-throttled",
            Self::TooMany => "second-factor-too-many",
            Self::Sealed => "second-factor-sealed",
            Self::Store(_) => "store-unavailable",
            Self::Entropy(_) => "entropy",
        }
    }

    /// The next step, where there is one.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::WrongCode => Some("wait for the next code, or use a recovery code"),
            Self::WrongPasskey => Some("try again, or use a code"),
            Self::TooMany => Some("remove one first"),
            Self::Sealed => {
                Some("an operator can reset them: `haechi user second-factor NAME --reset`")
            }
            Self::Throttled { .. } | Self::Store(_) | Self::Entropy(_) => None,
        }
    }
}

impl Identity {
    /// The second factors that `store` keeps.
    #[must_use]
    pub const fn second_factors<'a>(&'a self, store: &'a dyn FactorStore) -> SecondFactors<'a> {
        SecondFactors { identity: self, store }
    }

    /// The second factors of the user of this name, oldest first.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn second_factors_of(
        &self,
        username: &str,
    ) -> Result<Vec<StoredFactor>, AdministrationError> {
        let user = self.user(username).await?;
        Ok(self.stores.factors.list(&user.user_id).await?)
    }

    /// Removes all second factors of a user who lost them; `false` when there were none.
    ///
    /// # Errors
    ///
    /// [`AdministrationError::UnknownUser`], or the store's.
    pub async fn reset_second_factors(&self, username: &str) -> Result<bool, AdministrationError> {
        let user = self.user(username).await?;
        let all = self.stores.factors.list(&user.user_id).await?;
        for factor in &all {
            self.stores.factors.remove(&user.user_id, &factor.factor_id).await?;
        }
        Ok(!all.is_empty())
    }
}

impl SecondFactors<'_> {
    /// All of a user, oldest first.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn list(&self, user_id: &str) -> Result<Vec<StoredFactor>, SecondFactorError> {
        Ok(self.store.list(user_id).await?)
    }

    /// Takes a code of an app or from paper, each once. Wrong ones slow the next down as wrong
    /// passwords do, from everywhere together: whoever gets here knows the password.
    ///
    /// # Errors
    ///
    /// Every [`SecondFactorError`] but [`SecondFactorError::TooMany`].
    pub async fn check_code(
        &self,
        user_id: &str,
        typed: &Secret,
    ) -> Result<CodeKind, SecondFactorError> {
        let now = self.identity.now();
        let name = format!("second factor\0{user_id}");
        let begun = self.identity.throttle.begin(&name, None, now);
        let begun = begun.map_err(|retry_after| SecondFactorError::Throttled { retry_after })?;
        let outcome = self.try_code(user_id, typed).await;
        match &outcome {
            Ok(_) => self.identity.throttle.succeeded(&begun, now),
            Err(SecondFactorError::WrongCode) => {}
            Err(_) => self.identity.throttle.abandoned(&begun),
        }
        outcome
    }

    async fn try_code(&self, user_id: &str, typed: &Secret) -> Result<CodeKind, SecondFactorError> {
        let typed = plain(typed).ok_or(SecondFactorError::WrongCode)?;
        for factor in self.store.list(user_id).await? {
            let taken = match factor.kind {
                FactorKind::Totp => {
                    self.take_totp(&factor, &typed).await?.then_some(CodeKind::Totp)
                }
                FactorKind::RecoveryCodes => self
                    .take_recovery_code(&factor, &typed)
                    .await?
                    .map(|left| CodeKind::Recovery { left }),
                FactorKind::Passkey => None,
            };
            if let Some(kind) = taken {
                return Ok(kind);
            }
        }
        Err(SecondFactorError::WrongCode)
    }

    /// Removes a factor; recovery codes go with the last other one. `false` when there was none.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn remove(&self, user_id: &str, factor_id: &str) -> Result<bool, SecondFactorError> {
        let removed = self.store.remove(user_id, factor_id).await?;
        let left = self.store.list(user_id).await?;
        if left.iter().all(|factor| factor.kind == FactorKind::RecoveryCodes) {
            for codes in left {
                self.store.remove(user_id, &codes.factor_id).await?;
            }
        }
        Ok(removed)
    }

    /// Keeps a new factor, sealed.
    async fn keep(&self, new: NewFactor<'_>) -> Result<(), SecondFactorError> {
        let NewFactor { user_id, kind, label, secret, counter } = new;
        if self.store.list(user_id).await?.len() >= MAX_FACTORS {
            return Err(SecondFactorError::TooMany);
        }
        let factor_id = self.identity.random_id()?;
        let sealed = self.seal(&binding(user_id, &factor_id, kind), secret)?;
        let created_at = self.identity.now();
        let (user_id, label) = (user_id.to_owned(), label.to_owned());
        let last_used_at = None;
        let factor = StoredFactor {
            factor_id,
            user_id,
            kind,
            label,
            sealed,
            counter,
            created_at,
            last_used_at,
        };
        Ok(self.store.add(factor).await?)
    }

    fn seal(&self, binding: &[u8], plain: &Secret) -> Result<Vec<u8>, SecondFactorError> {
        let surroundings = &self.identity.surroundings;
        let mut nonce = [0_u8; NONCE_LEN];
        surroundings.entropy.fill(&mut nonce)?;
        let sealed = keyring::seal(&surroundings.file_key, binding, nonce, plain);
        sealed.map_err(|_| SecondFactorError::Sealed)
    }

    fn open(&self, factor: &StoredFactor) -> Result<Secret, SecondFactorError> {
        let binding = binding(&factor.user_id, &factor.factor_id, factor.kind);
        let opened = keyring::open(&self.identity.surroundings.file_key, &binding, &factor.sealed);
        opened.ok_or(SecondFactorError::Sealed)
    }
}

/// A factor that is kept.
struct NewFactor<'a> {
    user_id: &'a str,
    kind: FactorKind,
    label: &'a str,
    secret: &'a Secret,
    counter: u64,
}

/// Associated data: a factor cannot be taken for somebody else's, or for another kind.
fn binding(user_id: &str, factor_id: &str, kind: FactorKind) -> Vec<u8> {
    let kind = match kind {
        FactorKind::Totp => "totp",
        FactorKind::Passkey => "passkey",
        FactorKind::RecoveryCodes => "recovery-codes",
    };
    ["haechi factor", kind, user_id, factor_id].join("\0").into_bytes()
}

/// A code as people type it: without spaces and hyphens, in capitals.
fn plain(typed: &Secret) -> Option<Secret> {
    if typed.len() > MAX_CODE_BYTES {
        return None;
    }
    let text = typed.expose_str()?;
    let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let kept: String = kept.map(|c| c.to_ascii_uppercase()).collect();
    (!kept.is_empty()).then(|| kept.into())
}

/// RFC 4648 §6, without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            let index = usize::try_from(bits >> held & 31).unwrap_or(0);
            text.extend(ALPHABET.get(index).map(|&letter| char::from(letter)));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        let index = usize::try_from(bits << (5 - held) & 31).unwrap_or(0);
        text.extend(ALPHABET.get(index).map(|&letter| char::from(letter)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ")];
        for (plain, text) in cases {
            assert_eq!(base32(plain.as_bytes()), text);
        }
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let read = |text: &str| plain(&Secret::from(text.to_owned())).map(|s| s.expose().to_vec());
        assert_eq!(read(" 123 456 ").as_deref(), Some(&b"123456"[..]));
        assert_eq!(read("abcd-efgh").as_deref(), Some(&b"ABCDEFGH"[..]));
        assert_eq!(read(" - "), None);
        assert_eq!(read(&"1".repeat(65)), None);
    }
}
