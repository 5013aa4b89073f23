//! What stands behind a vault that is not available.

use haechi_core::{EntropyError, ProtectError, StoreError};

use crate::derive::Refused;

/// Why keys are not to be had. No variant carries a key or a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The store says so.
    #[error(transparent)]
    Store(StoreError),
    /// There is no chance to be had.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The cryptography says so.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A key was wrapped by another root, or its wrapping was altered.
    #[error("the key {key_id} does not unwrap: it was made under another root key, or altered")]
    NotOurs {
        /// The key.
        key_id: u32,
    },
    /// 65535 versions are all there are.
    #[error("the key {key_id} has no versions left")]
    NoVersionLeft {
        /// The key.
        key_id: u32,
    },
    /// Random ids that are taken, one after the other.
    #[error("no free key id was found")]
    NoFreeId,
    /// Somebody else changed keys at the same time.
    #[error("keys were changed meanwhile; try again")]
    Changed,
    /// Every text of this form that was tried stands for another value.
    #[error("no free text of the same form was found")]
    Taken,
}

/// An error of a store or of chance, as those who ask for protection see it.
pub(crate) fn unavailable(error: impl Into<Problem>) -> ProtectError {
    ProtectError::Unavailable(Box::new(error.into()))
}
