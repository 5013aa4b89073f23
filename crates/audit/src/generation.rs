//! How often a log began: a loss that was accepted begins it anew, under another name.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::OpenError;

/// Where the number stands; a log that never lost anything has none.
pub(crate) fn path(log: &Path) -> PathBuf {
    log.join("generation")
}

/// The number, from 1.
pub(crate) fn read(log: &Path) -> Result<u32, OpenError> {
    let path = path(log);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).ok_or_else(|| {
            OpenError::file(&path)(io::Error::new(io::ErrorKind::InvalidData, "no number"))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(1),
        Err(error) => Err(OpenError::file(&path)(error)),
    }
}

fn parse(text: &str) -> Option<u32> {
    let number: u32 = text.strip_suffix('\n')?.parse().ok()?;
    (number > 1 && format!("{number}\n") == text).then_some(number)
}

/// What entries of the `generation`th beginning name their log.
pub(crate) fn node(node: &str, generation: u32) -> String {
    if generation > 1 { format!("{node}.{generation}") } else { node.to_owned() }
}

/// Where what is left of the `number`th beginning is set aside.
pub(crate) fn aside(log: &Path, number: u32) -> PathBuf {
    log.join("lost").join(number.to_string())
}

/// Refuses a log of which a part was moved away already: what is left of it looks like a new one.
pub(crate) fn refuse_unfinished(log: &Path, number: u32) -> Result<(), OpenError> {
    if aside(log, number).join("loss").exists() { Err(OpenError::Unrepaired) } else { Ok(()) }
}

/// What the log before lost, where this one began in its place.
pub(crate) fn last_loss(log: &Path) -> Result<Option<Vec<String>>, OpenError> {
    let number = read(log)?;
    if number == 1 {
        return Ok(None);
    }
    let path = aside(log, number - 1).join("loss");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let before = format!("generation:{}", number - 1);
    Ok(Some(std::iter::once(before).chain(text.lines().map(str::to_owned)).collect()))
}
