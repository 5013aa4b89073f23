//! The tree's tiles: as they are stored, or made anew from the entries.

use std::io;

use super::{View, ViewError};
use crate::checkpoint::{Checkpoint, Trust, TrustError, VerifiedCheckpoint};
use crate::note::Note;
use crate::proof::EntryProof;
use crate::stored::StoredTiles;
use crate::tile::{Content, Tile, TileBuilder, TileError, TileReader, TileSource};
use crate::tree::{ConsistencyProof, Hash, InclusionProof, ProveError};

/// Tiles of one log. They are what is stored or computed, not what a checkpoint covers:
/// [`TileReader`] holds them against it.
#[derive(Debug)]
pub enum Tiles {
    /// As the log keeps them beside its entries.
    Stored(StoredTiles),
    /// Made anew from the entries: the bytes of each level.
    Computed(Vec<Vec<u8>>),
}

impl TileSource for Tiles {
    type Error = io::Error;

    fn tile(&mut self, tile: Tile) -> io::Result<Vec<u8>> {
        let levels = match self {
            Self::Stored(stored) => return stored.tile(tile),
            Self::Computed(levels) => levels,
        };
        let Content::Hashes { level } = tile.content() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let bytes = |hashes: u64| usize::try_from(hashes).ok()?.checked_mul(Hash::BYTES);
        let first = tile.index().checked_mul(u64::from(crate::tile::FULL_WIDTH));
        let range = first.and_then(|first| {
            Some(bytes(first)?..bytes(first.checked_add(u64::from(tile.width()))?)?)
        });
        let level = levels.get(usize::from(level));
        let found = level.and_then(|level| level.get(range?));
        found.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The tree that a checkpoint covers.
pub(super) type Tree = TileReader<Tiles>;

impl View {
    /// The tree of a checkpoint from the stored hashes.
    pub(super) fn stored_tree(
        &self,
        checkpoint: &Checkpoint,
    ) -> Result<Tree, TileError<io::Error>> {
        let stored = Tiles::Stored(StoredTiles::new(&self.directory));
        TileReader::open(checkpoint.size(), checkpoint.root(), stored)
    }

    /// The tree of a checkpoint from the entries: 33 bytes of memory for each.
    fn computed_tree(&self, checkpoint: &Checkpoint) -> Result<Tree, ViewError> {
        let (mut builder, mut entries) = (TileBuilder::new(), self.reader.raw(0));
        let mut levels: Vec<Vec<u8>> = Vec::new();
        for index in 0..checkpoint.size() {
            let (sequence, bytes) = entries.next()?.unwrap_or_default();
            if sequence != index || bytes.is_empty() {
                break;
            }
            builder.push(Hash::leaf(&bytes), |tile, bytes| add(&mut levels, tile, bytes));
        }
        builder.partial().for_each(|(tile, bytes)| add(&mut levels, tile, bytes));
        let (size, root) = (checkpoint.size(), checkpoint.root());
        TileReader::open(size, root, Tiles::Computed(levels)).map_err(ViewError::Tree)
    }

    /// Does something with the tree as it is stored; when a hash of it is missing or wrong, once
    /// more with one made anew from the entries.
    ///
    /// # Errors
    ///
    /// What `work` answers the second time; [`ViewError::Tree`] when entries and checkpoint do not
    /// belong together.
    pub(super) fn with_tree<T>(
        &self,
        checkpoint: &Checkpoint,
        mut work: impl FnMut(&mut Tree) -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        let stored = self.stored_tree(checkpoint).map_err(ViewError::Tree);
        match stored.and_then(|mut tree| work(&mut tree)) {
            Err(ViewError::Tree(_) | ViewError::Prove(ProveError::Nodes(_))) => {
                work(&mut self.computed_tree(checkpoint)?)
            }
            other => other,
        }
    }

    /// A tile or entry bundle as a monitor asks for it: one that the newest checkpoint covers, or
    /// the beginning of one, as an older checkpoint had it. `None` when there is none, or its
    /// entries were pruned.
    ///
    /// Nothing is made anew here: strangers may ask.
    ///
    /// # Errors
    ///
    /// [`ViewError::Tree`] when the stored hashes are not those of the checkpoint.
    pub fn published(&self, tile: Tile) -> Result<Option<Vec<u8>>, ViewError> {
        let Some(checkpoint) = self.stated()? else { return Ok(None) };
        let whole = Tile::at(tile.content(), tile.index(), checkpoint.size());
        let Some(whole) = whole.filter(|whole| tile.width() <= whole.width()) else {
            return Ok(None);
        };
        let mut tree = self.stored_tree(&checkpoint).map_err(ViewError::Tree)?;
        if let Content::Hashes { .. } = tile.content() {
            let bytes = tree.tile(whole).map_err(ViewError::Tree)?;
            return Ok(bytes.get(..usize::from(tile.width()) * Hash::BYTES).map(<[u8]>::to_vec));
        }
        let Some(bytes) = self.bundle(tile)? else { return Ok(None) };
        tree.entries(tile, &bytes).map_err(ViewError::Tree)?;
        Ok(Some(bytes))
    }

    /// The newest checkpoint as a monitor asks for it, with the cosignatures that it has by now.
    ///
    /// # Errors
    ///
    /// [`ViewError::File`].
    pub fn published_checkpoint(&self) -> Result<Option<Vec<u8>>, ViewError> {
        let Some(newest) = self.checkpoint()? else { return Ok(None) };
        let text = |bytes: &[u8]| Note::parse(bytes).ok().map(|note| note.text().to_owned());
        let cosigned =
            self.cosigned()?.filter(|it| text(it).is_some() && text(it) == text(&newest));
        Ok(Some(cosigned.unwrap_or(newest)))
    }

    /// What the newest checkpoint says. Nobody has verified it.
    fn stated(&self) -> Result<Option<Checkpoint>, ViewError> {
        let Some(bytes) = self.checkpoint()? else { return Ok(None) };
        let note =
            Note::parse(&bytes).map_err(|error| ViewError::Checkpoint(TrustError::Note(error)))?;
        let checkpoint = note.text().parse();
        checkpoint.map(Some).map_err(|error| ViewError::Checkpoint(TrustError::Body(error)))
    }

    /// A tile of hashes, which `checkpoint` covers.
    ///
    /// # Errors
    ///
    /// [`ViewError::Tree`] when there is no such tile.
    pub fn tile(&self, tile: Tile, checkpoint: &Checkpoint) -> Result<Vec<u8>, ViewError> {
        self.with_tree(checkpoint, |tree| {
            tree.tile(tile).map(<[u8]>::to_vec).map_err(ViewError::Tree)
        })
    }

    /// Proves that the entry `index` is in the log. The proof stands alone.
    ///
    /// # Errors
    ///
    /// [`ViewError::Prove`] when the newest checkpoint does not cover the entry, and when the log
    /// cannot be read or is not what the checkpoint says.
    pub fn prove(&self, index: u64, trust: &Trust) -> Result<EntryProof, ViewError> {
        let checkpoint = self.covering(index, trust)?;
        let size = checkpoint.checkpoint().size();
        let inclusion = self.with_tree(checkpoint.checkpoint(), |tree| {
            InclusionProof::make(index, size, tree).map_err(ViewError::Prove)
        })?;
        Ok(EntryProof::new(inclusion, checkpoint.note().clone()))
    }

    /// The checkpoint to prove an entry with: the cosigned one where it covers the entry, for it
    /// says more.
    fn covering(&self, index: u64, trust: &Trust) -> Result<VerifiedCheckpoint, ViewError> {
        let cosigned = self.cosigned()?.map(|bytes| VerifiedCheckpoint::open(&bytes, trust));
        if let Some(Ok(cosigned)) = cosigned
            && cosigned.checkpoint().size() > index
        {
            return Ok(cosigned);
        }
        self.verified(trust)
    }

    /// The root hash of the first `size` entries.
    ///
    /// # Errors
    ///
    /// As [`View::prove`].
    pub fn root_at(&self, size: u64, trust: &Trust) -> Result<Hash, ViewError> {
        let checkpoint = self.verified(trust)?;
        let newest = checkpoint.checkpoint().size();
        if size > newest {
            let error = ProveError::NoSuchEntry { index: size, size: newest };
            return Err(ViewError::Prove(error));
        }
        self.with_tree(checkpoint.checkpoint(), |tree| {
            crate::tree::root(size, tree).map_err(ViewError::Tree)
        })
    }

    /// Proves that the first `new_size` entries begin with the first `old_size`.
    ///
    /// # Errors
    ///
    /// As [`View::prove`].
    pub fn consistency(
        &self,
        old_size: u64,
        new_size: u64,
        trust: &Trust,
    ) -> Result<ConsistencyProof, ViewError> {
        let checkpoint = self.verified(trust)?;
        let size = checkpoint.checkpoint().size();
        if new_size > size {
            let error = ProveError::NoSuchEntry { index: new_size, size };
            return Err(ViewError::Prove(error));
        }
        self.with_tree(checkpoint.checkpoint(), |tree| {
            ConsistencyProof::make(old_size, new_size, tree).map_err(ViewError::Prove)
        })
    }
}

fn add(levels: &mut Vec<Vec<u8>>, tile: Tile, bytes: &[u8]) {
    let Content::Hashes { level } = tile.content() else { return };
    let level = usize::from(level);
    if levels.len() <= level {
        levels.resize(level + 1, Vec::new());
    }
    levels.get_mut(level).into_iter().for_each(|level| level.extend_from_slice(bytes));
}
