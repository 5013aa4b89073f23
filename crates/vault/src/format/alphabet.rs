//! Which characters a value is made of.

/// A class of characters that stand for each other. Letters keep their case, which is no part of the
/// symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// ASCII digits.
    Digits,
    /// ASCII letters.
    Letters,
    /// Hangul syllables, as Unicode orders them.
    Hangul,
}

impl Alphabet {
    /// The class of `c`; `None` for a separator, which stays.
    pub(super) fn of(c: char) -> Option<Self> {
        match c {
            '0'..='9' => Some(Self::Digits),
            'a'..='z' | 'A'..='Z' => Some(Self::Letters),
            '가'..='힣' => Some(Self::Hangul),
            _ => None,
        }
    }

    const fn first(self) -> char {
        match self {
            Self::Digits => '0',
            Self::Letters => 'a',
            Self::Hangul => '가',
        }
    }

    /// How many symbols there are.
    pub(super) const fn radix(self) -> u16 {
        match self {
            Self::Digits => 10,
            Self::Letters => 26,
            Self::Hangul => 11_172,
        }
    }

    /// The number of `c`.
    pub(super) fn symbol(self, c: char) -> Option<u16> {
        let offset = u32::from(c.to_ascii_lowercase()).checked_sub(u32::from(self.first()))?;
        u16::try_from(offset).ok().filter(|symbol| *symbol < self.radix())
    }

    /// The character of a number, in the case of `like`.
    pub(super) fn character(self, symbol: u16, like: char) -> Option<char> {
        let c = char::from_u32(u32::from(self.first()) + u32::from(symbol))?;
        Some(if like.is_ascii_uppercase() { c.to_ascii_uppercase() } else { c })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_is_one_character() {
        for like in ['7', 'q', 'Q', '민'] {
            let alphabet = Alphabet::of(like).unwrap();
            for symbol in 0..alphabet.radix() {
                let c = alphabet.character(symbol, like).unwrap();
                assert_eq!(Alphabet::of(c), Some(alphabet));
                assert_eq!(alphabet.symbol(c), Some(symbol), "{like} {c}");
                assert_eq!(c.is_uppercase(), like.is_uppercase());
            }
        }
        assert_eq!(Alphabet::of('é'), None);
        assert_eq!(Alphabet::Digits.symbol('a'), None);
    }
}
