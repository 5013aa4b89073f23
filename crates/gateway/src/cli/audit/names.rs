//! Who a person is, when that was asked for; and entries with what finds them again.

use std::collections::HashMap;

use haechi_assembly::Rooms;
use haechi_audit::Record;
use haechi_core::{Event, Intent, Sealed, Sid};
use serde_json::{Value, json};

/// Opens what entries seal of a person, when that was asked for.
pub(super) struct Names<'a> {
    rooms: Option<&'a Rooms>,
    known: HashMap<Sid, String>,
}

impl<'a> Names<'a> {
    /// Opens names with `rooms`, or none without.
    pub(super) fn new(rooms: Option<&'a Rooms>) -> Self {
        Self { rooms, known: HashMap::new() }
    }

    /// Whether names are opened.
    pub(super) const fn are_open(&self) -> bool {
        self.rooms.is_some()
    }

    /// What a person is shown as: the start of the random name, or the name.
    pub(super) async fn of(&mut self, intent: &Intent) -> String {
        match &intent.who {
            Some(sealed) => self.of_sealed(&intent.sid, sealed).await,
            None => short(&intent.sid),
        }
    }

    /// As [`Self::of`], of whom `sealed` names.
    pub(super) async fn of_sealed(&mut self, sid: &Sid, sealed: &Sealed) -> String {
        let short = short(sid);
        let Some(rooms) = self.rooms else { return short };
        if let Some(known) = self.known.get(sid) {
            return known.clone();
        }
        let opened = rooms.sealer.open(sid, "who", sealed).await;
        let who =
            opened.ok().and_then(|secret| serde_json::from_slice::<Value>(secret.expose()).ok());
        let member = |name: &str| who.as_ref()?.get(name)?.as_str().map(str::to_owned);
        let name = member("username").or_else(|| member("name")).or_else(|| member("email"));
        let name = name.unwrap_or(short);
        self.known.insert(sid.clone(), name.clone());
        name
    }
}

/// The start of a random name.
pub(super) fn short(sid: &Sid) -> String {
    sid.0.get(..12).unwrap_or(&sid.0).to_owned()
}

/// An entry as it was written, with where it was found and what finds it again.
pub(super) async fn whole(record: &Record, names: &mut Names<'_>) -> Value {
    let mut value = serde_json::to_value(&record.entry).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("log".to_owned(), json!(record.log));
        members.insert("id".to_owned(), json!(record.entry.id()));
        if let (Event::Intent(intent), true) = (&record.entry.event, names.are_open()) {
            members.insert("name_of_person".to_owned(), json!(names.of(intent).await));
        }
    }
    value
}
