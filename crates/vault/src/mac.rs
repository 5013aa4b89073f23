//! Keyed digests: HMAC-SHA-256 (RFC 2104).

use aws_lc_rs::hmac;

use crate::derive::{KEY_BYTES, Refused, derive};

/// A key that makes digests.
#[derive(Debug)]
pub(crate) struct MacKey(hmac::Key);

impl MacKey {
    /// The key that `secret` gives for `purpose`.
    pub(crate) fn new(secret: &[u8], purpose: &[u8]) -> Result<Self, Refused> {
        let key = derive::<KEY_BYTES>(secret, &[b"haechi vault 1", purpose, b"digest"])?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice())))
    }

    /// The digest of `parts`, each behind its length.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0; 32];
        out.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
        out
    }
}
