//! Public keys, as a JSON Web Key states them (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use haechi_core::json::{Kind, Text};

use super::compact::{decode, is_key_id};
use super::{Algorithm, ensure, roca};

/// Fewest bytes of an HMAC key: as long as the digest (RFC 7518 §3.2).
pub(super) const MIN_HMAC_KEY_BYTES: usize = 32;

/// A key that verifies signatures, with the algorithms it is for.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// `kid`.
    pub key_id: Option<String>,
    /// One parsed key for each algorithm.
    materials: Vec<(Algorithm, Material)>,
}

/// A parsed key; parsing at every signature would double the cost.
#[derive(Clone)]
enum Material {
    Asymmetric(ParsedPublicKey),
    Hmac(Box<hmac::Key>),
}

/// Neither kind of key is shown.
impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Asymmetric(_) => "Asymmetric",
            Self::Hmac(_) => "Hmac",
        })
    }
}

/// Why a JSON Web Key cannot be used. No variant carries the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an object, or a member has the wrong type.
    #[error("the key is malformed")]
    Malformed,
    /// `kty`, `crv` or `alg` is one this gateway has no use for.
    #[error("the key is of a kind that is not used here")]
    Unsupported,
    /// `alg` does not go with `kty` and `crv`.
    #[error("`alg` does not fit the kind of key")]
    WrongAlgorithm,
    /// `kid` is empty, too long, or not plain visible ASCII.
    #[error("`kid` is not acceptable")]
    KeyId,
    /// `use` or `key_ops` says the key is not for verifying.
    #[error("the key is not for verifying signatures")]
    WrongUse,
    /// Members that belong to the private key only.
    #[error("the key shows its private part")]
    PrivatePart,
    /// An RSA modulus of less than 2048 or more than 8192 bits, or an HMAC key under 32 bytes.
    #[error("the key is too short or too long")]
    Size,
    /// An RSA exponent that is even, below 65537 or beyond 33 bits.
    #[error("the RSA exponent is not acceptable")]
    Exponent,
    /// The RSA modulus was made by a flawed generator (CVE-2017-15361).
    #[error("the RSA modulus was made by a flawed generator")]
    WeakModulus,
    /// Not a point of the curve.
    #[error("the key is not a point of its curve")]
    NotOnCurve,
}

impl PublicKey {
    /// Reads one key. An `oct` key is only read when `symmetric`.
    ///
    /// # Errors
    ///
    /// Every [`KeyError`].
    pub fn from_jwk(jwk: Text<'_>, symmetric: bool) -> Result<Self, KeyError> {
        let key_id = text(jwk, "kid")?;
        ensure(key_id.as_deref().is_none_or(is_key_id), KeyError::KeyId)?; // check: form of a key's kid
        ensure(is_for_signatures(jwk)?, KeyError::WrongUse)?; // check: use
        ensure(may_verify(jwk)?, KeyError::WrongUse)?; // check: key_ops
        let materials = match text(jwk, "kty")?.as_deref() {
            Some("RSA") => rsa(jwk)?,
            Some("EC") => elliptic_curve(jwk)?,
            Some("OKP") => edwards_curve(jwk)?,
            Some("oct") if symmetric => hmac_key(jwk)?,
            Some(_) => return Err(KeyError::Unsupported),
            None => return Err(KeyError::Malformed),
        };
        Ok(Self { key_id, materials: only_stated(jwk, materials)? })
    }

    /// The verifying side of an own key.
    pub(super) fn own(key_id: &str, algorithm: Algorithm, public: &[u8]) -> Result<Self, KeyError> {
        let material = match algorithm {
            Algorithm::Hs256 => Material::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, public))),
            Algorithm::EdDsa => parsed(ParsedPublicKey::new(&ED25519, public))?,
            _ => parsed(ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public))?,
        };
        Ok(Self { key_id: Some(key_id.to_owned()), materials: vec![(algorithm, material)] })
    }

    /// Whether signatures of `algorithm` may be verified with this key.
    #[must_use]
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.materials.iter().any(|(known, _)| *known == algorithm)
    }

    /// Whether it is a shared secret.
    pub(super) fn is_symmetric(&self) -> bool {
        self.is_for(Algorithm::Hs256)
    }

    /// Whether `signature` is this key's over `message`.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let material = self.materials.iter().find(|(known, _)| *known == algorithm);
        match material {
            Some((_, Material::Asymmetric(key))) => key.verify_sig(message, signature).is_ok(),
            Some((_, Material::Hmac(key))) => hmac::verify(key, message, signature).is_ok(),
            None => false,
        }
    }
}

type Materials = Vec<(Algorithm, Material)>;

/// Keeps the algorithm that `alg` states, or all when it states none (RFC 7517 §4.4).
fn only_stated(jwk: Text<'_>, mut materials: Materials) -> Result<Materials, KeyError> {
    let Some(stated) = text(jwk, "alg")? else { return Ok(materials) };
    let stated = Algorithm::parse(&stated).ok_or(KeyError::Unsupported)?;
    materials.retain(|(known, _)| *known == stated);
    ensure(!materials.is_empty(), KeyError::WrongAlgorithm)?; // check: a key's alg fits its kind
    Ok(materials)
}

/// `use` (RFC 7517 §4.2): absent or `sig`.
fn is_for_signatures(jwk: Text<'_>) -> Result<bool, KeyError> {
    Ok(text(jwk, "use")?.is_none_or(|usage| usage == "sig"))
}

/// `key_ops` (RFC 7517 §4.3): absent, or `verify`, with nothing beside it but `sign`.
fn may_verify(jwk: Text<'_>) -> Result<bool, KeyError> {
    let Some(operations) = jwk.member("key_ops") else { return Ok(true) };
    ensure(operations.kind() == Kind::Array, KeyError::Malformed)?; // check: key_ops is an array
    let mut stated = Vec::new();
    for operation in operations.elements() {
        stated.push(operation.string().ok_or(KeyError::Malformed)?);
    }
    let known = stated.iter().all(|operation| operation == "verify" || operation == "sign");
    Ok(known && stated.iter().any(|operation| operation == "verify"))
}

/// RSA (RFC 7518 §6.3.1).
fn rsa(jwk: Text<'_>) -> Result<Materials, KeyError> {
    refuse_private(jwk, &["d", "p", "q", "dp", "dq", "qi", "oth"])?;
    let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
    let bits = n.len().saturating_mul(8).saturating_sub(leading_zeros(&n));
    ensure(bits >= 2048, KeyError::Size)?; // check: RSA keys are long enough
    ensure(bits <= 8192, KeyError::Size)?; // check: RSA keys are not too long
    ensure(is_exponent(&e), KeyError::Exponent)?; // check: RSA exponent
    ensure(!roca::has_fingerprint(&n), KeyError::WeakModulus)?; // check: RSA modulus is not ROCA
    let components = RsaPublicKeyComponents { n, e };
    let material = |(algorithm, parameters): (Algorithm, &'static RsaParameters)| {
        let key = components.to_parsed_public_key(parameters).map_err(|_| KeyError::Malformed)?;
        Ok((algorithm, Material::Asymmetric(key)))
    };
    [
        (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
        (Algorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
        (Algorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
    ]
    .into_iter()
    .map(material)
    .collect()
}

/// Elliptic curves (RFC 7518 §6.2.1); aws-lc refuses what is not a point of the curve.
fn elliptic_curve(jwk: Text<'_>) -> Result<Materials, KeyError> {
    refuse_private(jwk, &["d"])?;
    let (algorithm, curve, size): (_, &'static EcdsaVerificationAlgorithm, usize) =
        match text(jwk, "crv")?.as_deref() {
            Some("P-256") => (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, 32),
            Some("P-384") => (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED, 48),
            Some("P-521") => (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED, 66),
            Some(_) => return Err(KeyError::Unsupported),
            None => return Err(KeyError::Malformed),
        };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    ensure(x.len() == size && y.len() == size, KeyError::NotOnCurve)?; // check: coordinates are whole
    let point = [&[4_u8][..], &x, &y].concat();
    Ok(vec![(algorithm, parsed(ParsedPublicKey::new(curve, point))?)])
}

/// Ed25519 (RFC 8037 §2), under both of its names.
fn edwards_curve(jwk: Text<'_>) -> Result<Materials, KeyError> {
    refuse_private(jwk, &["d"])?;
    if text(jwk, "crv")?.as_deref() != Some("Ed25519") {
        return Err(KeyError::Unsupported);
    }
    let key = parsed(ParsedPublicKey::new(&ED25519, bytes(jwk, "x")?))?;
    Ok(vec![(Algorithm::EdDsa, key.clone()), (Algorithm::Ed25519, key)])
}

/// A shared secret (RFC 7518 §6.4.1).
fn hmac_key(jwk: Text<'_>) -> Result<Materials, KeyError> {
    let key = bytes(jwk, "k")?;
    ensure(key.len() >= MIN_HMAC_KEY_BYTES, KeyError::Size)?; // check: HMAC keys are long enough
    let key = Box::new(hmac::Key::new(hmac::HMAC_SHA256, &key));
    Ok(vec![(Algorithm::Hs256, Material::Hmac(key))])
}

fn refuse_private(jwk: Text<'_>, members: &[&str]) -> Result<(), KeyError> {
    let shown = members.iter().any(|member| jwk.member(member).is_some());
    ensure(!shown, KeyError::PrivatePart)?; // check: no private part
    Ok(())
}

fn parsed<E>(key: Result<ParsedPublicKey, E>) -> Result<Material, KeyError> {
    key.map(Material::Asymmetric).map_err(|_| KeyError::NotOnCurve)
}

/// Odd, at least 65537, at most 33 bits: larger exponents only serve to waste time.
fn is_exponent(e: &[u8]) -> bool {
    let fits = e.len() <= 5 && e.first().is_some_and(|&first| first != 0);
    let value = e.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    fits && value % 2 == 1 && (65_537..1 << 33).contains(&value)
}

fn leading_zeros(number: &[u8]) -> usize {
    let zero_bytes = number.iter().take_while(|&&byte| byte == 0).count();
    let in_first = number.get(zero_bytes).map_or(0, |byte| byte.leading_zeros());
    zero_bytes * 8 + usize::try_from(in_first).unwrap_or(0)
}

fn text(jwk: Text<'_>, member: &str) -> Result<Option<String>, KeyError> {
    let Some(value) = jwk.member(member) else { return Ok(None) };
    value.string().map(|text| Some(text.into_owned())).ok_or(KeyError::Malformed)
}

fn bytes(jwk: Text<'_>, member: &str) -> Result<Vec<u8>, KeyError> {
    let text = text(jwk, member)?.ok_or(KeyError::Malformed)?;
    decode(&text).map_err(|_| KeyError::Malformed)
}
