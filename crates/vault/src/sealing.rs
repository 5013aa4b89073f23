//! Values into envelopes, and out of them.

use haechi_core::{Place, ProtectError, Secret, StoredToken, VaultPurpose};

use crate::aead::{NONCE_BYTES, TAG_BYTES, associated};
use crate::derive::Refused;
use crate::envelope::{Envelope, KeyNames, LEAST_BYTES};
use crate::keyring::Material;
use crate::problem::unavailable;
use crate::subject_keys::SubjectKey;

/// A key, and the person's key that is needed beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys<'a> {
    pub(crate) key: &'a Material,
    pub(crate) person: Option<&'a SubjectKey>,
}

impl Keys<'_> {
    fn names(&self) -> KeyNames {
        let subject = self.person.map(|person| (person.sid().clone(), person.version()));
        KeyNames { key_id: self.key.key_id, key_version: self.key.version, subject }
    }

    /// The envelope of `plain`, bound to `parts`.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        parts: &[&[u8]],
        plain: &[u8],
    ) -> Result<Vec<u8>, Refused> {
        let header = self.names().encode().ok_or(Refused)?;
        let working = self.key.working(self.person)?;
        let sealing = working.sealing()?;
        let bound = bind(&header, parts)?;
        let mut out = Vec::with_capacity(LEAST_BYTES + header.len() + plain.len() + TAG_BYTES);
        out.extend_from_slice(&header);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(sealing.commitment());
        sealing.seal(nonce, &bound, plain, &mut out)?;
        Ok(out)
    }

    /// What `envelope` holds, bound to `parts`. One that is not committed to this key is
    /// [`ProtectError::Unknown`]; one that is and does not open was made for another place, or altered.
    pub(crate) fn open(
        &self,
        envelope: &Envelope<'_>,
        parts: &[&[u8]],
    ) -> Result<Secret, ProtectError> {
        let working = self.key.working(self.person).map_err(unavailable)?;
        let sealing = working.sealing().map_err(unavailable)?;
        if !sealing.is_committed_by(envelope.commitment) {
            return Err(ProtectError::Unknown);
        }
        let bound = bind(envelope.header, parts).map_err(unavailable)?;
        let opened = sealing.open(envelope.nonce, &bound, envelope.sealed);
        opened.map_err(|_| ProtectError::Elsewhere)
    }
}

fn bind(header: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, Refused> {
    let mut all: [&[u8]; 16] = [&[]; 16];
    let (first, rest) = all.split_first_mut().ok_or(Refused)?;
    *first = header;
    rest.get_mut(..parts.len()).ok_or(Refused)?.copy_from_slice(parts);
    associated(all.get(..=parts.len()).ok_or(Refused)?)
}

/// What is bound to an envelope that a caller gets.
pub(crate) fn of_place(place: &Place) -> [&[u8]; 6] {
    of_place_and_kind(place, &place.kind)
}

/// As [`of_place`], for a kind that the place may not name.
pub(crate) fn of_place_and_kind<'a>(place: &'a Place, kind: &'a str) -> [&'a [u8]; 6] {
    [
        b"envelope",
        place.tenant.as_bytes(),
        place.upstream.as_bytes(),
        place.tool.as_bytes(),
        place.field.as_bytes(),
        kind.as_bytes(),
    ]
}

/// Seals `value` into `row`, bound to everything else that stands in it.
pub(crate) fn seal_row(
    row: &mut StoredToken,
    keys: Keys<'_>,
    nonce: [u8; NONCE_BYTES],
    value: &[u8],
) -> Result<(), Refused> {
    let times = times(row);
    row.sealed = keys.seal(nonce, &of_row(row, &times), value)?;
    row.key_id = keys.key.key_id;
    row.key_version = keys.key.version;
    Ok(())
}

/// What [`seal_row`] sealed.
pub(crate) fn open_row(row: &StoredToken, keys: Keys<'_>) -> Result<Secret, ProtectError> {
    let envelope = Envelope::decode(&row.sealed).ok_or(ProtectError::Unknown)?;
    let times = times(row);
    keys.open(&envelope, &of_row(row, &times)).map_err(|error| match error {
        // The row was altered, or stands where it was not put.
        ProtectError::Elsewhere => ProtectError::Unknown,
        other => other,
    })
}

fn of_row<'a>(row: &'a StoredToken, times: &'a [u8; 17]) -> [&'a [u8]; 11] {
    let sid = |sid: &'a Option<haechi_core::Sid>| sid.as_ref().map_or("", |sid| &*sid.0).as_bytes();
    let [_, tenant, upstream, tool, field, kind] = of_place(&row.place);
    let how: &[u8] = if row.how == haechi_core::Protection::Format { b"format" } else { b"token" };
    let (subject, receiver) = (sid(&row.subject), sid(&row.receiver));
    [how, &row.lookup, tenant, upstream, tool, field, kind, subject, receiver, times, b"row"]
}

/// When the row was made and ends, as bytes.
fn times(row: &StoredToken) -> [u8; 17] {
    let mut out = [0; 17];
    let ends = row.expires_at.map_or([0; 8], |end| end.0.to_be_bytes());
    let bytes = row.created_at.0.to_be_bytes().into_iter().chain(ends);
    let bytes = bytes.chain([u8::from(row.expires_at.is_some())]);
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    out
}

/// The purpose of the keys that rows are sealed with.
pub(crate) const ROWS: VaultPurpose = VaultPurpose::Token;
