//! The contract for signing as this gateway, kept by `identity`.

use std::fmt;

use serde_json::Value;

use crate::Secret;

/// The key did not sign: there is none, or it is one that proves nothing to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no key that signs for others")]
pub struct NotSigned;

/// How a signature says which key made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownKey {
    /// By its name (`kid`): whoever reads it knows the key already.
    Name,
    /// Whole (`jwk`), as a proof of possession does (RFC 9449 §4.2).
    Whole,
}

/// Signs compact JSON Web Signatures with a private key of this gateway.
pub trait Signatory: Send + Sync + fmt::Debug {
    /// Signs `claims` under a header of `typ`, `alg` and the key as `shown`.
    ///
    /// # Errors
    ///
    /// [`NotSigned`] also for a shared secret, which proves nothing to others.
    fn sign(&self, typ: &str, shown: ShownKey, claims: &Value) -> Result<Secret, NotSigned>;
}
