//! The bytes of the files below a store, past SQLite.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use haechi_core::{RawFile, StoreError};

use super::Sqlite;
use super::failure::Failure;

/// By device and inode.
type OpenFiles = HashMap<(u64, u64), Arc<File>>;

/// Descriptors that are never closed.
///
/// INVARIANT: closing any descriptor of a database drops every POSIX lock this process holds on it,
/// SQLite's own included. So each file is opened once and stays open.
static OPEN: LazyLock<Mutex<OpenFiles>> = LazyLock::new(Mutex::default);

impl Sqlite {
    /// The database and what SQLite keeps beside it, without the index of its log, which holds no
    /// content.
    pub(crate) fn raw_files(&self) -> Result<Vec<RawFile>, StoreError> {
        let names = ["", "-wal", "-journal"].map(|suffix| beside(&self.0.path, suffix));
        let open = names.iter().filter_map(|name| open(name).transpose());
        Ok(open.collect::<Result<_, _>>()?)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

fn open(name: &Path) -> Result<Option<RawFile>, Failure> {
    let at = |error| Failure::File(name.to_owned(), error);
    let metadata = match name.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(at)?,
    };
    let mut files = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = (metadata.dev(), metadata.ino());
    let file = match files.get(&place) {
        Some(file) => Arc::clone(file),
        None => {
            let file = Arc::new(File::open(name).map_err(at)?);
            files.insert(place, Arc::clone(&file));
            file
        }
    };
    let bytes = Box::new(FromStart { file, offset: 0 });
    Ok(Some(RawFile { name: name.to_owned(), bytes }))
}

/// Reads a shared file without moving its position.
struct FromStart {
    file: Arc<File>,
    offset: u64,
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset = self.offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}
