//! Files that only their owner may read, made once or replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use haechi_core::{Entropy, Secret};

use super::ProviderError;

/// The largest file that is read here, in bytes.
const MAX_BYTES: u64 = 16 << 10;

/// The content of `path`; `None` when there is no such file. One that others may use is refused.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, ProviderError> {
    let unusable = |source| ProviderError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(unusable)?,
    };
    // Of the file that was opened, not of what the name means a moment later.
    let mode = file.metadata().map_err(unusable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(ProviderError::Open { path: path.to_owned(), mode });
    }
    let mut content = Vec::with_capacity(4096);
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut content);
    let content = Secret::new(content);
    let length = read.map_err(unusable)? as u64;
    if length > MAX_BYTES {
        return Err(ProviderError::Damaged(path.to_owned()));
    }
    Ok(Some(content))
}

/// Writes `path` when it is not there. Of several that do it at once, one does.
pub(super) fn create(
    path: &Path,
    content: &[u8],
    entropy: &dyn Entropy,
) -> Result<(), ProviderError> {
    let unusable = |source| ProviderError::File { path: path.to_owned(), source };
    let draft = write_draft(path, content, entropy)?;
    // A link fails where a rename would replace.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(unusable)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unusable(error)),
        _ => sync_folder(path),
    }
}

/// Writes `path` anew, whole or not at all.
pub(super) fn replace(
    path: &Path,
    content: &[u8],
    entropy: &dyn Entropy,
) -> Result<(), ProviderError> {
    let draft = write_draft(path, content, entropy)?;
    fs::rename(&draft, path)
        .map_err(|source| ProviderError::File { path: path.to_owned(), source })?;
    sync_folder(path)
}

/// A durable file beside `path`, under a name nobody else uses.
fn write_draft(
    path: &Path,
    content: &[u8],
    entropy: &dyn Entropy,
) -> Result<PathBuf, ProviderError> {
    let mut suffix = [0; 8];
    entropy.fill(&mut suffix).map_err(|_| ProviderError::Entropy)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:016x}", u64::from_le_bytes(suffix)));
    let draft = path.with_file_name(name);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|source| ProviderError::File { path: draft.clone(), source })?;
    Ok(draft)
}

fn sync_folder(path: &Path) -> Result<(), ProviderError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| ProviderError::File { path: folder.to_owned(), source })
}
