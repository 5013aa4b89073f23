//! Nonces that never come twice: counted, and reserved in the store before they are used.
//!
//! ```text
//! 7 bytes drawn with each block | 5 bytes of the counter
//! ```
//!
//! The store gives out numbers in blocks and writes down first what it gives; a process that is killed
//! loses the rest of its block. The drawn bytes help where the counter cannot: after a store was
//! restored from an older copy, which gives out the same numbers again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use haechi_core::{ProtectError, VaultPurpose};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Keyring;
use crate::aead::NONCE_BYTES;
use crate::derive::{KEY_BYTES, Refused};
use crate::problem::unavailable;
use crate::subject_keys::SubjectKey;
use crate::working::WorkingKey;

/// The first block is small, because most processes seal little; each further one is double.
const FIRST_BLOCK: u64 = 256;
const LARGEST_BLOCK: u64 = 1 << 18;
const DRAWN_BYTES: usize = 7;

/// One version of a key, unwrapped.
pub(crate) struct Material {
    pub(crate) key_id: u32,
    pub(crate) version: u32,
    pub(crate) tenant: Arc<str>,
    pub(crate) purpose: VaultPurpose,
    pub(crate) kind: Arc<str>,
    pub(super) secret: Zeroizing<[u8; KEY_BYTES]>,
    pub(super) working: Arc<WorkingKey>,
    pub(super) nonces: Nonces,
}

impl Material {
    /// Whether it is the key of these bytes, without telling by the time taken how much of it is.
    pub(super) fn is(&self, secret: &[u8; KEY_BYTES]) -> bool {
        self.secret.as_slice().ct_eq(secret).into()
    }

    /// The key ready for use; with `person`, one that needs that person's key too and lives in it.
    pub(crate) fn working(&self, person: Option<&SubjectKey>) -> Result<Arc<WorkingKey>, Refused> {
        let Some(person) = person else { return Ok(Arc::clone(&self.working)) };
        person.working((self.key_id, self.version), |secret| {
            WorkingKey::new(self.purpose, self.secret.as_slice(), Some(secret))
        })
    }
}

/// Shows which key it is and nothing of the key.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, version, .. } = self;
        write!(f, "Material({key_id} version {version})")
    }
}

/// The block of nonces at hand.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    block: Mutex<Block>,
    reserving: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Block {
    drawn: [u8; DRAWN_BYTES],
    next: u64,
    end: u64,
    /// How many the last block held.
    size: u64,
}

impl Nonces {
    /// The next nonce; `None` when the block is used up.
    pub(super) fn take(&self) -> Option<[u8; NONCE_BYTES]> {
        let mut block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if block.next >= block.end {
            return None;
        }
        let number = block.next;
        block.next += 1;
        // A version gives way to another long before 2⁴⁰.
        let [0, 0, 0, counter @ ..] = number.to_be_bytes() else { return None };
        let mut nonce = [0; NONCE_BYTES];
        let bytes = block.drawn.iter().chain(&counter);
        nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Some(nonce)
    }

    fn is_used_up(&self) -> bool {
        let block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        block.next >= block.end
    }

    fn next_size(&self) -> u64 {
        let block = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        (block.size * 2).clamp(FIRST_BLOCK, LARGEST_BLOCK)
    }
}

impl Keyring {
    /// Reserves the next block of nonces for `key`; `false` when it has sealed all it may.
    pub(super) async fn reserve(&self, key: &Material) -> Result<bool, ProtectError> {
        let _reserving = key.nonces.reserving.lock().await;
        if !key.nonces.is_used_up() {
            return Ok(true);
        }
        let size = key.nonces.next_size();
        let mut drawn = [0; DRAWN_BYTES];
        self.entropy.fill(&mut drawn).map_err(unavailable)?;
        // INVARIANT: nothing of a block is used before the store has answered. If it fails after
        // writing, the block is lost, and the next one begins behind it.
        let first = self.store.reserve(key.key_id, key.version, size).await.map_err(unavailable)?;
        let end = first.saturating_add(size).min(self.seals_per_key);
        if first >= end {
            return Ok(false);
        }
        let mut block = key.nonces.block.lock().unwrap_or_else(PoisonError::into_inner);
        *block = Block { drawn, next: first, end, size };
        Ok(true)
    }
}
