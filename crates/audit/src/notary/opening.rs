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
use crate::tile::{Tile, TileBuilder, TileError, TileReader};
use crate::tree::{CompactTree, Hash, Node, Nodes as _};

/// So much is read on opening. What lies before it is covered by the tree, and read later
/// ([`super::reread`]), or by `haechi audit verify`.
pub(crate) const READ_BYTES: u64 = 256 << 20;

/// The tree of the last checkpoint.
#[derive(Debug)]
pub(crate) struct Grown {
    /// It, to go on from.
    pub(crate) tree: TileBuilder,
    /// The checkpoint.
    pub(crate) signed: SignedCheckpoint,
}

/// As [`look`]; then a new log gets its first checkpoint, over nothing, before there is anything in
/// it, and a log that is whole gets back what is missing beside its entries.
pub(crate) fn check(
    around: &Surroundings,
    signing: &Signing,
    segments: &[Segment],
    entries: u64,
) -> Result<Grown, OpenError> {
    let look = Look { around, signing, most_bytes: READ_BYTES };
    let grown = match self::look(&look, segments, entries)? {
        None => Grown { tree: TileBuilder::new(), signed: first(around, signing)? },
        Some(Held { stored: true, grown }) => grown,
        Some(Held { grown, .. }) => {
            let size = grown.signed.checkpoint.size();
            tracing::info!(entries = size, "the hashes of the audit log's tree are stored anew");
            let disk = std::sync::Arc::clone(&around.disk);
            let mut writer = TreeWriter::new(&around.config.directory, disk);
            grow(around, size, segments, |tile, bytes| writer.write(tile, bytes))?;
            writer.write_partial(&grown.tree);
            grown
        }
    };
    write_verifier_keys(around, signing)?;
    Ok(grown)
}

/// What is looked at, and how far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) around: &'a Surroundings,
    pub(crate) signing: &'a Signing,
    /// The newest segments of at most so many bytes are read, and the newest in any case.
    pub(crate) most_bytes: u64,
}

/// What [`look`] found.
#[derive(Debug)]
pub(crate) struct Held {
    grown: Grown,
    /// Whether the stored hashes lead to it.
    stored: bool,
}

/// Finds the last checkpoint and holds the `entries` entries that can be read against it. Changes
/// nothing. `None`: there is nothing yet, and no checkpoint.
pub(crate) fn look(
    look: &Look<'_>,
    segments: &[Segment],
    entries: u64,
) -> Result<Option<Held>, OpenError> {
    let Look { around, signing, .. } = *look;
    let log = &around.config.directory;
    let path = checkpoint_path(log);
    let signed = match std::fs::read(&path) {
        Ok(bytes) => read(&bytes, around, signing)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && entries == 0 => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::NoCheckpoint { entries });
        }
        Err(error) => return Err(OpenError::file(&path)(error)),
    };
    let size = signed.checkpoint.size();
    if size > entries {
        return Err(OpenError::Shorter { signed: size, found: entries });
    }
    let pruned = minimum(log, signing)?;
    let begins = segments.first().map_or(0, |(first, _)| *first);
    if begins > pruned {
        return Err(OpenError::Shorter { signed: size, found: begins });
    }
    let (tree, stored) = tree_of(look, &signed.checkpoint, segments)?;
    Ok(Some(Held { grown: Grown { tree, signed }, stored }))
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

/// The tree of `checkpoint`: from the stored hashes (`true`) where they lead to its root and the
/// newest entries are theirs, otherwise from the entries.
fn tree_of(
    look: &Look<'_>,
    checkpoint: &Checkpoint,
    segments: &[Segment],
) -> Result<(TileBuilder, bool), OpenError> {
    match from_tiles(look, checkpoint, segments) {
        Ok(tree) => Ok((tree, true)),
        Err(Doubt::Entry(error)) => Err(error),
        Err(Doubt::Tiles) => {
            let (size, root) = (checkpoint.size(), checkpoint.root());
            let tree = grow(look.around, size, segments, |_, _| ())?;
            let same = tree.tree().size() == size && tree.tree().root() == root;
            if same { Ok((tree, false)) } else { Err(OpenError::OtherTree { size }) }
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
    look: &Look<'_>,
    checkpoint: &Checkpoint,
    segments: &[Segment],
) -> Result<TileBuilder, Doubt> {
    let stored = StoredTiles::new(&look.around.config.directory);
    let mut tiles = TileReader::open(checkpoint.size(), checkpoint.root(), stored)?;
    let covered = segments.partition_point(|(first, _)| *first < checkpoint.size());
    let mut left = look.most_bytes;
    for (place, (first, path)) in segments.iter().enumerate().take(covered).rev() {
        let bytes = std::fs::metadata(path).map(|found| found.len());
        let bytes = bytes.map_err(|error| Doubt::Entry(OpenError::file(path)(error)))?;
        // The newest is read however large it is.
        if bytes > left && place + 1 < covered {
            break;
        }
        left = left.saturating_sub(bytes);
        let after = segments.get(place + 1).map_or(u64::MAX, |(first, _)| *first);
        hold(&*look.around.disk, &mut tiles, (*first, path), after.min(checkpoint.size()))?;
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

/// The tree of the first `size` entries, as far as they can be read: every entry is hashed. Hands
/// out each tile that is full.
fn grow(
    around: &Surroundings,
    size: u64,
    segments: &[Segment],
    mut full: impl FnMut(Tile, &[u8]),
) -> Result<TileBuilder, OpenError> {
    // Of what was given up only the hashes stand, which were made durable before.
    let begins = segments.first().map_or(0, |(first, _)| *first);
    let mut tree = stored::unchecked(&around.config.directory, begins)
        .map_err(|_| OpenError::OtherTree { size })?;
    for (first, path) in segments {
        // A segment that is missing in front, or between, shows as a wrong number here.
        if *first != CompactTree::size(tree.tree()) || *first >= size {
            break;
        }
        let file = around.disk.open(path).map_err(OpenError::file(path))?;
        let mut frames = Frames::new(file, *first);
        while frames.sequence() < size {
            match frames.step().map_err(OpenError::file(path))? {
                Step::Entry(_, bytes) => tree.push(Hash::leaf(bytes), &mut full),
                Step::Blank | Step::Broken => break,
            }
        }
    }
    Ok(tree)
}
