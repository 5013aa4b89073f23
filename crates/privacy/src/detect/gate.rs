//! What a text holds, in one pass over its bytes: most patterns cannot fit most texts.

/// What a text must hold for a group of patterns to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Gate {
    /// An `@`.
    At,
    /// A character beyond ASCII.
    NotAscii,
    /// Digits, and nothing but digits and what separates them.
    Number,
    /// Digits and letters of one identifier.
    Token,
    /// Digits, and much beside them.
    Digit,
    /// A context word of a rule.
    Context,
    /// Nothing in particular.
    Always,
}

/// What a text holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) digit: bool,
    pub(super) at: bool,
    pub(super) not_ascii: bool,
    /// `%`, as in URL-encoding.
    pub(super) percent: bool,
    /// A digit beside a letter that looks like one.
    pub(super) confusable: bool,
    /// Three digits with one character between each two.
    pub(super) spaced: bool,
}

/// Bytes that are looked at without a branch, so that the compiler takes many at once.
const BLOCK: usize = 64;

impl Traits {
    pub(super) fn of(text: &str) -> Self {
        let mut traits = Self::default();
        let bytes = text.as_bytes();
        for (number, block) in bytes.chunks(BLOCK).enumerate() {
            let (mut digit, mut at, mut percent, mut all) = (0_u8, 0_u8, 0_u8, 0_u8);
            for byte in block {
                digit |= u8::from(is_digit(*byte));
                at |= u8::from(*byte == b'@');
                percent |= u8::from(*byte == b'%');
                all |= *byte;
            }
            traits.at |= at != 0;
            traits.percent |= percent != 0;
            traits.not_ascii |= all >= 0x80;
            if digit != 0 {
                traits.digit = true;
                traits.numbers(bytes.get(number * BLOCK..).unwrap_or_default());
            }
        }
        traits
    }

    /// Looks at the digits of the first block of `bytes`, and at what follows them.
    fn numbers(&mut self, bytes: &[u8]) {
        let behind = |by: usize| bytes.get(by..).unwrap_or_default().iter();
        let (mut confusable, mut spaced) = (0_u8, 0_u8);
        for (one, two) in behind(0).zip(behind(1)).take(BLOCK) {
            let mixed =
                (is_digit(*one) & is_lookalike(*two)) | (is_lookalike(*one) & is_digit(*two));
            confusable |= u8::from(mixed);
        }
        for (((one, two), three), (four, five)) in
            behind(0).zip(behind(1)).zip(behind(2)).zip(behind(3).zip(behind(4))).take(BLOCK)
        {
            let digits = is_digit(*one) & is_digit(*three) & is_digit(*five);
            spaced |= u8::from(digits & !is_digit(*two) & !is_digit(*four));
        }
        self.confusable |= confusable != 0;
        self.spaced |= spaced != 0;
    }

    pub(super) const fn open(&self, gate: Gate) -> bool {
        match gate {
            Gate::Number | Gate::Token | Gate::Digit => self.digit,
            Gate::At => self.at,
            Gate::NotAscii => self.not_ascii,
            Gate::Context | Gate::Always => true,
        }
    }
}

const fn is_digit(byte: u8) -> bool {
    byte.wrapping_sub(b'0') < 10
}

const fn is_lookalike(byte: u8) -> bool {
    matches!(byte, b'O' | b'o' | b'I' | b'l')
}
