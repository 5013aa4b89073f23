//! The values of one person, for export and for the proof of an erasure.

use async_trait::async_trait;
use haechi_core::{ProtectError, Secret, StoredToken};

use crate::envelope::Envelope;
use crate::sealing::{Keys, ROWS, open_row};
use crate::subject_keys::SubjectKey;
use crate::subjects::OpenStored;
use crate::vault::Vault;

impl Vault {
    /// The value in `row`, also past its time and while the use of its person's keys is restricted.
    async fn open_for_export(&self, row: &StoredToken) -> Result<Secret, ProtectError> {
        let envelope = Envelope::decode(&row.sealed).ok_or(ProtectError::Unknown)?;
        let names = &envelope.names;
        let (_, key) = self.keyring.opening(names.key_id, names.key_version).await?;
        let person = match &names.subject {
            Some((sid, version)) => Some(self.subjects.version_for_export(sid, *version).await?),
            None => None,
        };
        // A row cannot be made another person's, or nobody's.
        if key.purpose != ROWS || person.as_ref().map(|it| it.sid()) != row.subject.as_ref() {
            return Err(ProtectError::Unknown);
        }
        open_row(row, Keys { key: &key, person: person.as_deref() })
    }
}

#[async_trait]
impl OpenStored for Vault {
    async fn open_stored(&self, tokens: &[StoredToken]) -> Vec<Result<Secret, ProtectError>> {
        let mut opened = Vec::with_capacity(tokens.len());
        for token in tokens {
            opened.push(self.open_for_export(token).await);
        }
        opened
    }

    async fn opens_with(&self, token: &StoredToken, key: &Secret) -> bool {
        let Some(envelope) = Envelope::decode(&token.sealed) else { return false };
        let names = &envelope.names;
        // Whatever the state of the tenant's key: only the person's key is in question.
        let Ok(Some(line)) = self.keyring.by_id(names.key_id).await else { return false };
        let Some(material) = line.material(names.key_version) else { return false };
        let Some((sid, version)) = &names.subject else {
            // Sealed for nobody: no person's key is needed, and destroying one does not help.
            return open_row(token, Keys { key: material, person: None }).is_ok();
        };
        let Ok(person) = SubjectKey::new(sid.clone(), *version, key) else { return false };
        open_row(token, Keys { key: material, person: Some(&person) }).is_ok()
    }
}
