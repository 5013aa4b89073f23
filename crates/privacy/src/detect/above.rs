//! The names of JSON members above a text.

use super::walk::Path;

/// Names from the root to a text: those above the document it is in, then those in the document.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Above<'k> {
    outer: &'k [&'k str],
    inner: Option<&'k Path<'k>>,
}

impl<'k> Above<'k> {
    pub(super) const fn new(outer: &'k [&'k str], inner: Option<&'k Path<'k>>) -> Self {
        Self { outer, inner }
    }

    /// Innermost first.
    pub(super) fn nearest(&self) -> impl Iterator<Item = &'k str> + use<'k> {
        let inner = self.inner.into_iter().flat_map(|path| path.keys().rev());
        inner.chain(self.outer.iter().rev().copied())
    }

    /// Outermost first.
    pub(super) fn all(&self) -> Vec<&'k str> {
        let mut all: Vec<&str> = self.nearest().collect();
        all.reverse();
        all
    }
}
