use std::io;
use std::path::PathBuf;

use haechi_core::FetchError;

/// Why a root key could not be had or kept. No variant carries a key, a token, a PIN or a passphrase,
/// nor the words of a service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// Others may read or write the file.
    #[error("`{}` may be used by others (mode {mode:04o})", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file cannot be read or written.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what was written there.
    #[error("`{}` is not what was written there", .0.display())]
    Damaged(PathBuf),
    /// A root that is not the one to be kept stands there.
    #[error("`{}` holds another root key", .0.display())]
    Occupied(PathBuf),
    /// There is no root to rewrap.
    #[error("`{0}` keeps no root key")]
    Absent(&'static str),
    /// The provider gives another root than it was given.
    #[error("`{0}` gives another root key than it was to keep")]
    Changed(&'static str),
    /// The root was wrapped by another provider than settings name.
    #[error("the root key in `{}` was wrapped by `{found}`, and not by `{expected}`", .path.display())]
    OtherProvider {
        /// The file.
        path: PathBuf,
        /// Who wrapped it.
        found: String,
        /// Who was to open it.
        expected: &'static str,
    },
    /// The root was wrapped under another key than settings name.
    #[error("the root key was wrapped under `{found}`, and not under `{expected}`")]
    OtherKey {
        /// The key it was wrapped under.
        found: String,
        /// The key that was to open it.
        expected: String,
    },
    /// What was given as a root is none.
    #[error("a root key has 32 bytes, written as base64url (43 characters) or hexadecimal (64)")]
    Malformed,
    /// Nothing can be kept there.
    #[error("the root key comes from `{0}`, where nothing can be kept")]
    ReadOnly(&'static str),
    /// The passphrase is not the one the file was made with, or the file was altered.
    #[error("the passphrase does not open `{}`", .0.display())]
    WrongPassphrase(PathBuf),
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    NoPassphrase,
    /// The file asks for more work than a root key was ever given.
    #[error("opening `{}` takes 2^{log_n} steps of scrypt, more than allowed", .path.display())]
    TooCostly {
        /// The file.
        path: PathBuf,
        /// The logarithm of its work factor.
        log_n: u8,
    },
    /// The ciphertext was altered, or wrapped under another key or for another use.
    #[error("`{provider}` does not open what was wrapped under `{key}`")]
    NotGenuine {
        /// The provider.
        provider: &'static str,
        /// Its key.
        key: String,
    },
    /// There is no such key.
    #[error("`{provider}` has no key `{key}`")]
    NoKey {
        /// The provider.
        provider: &'static str,
        /// The key it was asked for.
        key: String,
    },
    /// A name that must be of one thing is of several.
    #[error("`{provider}` has {count} keys or tokens named `{name}`")]
    Ambiguous {
        /// The provider.
        provider: &'static str,
        /// The label.
        name: String,
        /// How many bear it.
        count: usize,
    },
    /// The key may not be used now: disabled, to be deleted, or not for this.
    #[error("the key `{key}` of `{provider}` cannot be used for wrapping now")]
    NotUsable {
        /// The provider.
        provider: &'static str,
        /// The key.
        key: String,
    },
    /// The token, PIN or signature was refused.
    #[error("`{0}` does not accept our credentials")]
    NotAccepted(&'static str),
    /// The credentials are good, and not for this key.
    #[error("`{provider}` does not permit us to use `{key}`")]
    NotPermitted {
        /// The provider.
        provider: &'static str,
        /// The key.
        key: String,
    },
    /// The service is there and cannot work: sealed, overloaded, failing.
    #[error("`{provider}` is not ready (status {status})")]
    NotReady {
        /// The provider.
        provider: &'static str,
        /// Its HTTP status.
        status: u16,
    },
    /// The service did not answer.
    #[error("`{provider}` could not be asked")]
    Unreachable {
        /// The provider.
        provider: &'static str,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// The answer is not what the service documents.
    #[error("`{provider}` gave an answer (status {status}) that is not understood")]
    NotUnderstood {
        /// The provider.
        provider: &'static str,
        /// Its HTTP status.
        status: u16,
    },
    /// The address in settings is none.
    #[error("the address of `{0}` is no URL of http or https")]
    Address(&'static str),
    /// The PKCS#11 module cannot be loaded or failed.
    #[error("the PKCS#11 module `{}` failed", .module.display())]
    Module {
        /// Its library.
        module: PathBuf,
        /// What it says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The device or service takes longer than a start may wait.
    #[error("`{0}` did not answer in time")]
    TimedOut(&'static str),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a root key")]
    Entropy,
    /// The work was cut off, because the program ends.
    #[error("the work on the root key was cut off")]
    CutOff,
}

impl ProviderError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Open { .. } => "take the rights of others away: `chmod go= PATH`",
            Self::File { .. } => "look at its owner, its mode, and the free space",
            Self::Damaged(_) => "restore it from a backup; without it nothing sealed can be opened",
            Self::Occupied(_) => "move that file away if nothing was sealed under it",
            Self::Absent(_) => "name the provider under which this vault was made",
            Self::Changed(_) => "keep the former provider, and look for another writer of its file",
            Self::OtherProvider { .. } | Self::OtherKey { .. } => {
                "name in the settings what it was wrapped under, and rewrap the root from there"
            }
            Self::Malformed => "make one with `head -c 32 /dev/urandom | basenc --base64url`",
            Self::ReadOnly(_) => {
                "put the root key where the program is started, and start it again"
            }
            Self::WrongPassphrase(_) => "give the passphrase the file was made with",
            Self::NoPassphrase => "give one that nobody guesses, such as six random words",
            Self::TooCostly { .. } => "make the file anew with a work factor of at most 20",
            Self::NotGenuine { .. } => {
                "restore `root.wrapped` from a backup, and look who wrote it"
            }
            Self::NoKey { .. } => "look at the name of the key, and where it was made",
            Self::Ambiguous { .. } => "give each key and token a label of its own",
            Self::NotUsable { .. } => "enable the key for encryption and decryption",
            Self::NotAccepted(_) => "renew the token, PIN or access key, and look at the clock",
            Self::NotPermitted { .. } => "permit encrypt, decrypt and making data keys on this key",
            Self::NotReady { .. } => "unseal or wait for the service, and try again",
            Self::Unreachable { .. } => {
                "look at the address, the network and the authorities trusted"
            }
            Self::NotUnderstood { .. } => "look at the address: something else may answer there",
            Self::Address(_) => "write it as `https://host:port`",
            Self::Module { .. } => "look at the path of the library and at the device's own log",
            Self::TimedOut(_) => {
                "see whether the device waits for a touch or a card, and try again"
            }
            Self::Entropy | Self::CutOff => "try again",
        }
    }
}
