//! What keys of each kind sign, and how.

use aws_lc_rs::signature::{ED25519, ML_DSA_44, UnparsedPublicKey};
use haechi_core::Timestamp;

use crate::checkpoint::Checkpoint;

/// Times on cosignatures stay below 2^63 (C2SP tlog-cosignature).
const LAST_SECOND: u64 = (1 << 63) - 1;

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// The text: `0x01`, how a log signs its checkpoints.
    Ed25519,
    /// The text and a time: `0x04`, how a witness cosigns a checkpoint.
    Cosignature,
    /// What a checkpoint says, a time and the key's name, by ML-DSA-44 (FIPS 204), which a quantum
    /// computer does not forge: `0x06`, for witnesses and for logs that sign a second time. It signs
    /// checkpoints and no other text.
    MlDsa44,
}

impl KeyKind {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    pub(super) const fn of(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Cosignature),
            0x06 => Some(Self::MlDsa44),
            _ => None,
        }
    }

    pub(super) const fn public_bytes(self) -> usize {
        match self {
            Self::Ed25519 | Self::Cosignature => 32,
            Self::MlDsa44 => 1312,
        }
    }

    /// Whether its signatures begin with the time at which they were made.
    pub(super) const fn states_time(self) -> bool {
        match self {
            Self::Ed25519 => false,
            Self::Cosignature | Self::MlDsa44 => true,
        }
    }

    /// The bytes that are signed for `text`; `None` when a key of this kind signs no such text.
    pub(super) fn statement(self, name: &str, text: &str, seconds: u64) -> Option<Vec<u8>> {
        match self {
            Self::Ed25519 => Some(text.as_bytes().to_vec()),
            Self::Cosignature => {
                Some(format!("cosignature/v1\ntime {seconds}\n{text}").into_bytes())
            }
            Self::MlDsa44 => tree_statement(name, text, seconds),
        }
    }

    /// The time that the signature states, where it states one; `None` when it is not a signature
    /// of `public` under `text`.
    pub(super) fn verify(
        self,
        public: &[u8],
        name: &str,
        text: &str,
        signature: &[u8],
    ) -> Option<Option<Timestamp>> {
        let (seconds, signature) = if self.states_time() {
            let (seconds, rest) = signature.split_first_chunk()?;
            (u64::from_be_bytes(*seconds), rest)
        } else {
            (0, signature)
        };
        if seconds > LAST_SECOND {
            return None;
        }
        let statement = self.statement(name, text, seconds)?;
        match self {
            Self::Ed25519 | Self::Cosignature => {
                UnparsedPublicKey::new(&ED25519, public).verify(&statement, signature)
            }
            Self::MlDsa44 => {
                UnparsedPublicKey::new(&ML_DSA_44, public).verify(&statement, signature)
            }
        }
        .ok()?;
        // An ML-DSA-44 signature with the time 0 states none.
        let timed = match self {
            Self::Ed25519 => false,
            Self::Cosignature => true,
            Self::MlDsa44 => seconds > 0,
        };
        Some(timed.then(|| Timestamp::from_secs(seconds)))
    }
}

/// The `cosigned_message` of C2SP tlog-cosignature for a whole tree. Extension lines are no part
/// of it.
fn tree_statement(name: &str, text: &str, seconds: u64) -> Option<Vec<u8>> {
    let checkpoint: Checkpoint = text.parse().ok()?;
    let mut statement = b"subtree/v1\n\0".to_vec();
    push_short(&mut statement, name)?;
    statement.extend(seconds.to_be_bytes());
    push_short(&mut statement, checkpoint.origin())?;
    // From the first entry on.
    statement.extend(0_u64.to_be_bytes());
    statement.extend(checkpoint.size().to_be_bytes());
    statement.extend(checkpoint.root().as_bytes());
    Some(statement)
}

/// `opaque <1..2^8-1>` (RFC 8446 §3.4).
fn push_short(statement: &mut Vec<u8>, text: &str) -> Option<()> {
    let length = u8::try_from(text.len()).ok().filter(|it| *it > 0)?;
    statement.push(length);
    statement.extend(text.as_bytes());
    Some(())
}
