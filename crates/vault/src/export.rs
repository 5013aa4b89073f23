//! Everything that is readable about one person, for that person.

use std::fmt::Write as _;

use haechi_core::{ProtectError, Protection, Sid, Timestamp};
use serde::Serialize;

use crate::subjects::{SubjectError, Subjects, of_keys};

/// A name the person is known by.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ExportedName {
    /// Who vouches for it, or what kind of name it is.
    pub issuer: String,
    /// The name.
    pub name: String,
    /// Since when, RFC 3339.
    pub added_at: String,
}

/// A value that is kept about the person.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ExportedValue {
    /// Its kind, such as `EMAIL_ADDRESS`.
    pub kind: String,
    /// The value; absent when it cannot be opened, and `unreadable` says why.
    pub value: Option<String>,
    /// Why the value is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// How it is protected.
    pub how: Protection,
    /// The tenant.
    pub tenant: String,
    /// The upstream it came through.
    pub upstream: String,
    /// The tool, prompt or method.
    pub tool: String,
    /// The field, as a JSON pointer.
    pub field: String,
    /// The random name of who was given the token.
    pub receiver: Option<Sid>,
    /// When it was protected, RFC 3339.
    pub created_at: String,
    /// When it is deleted, RFC 3339.
    pub expires_at: Option<String>,
}

/// By what the person signs in, or what it granted: whoever keeps that adds it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ExportedAccess {
    /// What it is, in one word, such as `grant`.
    pub kind: String,
    /// Since when, RFC 3339.
    pub at: String,
    /// When it ends, RFC 3339.
    pub expires_at: Option<String>,
    /// What is known of it; no secrets.
    pub detail: serde_json::Value,
}

/// What the audit log says about the person: whoever reads the log adds it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ExportedEntry {
    /// When, RFC 3339.
    pub at: String,
    /// What happened, in one word.
    pub event: String,
    /// The entry with what was sealed in it opened.
    pub entry: serde_json::Value,
}

/// Everything readable about one person. It is personal through and through: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SubjectExport {
    /// The random name.
    pub sid: Sid,
    /// When this was made, RFC 3339.
    pub exported_at: String,
    /// Since when the person is registered, RFC 3339.
    pub registered_at: Option<String>,
    /// The names it is known by.
    pub names: Vec<ExportedName>,
    /// Ids of legal holds on what is kept.
    pub holds: Vec<String>,
    /// What is kept about it.
    pub values: Vec<ExportedValue>,
    /// By what it signs in, and what it granted.
    pub access: Vec<ExportedAccess>,
    /// What the audit log says.
    pub entries: Vec<ExportedEntry>,
}

macro_rules! shows_nothing {
    ($($name:ident),+) => { $(
        /// Shows nothing of the person.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+ };
}
shows_nothing!(ExportedName, ExportedValue, ExportedAccess, ExportedEntry, SubjectExport);

impl Subjects {
    /// The names `sid` is known by.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Erased`], or the store's.
    pub async fn names(&self, sid: &Sid) -> Result<Vec<ExportedName>, SubjectError> {
        let names = self.sealer.names(sid).await.map_err(of_keys)?;
        let names = names.into_iter().map(|name| ExportedName {
            issuer: name.issuer,
            name: name.name,
            added_at: name.added_at.to_string(),
        });
        Ok(names.collect())
    }

    /// Everything readable about `sid`. Entries of the audit log, and by what the person signs in, are
    /// added by whoever keeps them.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Erased`], [`SubjectError::Unknown`]; [`SubjectError::Value`] when values cannot
    /// be read at all. Single values that do not open are listed as such.
    pub async fn export(&self, sid: &Sid) -> Result<SubjectExport, SubjectError> {
        let person = self.known(sid).await?;
        if person.erasing_since.is_some() {
            return Err(SubjectError::Erased(sid.clone()));
        }
        let names = self.names(sid).await?;
        let tokens = self.tokens(sid).await?;
        let opened = self.values.open_stored(&tokens).await;
        let mut values = Vec::with_capacity(tokens.len());
        for (token, opened) in tokens.into_iter().zip(opened) {
            let (value, unreadable) = match opened {
                Ok(value) => (value.expose_str().map(str::to_owned), None),
                Err(error @ ProtectError::Unavailable(_)) => {
                    return Err(SubjectError::Value(error));
                }
                Err(error) => (None, Some(error.to_string())),
            };
            values.push(ExportedValue {
                kind: token.place.kind.as_ref().to_owned(),
                value,
                unreadable,
                how: token.how,
                tenant: token.place.tenant.as_ref().to_owned(),
                upstream: token.place.upstream.as_ref().to_owned(),
                tool: token.place.tool.as_ref().to_owned(),
                field: token.place.field.as_ref().to_owned(),
                receiver: token.receiver,
                created_at: token.created_at.to_string(),
                expires_at: token.expires_at.as_ref().map(Timestamp::to_string),
            });
        }
        values.sort_by(|a, b| (&a.created_at, &a.kind).cmp(&(&b.created_at, &b.kind)));
        Ok(SubjectExport {
            sid: sid.clone(),
            exported_at: self.clock.now().to_string(),
            registered_at: person.registered_at.as_ref().map(Timestamp::to_string),
            names,
            holds: self.holds(sid).await?.into_iter().map(|hold| hold.hold_id).collect(),
            values,
            access: Vec::new(),
            entries: Vec::new(),
        })
    }
}

impl SubjectExport {
    /// The export as JSON, indented.
    #[must_use]
    pub fn to_json(&self) -> String {
        // It is made of text and numbers only: there is nothing that could not be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The export as CSV (RFC 4180, with a header): one record for each name, value, access and entry.
    ///
    /// A cell that a spreadsheet would take for a formula gets an apostrophe before it.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out =
            String::from("record,kind,value,tenant,upstream,tool,field,at,expires_at\r\n");
        for name in &self.names {
            record(
                &mut out,
                ["name", &name.issuer, &name.name, "", "", "", "", &name.added_at, ""],
            );
        }
        for value in &self.values {
            let shown = value.value.as_deref().or(value.unreadable.as_deref()).unwrap_or_default();
            let ends = value.expires_at.as_deref().unwrap_or_default();
            let place = [&*value.tenant, &value.upstream, &value.tool, &value.field];
            let [tenant, upstream, tool, field] = place;
            let at = &value.created_at;
            record(
                &mut out,
                ["value", &value.kind, shown, tenant, upstream, tool, field, at, ends],
            );
        }
        for access in &self.access {
            let text = access.detail.to_string();
            let ends = access.expires_at.as_deref().unwrap_or_default();
            record(&mut out, ["access", &access.kind, &text, "", "", "", "", &access.at, ends]);
        }
        for entry in &self.entries {
            let text = entry.entry.to_string();
            record(&mut out, ["entry", &entry.event, &text, "", "", "", "", &entry.at, ""]);
        }
        out
    }
}

fn record(out: &mut String, cells: [&str; 9]) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let quote = formula || cell.contains([',', '"', '\r', '\n']);
        let guard = if formula { "'" } else { "" };
        // Writing to a string does not fail.
        let _ = if quote {
            write!(out, "\"{guard}{}\"", cell.replace('"', "\"\""))
        } else {
            write!(out, "{cell}")
        };
    }
    out.push_str("\r\n");
}
