//! The gateway's own key, for what it signs as the client of others.

use haechi_core::{NotSigned, Secret, ShownKey, Signatory};
use serde_json::Value;

use crate::Identity;

/// Signs with the key that is active at that moment; its public part is at `/.well-known/jwks.json`.
impl Signatory for Identity {
    fn sign(&self, typ: &str, shown: ShownKey, claims: &Value) -> Result<Secret, NotSigned> {
        let standing = self.standing.load();
        let key = standing.keyring.active().ok_or(NotSigned)?;
        Signatory::sign(key, typ, shown, claims)
    }
}
