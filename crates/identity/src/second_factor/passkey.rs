//! Passkeys (Web Authentication Level 3), with user verification: the device asks for a finger, a
//! face or a number.

use std::fmt;

use haechi_core::{FactorKind, Secret, StoredFactor, StoredUser};
use serde::Serialize;
use serde::de::DeserializeOwned;
use webauthn_rs::prelude::{
    CredentialID, Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Url, Uuid, Webauthn, WebauthnBuilder,
};

use super::{NewFactor, SecondFactorError, SecondFactors};

/// The longest answer of a browser that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 10;

/// A question to a browser.
pub struct PasskeyQuestion {
    /// What the script is told: `{"publicKey":…}`, a JSON object.
    pub options: String,
    /// What the answer is held to. Kept by whoever asks, out of the browser's reach, and good for
    /// one answer.
    pub expected: Secret,
}

impl fmt::Debug for PasskeyQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyQuestion").finish_non_exhaustive()
    }
}

impl SecondFactors<'_> {
    /// Asks for a new passkey. `None` where there can be none: `origin` has no domain, such as an
    /// address of numbers (§5.1.3 of the standard).
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn offer_passkey(
        &self,
        origin: &str,
        user: &StoredUser,
    ) -> Result<Option<PasskeyQuestion>, SecondFactorError> {
        let (Some(room), Ok(id)) = (webauthn(origin), Uuid::parse_str(&user.user_id)) else {
            return Ok(None);
        };
        let known: Vec<CredentialID> = self
            .passkeys(&user.user_id)
            .await?
            .iter()
            .map(|(_, key)| key.cred_id().clone())
            .collect();
        let shown = user.display_name.as_deref().unwrap_or(&user.username);
        let begun = room.start_passkey_registration(id, &user.username, shown, Some(known));
        let (options, expected) = begun.map_err(|_| SecondFactorError::Sealed)?;
        Ok(Some(question(&options, &expected)?))
    }

    /// Keeps the passkey that a browser made in answer.
    ///
    /// # Errors
    ///
    /// [`SecondFactorError::WrongPasskey`] when it is no answer to this question, or the store's.
    pub async fn add_passkey(
        &self,
        origin: &str,
        user_id: &str,
        expected: &Secret,
        answer: &str,
    ) -> Result<(), SecondFactorError> {
        let room = webauthn(origin).ok_or(SecondFactorError::WrongPasskey)?;
        let expected: PasskeyRegistration = read(expected.expose())?;
        let answer: RegisterPublicKeyCredential = read_answer(answer)?;
        let made = room.finish_passkey_registration(&answer, &expected);
        let made = made.map_err(|_| SecondFactorError::WrongPasskey)?;
        let secret = written(&made)?;
        let kind = FactorKind::Passkey;
        self.keep(NewFactor { user_id, kind, label: "", secret: &secret, counter: 0 }).await
    }

    /// Asks for one of the person's passkeys; `None` when there is none that fits `origin`.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn ask_passkey(
        &self,
        origin: &str,
        user_id: &str,
    ) -> Result<Option<PasskeyQuestion>, SecondFactorError> {
        let Some(room) = webauthn(origin) else { return Ok(None) };
        let keys: Vec<Passkey> =
            self.passkeys(user_id).await?.into_iter().map(|(_, key)| key).collect();
        if keys.is_empty() {
            return Ok(None);
        }
        let begun = room.start_passkey_authentication(&keys);
        let (options, expected) = begun.map_err(|_| SecondFactorError::Sealed)?;
        Ok(Some(question(&options, &expected)?))
    }

    /// Takes the answer with a passkey.
    ///
    /// # Errors
    ///
    /// [`SecondFactorError::WrongPasskey`] when it is no answer of this person's to this question,
    /// or of a copy of the device; or the store's.
    pub async fn check_passkey(
        &self,
        origin: &str,
        user_id: &str,
        expected: &Secret,
        answer: &str,
    ) -> Result<(), SecondFactorError> {
        let room = webauthn(origin).ok_or(SecondFactorError::WrongPasskey)?;
        let expected: PasskeyAuthentication = read(expected.expose())?;
        let answer: PublicKeyCredential = read_answer(answer)?;
        let proved = room.finish_passkey_authentication(&answer, &expected);
        let proved = proved.map_err(|_| SecondFactorError::WrongPasskey)?;
        for (factor, mut key) in self.passkeys(user_id).await? {
            let Some(changed) = key.update_credential(&proved) else { continue };
            let binding = super::binding(user_id, &factor.factor_id, factor.kind);
            let sealed = changed.then(|| self.seal(&binding, &written(&key)?)).transpose()?;
            let (next, now) = (factor.counter.saturating_add(1), self.identity.now());
            let taken = self.store.advance(&factor.factor_id, next, sealed, now).await?;
            return if taken { Ok(()) } else { Err(SecondFactorError::WrongPasskey) };
        }
        Err(SecondFactorError::WrongPasskey)
    }

    /// All passkeys of a user.
    async fn passkeys(
        &self,
        user_id: &str,
    ) -> Result<Vec<(StoredFactor, Passkey)>, SecondFactorError> {
        let mut keys = Vec::new();
        for factor in self.store.list(user_id).await? {
            if factor.kind == FactorKind::Passkey {
                let key = read(self.open(&factor)?.expose())?;
                keys.push((factor, key));
            }
        }
        Ok(keys)
    }
}

/// The relying party at `origin`: its host alone, not the domains above.
fn webauthn(origin: &str) -> Option<Webauthn> {
    let origin = Url::parse(origin).ok()?;
    let domain = origin.domain()?.to_owned();
    WebauthnBuilder::new(&domain, &origin).ok()?.rp_name("Haechi").build().ok()
}

fn question(
    options: &impl Serialize,
    expected: &impl Serialize,
) -> Result<PasskeyQuestion, SecondFactorError> {
    let options = serde_json::to_string(options).map_err(|_| SecondFactorError::Sealed)?;
    Ok(PasskeyQuestion { options, expected: written(expected)? })
}

fn written(value: &impl Serialize) -> Result<Secret, SecondFactorError> {
    serde_json::to_vec(value).map(Secret::new).map_err(|_| SecondFactorError::Sealed)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SecondFactorError> {
    serde_json::from_slice(bytes).map_err(|_| SecondFactorError::Sealed)
}

fn read_answer<T: DeserializeOwned>(answer: &str) -> Result<T, SecondFactorError> {
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(SecondFactorError::WrongPasskey);
    }
    serde_json::from_str(answer).map_err(|_| SecondFactorError::WrongPasskey)
}
