//! Segments copied to where they stay when the log gives them up.

use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use haechi_core::Entropy;
use rustix::fs::{Advice, fadvise};
use serde::{Deserialize, Serialize};

use super::age::Sealing;
use super::recipient::Recipient;
use super::segments::WholeSegment;
use crate::checkpoint::TrustError;
use crate::disk::{self, DiskFile, OsDisk};
use crate::scan::{Frames, Step};
use crate::segment;
use crate::tile::TileError;
use crate::tree::{Hash, Node, Nodes};

const CHUNK_BYTES: usize = 256 * 1024;
/// Names that are tried before it is said that the folder is full of them.
const MOST_NAMES: u32 = 1000;

/// Where archives go, and who can open them.
#[derive(Clone, Debug)]
pub struct Archive {
    /// An existing folder, better on another disk.
    pub folder: PathBuf,
    /// Each of them can open each archive; at least one.
    pub recipients: Vec<Recipient>,
    /// What the files are named after: the log's node.
    pub node: String,
}

/// A segment that stands in an archive: what the log says of it before it is given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archived {
    /// Number of its first entry.
    pub first: u64,
    /// Number of its last entry.
    pub last: u64,
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
}

/// Why a segment was not archived, or its archive is not as it was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Nobody could open it.
    #[error("an archive has no recipient")]
    NoRecipient,
    /// The log's newest checkpoint is not its own.
    #[error("the log's newest checkpoint is not its own")]
    Checkpoint(#[source] TrustError),
    /// The newest checkpoint does not cover all of it.
    #[error("no checkpoint covers the segment that begins with entry {0} yet")]
    Unsigned(u64),
    /// The stored hashes are missing or wrong.
    #[error("the stored hashes of the log's tree are not those of its newest checkpoint")]
    Tree(#[source] TileError<io::Error>),
    /// An entry does not read as it was written, or is not the one the tree says.
    #[error("entry {sequence} in `{segment}` is not the one that the log's tree says")]
    Damaged {
        /// The segment's file name.
        segment: String,
        /// Which entry.
        sequence: u64,
    },
    /// What stands in the archive is not what was written to it.
    #[error("`{}` does not hold what was written to it", .0.display())]
    Changed(PathBuf),
    /// The folder has too many files of this name.
    #[error("`{}` stands there already, under every name that was tried", .0.display())]
    Exists(PathBuf),
    /// A file cannot be used.
    #[error("`{}` cannot be used", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl ArchiveError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoRecipient => "name one with `--recipient age1…`",
            Self::Checkpoint(error) => error.help(),
            Self::Unsigned(_) => "wait a second for the next checkpoint, and try again",
            Self::Tree(_) => {
                "start the gateway again, which makes the hashes anew from the entries, and try again"
            }
            Self::Damaged { .. } => {
                "keep a copy of the log's directory and look into it with `haechi audit verify`; \
                 nothing is given up"
            }
            Self::Changed(_) => "look at the disk the archive is on; nothing is given up",
            Self::Exists(_) => "choose another folder",
            Self::File { .. } => "look at the folder's owner, its mode, and the free space",
        }
    }
}

/// Copies a segment into an `age` file, reads the file back from the disk, and answers what to say of
/// it in the log. Every entry is held against the hash that `tree` has of it, so nothing is archived
/// in the place of what was written. A file that is there already stays.
///
/// # Errors
///
/// [`ArchiveError`]; then no file of the archive's name was made.
pub fn archive<N: Nodes>(
    whole: &WholeSegment,
    tree: &mut N,
    to: &Archive,
    entropy: &dyn Entropy,
) -> Result<Archived, ArchiveError> {
    if to.recipients.is_empty() {
        return Err(ArchiveError::NoRecipient);
    }
    let unread = |source| ArchiveError::File { path: whole.path.clone(), source };
    let segment = disk::open_to_read(&whole.path).map_err(unread)?;
    let end = check(whole, &segment, tree)?;
    let path = free_name(whole, to)?;
    let unwritten = |source| ArchiveError::File { path: path.clone(), source };
    let written =
        disk::replace_with(&OsDisk, &path, |file| write(segment.as_ref(), end, file, to, entropy));
    let (bytes, sha256) = written.map_err(|source| {
        let _half_made = fs::remove_file(path.with_added_extension("new"));
        unwritten(source)
    })?;
    let archived = Archived { first: whole.first, last: whole.last, file: path, bytes, sha256 };
    archived.check()?;
    Ok(archived)
}

impl Archived {
    /// Reads the file, past what the system remembers of it, and holds it against size and digest.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Changed`] and [`ArchiveError::File`].
    pub fn check(&self) -> Result<(), ArchiveError> {
        let unread = |source| ArchiveError::File { path: self.file.clone(), source };
        let (bytes, sha256) = digest_of(&self.file).map_err(unread)?;
        if (bytes, sha256) == (self.bytes, self.sha256.clone()) {
            Ok(())
        } else {
            Err(ArchiveError::Changed(self.file.clone()))
        }
    }
}

/// Walks through all entries of the segment; where the last one ends.
fn check<N: Nodes>(
    whole: &WholeSegment,
    file: &Arc<dyn DiskFile>,
    tree: &mut N,
) -> Result<u64, ArchiveError> {
    let mut frames = Frames::new(Arc::clone(file), whole.first);
    let damaged =
        |sequence| ArchiveError::Damaged { segment: segment::name(&whole.path), sequence };
    while frames.sequence() <= whole.last {
        let expected = frames.sequence();
        let step = frames.step();
        let step =
            step.map_err(|source| ArchiveError::File { path: whole.path.clone(), source })?;
        let Step::Entry(sequence, bytes) = step else { return Err(damaged(expected)) };
        let known = tree.node(Node { level: 0, index: sequence }).ok();
        if known != Some(Hash::leaf(bytes)) {
            return Err(damaged(sequence));
        }
    }
    Ok(frames.offset())
}

fn free_name(whole: &WholeSegment, to: &Archive) -> Result<PathBuf, ArchiveError> {
    let stem = format!("{}-{:020}-{:020}", to.node, whole.first, whole.last);
    let names = (1..MOST_NAMES).map(|number| match number {
        1 => to.folder.join(format!("{stem}.seg.age")),
        number => to.folder.join(format!("{stem}.{number}.seg.age")),
    });
    let mut names = names;
    names
        .find(|path| !path.exists())
        .ok_or_else(|| ArchiveError::Exists(to.folder.join(format!("{stem}.seg.age"))))
}

fn write(
    segment: &dyn DiskFile,
    end: u64,
    out: &dyn DiskFile,
    to: &Archive,
    entropy: &dyn Entropy,
) -> io::Result<(u64, String)> {
    let out = Digesting { out, sum: Context::new(&SHA256), bytes: 0 };
    let mut sealing = Sealing::begin(out, &to.recipients, entropy)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < end {
        let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX).min(chunk.len());
        let Some(part) = chunk.get_mut(..wanted) else { break };
        let read = segment.read_at(part, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sealing.write_all(part.get(..read).unwrap_or_default())?;
        offset += read as u64;
    }
    let Digesting { sum, bytes, .. } = sealing.finish()?;
    Ok((bytes, hexadecimal(sum)))
}

/// Sums what goes through it.
struct Digesting<'a> {
    out: &'a dyn DiskFile,
    sum: Context,
    bytes: u64,
}

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_at(bytes, self.bytes)?;
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn digest_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    // What stands in memory proves nothing about the disk. Where it cannot be dropped, it is read.
    let _in_memory = fadvise(&file, 0, None, Advice::DontNeed);
    let mut sum = Context::new(&SHA256);
    let (mut chunk, mut bytes) = (vec![0; CHUNK_BYTES], 0);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok((bytes, hexadecimal(sum)));
        }
        sum.update(chunk.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}

fn hexadecimal(sum: Context) -> String {
    sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
