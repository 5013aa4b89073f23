//! What no backend keeps.

use haechi_core::{Sid, StoreError};

/// Something that others are found by was empty.
#[derive(Debug, thiserror::Error)]
#[error("a `{0}` must not be empty")]
struct Empty(&'static str);

/// Refuses an empty `value` for `name`, as the checks of the schema would.
pub(crate) fn named(name: &'static str, value: &str) -> Result<(), StoreError> {
    if value.is_empty() {
        return Err(StoreError::Unavailable(Box::new(Empty(name))));
    }
    Ok(())
}

/// `Exists` for something that is named by a word.
pub(crate) fn exists(name: &str) -> StoreError {
    StoreError::Exists(name.to_owned())
}

/// `Missing` for something that is named by a word.
pub(crate) fn missing(name: &str) -> StoreError {
    StoreError::Missing(name.to_owned())
}

/// What stands for the name of an erased person once another has it: 32 bytes that are its own.
pub(crate) fn parted(sid: &Sid) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(sid.0.bytes()).for_each(|(to, from)| *to = from);
    bytes
}
