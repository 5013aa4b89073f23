//! Restoring an ordinary backup.

use std::path::Path;

use haechi_core::Secret;

use crate::backup::{
    BackupError, Manifest, blocking, copy_file, make_empty, make_folder, measure, read_manifest,
};
use crate::subject_seal::RootKeys;

/// Holds the backup in `folder` against its manifest, and the manifest against the root key.
///
/// # Errors
///
/// [`BackupError::NoBackup`], [`BackupError::NotGenuine`], [`BackupError::Changed`].
pub async fn check_backup(folder: &Path, root: &Secret) -> Result<Manifest, BackupError> {
    let keys = RootKeys::new(root).map_err(BackupError::Keys)?;
    let folder = folder.to_owned();
    blocking(move || check(&folder, &keys)).await
}

/// Restores the backup in `from` into `to`, which must be empty or not there. The whole backup is
/// checked before the first file is written, and each file again where it then lies.
///
/// What people were erased since the backup was made must be erased again: the keys of persons, which
/// no ordinary backup holds, remember who, and [`crate::Subjects::finish_erasures`] does it.
///
/// # Errors
///
/// As [`check_backup`]; [`BackupError::NotEmpty`].
pub async fn restore(from: &Path, to: &Path, root: &Secret) -> Result<Manifest, BackupError> {
    let keys = RootKeys::new(root).map_err(BackupError::Keys)?;
    let (from, to) = (from.to_owned(), to.to_owned());
    blocking(move || {
        let manifest = check(&from, &keys)?;
        make_empty(&to)?;
        for file in &manifest.files {
            let path = to.join(&file.name);
            path.parent().map_or(Ok(()), make_folder)?;
            copy_file(&from.join(&file.name), &path)?;
            if measure(&file.name, &path)? != *file {
                return Err(BackupError::Changed(file.name.clone()));
            }
        }
        Ok(manifest)
    })
    .await
}

fn check(folder: &Path, keys: &RootKeys) -> Result<Manifest, BackupError> {
    let manifest = read_manifest(folder, keys)?;
    for file in &manifest.files {
        let path = folder.join(&file.name);
        if !path.is_file() || measure(&file.name, &path)? != *file {
            return Err(BackupError::Changed(file.name.clone()));
        }
    }
    Ok(manifest)
}
