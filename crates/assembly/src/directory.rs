//! The data directory: ours alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file with the root key.
const KEY: &str = "key";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Nothing says where data is kept.
    #[error("no data directory is named and there is no home directory")]
    Unnamed,
    /// Others may read or write it.
    #[error("`{}` may be used by others (mode {mode:04o})", .path.display())]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file or directory cannot be used.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DirectoryError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unnamed => "name one with `--data-dir`",
            Self::Open { .. } => "take the rights of others away: `chmod go= PATH`",
            Self::File { .. } => "look at its owner, its mode, and the free space",
        }
    }
}

/// Where one gateway keeps what it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirectory(PathBuf);

impl DataDirectory {
    /// The directory at `path`, made with mode 0700 when it is missing.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Open`] when others may use it.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let unusable = |source| DirectoryError::File { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        refuse_others(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The SQLite file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("haechi.db")
    }

    /// The gateway's audit log.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// The log of one `haechi run`.
    #[must_use]
    pub fn run(&self, instance: &str) -> PathBuf {
        self.0.join("run").join(instance)
    }

    /// The file with the root key, where nothing else is named.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join(KEY)
    }

    /// The keys of persons: a file of its own, which ordinary backups leave out.
    #[must_use]
    pub fn subject_keys(&self) -> PathBuf {
        self.0.join("subject-keys.db")
    }
}

fn refuse_others(path: &Path) -> Result<(), DirectoryError> {
    let found = fs::metadata(path);
    let found = found.map_err(|source| DirectoryError::File { path: path.to_owned(), source })?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(DirectoryError::Open { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Whose file or directory this is.
pub(crate) fn owner(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&folder.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(data.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_others_may_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&folder.path().join("data")).unwrap();
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refused = DataDirectory::open(data.path());
        assert!(matches!(refused, Err(DirectoryError::Open { mode: 0o755, .. })), "{refused:?}");
    }
}
