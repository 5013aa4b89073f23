//! One check, in one line.

/// Goes on when `holds`, and refuses with `otherwise` when not.
pub(crate) fn ensure<E>(holds: bool, otherwise: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(otherwise) }
}
