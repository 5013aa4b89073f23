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
#[cfg(test)]
mod tests;

pub(crate) use copies::{is_copy, is_structured};
pub(crate) use leaf::{Leaf, Site, Wanted, leaves};
pub(crate) use restore::Restoring;
pub(crate) use sheet::Sheet;
