//! Entry bundles: entries one after the other, each behind its length as a big-endian `u16`.

/// Why entries do not make a bundle, or bytes are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// An entry is longer than 65 535 bytes.
    #[error("entry {0} of the bundle is longer than 65535 bytes")]
    TooLong(usize),
    /// The bytes end inside an entry or its length.
    #[error("the bundle ends inside its entry {0}")]
    Cut(usize),
    /// There are more or fewer entries than the bundle's width says.
    #[error("the bundle has {found} entries where {wanted} belong")]
    Count {
        /// How many there are, counted up to one more than wanted.
        found: usize,
        /// How many there must be.
        wanted: u16,
    },
}

/// Puts entries together, in their order.
///
/// # Errors
///
/// [`BundleError::TooLong`] with the entry's place in this bundle.
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
    let mut bytes = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        let length = u16::try_from(entry.len()).map_err(|_| BundleError::TooLong(place))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// Takes a bundle of `width` entries apart.
///
/// # Errors
///
/// When the bytes are not exactly that many entries.
pub fn entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let (mut rest, mut entries) = (bytes, Vec::new());
    while !rest.is_empty() && entries.len() <= usize::from(width) {
        let cut = BundleError::Cut(entries.len());
        let (length, after) = rest.split_first_chunk().ok_or(cut)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if entries.len() == usize::from(width) {
        return Ok(entries);
    }
    Err(BundleError::Count { found: entries.len(), wanted: width })
}
