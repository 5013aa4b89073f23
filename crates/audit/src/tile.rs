//! The tree and its entries cut into files (C2SP tlog-tiles): names, contents, and reading them.
//!
//! A tile holds up to 256 hashes of complete subtrees of height `8 × level`, an entry bundle the
//! entries below a tile of level 0. A full one never changes; the last of each level is partial
//! and is replaced by a wider one as the log grows.

mod builder;
mod bundle;
mod reader;

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

pub use builder::TileBuilder;
pub use bundle::{BundleError, bundle, entries};
pub(crate) use reader::top;
pub use reader::{TileError, TileReader, TileSource};

use crate::tree::SIZE_LIMIT;

/// Hashes in a full tile, and entries in a full bundle.
pub const FULL_WIDTH: u16 = 256;
/// Levels of the tree that one tile stands for.
pub(crate) const HEIGHT: u32 = 8;
/// The highest level a tile's path may name; trees of this crate end at 7.
const HIGHEST_LEVEL: u8 = 63;

/// What a file of the log's tiles holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// Hashes, 32 bytes each, of the complete subtrees of height `8 × level`.
    Hashes {
        /// From 0, where the leaf hashes are, to 63.
        level: u8,
    },
    /// Entries, each behind its length.
    Entries,
}

/// One file: a tile or an entry bundle. Its text is its path below the log's address.
///
/// ```
/// use haechi_audit::tile::{Content, Tile};
///
/// let tile = Tile::new(Content::Hashes { level: 0 }, 1_234_067, 17)?;
/// assert_eq!(tile.to_string(), "tile/0/x001/x234/067.p/17");
/// assert_eq!("tile/0/x001/x234/067.p/17".parse(), Ok(tile));
/// # Ok::<(), haechi_audit::tile::PathError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    content: Content,
    index: u64,
    width: u16,
}

impl Tile {
    /// The file `index` with `width` hashes or entries, 1 to 256.
    ///
    /// # Errors
    ///
    /// [`PathError`] when the width or the level is outside its range.
    pub fn new(content: Content, index: u64, width: u16) -> Result<Self, PathError> {
        let level_fits = match content {
            Content::Hashes { level } => level <= HIGHEST_LEVEL,
            Content::Entries => true,
        };
        let fits = level_fits && (1..=FULL_WIDTH).contains(&width);
        fits.then_some(Self { content, index, width }).ok_or(PathError)
    }

    /// The file `index` as a log of `size` entries has it; `None` when it has none.
    #[must_use]
    pub fn at(content: Content, index: u64, size: u64) -> Option<Self> {
        let hashes = match content {
            Content::Hashes { level } => size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0),
            Content::Entries => size,
        };
        let rest = hashes.checked_sub(index.checked_mul(u64::from(FULL_WIDTH))?)?;
        let width = u16::try_from(rest.min(u64::from(FULL_WIDTH))).ok()?;
        Self::new(content, index, width).ok()
    }

    /// Every tile and bundle of a log of `size` entries, level by level, the bundles last.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        let levels = (0..HIGHEST_LEVEL).map(|level| Content::Hashes { level });
        let levels = levels.take_while(move |content| Self::at(*content, 0, size).is_some());
        levels
            .chain([Content::Entries])
            .flat_map(move |content| (0..).map_while(move |index| Self::at(content, index, size)))
    }

    /// The tiles that the root hash of a tree of `size` is made of: the partial ones at the right
    /// edge, at most one for each level.
    pub fn for_head(size: u64) -> impl Iterator<Item = Self> {
        let levels = (0..HIGHEST_LEVEL).map(move |level| (level, HEIGHT * u32::from(level)));
        let edges = levels.map_while(move |(level, shift)| {
            let hashes = size.min(SIZE_LIMIT - 1).checked_shr(shift).filter(|it| *it > 0)?;
            Some(Self::at(Content::Hashes { level }, hashes / u64::from(FULL_WIDTH), size))
        });
        edges.flatten()
    }

    /// What it holds.
    #[must_use]
    pub const fn content(&self) -> Content {
        self.content
    }

    /// Its place among the files of its kind and level.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will never change.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == FULL_WIDTH
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Hashes { level } => write!(f, "tile/{level}/")?,
            Content::Entries => f.write_str("tile/entries/")?,
        }
        write_index(f, self.index)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Groups of three digits; all but the last begin with an `x`, so that no file is in the way of a
/// directory.
fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    if index >= 1000 {
        write_upper(f, index / 1000)?;
    }
    write!(f, "{:03}", index % 1000)
}

fn write_upper(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    if index >= 1000 {
        write_upper(f, index / 1000)?;
    }
    f.write_char('x')?;
    write!(f, "{:03}/", index % 1000)
}

/// The text is not the path of a tile or bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the path of a tile (`tile/LEVEL/INDEX` or `tile/entries/INDEX`)")]
pub struct PathError;

/// Takes only the one path that [`Tile`] itself writes.
impl FromStr for Tile {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        let rest = path.strip_prefix("tile/").ok_or(PathError)?;
        let (content, rest) = rest.split_once('/').ok_or(PathError)?;
        let content = match content {
            "entries" => Content::Entries,
            level => Content::Hashes { level: level.parse().map_err(|_| PathError)? },
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| PathError)?),
            None => (rest, FULL_WIDTH),
        };
        let tile = Self::new(content, read_index(index)?, width)?;
        // Zeros in front, a plus sign, a full width that is written out: there is one path.
        if tile.to_string() == path { Ok(tile) } else { Err(PathError) }
    }
}

fn read_index(text: &str) -> Result<u64, PathError> {
    let mut index = 0_u64;
    for group in text.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let group: u64 = digits.parse().map_err(|_| PathError)?;
        index = index.checked_mul(1000).and_then(|it| it.checked_add(group)).ok_or(PathError)?;
    }
    Ok(index)
}
