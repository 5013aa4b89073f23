//! The frame around an entry's bytes: `len u32 LE | crc32c u32 LE | bytes`.
//!
//! The checksum covers length, sequence number and bytes, so a frame that stands in another one's
//! place does not read, though the number itself is not repeated in the frame.

/// An entry bundle of tlog-tiles gives an entry's length 16 bits (C2SP tlog-tiles).
pub(crate) const LARGEST_ENTRY_BYTES: usize = 65_535;
/// Length and checksum.
pub(crate) const FRAME_HEADER_BYTES: usize = 8;

/// What stands at one place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A whole frame with the entry's bytes.
    Frame(&'a [u8]),
    /// Nothing was written here: zeros, or the end of the data.
    Blank,
    /// Something else.
    Broken,
}

/// Reads the frame of the entry `sequence` at the start of `data`.
pub(crate) fn parse(data: &[u8], sequence: u64) -> Parsed<'_> {
    let header = data.get(..data.len().min(FRAME_HEADER_BYTES)).unwrap_or_default();
    if header.iter().all(|byte| *byte == 0) {
        return Parsed::Blank;
    }
    match candidate(data) {
        Some(found) if found.is_of(sequence) => Parsed::Frame(found.bytes),
        _ => Parsed::Broken,
    }
}

/// What a header says stands behind it, not yet held against its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    /// The entry's bytes.
    pub(crate) bytes: &'a [u8],
    length: u32,
    sum: u32,
}

impl Candidate<'_> {
    /// Whether this is the whole frame of the entry `sequence`.
    pub(crate) fn is_of(&self, sequence: u64) -> bool {
        checksum(self.length, sequence, self.bytes) == self.sum
    }
}

/// What stands at the start of `data`, when its length is one that a frame can have.
pub(crate) fn candidate(data: &[u8]) -> Option<Candidate<'_>> {
    let (header, rest) = data.split_first_chunk::<FRAME_HEADER_BYTES>()?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let size =
        usize::try_from(length).ok().filter(|len| (1..=LARGEST_ENTRY_BYTES).contains(len))?;
    Some(Candidate { bytes: rest.get(..size)?, length, sum: u32::from_le_bytes([c0, c1, c2, c3]) })
}

/// Appends the frame of the entry `sequence`, whose bytes are `parts` one after the other.
///
/// INVARIANT: the parts together have 1 to [`LARGEST_ENTRY_BYTES`] bytes.
pub(crate) fn append(buffer: &mut Vec<u8>, sequence: u64, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut sum = start(length, sequence);
    for part in parts {
        sum = crc32c::crc32c_append(sum, part);
    }
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&sum.to_le_bytes());
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
}

fn checksum(length: u32, sequence: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(start(length, sequence), bytes)
}

fn start(length: u32, sequence: u64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), &sequence.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(sequence: u64, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        append(&mut buffer, sequence, &[bytes]);
        buffer
    }

    proptest! {
        #[test]
        fn a_frame_reads_as_it_was_written(
            sequence: u64,
            bytes in proptest::collection::vec(any::<u8>(), 1..2000),
            cut in 0_usize..2000,
            after in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let (one, two) = bytes.split_at(cut.min(bytes.len()));
            let mut buffer = Vec::new();
            append(&mut buffer, sequence, &[one, two]);
            buffer.extend_from_slice(&after);
            prop_assert_eq!(parse(&buffer, sequence), Parsed::Frame(&bytes));
        }

        #[test]
        fn a_changed_byte_is_noticed(
            sequence: u64,
            bytes in proptest::collection::vec(any::<u8>(), 1..300),
            place: prop::sample::Index,
            change in 1_u8..,
        ) {
            let mut buffer = framed(sequence, &bytes);
            let place = place.index(buffer.len());
            buffer[place] ^= change;
            prop_assert_ne!(parse(&buffer, sequence), Parsed::Frame(&bytes));
            prop_assert!(!matches!(parse(&buffer, sequence), Parsed::Frame(_)));
        }

        #[test]
        fn a_cut_tail_is_noticed(
            sequence: u64,
            bytes in proptest::collection::vec(1_u8.., 1..300),
            left: prop::sample::Index,
        ) {
            let buffer = framed(sequence, &bytes);
            let left = left.index(buffer.len());
            prop_assert!(!matches!(parse(&buffer[..left], sequence), Parsed::Frame(_)));
            let mut zeroed = buffer.clone();
            zeroed[left..].fill(0);
            prop_assert!(!matches!(parse(&zeroed, sequence), Parsed::Frame(_)));
        }

        #[test]
        fn a_frame_in_the_place_of_another_is_noticed(
            sequence: u64, other: u64, bytes in proptest::collection::vec(any::<u8>(), 1..300),
        ) {
            prop_assume!(sequence != other);
            let buffer = framed(sequence, &bytes);
            prop_assert_eq!(parse(&buffer, other), Parsed::Broken);
        }

        #[test]
        fn garbage_is_never_a_frame_and_never_a_panic(
            sequence: u64, bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert!(!matches!(parse(&bytes, sequence), Parsed::Frame(_)));
        }
    }

    #[test]
    fn zeros_are_blank() {
        for length in [0, 1, 7, 8, 9, 4096] {
            assert_eq!(parse(&vec![0; length], 7), Parsed::Blank, "{length}");
        }
    }
}
