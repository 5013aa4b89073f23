//! Seals personal data under one key per person.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    Commitment, Entropy, SealError, Sealed, Sealer, Secret, Sid, StoredSubject, SubjectStore,
};
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

/// First byte of everything sealed here: AES-256-GCM-SIV (RFC 8452), random nonce, keys by HKDF.
const VERSION: u8 = 1;
const KEY_BYTES: usize = 32;
/// Keys at hand: those of persons not seen for longest go first.
const KEYS_AT_HAND: usize = 4096;

/// Seals under one random key per person, which the store keeps wrapped by the file key.
///
/// The file key itself wraps nothing: keys for wrapping and for looking persons up are derived from
/// it (HKDF-SHA-256, RFC 5869), as are a sealing key and a commitment key from each person's key.
#[derive(Debug)]
pub struct SubjectSealer {
    store: Arc<dyn SubjectStore>,
    entropy: Arc<dyn Entropy>,
    wrapping: LessSafeKey,
    lookup: hmac::Key,
    by_lookup: Cache<[u8; 32], Arc<Person>>,
    by_sid: Cache<Sid, Arc<Person>>,
}

#[derive(Debug)]
struct Person {
    sid: Sid,
    sealing: LessSafeKey,
    commitment: hmac::Key,
}

impl SubjectSealer {
    /// A sealer over `store` with the keys that `file_key` unwraps.
    ///
    /// # Errors
    ///
    /// [`SealError::Unavailable`] when `file_key` is shorter than 32 bytes.
    pub fn new(
        store: Arc<dyn SubjectStore>,
        file_key: &Secret,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SealError> {
        if file_key.len() < KEY_BYTES {
            return Err(SealError::Unavailable(Box::new(KeyProblem::Short)));
        }
        let wrapping = derive(file_key.expose(), b"haechi subject wrapping 1")?;
        let lookup = derive(file_key.expose(), b"haechi subject lookup 1")?;
        Ok(Self {
            store,
            entropy,
            wrapping: sealing_key(&wrapping)?,
            lookup: hmac::Key::new(hmac::HMAC_SHA256, lookup.as_slice()),
            by_lookup: Cache::new(KEYS_AT_HAND),
            by_sid: Cache::new(KEYS_AT_HAND),
        })
    }

    /// Keyed, so that the store cannot be searched for a person whose name is guessed.
    fn lookup(&self, issuer: &str, subject: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.lookup);
        context.update(issuer.as_bytes());
        context.update(&[0]);
        context.update(subject.as_bytes());
        digest(&context.sign())
    }

    async fn meet(&self, lookup: [u8; 32]) -> Result<Arc<Person>, SealError> {
        let stored = match self.store.by_lookup(&lookup).await.map_err(unavailable)? {
            Some(stored) => stored,
            None => {
                let fresh = self.fresh(lookup)?;
                self.store.find_or_add(fresh).await.map_err(unavailable)?
            }
        };
        self.unwrap(&stored)
    }

    fn fresh(&self, lookup: [u8; 32]) -> Result<StoredSubject, SealError> {
        let mut name = [0; 16];
        self.entropy.fill(&mut name).map_err(unavailable)?;
        let sid = Sid(name.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into());
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        self.entropy.fill(key.as_mut_slice()).map_err(unavailable)?;
        let bound = associated(&sid, "subject-key", &lookup);
        let wrapped_key = self.seal_with(&self.wrapping, &bound, key.as_slice())?;
        Ok(StoredSubject { sid, lookup, wrapped_key: Some(wrapped_key) })
    }

    fn unwrap(&self, stored: &StoredSubject) -> Result<Arc<Person>, SealError> {
        let sid = stored.sid.clone();
        let wrapped = stored.wrapped_key.as_ref().ok_or_else(|| SealError::NoKey(sid.clone()))?;
        let bound = associated(&sid, "subject-key", &stored.lookup);
        let key = open_with(&self.wrapping, &bound, wrapped)
            .map_err(|_| SealError::Unavailable(Box::new(KeyProblem::OtherFileKey)))?;
        let commitment = derive(key.expose(), b"haechi commitment 1")?;
        let person = Arc::new(Person {
            sid: sid.clone(),
            sealing: sealing_key(&derive(key.expose(), b"haechi sealing 1")?)?,
            commitment: hmac::Key::new(hmac::HMAC_SHA256, commitment.as_slice()),
        });
        self.by_lookup.insert(stored.lookup, Arc::clone(&person));
        self.by_sid.insert(sid, Arc::clone(&person));
        Ok(person)
    }

    fn at_hand(&self, sid: &Sid) -> Result<Arc<Person>, SealError> {
        self.by_sid.get(sid).ok_or_else(|| SealError::NoKey(sid.clone()))
    }

    fn seal_with(
        &self,
        key: &LessSafeKey,
        bound: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce).map_err(unavailable)?;
        let mut text = plain.to_vec();
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound),
                &mut text,
            )
            .map_err(unavailable)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len() + tag.as_ref().len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }
}

#[async_trait]
impl Sealer for SubjectSealer {
    async fn sid(&self, issuer: &str, subject: &str) -> Result<Sid, SealError> {
        let lookup = self.lookup(issuer, subject);
        if let Some(person) = self.by_lookup.get(&lookup) {
            // The two caches age apart; what follows needs the key under the sid.
            if self.by_sid.get(&person.sid).is_none() {
                self.by_sid.insert(person.sid.clone(), Arc::clone(&person));
            }
            return Ok(person.sid.clone());
        }
        self.meet(lookup).await.map(|person| person.sid.clone())
    }

    fn seal(&self, sid: &Sid, purpose: &str, plain: &[u8]) -> Result<Sealed, SealError> {
        let person = self.at_hand(sid)?;
        let sealed = self.seal_with(&person.sealing, &associated(sid, purpose, &[]), plain)?;
        Ok(Sealed(URL_SAFE_NO_PAD.encode(sealed)))
    }

    fn commit(&self, sid: &Sid, purpose: &str, value: &[u8]) -> Result<Commitment, SealError> {
        let person = self.at_hand(sid)?;
        let mut context = hmac::Context::with_key(&person.commitment);
        context.update(&length(purpose.as_bytes()));
        context.update(purpose.as_bytes());
        context.update(value);
        Ok(Commitment(URL_SAFE_NO_PAD.encode(context.sign())))
    }

    async fn open(&self, sid: &Sid, purpose: &str, sealed: &Sealed) -> Result<Secret, SealError> {
        let person = match self.by_sid.get(sid) {
            Some(person) => person,
            None => {
                let stored = self.store.by_sid(sid).await.map_err(unavailable)?;
                self.unwrap(&stored.ok_or_else(|| SealError::NoKey(sid.clone()))?)?
            }
        };
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.0).map_err(|_| SealError::NotGenuine)?;
        open_with(&person.sealing, &associated(sid, purpose, &[]), &bytes)
    }
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
enum KeyProblem {
    #[error("the file key is shorter than 32 bytes")]
    Short,
    #[error("the key of a person was wrapped by another file key")]
    OtherFileKey,
}

fn open_with(key: &LessSafeKey, bound: &[u8], sealed: &[u8]) -> Result<Secret, SealError> {
    let (version, rest) = sealed.split_first().ok_or(SealError::NotGenuine)?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(SealError::NotGenuine)?;
    if *version != VERSION {
        return Err(SealError::NotGenuine);
    }
    let mut text = Zeroizing::new(text.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plain = key
        .open_in_place(nonce, Aad::from(bound), text.as_mut_slice())
        .map_err(|_| SealError::NotGenuine)?;
    Ok(Secret::new(plain.to_vec()))
}

/// Binds version, person, purpose and, for a wrapped key, its lookup; each behind its length.
fn associated(sid: &Sid, purpose: &str, lookup: &[u8]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(1 + 3 * 8 + sid.0.len() + purpose.len() + lookup.len());
    bound.push(VERSION);
    for part in [sid.0.as_bytes(), purpose.as_bytes(), lookup] {
        bound.extend_from_slice(&length(part));
        bound.extend_from_slice(part);
    }
    bound
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_le_bytes()
}

fn derive(key: &[u8], purpose: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(key)
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(unavailable)?;
    Ok(out)
}

fn sealing_key(key: &Zeroizing<[u8; KEY_BYTES]>) -> Result<LessSafeKey, SealError> {
    UnboundKey::new(&AES_256_GCM_SIV, key.as_slice()).map(LessSafeKey::new).map_err(unavailable)
}

fn digest(tag: &hmac::Tag) -> [u8; 32] {
    let mut out = [0; 32];
    out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> SealError {
    SealError::Unavailable(Box::new(error))
}
