//! What a text holds, in one pass over its bytes: most patterns cannot fit most texts.

/// What a text must hold for a group of patterns to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Gate {
    /// An ASCII digit.
    Digit,
    /// An `@`.
    At,
    /// A character beyond ASCII.
    NotAscii,
    /// Nothing in particular.
    Always,
}

impl Gate {
    pub(super) const ALL: [Self; 4] = [Self::Digit, Self::At, Self::NotAscii, Self::Always];
}

impl From<Gate> for usize {
    fn from(gate: Gate) -> Self {
        match gate {
            Gate::Digit => 0,
            Gate::At => 1,
            Gate::NotAscii => 2,
            Gate::Always => 3,
        }
    }
}

/// What a text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) digit: bool,
    pub(super) at: bool,
    pub(super) not_ascii: bool,
}

impl Traits {
    pub(super) fn of(text: &str) -> Self {
        let mut traits = Self::default();
        // Blocks without a branch inside, so that the compiler takes many bytes at once.
        for block in text.as_bytes().chunks(64) {
            let (mut digit, mut at, mut not_ascii) = (0_u8, 0_u8, 0_u8);
            for byte in block {
                digit |= u8::from(byte.wrapping_sub(b'0') < 10);
                at |= u8::from(*byte == b'@');
                not_ascii |= *byte;
            }
            traits.digit |= digit != 0;
            traits.at |= at != 0;
            traits.not_ascii |= not_ascii >= 0x80;
        }
        traits
    }

    pub(super) const fn open(&self, gate: Gate) -> bool {
        match gate {
            Gate::Digit => self.digit,
            Gate::At => self.at,
            Gate::NotAscii => self.not_ascii,
            Gate::Always => true,
        }
    }
}
