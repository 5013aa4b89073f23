//! What no backend keeps.

use haechi_core::{Sid, StoreError, StoredRefreshToken};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

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

/// Something that others read was not what they expect.
#[derive(Debug, thiserror::Error)]
#[error("a `{0}` must be a JSON object")]
struct NoObject(&'static str);

/// Refuses a `value` for `name` that is no JSON object.
pub(crate) fn object(name: &'static str, value: &str) -> Result<(), StoreError> {
    let members = serde_json::from_str::<BTreeMap<String, IgnoredAny>>(value);
    // The cause is left out: it quotes the value.
    members.map(|_| ()).map_err(|_| StoreError::Unavailable(Box::new(NoObject(name))))
}

/// As [`object`], where nothing may stand too.
pub(crate) fn object_or_nothing(name: &'static str, value: &str) -> Result<(), StoreError> {
    if value.is_empty() { Ok(()) } else { object(name, value) }
}

/// Refuses a refresh token of another grant than `grant_id`.
pub(crate) fn belongs(token: &StoredRefreshToken, grant_id: &str) -> Result<(), StoreError> {
    if token.grant_id == grant_id { Ok(()) } else { Err(missing("grant")) }
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
