//! One file of a log: a page of header, then frames, then zeros to the end.
//!
//! The file is named after its first sequence number. Segments follow each other without a gap.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::DiskFile;

/// Frames start here.
pub(crate) const HEADER_BYTES: u64 = 4096;
const FIELDS_BYTES: usize = 256;
const MAGIC: [u8; 8] = *b"HAECHIAU";
/// Raised when older programs cannot read what newer ones write.
pub(crate) const FORMAT: u32 = 1;
const MARK_OFFSET: u64 = 512;
const MARK_BYTES: usize = 20;

/// What the header says. It is written when the segment's turn comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Sequence number of the first entry.
    pub(crate) first: u64,
    /// The oldest intent that had no end when the segment was begun, or `first`: who looks for
    /// intents without an end need not look before it.
    pub(crate) oldest_open: u64,
    /// When it was begun.
    pub(crate) at_ms: u64,
    /// Boot id of the machine that began it; empty where there is none.
    pub(crate) boot: String,
}

/// What stands in a header's place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderRead {
    /// A header.
    Whole(Header),
    /// The header of a newer program.
    Newer,
    /// Anything else.
    Broken,
}

impl Header {
    /// The header's bytes, checksum last.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIELDS_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.oldest_open.to_le_bytes());
        bytes.extend_from_slice(&self.at_ms.to_le_bytes());
        let boot = self.boot.as_bytes().get(..self.boot.len().min(64)).unwrap_or_default();
        bytes.push(u8::try_from(boot.len()).unwrap_or(0));
        bytes.extend_from_slice(boot);
        bytes.resize(FIELDS_BYTES - 4, 0);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the header of `file`.
    pub(crate) fn read(file: &dyn DiskFile) -> io::Result<HeaderRead> {
        let mut bytes = [0; FIELDS_BYTES];
        let read = file.read_at(&mut bytes, 0)?;
        Ok(bytes.get(..read).map_or(HeaderRead::Broken, Self::parse))
    }

    fn parse(bytes: &[u8]) -> HeaderRead {
        match Self::fields(bytes) {
            Some((FORMAT, header)) => HeaderRead::Whole(header),
            Some((format, _)) if format > FORMAT => HeaderRead::Newer,
            _ => HeaderRead::Broken,
        }
    }

    fn fields(bytes: &[u8]) -> Option<(u32, Self)> {
        let (fields, sum) = bytes.get(..FIELDS_BYTES)?.split_last_chunk::<4>()?;
        let (magic, rest) = fields.split_first_chunk::<8>()?;
        if *magic != MAGIC || crc32c::crc32c(fields) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (format, rest) = rest.split_first_chunk::<4>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (oldest_open, rest) = rest.split_first_chunk::<8>()?;
        let (at_ms, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first()?;
        let boot = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
        let header = Self {
            first: u64::from_le_bytes(*first),
            oldest_open: u64::from_le_bytes(*oldest_open),
            at_ms: u64::from_le_bytes(*at_ms),
            boot: boot.to_owned(),
        };
        Some((u32::from_le_bytes(*format), header))
    }
}

/// Notes in the header that everything before `offset` survives a power cut. The note itself is
/// made durable by whoever syncs next, so it may lag behind the truth but never runs ahead of it.
/// Two places take turns, so that a torn note leaves the one before.
pub(crate) fn write_mark(file: &dyn DiskFile, turn: u64, offset: u64) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(MARK_BYTES);
    bytes.extend_from_slice(&turn.to_le_bytes());
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    file.write_at(&bytes, MARK_OFFSET * (1 + turn % 2))
}

/// The furthest offset that [`write_mark`] noted; zero when there is no note.
pub(crate) fn read_mark(file: &dyn DiskFile) -> io::Result<u64> {
    let mut furthest = 0;
    for place in [MARK_OFFSET, 2 * MARK_OFFSET] {
        let mut bytes = [0; MARK_BYTES];
        let read = file.read_at(&mut bytes, place)?;
        furthest = furthest.max(bytes.get(..read).and_then(parse_mark).unwrap_or(0));
    }
    Ok(furthest)
}

fn parse_mark(bytes: &[u8]) -> Option<u64> {
    let (fields, sum) = bytes.split_last_chunk::<4>()?;
    let whole = crc32c::crc32c(fields) == u32::from_le_bytes(*sum);
    fields.last_chunk::<8>().filter(|_| whole).map(|offset| u64::from_le_bytes(*offset))
}

/// Where a log's segments are.
pub(crate) fn directory(log: &Path) -> PathBuf {
    log.join("segments")
}

/// The prepared segment whose turn has not come.
pub(crate) fn spare_path(segments: &Path) -> PathBuf {
    segments.join("next")
}

/// The path of the segment that begins with `first`.
pub(crate) fn path(segments: &Path, first: u64) -> PathBuf {
    segments.join(format!("{first:020}.seg"))
}

/// The segments of a log, oldest first. Other files are left out.
pub(crate) fn list(segments: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(segments)? {
        let path = entry?.path();
        if let Some(first) = first_of(&path) {
            found.push((first, path));
        }
    }
    found.sort();
    Ok(found)
}

fn first_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    let well_formed = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if well_formed { digits.parse().ok() } else { None }
}

/// The file's name, for messages.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written_and_a_changed_one_does_not() {
        let header =
            Header { first: 7, oldest_open: 3, at_ms: 1_795_353_258_007, boot: "b".repeat(36) };
        let bytes = header.encode();
        assert_eq!(Header::parse(&bytes), HeaderRead::Whole(header));
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x10;
            assert_eq!(Header::parse(&changed), HeaderRead::Broken, "byte {place}");
            assert_eq!(Header::parse(&bytes[..place]), HeaderRead::Broken, "cut at {place}");
        }
    }

    #[test]
    fn only_twenty_digits_name_a_segment() {
        assert_eq!(first_of(&path(Path::new("x"), 12)), Some(12));
        for other in ["next", "1.seg", "+0000000000000000012.seg", "00000000000000000012.seg.cut"] {
            assert_eq!(first_of(Path::new(other)), None, "{other}");
        }
    }
}
