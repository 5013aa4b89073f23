//! A set of public keys (RFC 7517 §5).

use haechi_core::json::{self, JsonError, Kind, Limits, Text};

use super::{Algorithm, KeyError, PublicKey, ensure};

/// Keys of one set.
const MAX_KEYS: usize = 64;
/// A key set: 256 KiB, 8 deep, 64 members.
const LIMITS: Limits = Limits { max_bytes: 256 << 10, max_depth: 8, max_members: 64 };

/// The keys of one issuer that can be used here.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    left_out: Vec<KeyError>,
}

/// Why a whole key set is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not strict JSON within the limits.
    #[error("the key set is not strict JSON")]
    Json(#[source] JsonError),
    /// `keys` is missing or not an array, or holds more than 64.
    #[error("the key set has no array `keys` of at most {MAX_KEYS}")]
    Malformed,
    /// Two keys of one `kid`: nobody can say which is meant.
    #[error("two keys of the set have the same `kid`")]
    DuplicateKeyId,
    /// Somebody published private keys: none of them is worth anything any more.
    #[error("the key set shows private keys")]
    PrivatePart,
    /// Shared secrets and public keys in one set.
    #[error("the key set mixes shared secrets and public keys")]
    Mixed,
}

impl KeySet {
    /// Reads a set. A key that cannot be used is left out, as RFC 7517 §5 asks; one that endangers
    /// the others refuses the set. `oct` keys are only read when `symmetric`.
    ///
    /// # Errors
    ///
    /// Every [`KeySetError`].
    pub fn from_jwks(bytes: &[u8], symmetric: bool) -> Result<Self, KeySetError> {
        let set = json::check(bytes, &LIMITS).map_err(KeySetError::Json)?;
        let stated = set.member("keys").ok_or(KeySetError::Malformed)?;
        ensure(stated.kind() == Kind::Array, KeySetError::Malformed)?; // check: keys is an array
        let (mut read, mut names) = (Self::default(), Vec::new());
        for jwk in stated.elements() {
            let key = PublicKey::from_jwk(jwk, symmetric);
            // A key for another purpose may share a name; a broken one may not, because somebody
            // may read it otherwise.
            if !matches!(key, Err(KeyError::WrongUse | KeyError::Unsupported)) {
                names.extend(jwk.member("kid").and_then(Text::string));
            }
            match key {
                Ok(key) => read.keys.push(key),
                Err(KeyError::PrivatePart) => return Err(KeySetError::PrivatePart),
                Err(why) => read.left_out.push(why),
            }
        }
        names.sort_unstable();
        let twice = names.windows(2).any(|pair| pair.first() == pair.last());
        ensure(!twice, KeySetError::DuplicateKeyId)?; // check: kid is unique
        Self::of(read.keys).map(|set| Self { left_out: read.left_out, ..set })
    }

    /// A set of these keys, whose names are known to differ.
    pub(crate) fn of(keys: Vec<PublicKey>) -> Result<Self, KeySetError> {
        let symmetric = keys.iter().filter(|key| key.is_symmetric()).count();
        let pure = symmetric == 0 || symmetric == keys.len();
        ensure(pure, KeySetError::Mixed)?; // check: no mixture of secrets and public keys
        Ok(Self { keys, left_out: Vec::new() })
    }

    /// The key called `key_id`; without one, the only key there is for `algorithm`.
    #[must_use]
    pub fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        if key_id.is_some() {
            return self.keys.iter().find(|key| key.key_id.as_deref() == key_id);
        }
        let mut fitting = self.keys.iter().filter(|key| key.is_for(algorithm));
        let only = fitting.next()?;
        fitting.next().is_none().then_some(only)
    }

    /// Why keys were left out, one for each.
    #[must_use]
    pub fn left_out(&self) -> &[KeyError] {
        &self.left_out
    }

    /// How many keys can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
