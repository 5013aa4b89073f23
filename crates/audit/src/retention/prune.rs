//! Gives up the oldest segments.
//!
//! The order is what makes it safe: the archive stands and was read back, the log tells of it, the
//! minimum is signed and durable, and only then files go. Whatever ends it in between, the log is
//! whole: without the minimum nothing was given up, and with it the next opening goes on.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use haechi_core::Timestamp;

use super::archive::{ArchiveError, Archived};
use super::file;
use crate::checkpoint::Checkpoint;
use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::minimum::{Minimum, MinimumError};
use crate::notary::Signing;
use crate::note::{LARGEST_NOTE_BYTES, NoteError};
use crate::segment;
use crate::stored::{self, StoredTiles};
use crate::tile::{FULL_WIDTH, TileError, TileReader};
use crate::tree::{Node, Nodes as _};

const FILE: &str = "minimum";

/// What is to be given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// The first entry that is kept: the first of a segment.
    pub minimum: u64,
    /// Where the segments before it were archived; `None` to give them up without an archive.
    pub archived: Option<Vec<Archived>>,
}

/// What was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The first entry that is kept.
    pub minimum: u64,
    /// How many segments went.
    pub segments: u64,
    /// How many entries were in them.
    pub entries: u64,
}

/// Why nothing was given up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// The log signs nothing, so that a gap would look like a theft.
    #[error("the log has no signing key, and only its signature tells pruning from a theft")]
    Unsigned,
    /// Only whole segments go.
    #[error("no segment of the log begins with entry {0}")]
    NoSegment(u64),
    /// Entries before it are gone already.
    #[error("the entries before {0} were given up already")]
    Already(u64),
    /// It is the segment that is written, holds a call without an end, or is not signed yet.
    #[error("the entries from {most} on are still needed")]
    Needed {
        /// The largest minimum there can be now.
        most: u64,
    },
    /// A segment would go that stands in no archive.
    #[error("the segment that begins with entry {0} was not archived")]
    NotArchived(u64),
    /// An archive is not as it was written.
    #[error("an archive does not hold what it should")]
    Archive(#[source] ArchiveError),
    /// The stored hashes, which stand for the entries that go, are missing or wrong.
    #[error("the stored hashes of the log's tree are not those of its newest checkpoint")]
    Tree(#[source] TileError<io::Error>),
    /// The minimum on the disk is not believed, or the new one cannot be written.
    #[error("the log's minimum cannot be used")]
    Minimum(#[source] MinimumError),
    /// The minimum cannot be signed.
    #[error("the log's minimum cannot be signed")]
    Note(#[source] NoteError),
    /// A file cannot be used. When the minimum was signed before, the next opening goes on.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl PruneError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unsigned => "let the log sign its checkpoints first",
            Self::NoSegment(_) | Self::Already(_) => {
                "`haechi audit prune --dry-run` shows what can go"
            }
            Self::Needed { .. } => "wait until these calls have ended, or give up less",
            Self::NotArchived(_) => "archive it first, or say `--without-archive`",
            Self::Archive(error) => error.help(),
            Self::Tree(_) => {
                "start the gateway again, which makes the hashes anew from the entries, and try again"
            }
            Self::Minimum(error) => error.help(),
            Self::Note(_) => "choose a shorter `audit.origin`",
            Self::File { .. } => "look at the directory's owner, its mode, and the free space",
        }
    }
}

/// A log as whoever writes it knows it at this moment.
#[derive(Debug)]
pub(crate) struct Limits<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) disk: &'a dyn Disk,
    pub(crate) signing: &'a Signing,
    /// The newest one.
    pub(crate) checkpoint: &'a Checkpoint,
    /// The largest minimum: the first entry of the segment that is written, or the oldest call without
    /// an end, whichever is smaller.
    pub(crate) most: u64,
    pub(crate) now: Timestamp,
}

/// Gives up what `pruning` says, or nothing.
pub(crate) fn prune(pruning: &Pruning, limits: &Limits<'_>) -> Result<Pruned, PruneError> {
    let (directory, minimum) = (limits.directory, pruning.minimum);
    let before = read(directory, limits.signing)?;
    if minimum <= before {
        return Err(PruneError::Already(before));
    }
    let segments = segment::directory(directory);
    let list = segment::list(&segments).map_err(unusable(&segments))?;
    if !list.iter().any(|(first, _)| *first == minimum) {
        return Err(PruneError::NoSegment(minimum));
    }
    let most = limits.most.min(limits.checkpoint.size());
    if minimum > most {
        return Err(PruneError::Needed { most });
    }
    if let Some(archived) = &pruning.archived {
        check(&list, minimum, archived)?;
    }
    // What stands for the entries from now on must be right, and not be lost with the power.
    check_tree(limits, before..minimum).map_err(PruneError::Tree)?;
    let tree = stored::directory(directory);
    sync_files(limits.disk, &tree).map_err(unusable(&tree))?;
    keep(minimum, limits)?;
    let entries = minimum - list.first().map_or(minimum, |(first, _)| *first);
    let removed = remove(limits.disk, directory, &list, minimum);
    let segments = removed.map_err(unusable(&segments))?;
    Ok(Pruned { minimum, segments, entries })
}

/// Goes on with a pruning that was cut off: what lies wholly below the signed minimum is taken from
/// the disk. The log has been held against its checkpoint and its minimum before.
///
/// # Errors
///
/// [`OpenError::File`] and [`OpenError::Minimum`].
pub(crate) fn resume(
    disk: &dyn Disk,
    directory: &Path,
    signing: &Signing,
) -> Result<(), OpenError> {
    let minimum = read(directory, signing).map_err(|error| match error {
        PruneError::File { path, source } => OpenError::File { path, source },
        PruneError::Minimum(source) => OpenError::Minimum(source),
        _ => OpenError::Minimum(MinimumError::Text),
    })?;
    let path = segment::directory(directory);
    let list = segment::list(&path).map_err(OpenError::file(&path))?;
    // A segment that another one follows at or below the minimum has nothing above it.
    let over = list.windows(2).take_while(|pair| pair.last().is_some_and(|it| it.0 <= minimum));
    let least = over.count();
    let Some((first, _)) = list.get(least) else { return Ok(()) };
    if least > 0 {
        remove(disk, directory, &list, *first).map_err(OpenError::file(&path))?;
        tracing::info!(minimum, "a pruning that was cut off was brought to its end");
    }
    Ok(())
}

/// Reads every stored hash of the entries that go, and holds it against the newest checkpoint.
fn check_tree(limits: &Limits<'_>, entries: Range<u64>) -> Result<(), TileError<io::Error>> {
    let (size, root) = (limits.checkpoint.size(), limits.checkpoint.root());
    let mut tiles = TileReader::open(size, root, StoredTiles::new(limits.directory))?;
    for index in entries.step_by(usize::from(FULL_WIDTH)) {
        tiles.node(Node { level: 0, index })?;
    }
    Ok(())
}

fn read(directory: &Path, signing: &Signing) -> Result<u64, PruneError> {
    let path = directory.join(FILE);
    match file::read(&path, LARGEST_NOTE_BYTES as u64).map_err(unusable(&path))? {
        None => Ok(0),
        Some(bytes) => {
            let minimum = Minimum::open(&bytes, &signing.trust()).map_err(PruneError::Minimum)?;
            Ok(minimum.index())
        }
    }
}

fn keep(index: u64, limits: &Limits<'_>) -> Result<(), PruneError> {
    let minimum = Minimum::new(limits.signing.origin(), index).map_err(PruneError::Minimum)?;
    let note = limits.signing.sign_text(minimum.to_string(), limits.now);
    let note = note.map_err(PruneError::Note)?;
    let path = limits.directory.join(FILE);
    disk::replace(limits.disk, &path, note.to_string().as_bytes()).map_err(unusable(&path))
}

/// Every segment before `minimum` must stand in an archive that holds what was written to it.
fn check(list: &[(u64, PathBuf)], minimum: u64, archived: &[Archived]) -> Result<(), PruneError> {
    for pair in list.windows(2) {
        let [(first, _), (next, _)] = pair else { continue };
        if *next > minimum {
            break;
        }
        let of = |it: &&Archived| it.first == *first && it.last.checked_add(1) == Some(*next);
        let found = archived.iter().find(of).ok_or(PruneError::NotArchived(*first))?;
        found.check().map_err(PruneError::Archive)?;
    }
    Ok(())
}

/// Takes the segments before `minimum` from the disk, oldest first; how many there were.
fn remove(
    disk: &dyn Disk,
    directory: &Path,
    list: &[(u64, PathBuf)],
    minimum: u64,
) -> io::Result<u64> {
    let mut removed = 0;
    for (first, path) in list.iter().take_while(|(first, _)| *first < minimum) {
        disk.remove(path)?;
        // A cache: where there is none, there is nothing to be taken away.
        let _none = fs::remove_file(directory.join("index").join(format!("{first:020}.idx")));
        removed += 1;
    }
    disk.sync_directory(&segment::directory(directory))?;
    Ok(removed)
}

fn sync_files(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        disk.open(&entry?.path())?.sync_data()?;
    }
    disk.sync_directory(directory)
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> PruneError + '_ {
    |source| PruneError::File { path: path.to_owned(), source }
}
