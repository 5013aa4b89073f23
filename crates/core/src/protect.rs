//! What privacy asks of the vault: values made unreadable, and readable again for those who may.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Secret, Sid};

/// Where a value stands. All of it is bound to a ciphertext as associated data (RFC 5116).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The tenant; empty where there is one only.
    pub tenant: Arc<str>,
    /// The upstream.
    pub upstream: Arc<str>,
    /// The tool, prompt or method.
    pub tool: Arc<str>,
    /// JSON pointer (RFC 6901) of the leaf, array positions written `*`: an element that moves within
    /// its list stays readable, one that moves to another field does not.
    pub field: Arc<str>,
    /// The kind of value, such as `EMAIL_ADDRESS`.
    pub kind: Arc<str>,
}

/// In what way a value is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// A random token, `tok_<KIND>_<26 characters>`; the value is kept sealed in the store.
    Token,
    /// The same token for the same value of one tenant and kind (AES-SIV, RFC 5297):
    /// `det_<KIND>_<base32>`. It shows which values are equal, and how often they occur.
    SameToken,
    /// An envelope, `hv1.<base64url>`, that opens at the same [`Place`] only.
    Seal,
    /// Another value of the same length, alphabet and, where the kind has one, checksum (FF1).
    Format,
    /// A keyed digest, `hash_<KIND>_<26 characters>`; nothing opens it.
    Hash,
}

/// One value to protect.
#[derive(Clone, Copy, Debug)]
pub struct ToProtect<'a> {
    /// In what way.
    pub how: Protection,
    /// The value.
    pub value: &'a str,
    /// Where it stands.
    pub place: &'a Place,
    /// Whom it is about, where that is known: then it dies with that person's key.
    pub subject: Option<&'a Sid>,
    /// Who is given the result.
    pub receiver: Option<&'a Sid>,
}

/// Text that may be something protected, found by its form alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognized {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// What it seems to be.
    pub how: Protection,
}

/// A protected text to open.
#[derive(Clone, Copy, Debug)]
pub struct ToOpen<'a> {
    /// The whole protected text.
    pub text: &'a str,
    /// Where it stands now; an envelope opens only where it was made. `kind` may be empty: a token
    /// knows its own, an envelope names it.
    pub place: &'a Place,
}

/// What a protected text held.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The value.
    pub value: Secret,
    /// Its kind.
    pub kind: Arc<str>,
    /// Whom it is about.
    pub subject: Option<Sid>,
    /// Who was given it; `None` where the text does not say: envelopes and deterministic tokens.
    pub receiver: Option<Sid>,
}

/// Why a value could not be protected or opened. No variant carries a value, token or key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectError {
    /// FF1 needs a domain of 10⁶ at least (NIST SP 800-38G Rev. 1), and the value is shorter.
    #[error("a value of kind {kind} is too short to be replaced by one of the same form")]
    DomainTooSmall {
        /// The kind.
        kind: Arc<str>,
    },
    /// Longer than anything that is protected.
    #[error("the value is longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// No such token, or one that was altered.
    #[error("this is nothing that was protected here")]
    Unknown,
    /// It was made for another tenant, upstream, tool, field or kind.
    #[error("this was protected for another place")]
    Elsewhere,
    /// Whom it was about was erased, its time is over, or its key was destroyed.
    #[error("this can be opened no more")]
    Gone,
    /// Its key is disabled, or older than the oldest version that still opens.
    #[error("the key of this is not in use")]
    Disabled,
    /// Keys or tokens cannot be read or written.
    #[error("the vault is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Protects values and opens them again. The vault keeps it; whoever asks has decided who may.
#[async_trait]
pub trait Protector: Send + Sync + fmt::Debug {
    /// Protects `values`, in their order. All or nothing: what must be kept is durable before this
    /// answers.
    ///
    /// # Errors
    ///
    /// The first [`ProtectError`].
    async fn protect(&self, values: &[ToProtect<'_>]) -> Result<Vec<String>, ProtectError>;

    /// What of `text` has the form of something protected, left to right, without overlap. Linear
    /// in the length of `text`; looks nothing up.
    fn recognize(&self, text: &str) -> Vec<Recognized>;

    /// Opens each of `texts`, in their order.
    async fn open(&self, texts: &[ToOpen<'_>]) -> Vec<Result<Opened, ProtectError>>;

    /// A keyed number for (`tenant`, `purpose`, `subject`), the same each time: what shifts the dates
    /// of one person by one distance. Without `subject` it is the tenant's.
    ///
    /// # Errors
    ///
    /// [`ProtectError::Gone`] for an erased person, [`ProtectError::Unavailable`].
    async fn keyed_number(
        &self,
        tenant: &str,
        purpose: &str,
        subject: Option<&Sid>,
    ) -> Result<u64, ProtectError>;
}
