//! Ordinary backups: everything but the root key and the keys of persons.
//!
//! A backup is a folder with the files and `manifest.json`, which names each with its SHA-256 and comes
//! last, so that a folder without it is none; `manifest.mac` is the HMAC-SHA-256 of the manifest under a
//! key derived from the root key, so that nobody else can make or change one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use haechi_core::{BackUp, Clock, SealError, Secret, StoreError};
use serde::{Deserialize, Serialize};

use crate::backup_keys::write_new;
use crate::subject_seal::RootKeys;

/// What a manifest says of itself first.
const FORM: &str = "haechi backup 1";
/// The manifest.
pub(crate) const MANIFEST: &str = "manifest.json";
/// What vouches for it.
pub(crate) const MANIFEST_MAC: &str = "manifest.mac";

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// There is something already.
    #[error("`{}` is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A backup never holds this file.
    #[error("`{0}` never goes into an ordinary backup")]
    LeftOut(String),
    /// A name that would leave the folder, or is used for something else.
    #[error("`{0}` is no name for a file in a backup")]
    Name(String),
    /// There is no manifest, or not one that this program writes.
    #[error("`{}` is no backup", .0.display())]
    NoBackup(PathBuf),
    /// The manifest was not made under this root key.
    #[error("the manifest was changed, or made under another root key")]
    NotGenuine,
    /// A file is not as the manifest says.
    #[error("`{0}` is not as it was when the backup was made")]
    Changed(String),
    /// Keys could not be used.
    #[error("the root key cannot be used")]
    Keys(#[source] SealError),
    /// A store could not be copied.
    #[error("the store cannot be copied")]
    Store(#[source] StoreError),
    /// A file could not be used.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The work was stopped.
    #[error("the work was stopped")]
    Stopped,
}

impl BackupError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NotEmpty(_) => "name an empty folder, or one that does not exist",
            Self::LeftOut(_) => "keep the root key apart; copy persons' keys with `--subject-keys`",
            Self::Name(_) => "name it by letters, digits, `.`, `-`, `_` and `/`",
            Self::NoBackup(_) => "name the folder that was made by `haechi vault backup`",
            Self::NotGenuine => "look for the root key that was in use when the backup was made",
            Self::Changed(_) => "take an older backup; this one was damaged or changed",
            Self::Keys(_) => "look at the root key",
            Self::Store(_) | Self::File { .. } => "look at owner, mode, and free space",
            Self::Stopped => "try again",
        }
    }
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUpFile {
    /// Its name within the backup.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What this is: `haechi backup 1`.
    pub form: String,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// Ids of the keys that what it holds is sealed with.
    pub key_ids: Vec<String>,
    /// What it leaves out.
    pub without: Vec<String>,
    /// Its files.
    pub files: Vec<BackedUpFile>,
}

/// What goes into a backup.
#[derive(Debug)]
pub struct BackupPlan {
    /// The database, by the name it gets.
    pub database: (String, Arc<dyn BackUp>),
    /// Other files and folders, by the names they get: settings, closed segments of the log.
    pub also: Vec<(String, PathBuf)>,
    /// Ids of the keys that are in use.
    pub key_ids: Vec<String>,
    /// Names of files that must not be in it: the root key, the keys of persons.
    pub without: Vec<String>,
}

/// Writes a backup to `folder`, which must be empty or not there; it is one when this answers.
///
/// # Errors
///
/// [`BackupError::NotEmpty`], [`BackupError::LeftOut`].
pub async fn back_up(
    plan: BackupPlan,
    folder: &Path,
    root: &Secret,
    clock: &dyn Clock,
) -> Result<Manifest, BackupError> {
    let keys = RootKeys::new(root).map_err(BackupError::Keys)?;
    make_empty(folder)?;
    let (name, database) = &plan.database;
    allowed(name, &plan.without)?;
    database.back_up(&folder.join(name)).await.map_err(BackupError::Store)?;
    let made_at = clock.now().to_string();
    let folder = folder.to_owned();
    blocking(move || {
        let (database, without) = (&plan.database.0, &plan.without);
        for (name, from) in &plan.also {
            copy_tree(from, name, &folder, (database, without))?;
        }
        let files = list(&folder)?;
        let (key_ids, without) = (plan.key_ids, plan.without);
        let manifest = Manifest { form: FORM.to_owned(), made_at, key_ids, without, files };
        sign(&manifest, &folder, &keys)?;
        Ok(manifest)
    })
    .await
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BackupError::Stopped)?
}

/// Reads the manifest of `folder` and holds it against the root key; its files are not read yet.
pub(crate) fn read_manifest(folder: &Path, keys: &RootKeys) -> Result<Manifest, BackupError> {
    let no_backup = || BackupError::NoBackup(folder.to_owned());
    let text = fs::read(folder.join(MANIFEST)).map_err(|_| no_backup())?;
    let mac = fs::read(folder.join(MANIFEST_MAC)).map_err(|_| no_backup())?;
    hmac::verify(&keys.manifests, &text, &mac).map_err(|_| BackupError::NotGenuine)?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| no_backup())?;
    if manifest.form != FORM {
        return Err(no_backup());
    }
    manifest.files.iter().try_for_each(|file| allowed(&file.name, &manifest.without))?;
    Ok(manifest)
}

/// Size and SHA-256 of a file.
pub(crate) fn measure(name: &str, path: &Path) -> Result<BackedUpFile, BackupError> {
    let at = |source| BackupError::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(at)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut chunk).map_err(at)?;
        let Some(filled) = chunk.get(..read).filter(|filled| !filled.is_empty()) else { break };
        context.update(filled);
        bytes += u64::try_from(read).unwrap_or(u64::MAX);
    }
    let sha256 = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(BackedUpFile { name: name.to_owned(), bytes, sha256 })
}

/// Makes `folder`, for us alone, and every folder above it; it must hold nothing.
pub(crate) fn make_empty(folder: &Path) -> Result<(), BackupError> {
    let at = |source| BackupError::File { path: folder.to_owned(), source };
    make_folder(folder)?;
    match fs::read_dir(folder).map_err(at)?.next() {
        None => Ok(()),
        Some(_) => Err(BackupError::NotEmpty(folder.to_owned())),
    }
}

pub(crate) fn make_folder(folder: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| BackupError::File { path: folder.to_owned(), source })
}

/// Copies one file, mode 0600, and has it on the disk before it answers.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let bytes = fs::read(from);
    let bytes = bytes.map_err(|source| BackupError::File { path: from.to_owned(), source })?;
    write_new(to, &bytes).map_err(|source| BackupError::File { path: to.to_owned(), source })
}

fn sign(manifest: &Manifest, folder: &Path, keys: &RootKeys) -> Result<(), BackupError> {
    let path = folder.join(MANIFEST);
    let at = |source| BackupError::File { path: path.clone(), source };
    let text = serde_json::to_vec_pretty(manifest).map_err(|error| at(error.into()))?;
    let mac = hmac::sign(&keys.manifests, &text);
    write_new(&folder.join(MANIFEST_MAC), mac.as_ref()).map_err(at)?;
    write_new(&path, &text).map_err(at)
}

/// Whether a backup may hold a file of this name: relative, without steps up, and none of `without`.
fn allowed(name: &str, without: &[String]) -> Result<(), BackupError> {
    let mut parts = Path::new(name).components();
    let plain = !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)));
    if !plain || name == MANIFEST || name == MANIFEST_MAC {
        return Err(BackupError::Name(name.to_owned()));
    }
    if without.iter().any(|without| is_or_beside(name, without)) {
        return Err(BackupError::LeftOut(name.to_owned()));
    }
    Ok(())
}

/// Whether `name` ends in `file`, or in the log that SQLite keeps beside it and that holds the same.
fn is_or_beside(name: &str, file: &str) -> bool {
    let last = Path::new(name).file_name().and_then(|last| last.to_str()).unwrap_or_default();
    last.strip_prefix(file).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn copy_tree(
    from: &Path,
    name: &str,
    folder: &Path,
    (database, without): (&str, &[String]),
) -> Result<(), BackupError> {
    allowed(name, without)?;
    // It is in the backup already, as SQLite copied it; closing it here would drop SQLite's locks.
    if is_or_beside(name, database) {
        return Ok(());
    }
    let at = |source| BackupError::File { path: from.to_owned(), source };
    let to = folder.join(name);
    let metadata = fs::symlink_metadata(from).map_err(at)?;
    if metadata.is_file() {
        to.parent().map_or(Ok(()), make_folder)?;
        return copy_file(from, &to);
    }
    // Neither links, which lead out of the folder, nor pipes and devices, which do not end.
    if !metadata.is_dir() {
        return Err(BackupError::Name(name.to_owned()));
    }
    make_folder(&to)?;
    for entry in fs::read_dir(from).map_err(at)? {
        let entry = entry.map_err(at)?;
        let last = entry.file_name();
        let last = last.to_str().ok_or_else(|| BackupError::Name(name.to_owned()))?;
        copy_tree(&entry.path(), &format!("{name}/{last}"), folder, (database, without))?;
    }
    Ok(())
}

/// Every file below `folder`, by name.
fn list(folder: &Path) -> Result<Vec<BackedUpFile>, BackupError> {
    let (mut files, mut waiting) = (Vec::new(), vec![(folder.to_owned(), String::new())]);
    while let Some((path, name)) = waiting.pop() {
        let at = |source| BackupError::File { path: path.clone(), source };
        if !path.is_dir() {
            files.push(measure(&name, &path)?);
            continue;
        }
        for entry in fs::read_dir(&path).map_err(at)? {
            let entry = entry.map_err(at)?;
            let last = entry.file_name();
            let last = last.to_str().ok_or_else(|| BackupError::Name(name.clone()))?;
            let below = if name.is_empty() { last.to_owned() } else { format!("{name}/{last}") };
            waiting.push((entry.path(), below));
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}
