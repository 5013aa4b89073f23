//! Copies of the keys of persons: apart from every other backup, sealed, and with an end.
//!
//! ```text
//! haechi subject keys 1\n
//! {"backup_id":…,"made_at":…,"expires_at":…}\n
//! nonce 12 | ciphertext | tag 16
//! ```
//!
//! AES-256-GCM-SIV under a key derived from the root key; both lines are bound to the ciphertext, so the
//! end cannot be moved. Within, each line is one key, still wrapped, or one tombstone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    SealError, Sid, StoreError, StoredSubjectKey, SubjectKeyBackup, SubjectKeyState, Timestamp,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::subject_seal::{RootKeys, open, seal};
use crate::subjects::{PAGE, Subjects};

/// How the name of such a file ends.
pub(crate) const EXTENSION: &str = "subject-keys";
/// The longest such a copy may live.
pub const LONGEST_SUBJECT_KEY_BACKUP: Duration = Duration::from_secs(30 * 86_400);

const FORM: &str = "haechi subject keys 1";

/// Why keys of persons were not copied or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyBackupError {
    /// It would live for longer than it may.
    #[error("a copy of the keys of persons lives for 30 days at most")]
    TooLong,
    /// Its time is over.
    #[error("this copy of the keys of persons expired at {0}")]
    Expired(Timestamp),
    /// It is no such copy, was changed, or was made under another root key.
    #[error("this is no copy of the keys of persons that was made under this root key")]
    NotGenuine,
    /// Keys could not be used.
    #[error("the keys of persons are not available")]
    Keys(#[source] SealError),
    /// A store could not be used.
    #[error("the store of persons is not available")]
    Store(#[from] StoreError),
    /// A file could not be used.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl KeyBackupError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::TooLong => "name 30 days or less; until then erasures are not complete",
            Self::Expired(_) => "destroy it: people who were erased since may be in it",
            Self::NotGenuine => "look for the root key that was in use when it was made",
            Self::Keys(_) | Self::Store(_) => "look at the data directory and its root key",
            Self::File { .. } => "look at its owner, its mode, and the free space",
        }
    }
}

/// One line of a copy.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Key { sid: Sid, version: u32, wrapped_key: String, made_at: Timestamp },
    Destroyed { sid: Sid, destroyed_at: Timestamp },
    Restricted { sid: Sid, restricted_since: Timestamp },
}

/// What a restored copy brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoredKeys {
    /// Keys that stand now.
    pub keys: u64,
    /// People whose keys stay destroyed, whatever the copy holds.
    pub erased: u64,
}

impl Subjects {
    /// Writes all keys of persons to a new file in `folder`, sealed, to be restored for `keep` at most;
    /// answers the file. The registry knows of it before it is there, so that every certificate does.
    ///
    /// # Errors
    ///
    /// [`KeyBackupError::TooLong`] beyond [`LONGEST_SUBJECT_KEY_BACKUP`].
    pub async fn back_up_keys(
        &self,
        folder: &Path,
        keep: Duration,
    ) -> Result<(SubjectKeyBackup, PathBuf), KeyBackupError> {
        if keep > LONGEST_SUBJECT_KEY_BACKUP || keep.is_zero() {
            return Err(KeyBackupError::TooLong);
        }
        let made_at = self.clock.now();
        let id = self.sealer.fresh_sid().map_err(KeyBackupError::Keys)?;
        let backup_id = id.0.get(..16).unwrap_or_default().to_owned();
        let backup = SubjectKeyBackup { backup_id, made_at, expires_at: made_at.after(keep) };
        self.stores.registry.add_key_backup(backup.clone()).await?;
        let header = header(&backup)?;
        let plain = self.lines().await?;
        let root = self.sealer.root();
        let sealed =
            seal(&root.copies, header.as_bytes(), header.as_bytes(), &plain, &*self.entropy)
                .map_err(KeyBackupError::Keys)?;
        let path = folder.join(format!("{}.{EXTENSION}", backup.backup_id));
        write_new(&path, &sealed)
            .map_err(|source| KeyBackupError::File { path: path.clone(), source })?;
        Ok((backup, path))
    }

    /// Brings the keys of `file` back. Whoever was erased stays erased: who has a tombstone, and whose
    /// erasure the registry knows of.
    ///
    /// # Errors
    ///
    /// [`KeyBackupError::Expired`] from its end on, [`KeyBackupError::NotGenuine`].
    pub async fn restore_keys(&self, file: &Path) -> Result<RestoredKeys, KeyBackupError> {
        let whole = fs::read(file)
            .map_err(|source| KeyBackupError::File { path: file.to_owned(), source })?;
        let (header, _) = split(&whole).ok_or(KeyBackupError::NotGenuine)?;
        let backup = read_header(header).ok_or(KeyBackupError::NotGenuine)?;
        let plain = unseal(self.sealer.root(), &whole).map_err(|_| KeyBackupError::NotGenuine)?;
        if self.clock.now() >= backup.expires_at {
            return Err(KeyBackupError::Expired(backup.expires_at));
        }
        for erasure in self.stores.registry.erasures().await? {
            self.stores.keys.destroy(&erasure.sid, erasure.begun_at).await?;
        }
        let mut restored = RestoredKeys::default();
        for line in lines(&plain) {
            let state = match line.ok_or(KeyBackupError::NotGenuine)? {
                Line::Destroyed { sid, destroyed_at } => {
                    self.stores.keys.destroy(&sid, destroyed_at).await?;
                    SubjectKeyState::Destroyed(destroyed_at)
                }
                Line::Restricted { sid, restricted_since } => {
                    self.stores.keys.restrict(&sid, Some(restricted_since)).await?;
                    continue;
                }
                Line::Key { sid, version, wrapped_key, made_at } => {
                    let wrapped = URL_SAFE_NO_PAD.decode(wrapped_key);
                    let wrapped_key = wrapped.map_err(|_| KeyBackupError::NotGenuine)?;
                    let key = StoredSubjectKey { sid, version, wrapped_key, made_at };
                    self.stores.keys.keep(key).await?
                }
            };
            match state {
                SubjectKeyState::Destroyed(_) => restored.erased += 1,
                _ => restored.keys += 1,
            }
        }
        Ok(restored)
    }

    async fn lines(&self) -> Result<Zeroizing<Vec<u8>>, KeyBackupError> {
        let mut plain = Zeroizing::new(Vec::new());
        let mut after = None;
        loop {
            let page = self.stores.keys.list(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(plain) };
            after = Some(last.clone());
            for (sid, state) in page {
                if let Some(restricted_since) = self.stores.keys.restricted(&sid).await? {
                    write_line(
                        &mut plain,
                        &Line::Restricted { sid: sid.clone(), restricted_since },
                    )?;
                }
                write_lines(&mut plain, sid, state)?;
            }
        }
    }
}

fn write_lines(
    plain: &mut Vec<u8>,
    sid: Sid,
    state: SubjectKeyState,
) -> Result<(), KeyBackupError> {
    let lines = match state {
        SubjectKeyState::None => Vec::new(),
        SubjectKeyState::Destroyed(destroyed_at) => vec![Line::Destroyed { sid, destroyed_at }],
        SubjectKeyState::Kept(keys) => keys.into_iter().map(line).collect(),
    };
    lines.iter().try_for_each(|line| write_line(plain, line))
}

fn write_line(plain: &mut Vec<u8>, line: &Line) -> Result<(), KeyBackupError> {
    serde_json::to_writer(&mut *plain, line).map_err(|_| KeyBackupError::NotGenuine)?;
    plain.push(b'\n');
    Ok(())
}

fn line(key: StoredSubjectKey) -> Line {
    Line::Key {
        sid: key.sid,
        version: key.version,
        wrapped_key: URL_SAFE_NO_PAD.encode(key.wrapped_key),
        made_at: key.made_at,
    }
}

fn lines(plain: &[u8]) -> impl Iterator<Item = Option<Line>> {
    let lines = plain.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok())
}

/// The wrapped keys in what [`unseal`] opened.
pub(crate) fn wrapped_keys(plain: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    lines(plain).filter_map(|line| match line? {
        Line::Key { wrapped_key, .. } => URL_SAFE_NO_PAD.decode(wrapped_key).ok(),
        Line::Destroyed { .. } | Line::Restricted { .. } => None,
    })
}

/// Opens a copy, whether it has expired or not.
pub(crate) fn unseal(root: &RootKeys, whole: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (header, sealed) = split(whole).ok_or(SealError::NotGenuine)?;
    let plain = open(&root.copies, header, sealed)?;
    Ok(Zeroizing::new(plain.expose().to_vec()))
}

/// What a copy says its name is.
pub(crate) fn id_of(whole: &[u8]) -> Option<String> {
    let (header, _) = split(whole)?;
    Some(read_header(header)?.backup_id)
}

fn header(backup: &SubjectKeyBackup) -> Result<String, KeyBackupError> {
    let said = serde_json::to_string(backup).map_err(|_| KeyBackupError::NotGenuine)?;
    Ok(format!("{FORM}\n{said}\n"))
}

/// Both lines, and what follows.
fn split(whole: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    whole.split_at_checked(ends.nth(1)? + 1)
}

fn read_header(header: &[u8]) -> Option<SubjectKeyBackup> {
    let said = std::str::from_utf8(header).ok()?.strip_prefix(FORM)?.strip_prefix('\n')?;
    serde_json::from_str(said).ok()
}

/// Writes a file of our own that was not there, and has it on the disk before it answers.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent().filter(|folder| *folder != Path::new("")) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use haechi_core::{Secret, SeededEntropy};
    use proptest::prelude::*;

    use super::*;

    fn copy(plain: &[u8]) -> (RootKeys, Vec<u8>) {
        let root = RootKeys::new(&Secret::new(vec![1; 32])).unwrap();
        let (made_at, expires_at) = (Timestamp(1), Timestamp(2));
        let header =
            header(&SubjectKeyBackup { backup_id: "b".to_owned(), made_at, expires_at }).unwrap();
        let header = header.as_bytes();
        let sealed = seal(&root.copies, header, header, plain, &SeededEntropy::new(1)).unwrap();
        (root, sealed)
    }

    proptest! {
            #[test]
            fn a_copy_opens_as_it_was_and_in_no_other_form(
                plain in prop::collection::vec(any::<u8>(), 0..300),
                flip in any::<prop::sample::Index>(),
            ) {
                let (root, mut sealed) = copy(&plain);
                prop_assert_eq!(&*unseal(&root, &sealed).unwrap(), &plain);
                prop_assert_eq!(id_of(&sealed), Some("b".to_owned()));
                let at = flip.index(sealed.len());
                prop_assert!(unseal(&root, sealed.get(..at).unwrap()).is_err());
                *sealed.get_mut(at).unwrap() ^= 1;
                prop_assert!(unseal(&root, &sealed).is_err());
            }

            #[test]
            fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
                let (root, _) = copy(b"");
                prop_assert!(unseal(&root, &bytes).is_err());
    let framed = [b"haechi subject keys 1\n{}\n", &*bytes].concat();
                prop_assert!(unseal(&root, &framed).is_err());
                let _ = (id_of(&bytes), lines(&bytes).count(), wrapped_keys(&bytes).count());
            }
        }
}
