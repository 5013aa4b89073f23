//! JSON lines: the entry as it was written, and what a copy needs besides.

use serde_json::json;

use super::Outgoing;

/// The entry's own bytes up to its last brace, then `log`, `id` and the newest checkpoint. Without
/// these members the line is, byte for byte, what the leaf of the tree covers.
pub(super) fn line(outgoing: &Outgoing<'_>) -> String {
    // INVARIANT: an entry has no map with keys that are not text, so this cannot fail.
    let mut line = serde_json::to_string(outgoing.entry).unwrap_or_default();
    line.pop();
    line.push_str(",\"log\":");
    line.push_str(&json!(outgoing.log).to_string());
    line.push_str(",\"id\":");
    line.push_str(&json!(outgoing.entry.id()).to_string());
    if let Some(head) = outgoing.head {
        line.push_str(",\"checkpoint_size\":");
        line.push_str(&head.size.to_string());
        line.push_str(",\"checkpoint_root\":");
        line.push_str(&json!(head.root).to_string());
    }
    line.push('}');
    line
}
