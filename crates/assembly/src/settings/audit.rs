//! `[audit]` and `[storage]`: where what happened is kept, and everything else.

mod export;
mod keep;
mod publish;
mod witness;

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_audit::witness::WitnessPolicy;
use haechi_audit::{AuditConfig, Durability};
use schemars::JsonSchema;
use serde::Deserialize;

pub use export::{
    Destination, ExportSettings, FileDestination, HttpDestination, SyslogDestination,
    SyslogTransport,
};
pub use keep::KeepSettings;
use keep::RawKeep;
pub use publish::Publish;

use super::problem::Problems;
use super::value::{duration, path, size};
use witness::RawWitnesses;

/// How the audit log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// What an acknowledged entry survives.
    pub durability: Durability,
    /// Size of one segment in bytes.
    pub segment_bytes: u64,
    /// Room that strangers cannot fill, in bytes.
    pub reserve_bytes: u64,
    /// How long a group of entries may wait for others.
    pub group_delay: Duration,
    /// Names this log in every entry.
    pub node: String,
    /// Names this log on its checkpoints.
    pub origin: String,
    /// How long entries are kept, and where they go then.
    pub keep: KeepSettings,
    /// Whether its checkpoints are signed by ML-DSA-44 too.
    pub post_quantum: bool,
    /// Who must see the log.
    pub witnesses: Option<WitnessPolicy>,
    /// What monitors on other machines may read of it over HTTP.
    pub publish: Publish,
}

/// How the audit log is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAudit {
    /// What an entry survives before its call leaves: `power-cut` (the default), or `kill` for
    /// `kill -9` only.
    durability: Option<RawDurability>,
    /// Size of one segment of the log, two of which are kept ready; `64 MiB` by default.
    segment_size: Option<String>,
    /// Room that refusals before sign-in cannot fill; `4 MiB` by default.
    reserve: Option<String>,
    /// How long a group of entries may wait for others, at most `2ms`; `1ms` by default.
    group_delay: Option<String>,
    /// Names this log in every entry; `gateway` by default.
    node: Option<String>,
    /// Names this log, and its key, on its checkpoints: a URL without scheme that is yours, such as
    /// `example.com/audit/gateway`; `localhost/audit/<node>` by default. Choose it before the first
    /// start: a log cannot be given another name.
    origin: Option<String>,
    /// How long entries are kept, and where they go then.
    keep: RawKeep,
    /// Whether checkpoints are signed by ML-DSA-44 too, which a quantum computer does not forge.
    post_quantum: bool,
    /// Who must see the log, and what it means when they do not.
    witnesses: RawWitnesses,
    /// What monitors on other machines may read at `/audit/…`: `nothing` (the default), `hashes` or
    /// `entries`. This machine may always read checkpoint and hashes.
    publish: Publish,
    /// Where entries go besides.
    export: Vec<export::RawExport>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RawDurability {
    PowerCut,
    Kill,
}

impl RawAudit {
    /// Takes what is said of exports.
    pub(crate) fn exports(&mut self, base: &Path, problems: &mut Problems) -> Vec<ExportSettings> {
        export::check(std::mem::take(&mut self.export), base, problems)
    }

    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> AuditSettings {
        let standard = AuditConfig::new("", "gateway");
        let (least, most) = (AuditConfig::LEAST_SEGMENT_BYTES, AuditConfig::LARGEST_SEGMENT_BYTES);
        let segment_bytes = problems.read(
            "audit.segment_size",
            self.segment_size,
            standard.segment_bytes,
            |text| size(&text, least, most),
        );
        let reserve_bytes =
            problems.read("audit.reserve", self.reserve, standard.reserve_bytes, |text| {
                size(&text, 0, most)
            });
        let group_delay =
            problems.read("audit.group_delay", self.group_delay, standard.group_delay, |text| {
                duration(&text, Duration::ZERO, Duration::from_millis(2))
            });
        let node = problems.read("audit.node", self.node, standard.node, |name| {
            if is_node(&name) {
                Ok(name)
            } else {
                Err("must be 1 to 64 of `A-Za-z0-9._-`".to_owned())
            }
        });
        let origin = format!("localhost/audit/{node}");
        let origin = problems.read("audit.origin", self.origin, origin, |origin| {
            if is_origin(&origin) {
                Ok(origin)
            } else {
                Err("must be 1 to 128 of `A-Za-z0-9._-/:`, like `example.com/audit/gateway`"
                    .to_owned())
            }
        });
        let durability = match self.durability {
            Some(RawDurability::Kill) => Durability::Kill,
            Some(RawDurability::PowerCut) | None => Durability::PowerCut,
        };
        let keep = self.keep.check(base, problems);
        AuditSettings {
            durability,
            segment_bytes,
            reserve_bytes,
            group_delay,
            node,
            origin,
            keep,
            post_quantum: self.post_quantum,
            witnesses: self.witnesses.check(problems),
            publish: self.publish,
        }
    }
}

/// Whether `name` can name a log in its entries.
pub(crate) fn is_node(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

/// Whether `origin` can name a log on its checkpoints.
fn is_origin(origin: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':');
    (1..=128).contains(&origin.len()) && origin.chars().all(allowed) && !origin.ends_with('/')
}

/// Where users, keys and revocations are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawStorage {
    /// The SQLite file; `haechi.db` in the data directory by default.
    path: Option<String>,
}

impl RawStorage {
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> Option<PathBuf> {
        problems.read("storage.path", self.path, None, |text| path(base, &text).map(Some))
    }
}
