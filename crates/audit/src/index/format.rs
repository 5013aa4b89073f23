//! The bytes of an index: a header, what is read whole, where the entries are, and the sets.
//!
//! ```text
//! header | times | awaited | directory | offsets | sets
//! ```
//!
//! Numbers are little-endian. Header, the three tables after it and each set have a checksum; an
//! offset needs none, because the frame it leads to has one.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::disk::DiskFile;
use crate::frame::FRAME_HEADER_BYTES;
use crate::tree::Hash;

const MAGIC: [u8; 8] = *b"HAECHIIX";
/// Raised when the same bytes would mean something else, facts included.
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 128;
/// So many entries share a line of times.
pub(crate) const BLOCK: u32 = 256;
const TIMES_BYTES: usize = 16;
const AWAITED_BYTES: usize = 12;
const LINE_BYTES: usize = 20;
/// What is read whole of one index; a segment of 1 GiB has far less.
const LARGEST_TABLES: u64 = 1 << 30;

/// The index is not what it should be: it is thrown away and made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Odd;

/// Which segment an index is of, so that it is never taken for one of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Sequence number of the first entry.
    pub(crate) first: u64,
    /// How many entries.
    pub(crate) count: u32,
    /// Checksum of the segment's header.
    pub(crate) header: u32,
    /// Where the last frame starts; zero where there is none.
    pub(crate) last: u64,
    /// Its length and checksum.
    pub(crate) frame: [u8; FRAME_HEADER_BYTES],
}

/// What an index is made of.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) stamp: Stamp,
    /// Earliest and latest time of each block of entries.
    pub(crate) times: Vec<(u64, u64)>,
    /// Outcomes whose intents are in earlier segments: the intent, and the outcome's place.
    pub(crate) awaited: Vec<(u64, u32)>,
    /// Where each entry's frame starts.
    pub(crate) offsets: Vec<u32>,
    /// Which entries have a fact.
    pub(crate) sets: BTreeMap<u64, RoaringBitmap>,
}

/// What a fact is found by. Two facts may share one: that adds entries, which are read and matched
/// again, and takes none away.
pub(crate) fn key(field: u8, text: &str) -> u64 {
    let hash = Hash::leaf_of_parts(&[&[field], text.as_bytes()]);
    hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl Content {
    /// The bytes of the index; nothing where it would be larger than an index can be.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let mut tables = Vec::new();
        for (earliest, latest) in &self.times {
            tables.extend_from_slice(&earliest.to_le_bytes());
            tables.extend_from_slice(&latest.to_le_bytes());
        }
        for (intent, place) in &self.awaited {
            tables.extend_from_slice(&intent.to_le_bytes());
            tables.extend_from_slice(&place.to_le_bytes());
        }
        let mut sets = Vec::new();
        for (key, set) in &self.sets {
            let start = sets.len();
            set.serialize_into(&mut sets).ok()?;
            let bytes = sets.get(start..)?;
            tables.extend_from_slice(&key.to_le_bytes());
            tables.extend_from_slice(&u32::try_from(start).ok()?.to_le_bytes());
            tables.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
            tables.extend_from_slice(&crc32c::crc32c(bytes).to_le_bytes());
        }
        let mut out = self.header(&tables, sets.len())?;
        out.extend_from_slice(&tables);
        self.offsets.iter().for_each(|offset| out.extend_from_slice(&offset.to_le_bytes()));
        out.extend_from_slice(&sets);
        Some(out)
    }

    fn header(&self, tables: &[u8], sets: usize) -> Option<Vec<u8>> {
        let Stamp { first, count, header, last, frame } = &self.stamp;
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&header.to_le_bytes());
        out.extend_from_slice(&last.to_le_bytes());
        out.extend_from_slice(frame);
        out.extend_from_slice(&u32::try_from(self.awaited.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.sets.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&u32::try_from(sets).ok()?.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(tables).to_le_bytes());
        out.resize(HEADER_BYTES - 4, 0);
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        Some(out)
    }
}

/// What an index's bytes stand in.
#[derive(Debug)]
pub(crate) enum Source {
    /// Memory: that of the segment which is still written, or one that could not be kept.
    Memory(Vec<u8>),
    /// A file.
    File(Arc<dyn DiskFile>),
}

impl Source {
    fn read(&self, offset: u64, size: usize) -> Result<Vec<u8>, Odd> {
        let mut out = vec![0; size];
        let read = match self {
            Self::File(file) => file.read_at(&mut out, offset).map_err(|_| Odd)?,
            Self::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(|_| Odd)?;
                let end = start.checked_add(size).ok_or(Odd)?;
                out.copy_from_slice(bytes.get(start..end).ok_or(Odd)?);
                size
            }
        };
        if read == size { Ok(out) } else { Err(Odd) }
    }
}

/// An index, as it is asked. Its sets are read when they are needed.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    source: Source,
    stamp: Stamp,
    times: Vec<(u64, u64)>,
    awaited: Vec<(u64, u32)>,
    directory: Vec<u8>,
    offsets_start: u64,
    sets_start: u64,
}

/// Takes numbers off the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Odd> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Odd)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Odd> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Odd> {
        self.take().map(u64::from_le_bytes)
    }
}

/// How much of everything the header announces.
struct Sizes {
    stamp: Stamp,
    times: usize,
    awaited: usize,
    lines: usize,
    sets: u64,
    checksum: u32,
}

impl Sizes {
    fn parse(bytes: &[u8]) -> Result<Self, Odd> {
        let (fields, sum) = bytes.split_last_chunk::<4>().ok_or(Odd)?;
        if crc32c::crc32c(fields) != u32::from_le_bytes(*sum) {
            return Err(Odd);
        }
        let mut fields = Fields(fields);
        if fields.take::<8>()? != MAGIC || fields.u32()? != FORMAT {
            return Err(Odd);
        }
        let stamp = Stamp {
            first: fields.u64()?,
            count: fields.u32()?,
            header: fields.u32()?,
            last: fields.u64()?,
            frame: fields.take()?,
        };
        Ok(Self {
            stamp,
            times: size(stamp.count.div_ceil(BLOCK))?,
            awaited: size(fields.u32()?)?,
            lines: size(fields.u32()?)?,
            sets: u64::from(fields.u32()?),
            checksum: fields.u32()?,
        })
    }

    /// Bytes of the tables; nothing where they would be absurd.
    fn tables(&self) -> Result<usize, Odd> {
        let bytes = self.times as u64 * TIMES_BYTES as u64
            + self.awaited as u64 * AWAITED_BYTES as u64
            + self.lines as u64 * LINE_BYTES as u64;
        if bytes > LARGEST_TABLES {
            return Err(Odd);
        }
        usize::try_from(bytes).map_err(|_| Odd)
    }
}

fn size(number: u32) -> Result<usize, Odd> {
    usize::try_from(number).map_err(|_| Odd)
}

impl SegmentIndex {
    /// Reads an index of `bytes` bytes, as far as it is read whole.
    pub(crate) fn open(source: Source, bytes: u64) -> Result<Self, Odd> {
        let sizes = Sizes::parse(&source.read(0, HEADER_BYTES)?)?;
        let offsets_start = (HEADER_BYTES + sizes.tables()?) as u64;
        let sets_start = offsets_start + u64::from(sizes.stamp.count) * 4;
        if bytes != sets_start + sizes.sets {
            return Err(Odd);
        }
        let tables = source.read(HEADER_BYTES as u64, sizes.tables()?)?;
        if crc32c::crc32c(&tables) != sizes.checksum {
            return Err(Odd);
        }
        let mut fields = Fields(&tables);
        let times = (0..sizes.times).map(|_| Ok((fields.u64()?, fields.u64()?)));
        let times = times.collect::<Result<_, Odd>>()?;
        let awaited = (0..sizes.awaited).map(|_| Ok((fields.u64()?, fields.u32()?)));
        let awaited = awaited.collect::<Result<_, Odd>>()?;
        let directory = fields.0.to_vec();
        let stamp = sizes.stamp;
        Ok(Self { source, stamp, times, awaited, directory, offsets_start, sets_start })
    }

    /// The index in these bytes.
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Result<Self, Odd> {
        let size = bytes.len() as u64;
        Self::open(Source::Memory(bytes), size)
    }

    /// Which segment it is of.
    pub(crate) const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Sequence number of the first entry.
    pub(crate) const fn first(&self) -> u64 {
        self.stamp.first
    }

    /// Sequence number behind the last entry.
    pub(crate) const fn end(&self) -> u64 {
        self.stamp.first.saturating_add(self.stamp.count as u64)
    }

    /// Earliest and latest time in it, in milliseconds; nothing where it has no entries.
    pub(crate) fn span(&self) -> Option<(u64, u64)> {
        let earliest = self.times.iter().map(|(earliest, _)| *earliest).min()?;
        Some((earliest, self.times.iter().map(|(_, latest)| *latest).max()?))
    }

    /// The entries of blocks with any from `since` on and before `until`.
    pub(crate) fn within(&self, since: u64, until: u64) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for (block, (earliest, latest)) in (0_u32..).zip(&self.times) {
            if *latest >= since && *earliest < until {
                let start = block.saturating_mul(BLOCK);
                found.insert_range(start..start.saturating_add(BLOCK).min(self.stamp.count));
            }
        }
        found
    }

    /// Outcomes of intents in earlier segments: the intent, and the outcome's place.
    pub(crate) fn awaited(&self) -> &[(u64, u32)] {
        &self.awaited
    }

    /// The place of an entry.
    pub(crate) fn place(&self, sequence: u64) -> Option<u32> {
        let place = u32::try_from(sequence.checked_sub(self.stamp.first)?).ok()?;
        (place < self.stamp.count).then_some(place)
    }

    /// Every place.
    pub(crate) fn all(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.stamp.count);
        all
    }

    /// Where the frame of an entry starts.
    pub(crate) fn offset(&self, place: u32) -> Result<u64, Odd> {
        let bytes = self.source.read(self.offsets_start + u64::from(place) * 4, 4)?;
        Fields(&bytes).u32().map(u64::from)
    }

    /// The places of entries with this fact.
    pub(crate) fn set(&self, key: u64) -> Result<RoaringBitmap, Odd> {
        let lines = self.directory.len() / LINE_BYTES;
        let line = |at: usize| {
            let start = at * LINE_BYTES;
            Fields(self.directory.get(start..start + LINE_BYTES).unwrap_or_default())
        };
        let (mut low, mut high) = (0, lines);
        while low < high {
            let middle = low + (high - low) / 2;
            if line(middle).u64()? < key { low = middle + 1 } else { high = middle }
        }
        let mut found = line(low);
        if low == lines || found.u64()? != key {
            return Ok(RoaringBitmap::new());
        }
        let (start, bytes, sum) = (found.u32()?, size(found.u32()?)?, found.u32()?);
        let bytes = self.source.read(self.sets_start + u64::from(start), bytes)?;
        if crc32c::crc32c(&bytes) != sum {
            return Err(Odd);
        }
        let set = RoaringBitmap::deserialize_from(bytes.as_slice()).map_err(|_| Odd)?;
        // A place outside would be read as nothing at all.
        if set.max().is_some_and(|place| place >= self.stamp.count) { Err(Odd) } else { Ok(set) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(places: &[Vec<u32>], count: u32) -> Content {
        let sets = (0_u64..).zip(places).map(|(key, places)| {
            (key * 7, places.iter().map(|place| place % count).collect::<RoaringBitmap>())
        });
        Content {
            stamp: Stamp { first: 40, count, header: 3, last: 5000, frame: [7; 8] },
            times: (0..count.div_ceil(BLOCK))
                .map(|at| (u64::from(at), u64::from(at) + 9))
                .collect(),
            awaited: vec![(3, 0), (9, count - 1)],
            offsets: (0..count).map(|place| place * 100).collect(),
            sets: sets.collect(),
        }
    }

    proptest! {
        #[test]
        fn an_index_reads_as_it_was_written(
            places in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 0..50), 0..20),
            count in 1_u32..2000,
        ) {
            let content = content(&places, count);
            let index = SegmentIndex::of_bytes(content.encode().unwrap()).unwrap();
            prop_assert_eq!(index.stamp(), &content.stamp);
            prop_assert_eq!(index.end(), 40 + u64::from(count));
            prop_assert_eq!(index.awaited(), content.awaited.as_slice());
            for (key, set) in &content.sets {
                prop_assert_eq!(&index.set(*key).unwrap(), set);
                prop_assert!(index.set(key + 1).unwrap().is_empty());
            }
            prop_assert_eq!(index.offset(count - 1), Ok(u64::from(count - 1) * 100));
            prop_assert_eq!(index.within(0, u64::MAX), index.all());
            prop_assert!(index.within(u64::MAX, u64::MAX).is_empty());
        }

        #[test]
        fn a_changed_byte_changes_no_set(
            places in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 1..50), 1..9),
            at: prop::sample::Index,
            change in 1_u8..,
        ) {
            let content = content(&places, 500);
            let mut bytes = content.encode().unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            let Ok(index) = SegmentIndex::of_bytes(bytes) else { return Ok(()) };
            for (key, set) in &content.sets {
                let read = index.set(*key);
                prop_assert!(read == Err(Odd) || read.as_ref() == Ok(set), "{:?}", read);
            }
        }

        #[test]
        fn garbage_is_never_an_index_and_never_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            prop_assert!(SegmentIndex::of_bytes(bytes.clone()).is_err());
            // Also behind a header whose checksum is right.
            let mut whole = MAGIC.to_vec();
            whole.extend_from_slice(&FORMAT.to_le_bytes());
            whole.extend_from_slice(&bytes);
            whole.resize(HEADER_BYTES - 4, 0);
            whole.extend_from_slice(&crc32c::crc32c(&whole).to_le_bytes());
            whole.extend_from_slice(&bytes);
            if let Ok(index) = SegmentIndex::of_bytes(whole) {
                let _ = (index.set(0), index.offset(0), index.span());
            }
        }
    }
}
