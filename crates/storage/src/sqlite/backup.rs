//! Copies of the whole database.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use async_trait::async_trait;
use haechi_core::{BackUp, StoreError};

use super::failure::Failure;
use super::{Sqlite, open};

#[async_trait]
impl BackUp for Sqlite {
    async fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        let (from, to) = (self.0.path.clone(), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || copy(&from, &to)).await;
        Ok(copied.map_err(|_| Failure::Closed)??)
    }
}

/// `VACUUM INTO` reads one snapshot, beside readers and the writer, and leaves free pages behind.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let at = |error| Failure::File(to.to_owned(), error);
    let name = to.to_str().ok_or_else(|| Failure::NotAFile(to.to_owned()))?;
    // SQLite takes an empty file as it is, its mode included.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(at)?;
    open::connect(from, open::BUSY)?.execute("VACUUM INTO ?1", [name])?;
    File::open(to).and_then(|file| file.sync_all()).map_err(at)?;
    let folder = to.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at)
}
