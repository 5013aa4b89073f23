//! The proof of an erasure: past all of our own refusals, with the raw root key and the raw files.
//!
//! Nothing here asks a store whether a key may be used. Every byte of every file is taken for the
//! beginning of a wrapped key of the person, whatever table, free page or log it stands in, and
//! unwrapped with what the root key gives. What is found is then used on everything that was sealed
//! for the person. The same is done before the erasure, where it must find and open: a proof that
//! finds nothing is worth something only when it would have found.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::{RawFile, Secret, Sid, StoredToken};
use serde::{Deserialize, Serialize};

use crate::backup_keys;
use crate::subject_seal::{PersonKey, WRAPPED_BYTES, bound_lookup, bound_version, version_of};
use crate::subject_sealer::SubjectSealer;
use crate::subjects::{OpenStored, SubjectError};

/// How much is read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// The first byte of a wrapped key.
const FIRST: u8 = 1;

/// What one file held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedFile {
    /// Which.
    pub name: PathBuf,
    /// How many bytes were searched.
    pub bytes: u64,
    /// How many keys of the person were found in it.
    pub keys_found: usize,
    /// The name of the copy of persons' keys that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_key_backup: Option<String>,
}

/// What a search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Every file that was searched.
    pub files: Vec<ProbedFile>,
    /// Files and folders that could not be read: of them the search says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsearched: Vec<PathBuf>,
    /// How many keys were tried: of the person, and of everybody else.
    pub keys_tried: usize,
    /// How many values of the person there were to open.
    pub values: usize,
    /// How many of them opened.
    pub values_opened: usize,
}

/// A value of the person, as it was sealed.
#[derive(Debug)]
pub(crate) enum ProbeValue {
    /// Under the person's key alone, for a purpose.
    Sealed(String, Vec<u8>),
    /// A stored token, under the person's key and its tenant's.
    Token(StoredToken),
}

/// Where to search.
#[derive(Debug)]
pub(crate) struct Where {
    /// What is in use.
    pub(crate) files: Vec<RawFile>,
    /// Folders, with everything below them.
    pub(crate) backups: Vec<PathBuf>,
}

/// Searches for the keys of one person.
pub(crate) struct Search {
    sealer: Arc<SubjectSealer>,
    /// What may be bound to a wrapped key of the person.
    bound: Vec<Vec<u8>>,
    found: Vec<Secret>,
    files: Vec<ProbedFile>,
    unsearched: Vec<PathBuf>,
    /// Device and inode of what is in use.
    in_use: HashSet<(u64, u64)>,
}

impl Search {
    /// For `sid`, whose key may stand in any of `versions`, or, as it once did, under `lookup`.
    pub(crate) fn new(
        sealer: Arc<SubjectSealer>,
        sid: &Sid,
        lookup: &[u8; 32],
        versions: u32,
    ) -> Self {
        let mut bound = vec![bound_lookup(sid, lookup)];
        bound.extend((1..=versions).map(|version| bound_version(sid, version)));
        let (found, files, unsearched) = (Vec::new(), Vec::new(), Vec::new());
        Self { sealer, bound, found, files, unsearched, in_use: HashSet::new() }
    }

    /// Searches all of it.
    pub(crate) async fn through(mut self, wheres: Where) -> Result<Self, SubjectError> {
        let Where { files, backups } = wheres;
        let searched = tokio::task::spawn_blocking(move || {
            self.in_use = files.iter().flat_map(|file| around(&file.name)).collect();
            files.into_iter().try_for_each(|file| self.file(file))?;
            backups.iter().for_each(|folder| self.tree(folder));
            Ok(self)
        });
        searched.await.map_err(|_| SubjectError::Stopped)?
    }

    /// Searches one file that stands open.
    fn file(&mut self, mut file: RawFile) -> Result<(), SubjectError> {
        let at = |source| SubjectError::File { path: file.name.clone(), source };
        let (mut bytes, mut keys_found, mut subject_key_backup) = (0, 0, None);
        if is_key_backup(&file.name) {
            let mut whole = Vec::new();
            bytes = copied(file.bytes.read_to_end(&mut whole).map_err(at)?);
            subject_key_backup = backup_keys::id_of(&whole);
            // Its own expiry is not asked either.
            if let Ok(plain) = backup_keys::unseal(self.sealer.root(), &whole) {
                keys_found +=
                    backup_keys::wrapped_keys(&plain).map(|key| self.bytes(&key)).sum::<usize>();
            }
            keys_found += self.bytes(&whole);
        } else {
            let mut window = Vec::with_capacity(CHUNK_BYTES + WRAPPED_BYTES);
            loop {
                let read = read_some(&mut *file.bytes, &mut window).map_err(at)?;
                bytes += copied(read);
                keys_found += self.bytes(&window);
                if read == 0 {
                    break;
                }
                // What may begin a key that goes on in the next chunk.
                window.drain(..window.len().saturating_sub(WRAPPED_BYTES - 1));
            }
        }
        self.files.push(ProbedFile { name: file.name, bytes, keys_found, subject_key_backup });
        Ok(())
    }

    /// Searches every file below `folder`, or `folder` itself if it is a file; links are not followed.
    ///
    /// INVARIANT: a file that is in use is not opened here. It was searched already, and closing it
    /// would drop every lock that this process holds on it.
    fn tree(&mut self, folder: &Path) {
        if self.branch(folder).is_err() {
            self.unsearched.push(folder.to_owned());
        }
    }

    fn branch(&mut self, folder: &Path) -> Result<(), SubjectError> {
        let at = |source| SubjectError::File { path: folder.to_owned(), source };
        let metadata = fs::symlink_metadata(folder).map_err(at)?;
        if self.in_use.contains(&(metadata.dev(), metadata.ino())) || metadata.is_symlink() {
            return Ok(());
        }
        if metadata.is_file() {
            let bytes = Box::new(File::open(folder).map_err(at)?);
            return self.file(RawFile { name: folder.to_owned(), bytes });
        }
        // What is neither file nor folder (a pipe, a device) is no folder to read: that is an error.
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(at)? {
            names.push(entry.map_err(at)?.path());
        }
        names.sort();
        names.iter().for_each(|name| self.tree(name));
        Ok(())
    }

    /// Tries every key that was found, and `others`, on every one of `values`.
    pub(crate) async fn open(
        self,
        sid: &Sid,
        values: &[ProbeValue],
        others: &[Secret],
        tokens: &dyn OpenStored,
    ) -> Probe {
        let keys: Vec<&Secret> = self.found.iter().chain(others).collect();
        let mut values_opened = 0;
        for value in values {
            for key in &keys {
                if opens(sid, value, key, tokens).await {
                    values_opened += 1;
                    break;
                }
            }
        }
        let keys_tried = keys.len();
        let (files, unsearched, values) = (self.files, self.unsearched, values.len());
        Probe { files, unsearched, keys_tried, values, values_opened }
    }

    /// How many keys of the person stand in `bytes`.
    fn bytes(&mut self, bytes: &[u8]) -> usize {
        let mut found = 0;
        for window in bytes.windows(WRAPPED_BYTES).filter(|it| it.first() == Some(&FIRST)) {
            for bound in &self.bound {
                let Ok(key) = self.sealer.root().unwrap_bound(bound, window) else { continue };
                found += 1;
                if !self.found.iter().any(|known| known.matches(&key)) {
                    self.found.push(key);
                }
            }
        }
        found
    }
}

async fn opens(sid: &Sid, value: &ProbeValue, key: &Secret, tokens: &dyn OpenStored) -> bool {
    match value {
        ProbeValue::Token(token) => tokens.opens_with(token, key).await,
        ProbeValue::Sealed(purpose, sealed) => {
            let Ok(version) = version_of(sealed) else { return false };
            let Ok(key) = PersonKey::new(version, key) else { return false };
            key.open(sid, purpose, sealed).is_ok()
        }
    }
}

/// The file, and the index of its log beside it.
fn around(name: &Path) -> impl Iterator<Item = (u64, u64)> + use<> {
    let mut index = name.to_owned().into_os_string();
    index.push("-shm");
    let both = [name.to_owned(), PathBuf::from(index)];
    let known = both.into_iter().filter_map(|name| fs::metadata(name).ok());
    known.map(|metadata| (metadata.dev(), metadata.ino()))
}

fn is_key_backup(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == backup_keys::EXTENSION)
}

/// Appends the next chunk to `window`; answers how much, 0 at the end.
fn read_some(from: &mut (dyn Read + Send), window: &mut Vec<u8>) -> io::Result<usize> {
    from.take(copied(CHUNK_BYTES)).read_to_end(window)
}

fn copied(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
