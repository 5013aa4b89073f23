//! What somebody does who may write every file of a log.

use std::path::{Path, PathBuf};

use haechi_audit::checkpoint::Checkpoint;
use haechi_audit::note::{KeyKind, Signer};
use haechi_audit::tile::{Content, TileBuilder};
use haechi_audit::tree::Hash;
use haechi_core::{Secret, Timestamp};

const HEADER_BYTES: usize = 4096;

/// Where a frame begins in its segment, and its entry.
#[derive(Clone)]
pub(crate) struct Frame {
    /// The checksum, as it was written or as a careful forger makes it.
    pub(crate) sum: u32,
    pub(crate) entry: Vec<u8>,
}

/// The segments of a log, taken apart.
pub(crate) struct Segments {
    directory: PathBuf,
    pub(crate) list: Vec<(u64, Vec<Frame>)>,
}

impl Segments {
    pub(crate) fn read(log: &Path) -> Self {
        let directory = log.join("segments");
        let names = std::fs::read_dir(&directory).unwrap();
        let names = names.map(|found| found.unwrap().file_name().into_string().unwrap());
        let mut firsts: Vec<u64> =
            names.filter_map(|name| name.strip_suffix(".seg")?.parse().ok()).collect();
        firsts.sort_unstable();
        let list = firsts.into_iter().map(|first| (first, frames(&path(&directory, first))));
        Self { list: list.collect(), directory }
    }

    /// Every entry of the log.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().flat_map(|(_, frames)| frames).map(|frame| frame.entry.as_slice())
    }

    /// The frame of an entry.
    pub(crate) fn frame(&mut self, index: u64) -> &mut Frame {
        let after = self.list.partition_point(|(first, _)| *first <= index);
        let (first, frames) = &mut self.list[after - 1];
        &mut frames[usize::try_from(index - *first).unwrap()]
    }

    /// Makes every checksum fit to the place of its entry.
    pub(crate) fn refit(&mut self) {
        for (first, frames) in &mut self.list {
            for (sequence, frame) in (*first..).zip(frames) {
                frame.sum = sum(sequence, &frame.entry);
            }
        }
    }

    /// Writes the segments back.
    pub(crate) fn write(&self) {
        for (first, frames) in &self.list {
            let path = path(&self.directory, *first);
            let before = std::fs::read(&path).unwrap();
            let mut bytes = before[..HEADER_BYTES].to_vec();
            for frame in frames {
                bytes.extend_from_slice(&u32::try_from(frame.entry.len()).unwrap().to_le_bytes());
                bytes.extend_from_slice(&frame.sum.to_le_bytes());
                bytes.extend_from_slice(&frame.entry);
            }
            bytes.resize(before.len().max(bytes.len()), 0);
            std::fs::write(&path, bytes).unwrap();
        }
    }

    /// Makes the stored hashes those of the entries as they are now; answers their root hash.
    pub(crate) fn store_tree(&self, log: &Path) -> Checkpoint {
        let mut levels: Vec<Vec<u8>> = Vec::new();
        let mut add = |content, bytes: &[u8]| {
            let Content::Hashes { level } = content else { return };
            levels.resize(levels.len().max(usize::from(level) + 1), Vec::new());
            levels[usize::from(level)].extend_from_slice(bytes);
        };
        let mut builder = TileBuilder::new();
        for entry in self.entries() {
            builder.push(Hash::leaf(entry), |tile, bytes| add(tile.content(), bytes));
        }
        builder.partial().for_each(|(tile, bytes)| add(tile.content(), bytes));
        for (level, bytes) in levels.iter().enumerate() {
            std::fs::write(log.join("tree").join(level.to_string()), bytes).unwrap();
        }
        Checkpoint::new(ORIGIN, builder.tree().size(), builder.tree().root()).unwrap()
    }
}

pub(crate) const ORIGIN: &str = "gateway.example/audit/test";

/// The log's own key, or another one under its name.
pub(crate) fn signer(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, KeyKind::Ed25519, &Secret::new(vec![seed; 32])).unwrap()
}

/// Writes a checkpoint in the place of the log's.
pub(crate) fn put_checkpoint(log: &Path, checkpoint: &Checkpoint, signer: &Signer) {
    let note = checkpoint.sign(signer, Timestamp(0)).unwrap();
    std::fs::write(log.join("checkpoint"), note.to_string()).unwrap();
}

fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.seg"))
}

fn frames(path: &Path) -> Vec<Frame> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut frames) = (&bytes[HEADER_BYTES..], Vec::new());
    while let Some((header, after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes(header[..4].try_into().unwrap());
        if length == 0 {
            break;
        }
        let sum = u32::from_le_bytes(header[4..].try_into().unwrap());
        let (entry, after) = after.split_at(usize::try_from(length).unwrap());
        frames.push(Frame { sum, entry: entry.to_vec() });
        rest = after;
    }
    frames
}

/// The checksum of a frame.
pub(crate) fn sum(sequence: u64, entry: &[u8]) -> u32 {
    let length = u32::try_from(entry.len()).unwrap();
    let sum = crc32c::crc32c(&length.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, &sequence.to_le_bytes()), entry)
}
