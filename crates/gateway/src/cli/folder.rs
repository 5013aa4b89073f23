//! Folders that may go away at the end.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::secret::random_text;

/// A folder for one run of a command; one that was not named is removed at the end.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    temporary: bool,
}

impl Folder {
    /// Makes `named`, or a temporary one whose name begins with `prefix`, with mode 0700.
    pub(super) fn make(named: Option<&Path>, prefix: &str) -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        let (path, temporary) = match named {
            Some(path) => {
                builder.recursive(true);
                (path.to_owned(), false)
            }
            None => {
                let suffix = random_text(&haechi_assembly::SystemEntropy)?;
                (std::env::temp_dir().join(format!("{prefix}-{}", &*suffix)), true)
            }
        };
        builder.create(&path).map_err(|error| unusable(&path, &error))?;
        let path = path.canonicalize().map_err(|error| unusable(&path, &error))?;
        Ok(Self { path, temporary })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _left_over = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// A file or folder that the system refuses.
pub(super) fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unknown(format!("`{}` cannot be used: {error}", path.display()))
}
