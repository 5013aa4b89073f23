//! Nonces that nobody keeps: each minute has its own, and only this process can tell which
//! (RFC 9449 §8).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{Entropy, EntropyError, Timestamp};
use zeroize::Zeroizing;

/// For how long one nonce is handed out, in seconds.
const STEP_SECS: u64 = 60;
/// How many steps back a nonce is still good.
const STEPS_BACK: u64 = 2;
/// How much of the HMAC is shown, in bytes.
const SHOWN_BYTES: usize = 16;

/// The nonces of this process.
pub(super) struct Nonces(hmac::Key);

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

impl Nonces {
    pub(super) fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut key = Zeroizing::new([0_u8; 32]);
        entropy.fill(key.as_mut_slice())?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())))
    }

    /// The nonce of this moment.
    pub(super) fn at(&self, now: Timestamp) -> String {
        self.of_step(now.as_secs() / STEP_SECS)
    }

    /// Whether `nonce` is of this moment, or of a short while ago.
    pub(super) fn knows(&self, nonce: &str, now: Timestamp) -> bool {
        let step = now.as_secs() / STEP_SECS;
        // Without an early end: how much of a guess was right is nobody's business.
        let same =
            |step| subtle::ConstantTimeEq::ct_eq(self.of_step(step).as_bytes(), nonce.as_bytes());
        (step.saturating_sub(STEPS_BACK)..=step)
            .fold(false, |known, step| known | bool::from(same(step)))
    }

    fn of_step(&self, step: u64) -> String {
        let tag = hmac::sign(&self.0, format!("dpop-nonce {step}").as_bytes());
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..SHOWN_BYTES).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haechi_core::SeededEntropy;

    use super::*;

    #[test]
    fn a_nonce_is_good_for_a_short_while_and_of_one_process() {
        let ours = Nonces::new(&SeededEntropy::new(1)).unwrap();
        let others = Nonces::new(&SeededEntropy::new(2)).unwrap();
        let start = Timestamp::from_secs(6_000_000);
        let nonce = ours.at(start);
        for (secs, known) in [(0, true), (59, true), (179, true), (180, false), (9999, false)] {
            assert_eq!(ours.knows(&nonce, start.after(Duration::from_secs(secs))), known, "{secs}");
        }
        assert!(!ours.knows(&nonce, Timestamp::from_secs(6_000_000 - 60)), "before it was made");
        assert!(!others.knows(&nonce, start));
        assert!(!ours.knows("", start));
        assert!(!ours.knows(&format!("{nonce}A"), start));
        assert_ne!(nonce, ours.at(start.after(Duration::from_secs(60))));
    }
}
