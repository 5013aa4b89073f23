//! What key services behind HTTP have in common.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use haechi_core::Secret;
use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::ProviderError;

/// An address of http or https without credentials, query or fragment.
pub(super) fn address(text: &str, provider: &'static str) -> Result<Url, ProviderError> {
    let url = Url::parse(text).ok().filter(|url| {
        let web = matches!(url.scheme(), "http" | "https") && url.host().is_some();
        let bare = url.query().is_none() && url.fragment().is_none();
        web && bare && url.username().is_empty() && url.password().is_none()
    });
    url.ok_or(ProviderError::Address(provider))
}

/// A question as JSON, in a buffer that is large enough at once: one that grows leaves copies behind.
pub(super) fn body(question: &impl Serialize) -> Option<Secret> {
    let mut body = Zeroizing::new(Vec::with_capacity(16 << 10));
    serde_json::to_writer(&mut *body, question).ok()?;
    Some(Secret::new(std::mem::take(&mut *body)))
}

/// The JSON of an answer; unknown members are left out.
pub(super) fn json<T: DeserializeOwned>(body: &Secret) -> Option<T> {
    serde_json::from_slice(body.expose()).ok()
}

/// Base64 in what must not be seen.
pub(super) fn encoded(plain: &Secret) -> Zeroizing<String> {
    Zeroizing::new(BASE64_STANDARD.encode(plain.expose()))
}

/// Bytes that stand in JSON as base64, and never as text outside of it.
pub(super) struct Decoded(pub(super) Secret);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decoded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Decoded, E> {
                let bytes = BASE64_STANDARD.decode(text);
                bytes.map(|bytes| Decoded(Secret::new(bytes))).map_err(|_| E::custom("not base64"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
