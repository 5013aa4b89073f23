//! What is done with what was found: values replaced, everything else kept byte for byte.

mod copies;
mod counts;
mod date;
mod embedded;
mod generalize;
mod leaf;
mod mask;
mod replacement;
mod restore;
mod sheet;
mod spots;

use crate::obligation::Action;
#[cfg(test)]
mod tests;

pub(crate) use copies::{is_copy, is_structured};
pub(crate) use leaf::{Leaf, Site, Wanted, leaves};
pub(crate) use restore::Restoring;
pub(crate) use sheet::Sheet;

/// What stands in the place of `value` where no key and no numbering is needed for that: a mask, or a
/// coarser value. `None` for every other action, and where there is no coarser value.
#[must_use]
pub fn without_vault(action: Action, kind: &str, value: &str) -> Option<String> {
    match action {
        Action::Mask { keep_last } => Some(mask::mask_of_kind(kind, value, keep_last)),
        Action::Generalize(how) => generalize::generalize(how, kind, value, None),
        Action::Allow
        | Action::Refuse
        | Action::Redact
        | Action::Hash
        | Action::Tokenize
        | Action::TokenizeSame
        | Action::Encrypt
        | Action::Format => None,
    }
}
