//! Holds a log against its last checkpoint before anything is added to it.

use std::io;
use std::path::Path;

use super::signing::{checkpoint_path, verifier_key_path};
use super::{SignedCheckpoint, Signing};
use crate::checkpoint::{Checkpoint, VerifiedCheckpoint};
use crate::disk::{self, Disk};
use crate::error::OpenError;
use crate::minimum::Minimum;
use crate::recovery::Segment;
use crate::scan::{Frames, Step};
use crate::segment;
use crate::stored::{self, StoredTiles, TreeWriter};
use crate::tail::Surroundings;
use crate::tile::{TileBuilder, TileError, TileReader};
use crate::tree::{CompactTree, Hash, Node, Nodes as _};

/// The newest segments of at most so many bytes are read whole on opening. What lies before them
/// is covered by the tree, and read by `haechi audit verify`.
const READ_BYTES: u64 = 256 << 20;

/// The tree of the last checkpoint.
#[derive(Debug)]
pub(crate) struct Grown {
    /// It, to go on from.
    pub(crate) tree: TileBuilder,
    /// The checkpoint.
    pub(crate) signed: SignedCheckpoint,
}

/// Finds the last checkpoint and holds the `entries` entries that can be read against it. A new log
/// gets its first checkpoint, over nothing, before there is anything in it.
pub(crate) fn check(
    around: &Surroundings,
    signing: &Signing,
    segments: &[Segment],
    entries: u64,
) -> Result<Grown, OpenError> {
    let log = &around.config.directory;
    let path = checkpoint_path(log);
    let signed = match std::fs::read(&path) {
        Ok(bytes) => read(&bytes, around, signing)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && entries == 0 => {
            first(around, signing)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::NoCheckpoint { entries });
        }
        Err(error) => return Err(OpenError::file(&path)(error)),
    };
    write_verifier_keys(around, signing)?;
    let size = signed.checkpoint.size();
    if size > entries {
        return Err(OpenError::Shorter { signed: size, found: entries });
    }
    let pruned = minimum(log, signing)?;
    let begins = segments.first().map_or(0, |(first, _)| *first);
    if begins > pruned {
        return Err(OpenError::Shorter { signed: size, found: begins });
    }
    let tree = grown(around, &signed.checkpoint, segments)?;
    Ok(Grown { tree, signed })
}

fn read(
    bytes: &[u8],
    around: &Surroundings,
    signing: &Signing,
) -> Result<SignedCheckpoint, OpenError> {
    let verified = VerifiedCheckpoint::open(bytes, &signing.trust()).map_err(OpenError::Signed)?;
    let (checkpoint, note) = (verified.checkpoint().clone(), verified.note().clone());
    Ok(SignedCheckpoint { checkpoint, note, at: around.clock.now() })
}

/// The checkpoint of a log without entries: from here on, a log without one has lost it.
fn first(around: &Surroundings, signing: &Signing) -> Result<SignedCheckpoint, OpenError> {
    let path = checkpoint_path(&around.config.directory);
    let unsigned = |error| OpenError::file(&path)(io::Error::other(error));
    let empty = Checkpoint::new(signing.origin(), 0, Hash::empty_root());
    let checkpoint = empty.map_err(|error| unsigned(error.to_string()))?;
    let at = around.clock.now();
    let note = signing.sign(&checkpoint, at).map_err(|error| unsigned(error.to_string()))?;
    let written = disk::replace(&*around.disk, &path, note.to_string().as_bytes());
    written.map_err(OpenError::file(&path))?;
    Ok(SignedCheckpoint { checkpoint, note, at })
}

/// The number of the first entry that was not pruned; 0 where none was.
fn minimum(log: &Path, signing: &Signing) -> Result<u64, OpenError> {
    let path = log.join("minimum");
    match std::fs::read(&path) {
        Ok(bytes) => Minimum::open(&bytes, &signing.trust())
            .map(|minimum| minimum.index())
            .map_err(OpenError::Minimum),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(OpenError::file(&path)(error)),
    }
}

fn write_verifier_keys(around: &Surroundings, signing: &Signing) -> Result<(), OpenError> {
    let path = verifier_key_path(&around.config.directory);
    let keys: String = signing.verifier_keys().iter().map(|key| format!("{key}\n")).collect();
    if std::fs::read(&path).is_ok_and(|found| found == keys.as_bytes()) {
        return Ok(());
    }
    let written = disk::replace(&*around.disk, &path, keys.as_bytes());
    written.map_err(OpenError::file(&path))
}

/// The tree of `checkpoint`: from the stored hashes where they lead to its root and the newest
/// entries are theirs, otherwise from the entries.
fn grown(
    around: &Surroundings,
    checkpoint: &Checkpoint,
    segments: &[Segment],
) -> Result<TileBuilder, OpenError> {
    match from_tiles(around, checkpoint, segments) {
        Ok(tree) => Ok(tree),
        Err(Doubt::Entry(error)) => Err(error),
        Err(Doubt::Tiles) => {
            tracing::info!(entries = checkpoint.size(), "the audit log's tree is made anew");
            from_entries(around, checkpoint, segments)
        }
    }
}

enum Doubt {
    /// The stored hashes are missing or wrong: that says nothing of the entries.
    Tiles,
    Entry(OpenError),
}

impl From<TileError<io::Error>> for Doubt {
    fn from(_: TileError<io::Error>) -> Self {
        Self::Tiles
    }
}

fn from_tiles(
    around: &Surroundings,
    checkpoint: &Checkpoint,
    segments: &[Segment],
) -> Result<TileBuilder, Doubt> {
    let stored = StoredTiles::new(&around.config.directory);
    let mut tiles = TileReader::open(checkpoint.size(), checkpoint.root(), stored)?;
    let mut left = READ_BYTES;
    for (place, (first, path)) in segments.iter().enumerate().rev() {
        if *first >= checkpoint.size() {
            continue;
        }
        let bytes = std::fs::metadata(path).map(|found| found.len());
        let bytes = bytes.map_err(|error| Doubt::Entry(OpenError::file(path)(error)))?;
        let Some(rest) = left.checked_sub(bytes) else { break };
        left = rest;
        let after = segments.get(place + 1).map_or(u64::MAX, |(first, _)| *first);
        hold(&*around.disk, &mut tiles, (*first, path), after.min(checkpoint.size()))?;
    }
    Ok(tiles.builder()?)
}

/// Holds each entry of a segment before `end` against the tree.
fn hold(
    disk: &dyn Disk,
    tiles: &mut TileReader<StoredTiles>,
    (first, path): (u64, &Path),
    end: u64,
) -> Result<(), Doubt> {
    let file = |error| Doubt::Entry(OpenError::file(path)(error));
    let mut frames = Frames::new(disk.open(path).map_err(file)?, first);
    while frames.sequence() < end {
        let offset = frames.offset();
        let wrong = |sequence| {
            let segment = segment::name(path);
            Doubt::Entry(OpenError::Damaged { segment, offset, sequence })
        };
        let next = frames.sequence();
        match frames.step().map_err(file)? {
            Step::Entry(sequence, bytes) => {
                let leaf = Hash::leaf(bytes);
                if tiles.node(Node { level: 0, index: sequence })? != leaf {
                    return Err(wrong(sequence));
                }
            }
            Step::Blank | Step::Broken => return Err(wrong(next)),
        }
    }
    Ok(())
}

/// Hashes every entry, and stores the hashes anew.
fn from_entries(
    around: &Surroundings,
    checkpoint: &Checkpoint,
    segments: &[Segment],
) -> Result<TileBuilder, OpenError> {
    let size = checkpoint.size();
    // Of what was given up only the hashes stand, which were made durable before.
    let begins = segments.first().map_or(0, |(first, _)| *first);
    let mut tree = stored::unchecked(&around.config.directory, begins)
        .map_err(|_| OpenError::OtherTree { size })?;
    let mut writer = TreeWriter::new(&around.config.directory, std::sync::Arc::clone(&around.disk));
    for (first, path) in segments {
        // A segment that is missing in front, or between, shows as a wrong number here.
        if *first != CompactTree::size(tree.tree()) || *first >= size {
            break;
        }
        let file = around.disk.open(path).map_err(OpenError::file(path))?;
        let mut frames = Frames::new(file, *first);
        while frames.sequence() < size {
            match frames.step().map_err(OpenError::file(path))? {
                Step::Entry(_, bytes) => {
                    tree.push(Hash::leaf(bytes), |tile, bytes| writer.write(tile, bytes));
                }
                Step::Blank | Step::Broken => break,
            }
        }
    }
    writer.write_partial(&tree);
    if tree.tree().size() == size && tree.tree().root() == checkpoint.root() {
        return Ok(tree);
    }
    Err(OpenError::OtherTree { size })
}
