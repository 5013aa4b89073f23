//! `audit.publish`: what monitors may read.

use schemars::JsonSchema;
use serde::Deserialize;

/// What monitors on other machines may read of the log over HTTP. Those on this machine may always
/// read checkpoint and hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Publish {
    /// Nothing.
    #[default]
    Nothing,
    /// Checkpoint and hashes, which say how much happens and nothing of what.
    Hashes,
    /// The entries too, as they are stored: what is sealed in them stays sealed.
    Entries,
}
