//! Public keys: by what others know who signed.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{KeyKind, Signature, Verified};

/// Why a key is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Names have at least one character, and no spaces, plus signs or control characters.
    #[error("a key's name cannot be empty, and has no spaces, plus signs or control characters")]
    Name,
    /// The text is not `NAME+ID+KEY`.
    #[error("a verifier key is written `NAME+ID+KEY`, as 8 hexadecimal digits and base64")]
    Form,
    /// The key is of a kind that is not spoken here.
    #[error("the key is of a kind that is not known here (0x{0:02x})")]
    Kind(u8),
    /// The id is not that of this name and key.
    #[error("the key's id does not belong to its name and bytes")]
    Id,
    /// The bytes are not as many as a key of this kind has.
    #[error("a key of this kind has {wanted} bytes, not {found}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there must be.
        wanted: usize,
    },
    /// A signing key is made from a seed of 32 bytes.
    #[error("the seed of a signing key has 32 bytes")]
    Seed,
}

impl KeyError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Name => "use a name like `example.com/log`",
            Self::Form | Self::Id | Self::Length { .. } => {
                "copy the whole line again from whoever publishes the key"
            }
            Self::Kind(_) => {
                "ask for an Ed25519 key (0x01), or a cosignature key (0x04, or 0x06 for ML-DSA-44)"
            }
            Self::Seed => "make a new signing key",
        }
    }
}

pub(super) fn is_key_name(name: &str) -> bool {
    let fits = |char: char| !char.is_whitespace() && !char.is_ascii_control() && char != '+';
    !name.is_empty() && name.chars().all(fits)
}

/// A public key by which signatures are verified. Its text is the verifier key of C2SP signed-note.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    id: [u8; 4],
    public: Vec<u8>,
}

impl VerifierKey {
    /// The key `public` (RFC 8032 §5.1.5, FIPS 204 §5.3) under a name.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when this is no name, [`KeyError::Length`] when such a key has another
    /// length.
    pub fn new(
        name: impl Into<String>,
        kind: KeyKind,
        public: impl Into<Vec<u8>>,
    ) -> Result<Self, KeyError> {
        let (name, public) = (name.into(), public.into());
        if !is_key_name(&name) {
            return Err(KeyError::Name);
        }
        let (found, wanted) = (public.len(), kind.public_bytes());
        if found != wanted {
            return Err(KeyError::Length { found, wanted });
        }
        let hashed = [name.as_bytes(), &[b'\n', kind.byte()], &public].concat();
        let id = digest(&SHA256, &hashed).as_ref().first_chunk().copied().unwrap_or_default();
        Ok(Self { name, kind, id, public })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Its id: with the name, what a signature says whose it is. Anybody can make a key with the
    /// same id, so it proves nothing.
    #[must_use]
    pub const fn id(&self) -> [u8; 4] {
        self.id
    }

    /// Its bytes (RFC 8032 §5.1.5, FIPS 204 §5.3).
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    pub(super) fn is_named_by(&self, signature: &Signature) -> bool {
        self.id == signature.id() && self.name == signature.name()
    }

    /// `None` when the signature is not this key's over this text.
    pub(super) fn verify(&self, text: &str, signature: &Signature) -> Option<Verified<'_>> {
        let at = self.kind.verify(&self.public, &self.name, text, signature.bytes())?;
        Some(Verified { key: self, at })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        let key = [[self.kind.byte()].as_slice(), &self.public].concat();
        write!(f, "{}+{id:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (kind, public) = key.split_first().ok_or(KeyError::Form)?;
        let kind = KeyKind::of(*kind).ok_or(KeyError::Kind(*kind))?;
        let key = Self::new(name, kind, public)?;
        if format!("{:08x}", u32::from_be_bytes(key.id)) == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }
}
