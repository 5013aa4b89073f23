//! Files of `age-encryption.org/v1` (C2SP age) for one passphrase and a content of one chunk.
//!
//! The whole of that format is a header that wraps a file key by scrypt and ChaCha20-Poly1305, its
//! MAC, and the sealed content: little enough over the one cryptographic backend to leave out a
//! library that would bring a second one, with curves and translations nobody uses here.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use haechi_core::{Entropy, Secret};
use scrypt::{Params, scrypt};
use zeroize::Zeroizing;

/// The first line.
const VERSION: &[u8] = b"age-encryption.org/v1\n";
/// What precedes the salt of scrypt.
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
const SALT_BYTES: usize = 16;
const FILE_KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
const PAYLOAD_NONCE_BYTES: usize = 16;
/// Larger contents have several chunks, which are not read here.
const MAX_CONTENT_BYTES: usize = 4096;
/// 2^20 steps take 1 GiB and some seconds; a file that asks for more is refused before it is opened.
pub(super) const MAX_LOG_N: u8 = 20;

/// Why a file did not open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AgeError {
    /// Not a file of this format, for one passphrase, with a short content.
    Malformed,
    /// The passphrase is another, or the header or content was altered.
    NotOpened,
    /// More work than allowed.
    TooCostly(u8),
    /// No random bytes.
    Entropy,
}

/// Seals `content` under `passphrase` with 2^`log_n` steps of scrypt.
pub(super) fn seal(
    passphrase: &Secret,
    log_n: u8,
    content: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, AgeError> {
    let fill = |out: &mut [u8]| entropy.fill(out).map_err(|_| AgeError::Entropy);
    let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
    fill(&mut *file_key)?;
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; PAYLOAD_NONCE_BYTES]);
    fill(&mut salt)?;
    fill(&mut nonce)?;
    let wrapping = wrapping_key(passphrase, &salt, log_n)?;
    let wrapped = chacha_seal(&wrapping, [0; 12], &*file_key)?;
    let (salt, wrapped) =
        (BASE64_STANDARD_NO_PAD.encode(salt), BASE64_STANDARD_NO_PAD.encode(wrapped));
    let mut file = VERSION.to_vec();
    file.extend_from_slice(format!("-> scrypt {salt} {log_n}\n{wrapped}\n---").as_bytes());
    let mac = hmac::sign(&header_key(&file_key[..])?, &file);
    file.extend_from_slice(format!(" {}\n", BASE64_STANDARD_NO_PAD.encode(mac)).as_bytes());
    file.extend_from_slice(&nonce);
    let key = derive(&file_key[..], &nonce, b"payload")?;
    file.extend(chacha_seal(&key, last_chunk(), content)?);
    Ok(file)
}

/// Opens what [`seal`] or `age -p` made.
pub(super) fn open(passphrase: &Secret, file: &[u8]) -> Result<Secret, AgeError> {
    let header = Header::read(file).ok_or(AgeError::Malformed)?;
    if header.log_n > MAX_LOG_N {
        return Err(AgeError::TooCostly(header.log_n));
    }
    let wrapping = wrapping_key(passphrase, &header.salt, header.log_n)?;
    let file_key = chacha_open(&wrapping, [0; 12], &header.wrapped)?;
    hmac::verify(&header_key(file_key.expose())?, header.authenticated, &header.mac)
        .map_err(|_| AgeError::NotOpened)?;
    let key = derive(file_key.expose(), header.nonce, b"payload")?;
    chacha_open(&key, last_chunk(), header.sealed)
}

/// A file in its parts.
struct Header<'a> {
    salt: Vec<u8>,
    log_n: u8,
    wrapped: Vec<u8>,
    /// What the MAC covers: from the first byte to the three dashes.
    authenticated: &'a [u8],
    mac: Vec<u8>,
    nonce: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(file: &'a [u8]) -> Option<Self> {
        let rest = file.strip_prefix(VERSION)?;
        let (stanza, rest) = line(rest)?;
        let (salt, log_n) = stanza.strip_prefix("-> scrypt ")?.split_once(' ')?;
        let (wrapped, rest) = line(rest)?;
        let covered = file.len().checked_sub(rest.len())?.checked_add(3)?;
        let (mac, rest) = line(rest)?;
        let mac = mac.strip_prefix("--- ")?;
        let (nonce, sealed) = rest.split_at_checked(PAYLOAD_NONCE_BYTES)?;
        if sealed.len() > MAX_CONTENT_BYTES + TAG_BYTES {
            return None;
        }
        Some(Self {
            salt: exactly(salt, SALT_BYTES)?,
            log_n: work_factor(log_n)?,
            wrapped: exactly(wrapped, FILE_KEY_BYTES + TAG_BYTES)?,
            authenticated: file.get(..covered)?,
            mac: exactly(mac, 32)?,
            nonce,
            sealed,
        })
    }
}

/// The text up to the next line feed, and what follows it.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(line).ok()?, rest.strip_prefix(b"\n")?))
}

/// Canonical base64 without padding, of `length` bytes.
fn exactly(text: &str, length: usize) -> Option<Vec<u8>> {
    BASE64_STANDARD_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == length)
}

/// A decimal number of one or two digits without a leading zero.
fn work_factor(text: &str) -> Option<u8> {
    let plain = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u8 = text.parse().ok()?;
    (plain && !text.starts_with('0')).then_some(number)
}

fn wrapping_key(passphrase: &Secret, salt: &[u8], log_n: u8) -> Result<Secret, AgeError> {
    let params = Params::new(log_n, 8, 1).map_err(|_| AgeError::Malformed)?;
    let labelled = [SALT_LABEL, salt].concat();
    let mut key = Zeroizing::new(vec![0; 32]);
    scrypt(passphrase.expose(), &labelled, &params, &mut key).map_err(|_| AgeError::Malformed)?;
    Ok(Secret::new(std::mem::take(&mut *key)))
}

fn header_key(file_key: &[u8]) -> Result<hmac::Key, AgeError> {
    let key = derive(file_key, &[], b"header")?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
}

/// HKDF-SHA-256 (RFC 5869), 32 bytes.
fn derive(file_key: &[u8], salt: &[u8], info: &[u8]) -> Result<Secret, AgeError> {
    struct Bytes32;
    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            32
        }
    }
    let mut key = Zeroizing::new(vec![0; 32]);
    let extracted = Salt::new(HKDF_SHA256, salt).extract(file_key);
    let info = [info];
    let expanded = extracted.expand(&info, Bytes32).map_err(|_| AgeError::NotOpened)?;
    expanded.fill(&mut key).map_err(|_| AgeError::NotOpened)?;
    Ok(Secret::new(std::mem::take(&mut *key)))
}

/// The nonce of the first and last chunk: the counter 0, and the mark of the end.
const fn last_chunk() -> [u8; 12] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
}

fn chacha(key: &Secret) -> Result<LessSafeKey, AgeError> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.expose()).map_err(|_| AgeError::NotOpened)?;
    Ok(LessSafeKey::new(key))
}

fn chacha_seal(key: &Secret, nonce: [u8; 12], content: &[u8]) -> Result<Vec<u8>, AgeError> {
    // With room for the tag: a buffer that grows leaves a copy behind.
    let mut sealed = Vec::with_capacity(content.len() + TAG_BYTES);
    sealed.extend_from_slice(content);
    let nonce = Nonce::assume_unique_for_key(nonce);
    chacha(key)?
        .seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
        .map_err(|_| AgeError::Malformed)?;
    Ok(sealed)
}

fn chacha_open(key: &Secret, nonce: [u8; 12], sealed: &[u8]) -> Result<Secret, AgeError> {
    let mut content = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let opened = chacha(key)?.open_in_place(nonce, Aad::empty(), &mut content);
    Ok(Secret::new(opened.map_err(|_| AgeError::NotOpened)?.to_vec()))
}
