//! What is kept, for how long, and what stays provable when entries go.
//!
//! Entries go in whole segments, oldest first, and only up to an index that the log has signed as its
//! [minimum](crate::minimum) (C2SP tlog-tiles, *pruning*). Before that a segment is copied into an
//! `age` file that is read back ([`archive()`]), and both are told in the log itself. The tree's
//! hashes stay, so that every proof and every checkpoint there ever was verifies as before.

mod age;
mod archive;
mod bech32;
mod file;
mod hold;
mod prune;
mod recipient;
mod segments;
mod signed;

pub use archive::{Archive, ArchiveError, Archived, archive};
pub use hold::{Hold, HoldError, Holds};
pub use prune::{PruneError, Pruned, Pruning};
pub use recipient::{Recipient, RecipientError};
pub use segments::{WholeSegment, whole_segments};
pub use signed::archive_all;

pub(crate) use prune::{Limits, prune, resume};
