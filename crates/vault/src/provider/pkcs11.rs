//! A key in a security module, by PKCS #11.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::RawAuthPin;
use haechi_core::{Entropy, Secret};

use super::{ProviderError, RootWrapper, Wrapped};

const NAME: &str = "pkcs11";
const NONCE_BYTES: usize = 12;
const TAG_BITS: u64 = 128;
/// How long a device may take, a touch by a person included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Modules by path. The standard initializes a library once in a process, and its threads may outlive
/// a session, so none is ever unloaded. Holding the lock also keeps one login from another's.
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// Which key wraps the root, and in which module it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11Config {
    /// The library of the module. Whoever can write it runs code in this program.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The label of the AES key; it must be able to encrypt and decrypt.
    pub key: String,
}

/// Wraps the root by AES-GCM under a key that stays in the module.
///
/// The nonce is ours (12 random bytes): a root is wrapped a few times in the life of a key. Modules
/// that insist on choosing the nonce themselves are refused by their own error.
#[derive(Debug)]
pub struct Pkcs11Wrapper {
    config: Pkcs11Config,
    pin: Secret,
    entropy: Arc<dyn Entropy>,
}

impl Pkcs11Wrapper {
    /// Loads nothing yet. `pin` is the user's; space around it is left out.
    #[must_use]
    pub fn new(config: Pkcs11Config, pin: &Secret, entropy: Arc<dyn Entropy>) -> Self {
        let pin = Secret::new(pin.expose().trim_ascii().to_vec());
        Self { config, pin, entropy }
    }

    /// Does `work` on a thread that may wait for a device.
    async fn with_key(
        &self,
        work: impl FnOnce(&Session, ObjectHandle, &Login) -> Result<Secret, ProviderError>
        + Send
        + 'static,
    ) -> Result<Secret, ProviderError> {
        let login = Login { config: self.config.clone(), pin: self.pin.clone() };
        let done = tokio::task::spawn_blocking(move || login.run(work));
        // A call into a module cannot be taken back; its thread stays until the module answers.
        let done = tokio::time::timeout(PATIENCE, done).await;
        done.map_err(|_| ProviderError::TimedOut(NAME))?.map_err(|_| ProviderError::CutOff)?
    }
}

/// Everything a session needs, on its way to another thread.
struct Login {
    config: Pkcs11Config,
    pin: Secret,
}

impl Login {
    fn run(
        &self,
        work: impl FnOnce(&Session, ObjectHandle, &Self) -> Result<Secret, ProviderError>,
    ) -> Result<Secret, ProviderError> {
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        let module = match modules.get(&self.config.module) {
            Some(module) => module.clone(),
            None => {
                let module = self.load().map_err(|error| self.failed(error))?;
                modules.insert(self.config.module.clone(), module.clone());
                module
            }
        };
        let session = self.open(&module)?;
        let done = self.key(&session).and_then(|key| work(&session, key, self));
        // The next login must prove its PIN again.
        let _not_logged_in = session.logout();
        done
    }

    fn load(&self) -> Result<Pkcs11, Error> {
        let module = Pkcs11::new(&self.config.module)?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) | Ok(()) => Ok(module),
            Err(error) => Err(error),
        }
    }

    fn open(&self, module: &Pkcs11) -> Result<Session, ProviderError> {
        let failed = |error| self.failed(error);
        let mut slots = module.get_slots_with_initialized_token().map_err(failed)?;
        slots.retain(|slot| {
            let info = module.get_token_info(*slot);
            info.is_ok_and(|info| info.label().trim_end() == self.config.token)
        });
        let slot = self.only(&slots, &self.config.token)?;
        let session = module.open_ro_session(slot).map_err(failed)?;
        let pin = RawAuthPin::new(Box::new(self.pin.expose().to_vec()));
        match session.login_with_raw(UserType::User, &pin) {
            Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) | Ok(()) => Ok(session),
            Err(error) => Err(failed(error)),
        }
    }

    fn key(&self, session: &Session) -> Result<ObjectHandle, ProviderError> {
        let sought = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(self.config.key.clone().into_bytes()),
        ];
        let found = session.find_objects(&sought).map_err(|error| self.failed(error))?;
        self.only(&found, &self.config.key)
    }

    /// The only one of those that bear the label `name`.
    fn only<T: Copy>(&self, found: &[T], name: &str) -> Result<T, ProviderError> {
        match found {
            [one] => Ok(*one),
            [] => Err(ProviderError::NoKey { provider: NAME, key: key_id(&self.config) }),
            several => Err(ProviderError::Ambiguous {
                provider: NAME,
                name: name.to_owned(),
                count: several.len(),
            }),
        }
    }

    fn failed(&self, error: Error) -> ProviderError {
        let (provider, key) = (NAME, key_id(&self.config));
        match error {
            Error::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinLocked
                | RvError::PinExpired
                | RvError::PinInvalid
                | RvError::PinLenRange,
                _,
            ) => ProviderError::NotAccepted(NAME),
            Error::Pkcs11(RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange, _) => {
                ProviderError::NotGenuine { provider, key }
            }
            Error::Pkcs11(
                RvError::KeyFunctionNotPermitted
                | RvError::MechanismInvalid
                | RvError::MechanismParamInvalid
                | RvError::KeyTypeInconsistent,
                _,
            ) => ProviderError::NotUsable { provider, key },
            error => {
                let module = self.config.module.clone();
                ProviderError::Module { module, source: Box::new(error) }
            }
        }
    }

    fn crypt(
        &self,
        session: &Session,
        key: ObjectHandle,
        nonce: &mut [u8],
        input: Input<'_>,
    ) -> Result<Secret, ProviderError> {
        let bound = associated_data(&self.config);
        let params = GcmParams::new(nonce, &bound, TAG_BITS.into());
        let mechanism = Mechanism::AesGcm(params.map_err(|error| self.failed(error))?);
        let output = match input {
            Input::Plain(plain) => session.encrypt(&mechanism, key, plain),
            Input::Sealed(sealed) => {
                session.decrypt(&mechanism, key, sealed).map_err(|error| match error {
                    // SoftHSM 2.6 says so of a tag that does not hold.
                    Error::Pkcs11(RvError::GeneralError, function) => {
                        Error::Pkcs11(RvError::EncryptedDataInvalid, function)
                    }
                    error => error,
                })
            }
        };
        output.map(Secret::new).map_err(|error| self.failed(error))
    }
}

#[derive(Clone, Copy)]
enum Input<'a> {
    Plain(&'a [u8]),
    Sealed(&'a [u8]),
}

/// The key as the file of the root names it.
fn key_id(config: &Pkcs11Config) -> String {
    format!("{}/{}", config.token, config.key)
}

/// Each part with its length, so that no two configurations give the same bytes.
fn associated_data(config: &Pkcs11Config) -> Vec<u8> {
    let mut bound = Vec::new();
    for part in ["haechi root key v1", &config.token, &config.key] {
        bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part.as_bytes());
    }
    bound
}

#[async_trait]
impl RootWrapper for Pkcs11Wrapper {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn wrap(&self, root: &Secret) -> Result<Wrapped, ProviderError> {
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce).map_err(|_| ProviderError::Entropy)?;
        let (root, mut used) = (root.clone(), nonce);
        let sealed = self.with_key(move |session, key, login| {
            login.crypt(session, key, &mut used, Input::Plain(root.expose()))
        });
        let text = [&nonce, sealed.await?.expose()].concat();
        Ok(Wrapped { key_id: key_id(&self.config), ciphertext: BASE64_STANDARD.encode(text) })
    }

    async fn unwrap(&self, wrapped: &Wrapped) -> Result<Secret, ProviderError> {
        let expected = key_id(&self.config);
        if wrapped.key_id != expected {
            return Err(ProviderError::OtherKey { found: wrapped.key_id.clone(), expected });
        }
        let not_genuine = || ProviderError::NotGenuine { provider: NAME, key: expected.clone() };
        let text = BASE64_STANDARD.decode(&wrapped.ciphertext).map_err(|_| not_genuine())?;
        let Some((nonce, sealed)) = text.split_first_chunk::<NONCE_BYTES>() else {
            return Err(not_genuine());
        };
        let (mut nonce, sealed) = (*nonce, sealed.to_vec());
        self.with_key(move |session, key, login| {
            login.crypt(session, key, &mut nonce, Input::Sealed(&sealed))
        })
        .await
    }
}
