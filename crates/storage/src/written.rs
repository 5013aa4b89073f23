//! What every write must say before it may end.

/// What a change did, and whether caches must look again.
pub(crate) enum Written<T> {
    /// Raises the epoch in the same step.
    Raising(T),
    /// Leaves the epoch alone.
    Quiet(T),
}

impl<T> Written<T> {
    /// Raises the epoch when `changed`.
    pub(crate) fn raising_if(changed: bool, value: T) -> Self {
        if changed { Self::Raising(value) } else { Self::Quiet(value) }
    }
}
