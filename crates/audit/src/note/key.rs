//! Keys: who signs, and by what others know it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{Secret, Timestamp};

use super::{Signature, Verified};

const PUBLIC_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
/// Times on cosignatures stay below 2^63 (C2SP tlog-cosignature).
const LAST_SECOND: u64 = (1 << 63) - 1;

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The text: `0x01`, how a log signs its checkpoints.
    Ed25519,
    /// The text and a time: `0x04`, how a witness cosigns a checkpoint.
    Cosignature,
}

impl KeyKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

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
            Self::Form | Self::Id => "copy the whole line again from whoever publishes the key",
            Self::Kind(_) => "ask for an Ed25519 key (0x01), or a witness's cosignature key (0x04)",
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
    public: [u8; PUBLIC_BYTES],
}

impl VerifierKey {
    /// The key `public` (RFC 8032 §5.1.5) under a name.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when this is no name.
    pub fn new(
        name: impl Into<String>,
        kind: KeyKind,
        public: [u8; PUBLIC_BYTES],
    ) -> Result<Self, KeyError> {
        let name = name.into();
        if !is_key_name(&name) {
            return Err(KeyError::Name);
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

    /// Its bytes (RFC 8032 §5.1.5).
    #[must_use]
    pub const fn public(&self) -> &[u8; PUBLIC_BYTES] {
        &self.public
    }

    pub(super) fn is_named_by(&self, signature: &Signature) -> bool {
        self.id == signature.id() && self.name == signature.name()
    }

    /// `None` when the signature is not this key's over this text.
    pub(super) fn verify(&self, text: &str, signature: &Signature) -> Option<Verified<'_>> {
        let public = UnparsedPublicKey::new(&ED25519, &self.public);
        match self.kind {
            KeyKind::Ed25519 => {
                public.verify(text.as_bytes(), signature.bytes()).ok()?;
                Some(Verified { key: self, at: None })
            }
            KeyKind::Cosignature => {
                let (seconds, bytes) = signature.bytes().split_first_chunk()?;
                let seconds = u64::from_be_bytes(*seconds);
                if seconds > LAST_SECOND {
                    return None;
                }
                public.verify(cosigned(text, seconds).as_bytes(), bytes).ok()?;
                Some(Verified { key: self, at: Some(Timestamp::from_secs(seconds)) })
            }
        }
    }
}

/// What a witness signs for a text and a time.
fn cosigned(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
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
        let public = public.try_into().map_err(|_| KeyError::Form)?;
        let key = Self::new(name, kind, public)?;
        if format!("{:08x}", u32::from_be_bytes(key.id)) == id {
            Ok(key)
        } else {
            Err(KeyError::Id)
        }
    }
}

/// A private key with its name. It prints as its public half.
pub struct Signer {
    key: VerifierKey,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// The key whose seed (RFC 8032 §5.1.5: the 32 secret bytes) is `seed`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Seed`] when there are not 32 bytes; [`KeyError::Name`] when this is no name.
    pub fn from_seed(
        name: impl Into<String>,
        kind: KeyKind,
        seed: &Secret,
    ) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyError::Seed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Seed)?;
        Ok(Self { key: VerifierKey::new(name, kind, public)?, pair })
    }

    /// By what others verify what it signs.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    pub(super) fn sign(&self, text: &str, now: Timestamp) -> Signature {
        let mut bytes = Vec::with_capacity(size_of::<u64>() + SIGNATURE_BYTES);
        let signed = match self.key.kind {
            KeyKind::Ed25519 => self.pair.sign(text.as_bytes()),
            KeyKind::Cosignature => {
                // Milliseconds in 64 bits are far below the last second.
                bytes.extend_from_slice(&now.as_secs().to_be_bytes());
                self.pair.sign(cosigned(text, now.as_secs()).as_bytes())
            }
        };
        bytes.extend_from_slice(signed.as_ref());
        Signature::new(self.key.name.clone(), self.key.id, bytes)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.key).finish()
    }
}
