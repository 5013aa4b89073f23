//! What of the settings is in force, said in a way that tells nothing of what they hold.

use std::path::Path;

use super::Settings;

/// The largest file that is read for its digest, in bytes.
const MAX_BYTES: u64 = 8 << 20;

impl Settings {
    /// Each file that the settings are made of, by its name, with its SHA-256 in lower-case
    /// hexadecimal: the settings, policies and patterns. What cannot be read now has none.
    #[must_use]
    pub fn digests(&self) -> Vec<(String, String)> {
        let mut digests = Vec::new();
        for path in self.files() {
            digest_into(&path, &mut digests);
        }
        digests
    }

    /// The sections in which `newer` differs.
    #[must_use]
    pub fn changed_sections(&self, newer: &Self) -> Vec<String> {
        let (old, new) = (&self.document.0, &newer.document.0);
        let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
    }
}

/// A folder stands for the files in it.
fn digest_into(path: &Path, digests: &mut Vec<(String, String)>) {
    if path.is_dir() {
        return;
    }
    let small = std::fs::metadata(path).is_ok_and(|found| found.len() <= MAX_BYTES);
    let Some(bytes) = small.then(|| std::fs::read(path).ok()).flatten() else { return };
    let digest = haechi_identity::sha256(&bytes);
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    digests.push((name, digest));
}
