//! The keys a witness cosigns with, in a file that its user alone reads.
//!
//! Three lines: the name, and in Base64 the seeds of the Ed25519 key and of the ML-DSA-44 key.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haechi_core::{Entropy, EntropyError, Secret};

use super::file::{read, replace};
use crate::note::{KeyError, KeyKind, Signer};

const SEED_BYTES: usize = 32;

/// Why a witness has no keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// There are none yet, and nobody said under which name to make them.
    #[error("this witness has no keys yet, and no name to make them under")]
    Unnamed,
    /// The name is none.
    #[error("the witness cannot have this name")]
    Name(#[source] KeyError),
    /// The keys have another name.
    #[error("the keys of this witness are named `{found}`, not `{wanted}`")]
    OtherName {
        /// Their name.
        found: String,
        /// The name that was given.
        wanted: String,
    },
    /// The keys are gone, and what they cosigned is not.
    #[error("`{}` is missing, and this witness has cosigned before", .0.display())]
    Gone(PathBuf),
    /// The file is not one of keys.
    #[error("`{}` does not hold the keys of a witness", .0.display())]
    Malformed(PathBuf),
    /// The file cannot be read or written.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no chance to be had.
    #[error("no key could be made")]
    Entropy(#[source] EntropyError),
}

impl KeysError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unnamed => "give it a name that no other witness has, like `example.com/w1`",
            Self::Name(error) => error.help(),
            Self::OtherName { .. } => "use that name, or another directory for another witness",
            Self::Gone(_) | Self::Malformed(_) => {
                "bring that file back as it was, or begin again in another directory and give the \
                 new verifier key to the logs"
            }
            Self::File { .. } => "look at the file's owner, its mode, and the free space",
            Self::Entropy(_) => "look at the system's source of random bytes",
        }
    }
}

#[derive(Debug)]
pub(super) struct Keys {
    name: String,
    ed25519: Secret,
    ml_dsa: Secret,
}

impl Keys {
    /// Reads the keys, or makes them when there are none and `saw` nothing was cosigned.
    pub(super) fn open(
        path: &Path,
        name: Option<&str>,
        saw: impl FnOnce() -> bool,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        let unusable = |source| KeysError::File { path: path.to_owned(), source };
        match read(path) {
            Ok(bytes) => {
                let bytes = Secret::new(bytes);
                let keys = Self::parse(bytes.expose());
                let keys = keys.ok_or_else(|| KeysError::Malformed(path.to_owned()))?;
                return match name.filter(|name| *name != keys.name) {
                    Some(wanted) => {
                        Err(KeysError::OtherName { found: keys.name, wanted: wanted.to_owned() })
                    }
                    None => Ok(keys),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(error)),
        }
        if saw() {
            return Err(KeysError::Gone(path.to_owned()));
        }
        let keys = Self::make(name.ok_or(KeysError::Unnamed)?, entropy)?;
        // A name that is none must not come into the file.
        keys.signers(true)?;
        replace(path, keys.text().expose()).map_err(unusable)?;
        Ok(keys)
    }

    pub(super) fn signers(&self, post_quantum: bool) -> Result<Vec<Signer>, KeysError> {
        let both = [(KeyKind::Cosignature, &self.ed25519), (KeyKind::MlDsa44, &self.ml_dsa)];
        let wanted = both.into_iter().take(if post_quantum { 2 } else { 1 });
        let signers = wanted.map(|(kind, seed)| Signer::from_seed(self.name.as_str(), kind, seed));
        signers.collect::<Result<_, _>>().map_err(KeysError::Name)
    }

    fn make(name: &str, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let seed = || -> Result<Secret, KeysError> {
            let mut bytes = vec![0; SEED_BYTES];
            entropy.fill(&mut bytes).map_err(KeysError::Entropy)?;
            Ok(Secret::new(bytes))
        };
        Ok(Self { name: name.to_owned(), ed25519: seed()?, ml_dsa: seed()? })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split('\n');
        let name = lines.next()?.to_owned();
        let mut seed = || {
            let bytes = Secret::new(STANDARD.decode(lines.next()?).ok()?);
            (bytes.expose().len() == SEED_BYTES).then_some(bytes)
        };
        let (ed25519, ml_dsa) = (seed()?, seed()?);
        let keys = Self { name, ed25519, ml_dsa };
        (lines.next().is_none() && keys.signers(false).is_ok()).then_some(keys)
    }

    fn text(&self) -> Secret {
        let seed = |seed: &Secret| Secret::from(STANDARD.encode(seed.expose()));
        let (one, two) = (seed(&self.ed25519), seed(&self.ml_dsa));
        let parts: [&[u8]; 6] =
            [self.name.as_bytes(), b"\n", one.expose(), b"\n", two.expose(), b"\n"];
        Secret::new(parts.concat())
    }
}
