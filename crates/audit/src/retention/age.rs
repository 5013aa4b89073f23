//! Writes files of `age-encryption.org/v1` (C2SP age) for recipients of X25519.
//!
//! Nothing is read here: who seals an archive cannot open it. What reads it is `age` itself.

use std::io::{self, Write};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use haechi_core::{Entropy, Secret};

use super::recipient::{POINT_BYTES, Recipient};

const VERSION: &str = "age-encryption.org/v1\n";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";
const FILE_KEY_BYTES: usize = 16;
const NONCE_BYTES: usize = 16;
const CHUNK_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;

/// Seals what is written to it, for those who can open it, into `out`. Nothing is whole before
/// [`Sealing::finish`].
pub(super) struct Sealing<W> {
    out: W,
    key: LessSafeKey,
    /// Number of the next chunk.
    chunk: u64,
    /// What is not sealed yet: the last chunk is marked, so one is always kept back.
    held: Vec<u8>,
}

impl<W: Write> Sealing<W> {
    /// Writes the header: the file key, wrapped for each of `recipients`.
    pub(super) fn begin(
        mut out: W,
        recipients: &[Recipient],
        entropy: &dyn Entropy,
    ) -> io::Result<Self> {
        let file_key = random::<FILE_KEY_BYTES>(entropy)?;
        let mut header = VERSION.to_owned();
        for recipient in recipients {
            header.push_str(&stanza(recipient, &file_key, entropy)?);
        }
        header.push_str("---");
        let mac_key = derive(&file_key, &[], b"header")?;
        let mac_key = hmac::Key::new(hmac::HMAC_SHA256, mac_key.expose());
        let mac = hmac::sign(&mac_key, header.as_bytes());
        out.write_all(header.as_bytes())?;
        writeln!(out, " {}", BASE64_STANDARD_NO_PAD.encode(mac))?;
        let nonce = random::<NONCE_BYTES>(entropy)?;
        out.write_all(nonce.expose())?;
        let key = derive(&file_key, nonce.expose(), b"payload")?;
        let held = Vec::with_capacity(CHUNK_BYTES + TAG_BYTES);
        Ok(Self { out, key: chacha(&key)?, chunk: 0, held })
    }

    /// Seals the last chunk and answers with what it was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        let mut nonce = [0; 12];
        // Eleven bytes of counter, then the mark of the end.
        nonce.iter_mut().skip(3).zip(self.chunk.to_be_bytes()).for_each(|(to, from)| *to = from);
        if let Some(mark) = nonce.last_mut() {
            *mark = u8::from(last);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut self.held);
        sealed.map_err(|_| failed("a chunk was not sealed"))?;
        self.out.write_all(&self.held)?;
        self.held.clear();
        self.chunk += 1;
        Ok(())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.held.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.seal(false)?;
        }
        let room = CHUNK_BYTES - self.held.len();
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.held.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The file key, wrapped for one recipient.
fn stanza(recipient: &Recipient, file_key: &Secret, entropy: &dyn Entropy) -> io::Result<String> {
    let ephemeral = random::<POINT_BYTES>(entropy)?;
    let ephemeral = PrivateKey::from_private_key(&X25519, ephemeral.expose())
        .map_err(|_| failed("no ephemeral key"))?;
    let share = ephemeral.compute_public_key().map_err(|_| failed("no ephemeral share"))?;
    let salt = [share.as_ref(), recipient.point()].concat();
    let peer = UnparsedPublicKey::new(&X25519, recipient.point());
    // A point of small order gives a shared secret that everybody knows: the backend refuses it.
    let refused = || failed("the recipient's key is none");
    let wrapping = agree(&ephemeral, peer, refused(), |shared| {
        derive(&Secret::new(shared.to_vec()), &salt, LABEL)
    })?;
    let mut wrapped = file_key.expose().to_vec();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let sealed = chacha(&wrapping)?.seal_in_place_append_tag(nonce, Aad::empty(), &mut wrapped);
    sealed.map_err(|_| failed("the file key was not wrapped"))?;
    let (share, wrapped) =
        (BASE64_STANDARD_NO_PAD.encode(share), BASE64_STANDARD_NO_PAD.encode(wrapped));
    Ok(format!("-> X25519 {share}\n{wrapped}\n"))
}

fn random<const N: usize>(entropy: &dyn Entropy) -> io::Result<Secret> {
    let mut bytes = vec![0; N];
    entropy.fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Secret::new(bytes))
}

/// HKDF-SHA-256 (RFC 5869), 32 bytes.
fn derive(input: &Secret, salt: &[u8], info: &[u8]) -> io::Result<Secret> {
    struct Bytes32;
    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            32
        }
    }
    let extracted = Salt::new(HKDF_SHA256, salt).extract(input.expose());
    let info = [info];
    let mut key = vec![0; 32];
    let filled = extracted.expand(&info, Bytes32).and_then(|okm| okm.fill(&mut key));
    filled.map_err(|_| failed("a key was not derived"))?;
    Ok(Secret::new(key))
}

fn chacha(key: &Secret) -> io::Result<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.expose());
    key.map(LessSafeKey::new).map_err(|_| failed("a key was refused"))
}

fn failed(why: &'static str) -> io::Error {
    io::Error::other(why)
}
