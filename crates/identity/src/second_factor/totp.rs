//! Time-based one-time codes (RFC 6238): SHA-1, six digits, 30 seconds, as every app makes them.

use std::fmt;

use aws_lc_rs::hmac;
use haechi_core::{FactorKind, Secret, StoredFactor};

use super::{NewFactor, SecondFactorError, SecondFactors, base32};

/// Bytes of a key: as long as the hash (RFC 4226 §4, R6).
const KEY_BYTES: usize = 20;
/// Seconds of one code.
const STEP_SECS: u64 = 30;
/// Six digits.
const CODES: u32 = 1_000_000;

/// The key of an app's codes.
#[derive(Clone)]
pub struct TotpKey(Secret);

impl fmt::Debug for TotpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpKey([secret])")
    }
}

impl TotpKey {
    /// A key that was shown before.
    #[must_use]
    pub fn from_secret(secret: Secret) -> Option<Self> {
        (secret.len() == KEY_BYTES).then_some(Self(secret))
    }

    /// Its bytes, to be sealed.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }

    /// As people type it into an app: base32.
    #[must_use]
    pub fn text(&self) -> Secret {
        base32(self.0.expose()).into()
    }

    /// `otpauth://totp/…`, which apps read from a picture. `issuer` and `account` are shown there.
    #[must_use]
    pub fn address(&self, issuer: &str, account: &str) -> Secret {
        let (issuer, account) = (encoded(issuer), encoded(account));
        let key = base32(self.0.expose());
        let options = "algorithm=SHA1&digits=6&period=30";
        format!("otpauth://totp/{issuer}:{account}?secret={key}&issuer={issuer}&{options}").into()
    }

    /// The code of a step of 30 seconds (RFC 4226 §5.3).
    fn code(&self, step: u64) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
        let four = tag.get(offset..offset + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
        let number = four.map_or(0, u32::from_be_bytes) & 0x7fff_ffff;
        format!("{:06}", number % CODES).into()
    }

    /// The step of `now`, or one beside it, that gives this code.
    fn step_of(&self, typed: &Secret, now_secs: u64) -> Option<u64> {
        let now = now_secs / STEP_SECS;
        let mut steps = [now, now.saturating_sub(1), now.saturating_add(1)].into_iter();
        steps.find(|&step| self.code(step).matches(typed))
    }
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

impl SecondFactors<'_> {
    /// A new key, to be shown and then added with its first code.
    ///
    /// # Errors
    ///
    /// No random bytes.
    pub fn new_totp_key(&self) -> Result<TotpKey, SecondFactorError> {
        let mut key = [0_u8; KEY_BYTES];
        self.identity.surroundings.entropy.fill(&mut key)?;
        Ok(TotpKey(Secret::new(key.to_vec())))
    }

    /// Adds an app that shows the right code now; that code is used up.
    ///
    /// # Errors
    ///
    /// Every [`SecondFactorError`].
    pub async fn add_totp(
        &self,
        user_id: &str,
        label: &str,
        key: &TotpKey,
        typed: &Secret,
    ) -> Result<(), SecondFactorError> {
        let typed = super::plain(typed).ok_or(SecondFactorError::WrongCode)?;
        let step = key.step_of(&typed, self.identity.now().as_secs());
        let counter = step.ok_or(SecondFactorError::WrongCode)?;
        let (kind, secret) = (FactorKind::Totp, key.secret());
        self.keep(NewFactor { user_id, kind, label, secret, counter }).await
    }

    /// Whether the code is one of this app, now, and later than any that was used: no code is good
    /// twice (RFC 6238 §5.2).
    pub(super) async fn take_totp(
        &self,
        factor: &StoredFactor,
        typed: &Secret,
    ) -> Result<bool, SecondFactorError> {
        let now = self.identity.now();
        let key = TotpKey(self.open(factor)?);
        let Some(step) = key.step_of(typed, now.as_secs()) else { return Ok(false) };
        Ok(self.store.advance(&factor.factor_id, step, None, now).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let key = TotpKey(Secret::new(b"12345678901234567890".to_vec()));
        let cases = [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")];
        for (secs, code) in cases {
            let code = Secret::from(code.to_owned());
            assert!(key.code(secs / 30).matches(&code));
            for (now, good) in
                [(secs - 30, true), (secs, true), (secs + 30, true), (secs + 60, false)]
            {
                assert_eq!(key.step_of(&code, now), good.then_some(secs / 30), "{now}");
            }
        }
    }

    #[test]
    fn the_address_names_the_account_and_breaks_out_of_nothing() {
        let key = TotpKey(Secret::new(vec![0; 20]));
        let address = key.address("gateway.example", "kim&secret=x/해치");
        let text = address.expose_str().unwrap();
        assert!(text.starts_with("otpauth://totp/gateway.example:kim%26secret%3Dx%2F%ED%95%B4"));
        assert!(text.contains("?secret=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&issuer=gateway.example&"));
        assert!(!format!("{key:?}").contains("AAAA"));
    }
}
