//! Recovery codes: ten on paper, each good once, shown when they are made and never again.

use haechi_core::{FactorKind, Secret, StoredFactor};
use serde::{Deserialize, Serialize};

use super::{NewFactor, SecondFactorError, SecondFactors, base32};
use crate::sha256;

/// Codes of one paper.
const CODES: usize = 10;
/// Bytes of one: 80 bits, so that a plain hash cannot be tried out.
const CODE_BYTES: usize = 10;

/// What is kept, sealed: hashes of the codes that were not used.
#[derive(Serialize, Deserialize)]
struct Paper(Vec<[u8; 32]>);

impl SecondFactors<'_> {
    /// Makes ten codes in the place of any before: four groups of four letters and digits.
    ///
    /// # Errors
    ///
    /// Every [`SecondFactorError`] but wrong codes.
    pub async fn new_recovery_codes(
        &self,
        user_id: &str,
    ) -> Result<Vec<Secret>, SecondFactorError> {
        let mut codes = Vec::with_capacity(CODES);
        for _ in 0..CODES {
            let mut code = [0_u8; CODE_BYTES];
            self.identity.surroundings.entropy.fill(&mut code)?;
            codes.push(base32(&code));
        }
        let paper = Paper(codes.iter().map(|code| sha256(code.as_bytes())).collect());
        let secret = written(&paper)?;
        for old in self.store.list(user_id).await? {
            if old.kind == FactorKind::RecoveryCodes {
                self.store.remove(user_id, &old.factor_id).await?;
            }
        }
        let kind = FactorKind::RecoveryCodes;
        let new = NewFactor { user_id, kind, label: "", secret: &secret, counter: 0 };
        self.keep(new).await?;
        Ok(codes.iter().map(|code| grouped(code).into()).collect())
    }

    /// Takes a code off the paper; how many are left. `None` when it is none of them.
    pub(super) async fn take_recovery_code(
        &self,
        factor: &StoredFactor,
        typed: &Secret,
    ) -> Result<Option<usize>, SecondFactorError> {
        let paper: Paper = serde_json::from_slice(self.open(factor)?.expose())
            .map_err(|_| SecondFactorError::Sealed)?;
        let hash = sha256(typed.expose());
        let left: Vec<[u8; 32]> = paper.0.iter().copied().filter(|kept| *kept != hash).collect();
        if left.len() == paper.0.len() {
            return Ok(None);
        }
        let count = left.len();
        let binding = super::binding(&factor.user_id, &factor.factor_id, factor.kind);
        let sealed = self.seal(&binding, &written(&Paper(left))?)?;
        let (next, now) = (factor.counter.saturating_add(1), self.identity.now());
        let taken = self.store.advance(&factor.factor_id, next, Some(sealed), now).await?;
        Ok(taken.then_some(count))
    }

    /// How many codes are left on the paper; `None` without one.
    ///
    /// # Errors
    ///
    /// The store's, or that it does not open.
    pub async fn recovery_codes_left(
        &self,
        user_id: &str,
    ) -> Result<Option<usize>, SecondFactorError> {
        let all = self.store.list(user_id).await?;
        let paper = all.iter().find(|factor| factor.kind == FactorKind::RecoveryCodes);
        let Some(paper) = paper else { return Ok(None) };
        let read: Result<Paper, _> = serde_json::from_slice(self.open(paper)?.expose());
        Ok(Some(read.map_err(|_| SecondFactorError::Sealed)?.0.len()))
    }
}

fn written(paper: &Paper) -> Result<Secret, SecondFactorError> {
    serde_json::to_vec(paper).map(Secret::new).map_err(|_| SecondFactorError::Sealed)
}

/// `ABCD-EFGH-…`, for the eye.
fn grouped(code: &str) -> String {
    let letters: Vec<char> = code.chars().collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}
