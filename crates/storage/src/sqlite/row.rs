//! Statements and columns.

use haechi_core::Timestamp;
use rusqlite::{Connection, Params, Row};

use super::failure::Failure;

/// The first row, or `None`.
pub(crate) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query_and_then(params, read)?;
    rows.next().transpose()
}

/// All rows.
pub(crate) fn many<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_and_then(params, read)?.collect()
}

/// Whether there is a row.
pub(crate) fn any(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<bool, Failure> {
    Ok(connection.prepare_cached(sql)?.exists(params)?)
}

/// Changes rows; answers how many.
pub(crate) fn execute(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<usize, Failure> {
    Ok(connection.prepare_cached(sql)?.execute(params)?)
}

/// A number of rows as the contracts say it.
pub(crate) fn rows(changed: usize) -> u64 {
    u64::try_from(changed).unwrap_or(u64::MAX)
}

/// A number as a column holds it; one past the column's range is its far end.
pub(crate) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number in the column `name` of `row`.
pub(crate) fn read_count(row: &Row<'_>, name: &'static str) -> Result<u64, Failure> {
    u64::try_from(row.get::<_, i64>(name)?).map_err(|_| Failure::Damaged(name))
}

/// A moment as a column holds it: milliseconds; one past the column's range (292 million years) is
/// its far end, and comes back as the far end of [`Timestamp`].
pub(crate) fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// The moment in the column `name` of `row`.
pub(crate) fn moment(row: &Row<'_>, name: &'static str) -> Result<Timestamp, Failure> {
    read_moment(name, row.get(name)?)
}

/// As [`moment`], where there may be none.
pub(crate) fn optional_moment(
    row: &Row<'_>,
    name: &'static str,
) -> Result<Option<Timestamp>, Failure> {
    row.get::<_, Option<i64>>(name)?.map(|millis| read_moment(name, millis)).transpose()
}

/// The moment in a column of this name that holds `millis`.
pub(super) fn read_moment(name: &'static str, millis: i64) -> Result<Timestamp, Failure> {
    match millis {
        i64::MAX => Ok(Timestamp(u64::MAX)),
        _ => u64::try_from(millis).map(Timestamp).map_err(|_| Failure::Damaged(name)),
    }
}

/// `value` as a JSON column holds it.
pub(crate) fn json<T: serde::Serialize>(name: &'static str, value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|_| Failure::Damaged(name))
}

/// The value in the JSON column `name`. The cause of a failure is left out: it quotes the value.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    name: &'static str,
) -> Result<T, Failure> {
    serde_json::from_str(&row.get::<_, String>(name)?).map_err(|_| Failure::Damaged(name))
}
