//! Begins a log anew in place of one that lost entries, when somebody accepts the loss.
//!
//! A log that shrank or changed cannot go on under its name: its next checkpoint would contradict
//! one that others may hold. So everything there is of it is set aside as it is, in `lost/N`, and a
//! log with another name (`ORIGIN/2`, `ORIGIN/3`, …) begins, whose first entry says what was lost.
//! Killed in between, the log stays refused, and repairing it again goes on: `lost/N/loss` is written
//! first, and while N is still the number of the log, not everything has been moved.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::Clock;

use crate::boot::boot_id;
use crate::checkpoint::Checkpoint;
use crate::disk::{self, Disk, OsDisk, make_private_directory};
use crate::error::OpenError;
use crate::lock::WriterLock;
use crate::notary::{self, Signing};
use crate::note::Note;
use crate::tail::Surroundings;
use crate::{AuditConfig, AuditLog, generation, recovery, segment};

/// What stays where it is.
const KEPT: [&str; 4] = ["lock", "lost", "generation", "holds.json"];

/// What is wrong with a log that cannot be opened, and what going on without it loses.
#[derive(Debug)]
pub struct Loss {
    /// Why it cannot be opened.
    pub problem: OpenError,
    /// The same as fixed words and numbers, `word:number`, as the first entry of the next log has
    /// them.
    pub detail: Vec<String>,
    /// Where everything that is left will be.
    pub aside: PathBuf,
    /// Everything is there already; only the new log has not begun.
    moved: bool,
}

/// A log that began anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where everything is that was left of the one before.
    pub aside: PathBuf,
    /// What was lost, as the first entry says it.
    pub detail: Vec<String>,
    /// The name of the new log.
    pub origin: String,
}

/// Why a log was not repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// It opens as it is.
    #[error("nothing is wrong with the audit log")]
    NothingWrong,
    /// It cannot be opened for a reason that has nothing to do with its entries.
    #[error(transparent)]
    Open(OpenError),
    /// Something of an earlier log is where this one should go.
    #[error("`{}` is there already, of an earlier log", .0.display())]
    Occupied(PathBuf),
    /// A file could not be moved or written.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl RepairError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NothingWrong => "start the program again",
            Self::Open(error) => error.help(),
            Self::Occupied(_) => {
                "`generation` says less than `lost` holds: put back the number of this log, one more \
                 than the highest in `lost`"
            }
            Self::File { .. } => {
                "look at the directory's owner, its mode, and the free space; then repair again: \
                 what was moved already stays where it is"
            }
        }
    }

    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }
}

/// How much of a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What is read on opening: the newest 256 MiB of entries.
    Opening,
    /// Every entry.
    Everything,
}

/// Says what is wrong with the log of `config`, as far as it is read, and changes nothing. `None`:
/// nothing is.
///
/// # Errors
///
/// [`RepairError::Open`] where nobody can tell, as while another process writes the log.
pub fn examine(
    config: &AuditConfig,
    extent: Extent,
    clock: Arc<dyn Clock>,
) -> Result<Option<Loss>, RepairError> {
    let _lock = WriterLock::take(&config.directory).map_err(RepairError::Open)?;
    look(config, extent, clock)
}

/// Sets the log of `config` aside and begins another, whose first entry says what was lost.
///
/// # Errors
///
/// [`RepairError`].
pub fn accept_loss(config: AuditConfig, clock: Arc<dyn Clock>) -> Result<Repaired, RepairError> {
    let lock = WriterLock::take(&config.directory).map_err(RepairError::Open)?;
    let found = look(&config, Extent::Everything, Arc::clone(&clock))?;
    let found = found.ok_or(RepairError::NothingWrong)?;
    let number = generation::read(&config.directory).map_err(RepairError::Open)?;
    let mut detail = found.detail;
    if !found.moved {
        detail = set_aside(&config.directory, &found.aside, &detail)?;
        let next = format!("{}\n", number.saturating_add(1));
        let path = generation::path(&config.directory);
        disk::replace(&OsDisk, &path, next.as_bytes()).map_err(RepairError::file(&path))?;
    }
    drop(lock);
    let (log, _) = AuditLog::open(config, clock).map_err(RepairError::Open)?;
    let origin = log.origin().unwrap_or_default().to_owned();
    Ok(Repaired { aside: found.aside, detail, origin })
}

/// A repair that was cut off, as far as it came.
fn unfinished(log: &Path, number: u32) -> Option<Loss> {
    let (moved, aside) = match generation::refuse_unfinished(log, number) {
        Err(_) => (false, generation::aside(log, number)),
        Ok(()) if number > 1 && !has_begun(log) => (true, generation::aside(log, number - 1)),
        Ok(()) => return None,
    };
    let text = std::fs::read_to_string(aside.join("loss")).unwrap_or_default();
    let detail = text.lines().map(str::to_owned).collect();
    Some(Loss { problem: OpenError::Unrepaired, detail, aside, moved })
}

/// Whether the log ever held an entry, as far as what is left of it tells.
fn has_begun(log: &Path) -> bool {
    let segments = segment::list(&segment::directory(log));
    if segments.is_ok_and(|found| !found.is_empty()) {
        return true;
    }
    match std::fs::read(notary::checkpoint_path(log)) {
        Ok(bytes) => Note::parse(&bytes)
            .ok()
            .and_then(|note| note.text().parse::<Checkpoint>().ok())
            .is_none_or(|checkpoint| checkpoint.size() > 0),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn look(
    config: &AuditConfig,
    extent: Extent,
    clock: Arc<dyn Clock>,
) -> Result<Option<Loss>, RepairError> {
    let number = generation::read(&config.directory).map_err(RepairError::Open)?;
    if let Some(unfinished) = unfinished(&config.directory, number) {
        return Ok(Some(unfinished));
    }
    let notary = config.notary.clone().map(|notary| Signing::new(notary, number));
    let signing = notary.transpose().map_err(RepairError::Open)?;
    let around = Surroundings {
        segments: segment::directory(&config.directory),
        node: generation::node(&config.node, number).into(),
        config: config.clone(),
        disk: Arc::new(OsDisk),
        clock,
        boot: boot_id(),
    };
    make_private_directory(&around.segments).map_err(RepairError::file(&around.segments))?;
    let looked = recovery::look(&around, &mut |segments, entries| match &signing {
        Some(signing) => {
            let most_bytes = match extent {
                Extent::Opening => notary::READ_BYTES,
                Extent::Everything => u64::MAX,
            };
            let look = notary::Look { around: &around, signing, most_bytes };
            notary::look(&look, segments, entries).map(|_| None)
        }
        None => Ok(None),
    });
    let Err(problem) = looked else { return Ok(None) };
    let Some(detail) = detail(&problem) else { return Err(RepairError::Open(problem)) };
    let aside = generation::aside(&config.directory, number);
    Ok(Some(Loss { problem, detail, aside, moved: false }))
}

/// `None` for what accepting a loss does not mend.
fn detail(problem: &OpenError) -> Option<Vec<String>> {
    let words = |word: &str, numbers: &[(&str, u64)]| {
        let numbers = numbers.iter().map(|(name, number)| format!("{name}:{number}"));
        Some(std::iter::once(format!("problem:{word}")).chain(numbers).collect())
    };
    match problem {
        OpenError::Damaged { offset, sequence, .. } => {
            words("damaged", &[("entry", *sequence), ("byte", *offset)])
        }
        OpenError::NoCheckpoint { entries } => words("no-checkpoint", &[("found", *entries)]),
        OpenError::Signed(_) => words("checkpoint", &[]),
        OpenError::Shorter { signed, found } => {
            words("shorter", &[("signed", *signed), ("found", *found)])
        }
        OpenError::OtherTree { size } => words("other-tree", &[("signed", *size)]),
        OpenError::Minimum(_) => words("minimum", &[]),
        _ => None,
    }
}

/// Moves everything; answers what was lost, as the first attempt found it.
fn set_aside(log: &Path, to: &Path, detail: &[String]) -> Result<Vec<String>, RepairError> {
    make_private_directory(to).map_err(RepairError::file(to))?;
    let said = to.join("loss");
    if !said.exists() {
        let text: String = detail.iter().map(|line| format!("{line}\n")).collect();
        disk::replace(&OsDisk, &said, text.as_bytes()).map_err(RepairError::file(&said))?;
    }
    for (from, to) in moves(log, to)? {
        std::fs::rename(&from, to).map_err(RepairError::file(&from))?;
    }
    let directories = [to, &log.join("lost"), log];
    for directory in directories {
        OsDisk.sync_directory(directory).map_err(RepairError::file(directory))?;
    }
    let text = std::fs::read_to_string(&said).map_err(RepairError::file(&said))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// What is to be moved, and where to. What was set aside before is never replaced.
fn moves(log: &Path, to: &Path) -> Result<Vec<(PathBuf, PathBuf)>, RepairError> {
    let mut moves = Vec::new();
    for entry in std::fs::read_dir(log).map_err(RepairError::file(log))? {
        let name = entry.map_err(RepairError::file(log))?.file_name();
        if KEPT.iter().any(|kept| name == *kept) {
            continue;
        }
        let (from, there) = (log.join(&name), to.join(&name));
        // What was moved already may have been made again, empty, by whoever looked.
        if there.exists() && from.is_dir() && std::fs::remove_dir(&from).is_ok() {
            continue;
        }
        // A file that was not whole yet says nothing.
        if there.exists() && from.extension().is_none_or(|it| it != "new") {
            return Err(RepairError::Occupied(there));
        }
        moves.push((from, there));
    }
    Ok(moves)
}
