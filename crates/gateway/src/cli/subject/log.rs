//! What the audit log holds of one person: sealed, for the proof, and opened, for the person.

use std::path::Path;

use haechi_audit::{EventKind, Query, Record};
use haechi_core::{Event, Sealed, Sealer, Sid};
use haechi_vault::ExportedEntry;
use serde_json::Value;

use crate::cli::failure::Failure;

/// A member of an entry that is sealed, and for what purpose.
type Part<'a> = (&'static str, &'static str, &'a Sealed);
/// The same, where it may be absent.
type Parts<'a> = Vec<(&'static str, &'static str, Option<&'a Sealed>)>;

/// Every entry about `sid`, and whether the logs were read to their end.
pub(super) fn records(directory: &Path, sid: &Sid) -> Result<(Vec<Record>, bool), Failure> {
    let query = Query { persons: vec![sid.clone()], limit: usize::MAX, ..Query::default() };
    let answer = query.run(directory);
    let answer =
        answer.map_err(|error| Failure::unknown(format!("the logs cannot be listed: {error}")))?;
    Ok((answer.records, answer.problems.is_empty()))
}

/// What stands sealed for `sid` in `records`, each with its purpose.
pub(super) fn sealed(records: &[Record], sid: &Sid) -> Vec<(String, Sealed)> {
    let parts = records.iter().flat_map(|record| parts(&record.entry.event, sid));
    parts.map(|(_, purpose, sealed)| (purpose.to_owned(), sealed.clone())).collect()
}

/// `records` with what was sealed for `sid` opened.
pub(super) async fn opened(
    records: &[Record],
    sid: &Sid,
    sealer: &dyn Sealer,
) -> Vec<ExportedEntry> {
    let mut entries = Vec::with_capacity(records.len());
    for record in records {
        let mut entry = serde_json::to_value(&record.entry).unwrap_or_default();
        for (member, purpose, sealed) in parts(&record.entry.event, sid) {
            let Ok(plain) = sealer.open(sid, purpose, sealed).await else { continue };
            let text = plain.expose_str().unwrap_or_default();
            // Who somebody is was sealed as an object; everything else is text.
            let object = serde_json::from_str(text).ok().filter(Value::is_object);
            if let Some(place) = entry.get_mut(member) {
                *place = object.unwrap_or_else(|| text.into());
            }
        }
        entries.push(ExportedEntry {
            at: record.entry.at.to_string(),
            event: EventKind::of(&record.entry.event).as_str().to_owned(),
            entry,
        });
    }
    entries
}

fn parts<'a>(event: &'a Event, sid: &Sid) -> Vec<Part<'a>> {
    let (of, parts): (&Sid, Parts<'a>) = match event {
        Event::Intent(intent) => (
            &intent.sid,
            vec![
                ("who", "who", intent.who.as_ref()),
                ("credential", "credential", intent.credential.as_ref()),
                ("address", "address", intent.address.as_ref()),
                ("client", "client", intent.client.as_ref()),
            ],
        ),
        Event::Session(opening) => (
            &opening.sid,
            vec![
                ("address", "address", opening.address.as_ref()),
                ("client", "client", opening.client.as_ref()),
            ],
        ),
        Event::SignIn(sign_in) => {
            (&sign_in.sid, vec![("address", "address", sign_in.address.as_ref())])
        }
        Event::Reveal(reveal) => (&reveal.sid, vec![("note", "reveal-note", reveal.note.as_ref())]),
        _ => return Vec::new(),
    };
    if of != sid {
        return Vec::new();
    }
    let parts = parts.into_iter();
    parts.filter_map(|(member, purpose, sealed)| Some((member, purpose, sealed?))).collect()
}
