//! The root key as whoever starts the program hands it in.

use std::path::Path;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use haechi_core::Secret;
use zeroize::Zeroizing;

use super::{ProviderError, ROOT_KEY_BYTES, RootProvider};

/// A root key from a variable of the environment, a systemd credential or a mounted secret.
#[derive(Debug)]
pub struct EnvironmentRoot(Secret);

impl EnvironmentRoot {
    /// Reads 32 bytes written as base64url or base64 (43 characters, or 44 with padding) or as
    /// hexadecimal (64). Space around them is left out.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Malformed`].
    pub fn new(value: &Secret) -> Result<Self, ProviderError> {
        let text = value.expose().trim_ascii();
        let root = match text.len() {
            43 => BASE64_URL_SAFE_NO_PAD.decode(text).ok(),
            44 => BASE64_URL_SAFE.decode(text).or_else(|_| BASE64_STANDARD.decode(text)).ok(),
            64 => from_hexadecimal(text),
            _ => None,
        };
        let root = root.map(Secret::new).filter(|root| root.len() == ROOT_KEY_BYTES);
        root.map(Self).ok_or(ProviderError::Malformed)
    }
}

fn from_hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    // With all its room at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROOT_KEY_BYTES));
    for digits in text.chunks(2) {
        bytes.push(octet(digits)?);
    }
    Some(std::mem::take(&mut *bytes))
}

/// One octet from its two hexadecimal digits.
fn octet(digits: &[u8]) -> Option<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    match digits {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}

#[async_trait]
impl RootProvider for EnvironmentRoot {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn place(&self) -> Option<&Path> {
        None
    }

    async fn find(&self) -> Result<Option<Secret>, ProviderError> {
        Ok(Some(self.0.clone()))
    }

    async fn unseal(&self) -> Result<Secret, ProviderError> {
        Ok(self.0.clone())
    }

    async fn keep(&self, root: &Secret, _: Option<&Path>) -> Result<(), ProviderError> {
        if self.0.matches(root) { Ok(()) } else { Err(ProviderError::ReadOnly(self.name())) }
    }
}
