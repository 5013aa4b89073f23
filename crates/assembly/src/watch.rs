//! Whether the files of the settings changed since they were last looked at.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use std::os::unix::fs::MetadataExt;

/// When a file was changed last, how long it is, and which it is: an editor that replaces a file
/// within one tick of its clock is noticed too.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Files that are looked at again and again.
#[derive(Debug)]
pub struct Watch(Vec<(PathBuf, Stamp)>);

impl Watch {
    /// Watches `files` from their present state on; one that does not exist yet may appear.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self(files.into_iter().map(|file| (stamp(&file), file)).map(|(s, f)| (f, s)).collect())
    }

    /// Whether any of them changed since the last look.
    pub fn changed(&mut self) -> bool {
        let mut changed = false;
        for (file, seen) in &mut self.0 {
            let now = stamp(file);
            changed |= *seen != now;
            *seen = now;
        }
        changed
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_appears_or_goes_is_noticed_once() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        std::fs::write(&one, "1").unwrap();
        let mut watch = Watch::new(vec![one.clone(), two.clone()]);
        assert!(!watch.changed());
        std::fs::write(&one, "22").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        std::fs::write(&two, "").unwrap();
        assert!(watch.changed());
        std::fs::remove_file(&one).unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
    }
}
