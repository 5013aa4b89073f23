//! The revisions of the protocol.

use crate::Era;

/// Every revision known here, oldest first.
pub const VERSIONS: [&str; 5] =
    ["2024-11-05", "2025-03-26", "2025-06-18", LATEST_LEGACY_VERSION, MODERN_VERSION];
/// The only revision that has batches, and what a missing `MCP-Protocol-Version` means.
pub const BATCH_VERSION: &str = "2025-03-26";
/// The last revision of the legacy era.
pub const LATEST_LEGACY_VERSION: &str = "2025-11-25";
/// The first revision of the modern era.
pub const MODERN_VERSION: &str = "2026-07-28";
/// The member of `_meta` that states the version of a modern request.
pub const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The era of a known version; `None` for any other text.
#[must_use]
pub fn era(version: &str) -> Option<Era> {
    if is_modern_version(version) {
        return Some(Era::Modern);
    }
    is_known_version(version).then_some(Era::Legacy)
}

/// Whether this is a revision of the modern era that is known here.
#[must_use]
pub fn is_modern_version(version: &str) -> bool {
    version == MODERN_VERSION
}

/// Whether this is a revision that is known here.
#[must_use]
pub fn is_known_version(version: &str) -> bool {
    VERSIONS.contains(&version)
}
