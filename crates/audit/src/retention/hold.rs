//! Legal holds on a log: while one stands, nothing of it is given up.

use std::io;
use std::path::{Path, PathBuf};

use haechi_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::file;

const FILE: &str = "holds.json";
/// Room for all holds, each with its reason.
const LARGEST_FILE_BYTES: u64 = 4 << 20;
const MOST_HOLDS: usize = 1000;
const LONGEST_NAME: usize = 64;
const LONGEST_REASON_BYTES: usize = 1024;

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// What it is called, such as a file number: 1 to 64 of `[A-Za-z0-9._-]`.
    pub name: String,
    /// Why, in the words of who asked; at most 1 024 bytes, and nothing personal: it is not sealed.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// Why a hold was not added, ended or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// It cannot be called so.
    #[error("a hold is named by 1 to {LONGEST_NAME} of `A-Za-z0-9._-`")]
    Name,
    /// The reason is empty or too long, or has control characters.
    #[error("the reason of a hold has 1 to {LONGEST_REASON_BYTES} bytes, on one line")]
    Reason,
    /// One of this name stands already.
    #[error("the hold `{0}` stands already")]
    Exists(String),
    /// There are too many.
    #[error("there are {MOST_HOLDS} holds already")]
    TooMany,
    /// The file is not one that this program wrote. Until it is, everything is held.
    #[error("`{}` is damaged, so everything is held", .0.display())]
    Damaged(PathBuf),
    /// The file cannot be used.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl HoldError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Name | Self::Reason => "write it shorter and plainer",
            Self::Exists(_) => "choose another name, or remove that hold first",
            Self::TooMany => "remove holds that are over",
            Self::Damaged(_) => "restore it from a backup; the log says which holds were set",
            Self::File { .. } => "look at the directory's owner, its mode, and the free space",
        }
    }
}

/// The holds on one log, as they stand in its directory. Only the log's writer changes them.
#[derive(Debug)]
pub struct Holds {
    path: PathBuf,
    holds: Vec<Hold>,
}

impl Holds {
    /// The holds on the log in `directory`.
    ///
    /// # Errors
    ///
    /// [`HoldError::Damaged`] and [`HoldError::File`]: whoever cannot read them must not go on as if
    /// there were none.
    pub fn read(directory: &Path) -> Result<Self, HoldError> {
        let path = directory.join(FILE);
        let bytes = file::read(&path, LARGEST_FILE_BYTES);
        let bytes = bytes.map_err(|source| HoldError::File { path: path.clone(), source })?;
        let holds = match bytes {
            None => Vec::new(),
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|_| HoldError::Damaged(path.clone()))?
            }
        };
        Ok(Self { path, holds })
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> &[Hold] {
        &self.holds
    }

    /// Adds one; it survives a power cut when this returns.
    ///
    /// # Errors
    ///
    /// [`HoldError`]; then nothing has changed.
    pub fn add(&mut self, hold: Hold) -> Result<(), HoldError> {
        check(&hold)?;
        if self.holds.iter().any(|it| it.name == hold.name) {
            return Err(HoldError::Exists(hold.name));
        }
        if self.holds.len() >= MOST_HOLDS {
            return Err(HoldError::TooMany);
        }
        let mut holds = self.holds.clone();
        holds.push(hold);
        self.keep(holds)
    }

    /// Ends one; `false` when there was none of this name.
    ///
    /// # Errors
    ///
    /// [`HoldError::File`]; then it stands.
    pub fn remove(&mut self, name: &str) -> Result<bool, HoldError> {
        let mut holds = self.holds.clone();
        holds.retain(|hold| hold.name != name);
        let found = holds.len() < self.holds.len();
        if found {
            self.keep(holds)?;
        }
        Ok(found)
    }

    fn keep(&mut self, holds: Vec<Hold>) -> Result<(), HoldError> {
        let unusable = |source| HoldError::File { path: self.path.clone(), source };
        let bytes = serde_json::to_vec_pretty(&holds).map_err(|error| unusable(error.into()))?;
        file::replace(&self.path, &bytes).map_err(unusable)?;
        self.holds = holds;
        Ok(())
    }
}

fn check(hold: &Hold) -> Result<(), HoldError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=LONGEST_NAME).contains(&hold.name.len()) || !hold.name.bytes().all(allowed) {
        return Err(HoldError::Name);
    }
    let length = 1..=LONGEST_REASON_BYTES;
    if !length.contains(&hold.reason.len()) || hold.reason.chars().any(char::is_control) {
        return Err(HoldError::Reason);
    }
    Ok(())
}
