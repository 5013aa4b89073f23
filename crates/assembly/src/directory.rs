//! The data directory: ours alone, with the file key in it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use haechi_core::{Entropy, Secret};
use zeroize::Zeroizing;

/// The file with the key that wraps all others.
const KEY: &str = "key";
const KEY_BYTES: usize = 32;

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
    /// The file key is not what was written.
    #[error("`{}` is no file key: it must have {KEY_BYTES} bytes", .0.display())]
    Key(PathBuf),
    /// The system gave no random bytes for a key.
    #[error("the system gave no random bytes for a file key")]
    Entropy,
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
            Self::Key(_) => "restore it from a backup; without it nothing sealed can be opened",
            Self::Entropy => "try again",
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

    /// The file key, made on first use. Of several processes that make it at once, one does.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`]; a key that others may read is refused.
    pub fn file_key(&self, entropy: &dyn Entropy) -> Result<Secret, DirectoryError> {
        let path = self.0.join(KEY);
        if !path.exists() {
            self.make_key(&path, entropy)?;
        }
        read_key(&path)
    }

    /// Writes a whole key beside the place and links it there, which fails when one is there.
    fn make_key(&self, path: &Path, entropy: &dyn Entropy) -> Result<(), DirectoryError> {
        let unusable = |source| DirectoryError::File { path: path.to_owned(), source };
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut *key).map_err(|_| DirectoryError::Entropy)?;
        let mut suffix = [0; 8];
        entropy.fill(&mut suffix).map_err(|_| DirectoryError::Entropy)?;
        let draft = self.0.join(format!("{KEY}.{:016x}", u64::from_le_bytes(suffix)));
        write_private(&draft, &*key).map_err(unusable)?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft).map_err(unusable)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unusable(error)),
            _ => fs::File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(unusable),
        }
    }
}

/// Writes a new file that only its owner may read, durably.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_key(path: &Path) -> Result<Secret, DirectoryError> {
    let unusable = |source| DirectoryError::File { path: path.to_owned(), source };
    refuse_others(path)?;
    let mut key = Vec::with_capacity(KEY_BYTES + 1);
    let file = fs::File::open(path).map_err(unusable)?;
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut key).map_err(unusable)?;
    let key = Secret::new(key);
    if key.len() == KEY_BYTES { Ok(key) } else { Err(DirectoryError::Key(path.to_owned())) }
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
    use haechi_core::SeededEntropy;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&folder.path().join("a/b")).unwrap();
        assert_eq!(fs::metadata(data.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let first = data.file_key(&SeededEntropy::new(1)).unwrap();
        let second = data.file_key(&SeededEntropy::new(2)).unwrap();
        assert!(first.matches(&second));
        let left: Vec<_> = fs::read_dir(data.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "no draft stays behind");
    }

    #[test]
    fn of_many_that_make_it_at_once_all_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&folder.path().join("data")).unwrap();
        let makers: Vec<_> = (0..8)
            .map(|seed| {
                let data = data.clone();
                std::thread::spawn(move || data.file_key(&SeededEntropy::new(seed)).unwrap())
            })
            .collect();
        let keys: Vec<Secret> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
        assert!(keys.iter().all(|key| key.matches(&keys[0])));
    }

    #[test]
    fn what_others_may_use_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(&folder.path().join("data")).unwrap();
        data.file_key(&SeededEntropy::new(1)).unwrap();
        let key = data.path().join(KEY);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = data.file_key(&SeededEntropy::new(1));
        assert!(matches!(refused, Err(DirectoryError::Open { mode: 0o640, .. })), "{refused:?}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&key, "short").unwrap();
        assert!(matches!(data.file_key(&SeededEntropy::new(1)), Err(DirectoryError::Key(_))));
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let refused = DataDirectory::open(data.path());
        assert!(matches!(refused, Err(DirectoryError::Open { mode: 0o755, .. })), "{refused:?}");
    }
}
