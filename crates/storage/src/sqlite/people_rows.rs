//! Rows about people.

use std::sync::Arc;

use haechi_core::{LegalHold, RegisteredSubject, Sid, StoredErasure, StoredSubjectName};
use rusqlite::{Connection, Row, Transaction};

use super::failure::Failure;
use super::row::{many, moment, one, optional_moment};
use crate::rule::missing;

/// A person by sid.
pub(super) const BY_SID: &str =
    "SELECT subjects.sid, subjects.lookup, registered_at_ms, begun_at_ms,
        (SELECT count(*) FROM subject_holds WHERE subject_holds.sid = subjects.sid) AS holds
     FROM subjects LEFT JOIN subject_erasures ON subject_erasures.sid = subjects.sid
     WHERE subjects.sid = ?1";

/// The person of any of its names.
pub(super) fn by_name(
    connection: &Connection,
    lookup: &[u8; 32],
) -> Result<Option<RegisteredSubject>, Failure> {
    let sql = "SELECT sid FROM subjects WHERE lookup = ?1
               UNION SELECT sid FROM subject_names WHERE lookup = ?1";
    match one(connection, sql, [lookup], sid_of)? {
        Some(sid) => with_sid(connection, &sid),
        None => Ok(None),
    }
}

pub(super) fn with_sid(
    connection: &Connection,
    sid: &Sid,
) -> Result<Option<RegisteredSubject>, Failure> {
    one(connection, BY_SID, [&sid.0], registered)
}

/// The person, when it is there and its erasure has not begun.
pub(super) fn standing(
    transaction: &Transaction<'_>,
    sid: &Sid,
) -> Result<RegisteredSubject, Failure> {
    match with_sid(transaction, sid)? {
        Some(found) if found.erasing_since.is_none() => Ok(found),
        _ => Err(Failure::Refused(missing("subject"))),
    }
}

pub(super) fn holds(connection: &Connection, sid: &Sid) -> Result<Vec<LegalHold>, Failure> {
    let sql = "SELECT * FROM subject_holds WHERE sid = ?1 ORDER BY since_ms, hold_id";
    many(connection, sql, [&sid.0], hold)
}

pub(super) fn erasure_of(
    connection: &Connection,
    sid: &Sid,
) -> Result<Option<StoredErasure>, Failure> {
    one(connection, "SELECT * FROM subject_erasures WHERE sid = ?1", [&sid.0], erasure)
}

pub(super) fn registered(row: &Row<'_>) -> Result<RegisteredSubject, Failure> {
    Ok(RegisteredSubject {
        sid: sid_of(row)?,
        lookup: row.get("lookup")?,
        registered_at: optional_moment(row, "registered_at_ms")?,
        erasing_since: optional_moment(row, "begun_at_ms")?,
        holds: row.get("holds")?,
    })
}

pub(super) fn name(row: &Row<'_>) -> Result<StoredSubjectName, Failure> {
    Ok(StoredSubjectName {
        lookup: row.get("lookup")?,
        sealed: row.get("sealed")?,
        added_at: moment(row, "added_at_ms")?,
    })
}

pub(super) fn erasure(row: &Row<'_>) -> Result<StoredErasure, Failure> {
    Ok(StoredErasure {
        sid: sid_of(row)?,
        begun_at: moment(row, "begun_at_ms")?,
        record: row.get("record")?,
        finished_at: optional_moment(row, "finished_at_ms")?,
    })
}

fn hold(row: &Row<'_>) -> Result<LegalHold, Failure> {
    Ok(LegalHold {
        hold_id: row.get("hold_id")?,
        reason: row.get("reason")?,
        since: moment(row, "since_ms")?,
    })
}

pub(super) fn sid_of(row: &Row<'_>) -> Result<Sid, Failure> {
    Ok(Sid(Arc::from(row.get::<_, String>("sid")?)))
}
