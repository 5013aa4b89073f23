//! A person sees what a token holds: a privileged act with a purpose, paced, and recorded before
//! anything is shown.

use std::sync::Arc;

use haechi_core::{
    Event, Opened, Origin, Place, Principal, ProtectError, Reveal, Secret, ToOpen, UpstreamName,
};

use crate::limits::{CallLimits, Rate};
use crate::{Guard, Refusal};

/// The longest text that is opened, and the longest note, in bytes.
const MAX_BYTES: usize = 64 << 10;
const MAX_NOTE_BYTES: usize = 1024;

/// Who may see what tokens hold, and what for. Nobody by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevealRules {
    /// One of these roles.
    pub roles: Vec<String>,
    /// One of these purposes.
    pub purposes: Vec<String>,
    /// Values that one person may see within a minute.
    pub per_minute: u32,
}

/// What somebody wants to see.
#[derive(Clone, Debug)]
pub struct RevealRequest {
    /// The token or envelope.
    pub text: String,
    /// What for: one of the purposes in the settings.
    pub purpose: String,
    /// The asker's own words about it.
    pub note: Option<String>,
    /// Where it stands; an envelope opens at its place only, a token everywhere.
    pub place: Place,
}

/// What a token held.
#[derive(Debug)]
pub struct Revealed {
    /// The value.
    pub value: Secret,
    /// Its kind.
    pub kind: Arc<str>,
    /// The audit entry.
    pub entry: String,
}

/// Why nothing is shown, as the entry and the refusal say it.
struct No {
    word: &'static str,
    refusal: Refusal,
}

impl No {
    const fn denied(word: &'static str) -> Self {
        Self { word, refusal: Refusal::Denied { public_reason: None, entry: None } }
    }
}

impl Guard {
    /// Shows what `request` holds, to those who may. The value is bound to the tenant of whoever
    /// asks. Asked or shown, it is recorded first.
    ///
    /// # Errors
    ///
    /// [`Refusal`]: no role for it, an unknown purpose, too many, nothing that opens.
    pub async fn reveal(
        &self,
        principal: &Principal,
        origin: &Origin,
        request: RevealRequest,
    ) -> Result<Revealed, Refusal> {
        let long = request.note.as_ref().is_some_and(|note| note.len() > MAX_NOTE_BYTES);
        if request.text.len() > MAX_BYTES || request.purpose.len() > MAX_NOTE_BYTES || long {
            return Err(Refusal::Malformed("the text, its purpose or the note is too long"));
        }
        let opened = match self.may_reveal(principal, &request) {
            Ok(()) => self.open_one(principal, &request).await,
            Err(no) => Err(no),
        };
        let entry = self.record_reveal(principal, &request, opened.as_ref()).await?;
        match opened {
            Ok(opened) => Ok(Revealed { value: opened.value, kind: opened.kind, entry }),
            Err(no) => {
                self.count_refusal(origin, no.word);
                Err(no.refusal.with_entry(entry))
            }
        }
    }

    fn may_reveal(&self, principal: &Principal, request: &RevealRequest) -> Result<(), No> {
        let settled = self.settled();
        let rules = settled.reveal();
        if self.rooms().identity.is_stopped("", None, principal).is_some() {
            let refusal = Refusal::Stopped { what: "person", entry: None };
            return Err(No { word: "stopped", refusal });
        }
        if !rules.roles.iter().any(|role| principal.roles.contains(role)) {
            return Err(No::denied("no-role"));
        }
        if !rules.purposes.contains(&request.purpose) {
            let public_reason = Some(format!("purposes are: {}", rules.purposes.join(", ")));
            let refusal = Refusal::Denied { public_reason, entry: None };
            return Err(No { word: "unknown-purpose", refusal });
        }
        let rate = Some(Rate::per_minute(rules.per_minute));
        let limits = CallLimits { rate, ..CallLimits::default() };
        let paced =
            self.pace().arrive(&principal.sid, &"(reveal)".into(), (0, &limits), self.now());
        paced.map_err(|retry_after| {
            let refusal = Refusal::TooMany { retry_after, entry: None };
            No { word: "too-many", refusal }
        })
    }

    async fn open_one(&self, principal: &Principal, request: &RevealRequest) -> Result<Opened, No> {
        let tenant = principal.tenant.clone().unwrap_or_else(|| "".into());
        let place = Place { tenant, ..request.place.clone() };
        let asked = [ToOpen { text: &request.text, place: &place }];
        let opened = self.rooms().protector.open(&asked).await.pop();
        opened.unwrap_or(Err(ProtectError::Unknown)).map_err(|error| {
            let unavailable = matches!(error, ProtectError::Unavailable(_));
            let word = word(&error);
            let refusal = if unavailable {
                Refusal::Unavailable(Some(error.into()))
            } else {
                Refusal::Denied { public_reason: Some(error.to_string()), entry: None }
            };
            No { word, refusal }
        })
    }

    /// What cannot be recorded is not shown.
    async fn record_reveal(
        &self,
        principal: &Principal,
        request: &RevealRequest,
        opened: Result<&Opened, &No>,
    ) -> Result<String, Refusal> {
        let (sealer, sid) = (&self.rooms().sealer, &principal.sid);
        let not_recorded = |error| Refusal::NotRecorded(Some(Box::new(error)));
        let seal = |note: &String| sealer.seal(sid, "reveal-note", note.as_bytes());
        let known = self.settled().reveal().purposes.contains(&request.purpose);
        let reveal = Reveal {
            sid: sid.clone(),
            kind: opened.map_or_else(|_| "".into(), |opened| Arc::clone(&opened.kind)),
            text: sealer.commit(sid, "reveal", request.text.as_bytes()).map_err(not_recorded)?,
            subject: opened.ok().and_then(|opened| opened.subject.clone()),
            purpose: if known { request.purpose.clone() } else { "unknown".to_owned() },
            note: request.note.as_ref().map(seal).transpose().map_err(not_recorded)?,
            success: opened.is_ok(),
            reason: opened.err().map(|no| no.word.to_owned()),
        };
        let audit = &self.rooms().audit;
        let noted = audit.note(Event::Reveal(reveal)).await;
        let sequence = noted.map_err(|error| Refusal::NotRecorded(Some(error.into())))?;
        Ok(audit.entry_id(sequence))
    }
}

/// Where a token that stands nowhere in particular is asked for.
#[must_use]
pub fn place_of(upstream: Option<&UpstreamName>, tool: &str, field: &str, kind: &str) -> Place {
    Place {
        tenant: "".into(),
        upstream: upstream.map_or_else(|| "".into(), |upstream| Arc::clone(&upstream.0)),
        tool: tool.into(),
        field: field.into(),
        kind: kind.into(),
    }
}

const fn word(error: &ProtectError) -> &'static str {
    match error {
        ProtectError::Unknown => "unknown",
        ProtectError::Elsewhere => "elsewhere",
        ProtectError::Gone => "gone",
        ProtectError::Disabled => "disabled",
        ProtectError::Unavailable(_) => "unavailable",
        _ => "not-opened",
    }
}
