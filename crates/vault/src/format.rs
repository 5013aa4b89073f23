//! Values of the same form: FF1 with AES-256 (NIST SP 800-38G Rev. 1).
//!
//! Separators stay where they are, and so does what a value is recognised by: the first two digits of
//! a payment card (the network), the country of an IBAN, the last label of an e-mail address, what
//! stands before the last seven or eight digits of a telephone number, the letters of a passport. Every
//! character stays in its class: digits, letters of its case, Hangul syllables. A check digit that holds holds
//! afterwards, one that does not does not: the digits before it are enciphered and it is computed
//! again, by the same distance from the right one.

mod alphabet;
mod check;
mod plan;
mod rank;

use std::fmt;

use aes::Aes256;
use fpe::ff1::{FF1, FlexibleNumeralString};
use zeroize::Zeroizing;

use crate::derive::{KEY_BYTES, Refused, derive};
use plan::Plan;
use rank::Rank;

/// The least number of values among which one is hidden (NIST SP 800-38G Rev. 1, 2nd draft).
const LEAST_DOMAIN: u64 = 1_000_000;
/// The most symbols that are enciphered: FF1's cost rises with their square.
pub(crate) const MOST_SYMBOLS: usize = 256;
/// Numbers are enciphered as decimal digits.
const DECIMAL: u16 = 10;
/// How often a value is enciphered again until it has the form wanted; the rarest form takes about
/// seven rounds on average.
const MOST_ROUNDS: usize = 2000;

/// Why a value has no other of its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormatError {
    /// Too few values have this form.
    Small,
    /// More than [`MOST_SYMBOLS`].
    Long,
    /// The cipher refused.
    Refused,
}

/// A key that makes values of the same form.
pub(crate) struct FormatKey(Zeroizing<[u8; KEY_BYTES]>);

/// One way through the permutation or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    There,
    #[cfg(test)]
    Back,
}

impl FormatKey {
    /// The key that `secret` gives.
    pub(crate) fn new(secret: &[u8]) -> Result<Self, Refused> {
        Ok(Self(derive(secret, &[b"haechi vault 1", b"format", b"encrypt"])?))
    }

    /// Another value of the form of `value`, which is of `kind`.
    pub(crate) fn seal(
        &self,
        kind: &str,
        value: &str,
        tweak: &[u8],
    ) -> Result<String, FormatError> {
        self.walk(kind, value, tweak, Way::There)
    }

    /// What [`Self::seal`] made `value` of.
    #[cfg(test)]
    pub(crate) fn open(
        &self,
        kind: &str,
        value: &str,
        tweak: &[u8],
    ) -> Result<String, FormatError> {
        self.walk(kind, value, tweak, Way::Back)
    }

    fn walk(&self, kind: &str, value: &str, tweak: &[u8], way: Way) -> Result<String, FormatError> {
        let plan = Plan::of(kind, value).ok_or(FormatError::Small)?;
        if plan.symbols().len() > MOST_SYMBOLS {
            return Err(FormatError::Long);
        }
        let mut symbols = Vec::with_capacity(plan.symbols().len());
        for (piece, rank) in (0_u32..).zip(plan.ranks()) {
            let tweak = [&piece.to_be_bytes(), tweak].concat();
            symbols.extend(self.walk_rank(rank, &tweak, way)?);
        }
        if plan.ranks().is_empty() {
            symbols = self.walk_symbols(&plan, tweak, way)?;
        }
        Ok(plan.write(&symbols))
    }

    /// Walks until the symbols fit the plan: the values that fit are permuted among themselves.
    fn walk_symbols(&self, plan: &Plan, tweak: &[u8], way: Way) -> Result<Vec<u16>, FormatError> {
        let mut symbols = plan.symbols().to_vec();
        for _ in 0..MOST_ROUNDS {
            symbols = permute(&self.0, plan.alphabet().radix(), tweak, &symbols, way)?;
            if plan.fits(&symbols) {
                return Ok(symbols);
            }
        }
        Err(FormatError::Refused)
    }

    /// Walks among the numbers below the rank's end.
    fn walk_rank(&self, rank: &Rank, tweak: &[u8], way: Way) -> Result<Vec<u16>, FormatError> {
        if rank.end() < u128::from(LEAST_DOMAIN) {
            return Err(FormatError::Small);
        }
        let mut digits = rank.digits();
        for _ in 0..MOST_ROUNDS {
            digits = permute(&self.0, DECIMAL, tweak, &digits, way)?;
            if let Some(symbols) = rank.write(&digits) {
                return Ok(symbols);
            }
        }
        Err(FormatError::Refused)
    }
}

/// FF1 over `symbols`, each below `radix`.
///
/// INVARIANT: `key` has the length that the cipher wants, or it would panic; the type says so.
pub(crate) fn permute(
    key: &[u8; KEY_BYTES],
    radix: u16,
    tweak: &[u8],
    symbols: &[u16],
    way: Way,
) -> Result<Vec<u16>, FormatError> {
    let radix = u32::from(radix);
    if symbols.len() > MOST_SYMBOLS {
        return Err(FormatError::Long);
    }
    let length = u32::try_from(symbols.len()).map_err(|_| FormatError::Long)?;
    if u64::from(radix).saturating_pow(length) < LEAST_DOMAIN || length < 2 {
        return Err(FormatError::Small);
    }
    let cipher = FF1::<Aes256>::new(key, radix).map_err(|_| FormatError::Refused)?;
    let symbols = FlexibleNumeralString::from(symbols.to_vec());
    let permuted = match way {
        Way::There => cipher.encrypt(tweak, &symbols),
        #[cfg(test)]
        Way::Back => cipher.decrypt(tweak, &symbols),
    };
    permuted.map(Vec::from).map_err(|_| FormatError::Refused)
}

/// Shows nothing of the key.
impl fmt::Debug for FormatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormatKey")
    }
}

/// What of `value` a reader who writes it another way still writes: everything but ASCII punctuation
/// and white space.
pub(crate) fn essence(value: &str) -> String {
    value.chars().filter(|c| !c.is_ascii_punctuation() && !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests;
