//! Check digits: what the digits before them say they should be.

/// A rule for the last digit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// ISO/IEC 7812-1, Annex B.
    Luhn,
    /// Korean resident registration number: weights 2…9, 2…5, modulo 11.
    KoreanResident,
    /// Korean foreigner registration number: the same, two more.
    KoreanForeigner,
    /// Korean business registration number: weights 1, 3, 7 and the tens of the ninth digit.
    KoreanBusiness,
}

impl Check {
    /// The check digit of `digits`, which it follows.
    pub(super) fn digit(self, digits: &[u16]) -> u16 {
        match self {
            Self::Luhn => luhn(digits),
            Self::KoreanResident => (11 - korean_sum(digits)) % 10,
            Self::KoreanForeigner => (13 - korean_sum(digits)) % 10,
            Self::KoreanBusiness => business(digits),
        }
    }
}

fn luhn(digits: &[u16]) -> u16 {
    let doubled = |(place, digit): (usize, &u16)| match (place % 2, *digit) {
        (0, digit) if digit > 4 => digit * 2 - 9,
        (0, digit) => digit * 2,
        (_, digit) => digit,
    };
    let sum: u16 = digits.iter().rev().enumerate().map(doubled).sum();
    (10 - sum % 10) % 10
}

fn korean_sum(digits: &[u16]) -> u16 {
    let weights = (2..=9).chain(2..=5);
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum::<u16>() % 11
}

fn business(digits: &[u16]) -> u16 {
    let weighed = |(digit, weight): (&u16, u16)| digit * weight;
    let sum: u16 = digits.iter().zip([1, 3, 7, 1, 3, 7, 1, 3, 5]).map(weighed).sum();
    let tens = digits.get(8).map_or(0, |ninth| ninth * 5 / 10);
    (10 - (sum + tens) % 10) % 10
}

/// The two check digits of an IBAN (ISO 13616, ISO/IEC 7064 MOD 97-10) of this country and account
/// number; `None` when there is something else than ASCII letters and digits in them.
pub(super) fn iban(country: &str, account: &str) -> Option<u32> {
    let mut rest = 0;
    for c in account.chars().chain(country.chars()).chain("00".chars()) {
        let value = c.to_digit(36)?;
        rest = (if value < 10 { rest * 10 } else { rest * 100 } + value) % 97;
    }
    Some(98 - rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(check: Check, number: &str) -> bool {
        let digits: Vec<u16> = number
            .chars()
            .filter_map(|c| c.to_digit(10))
            .map(|d| u16::try_from(d).unwrap())
            .collect();
        let (last, before) = digits.split_last().unwrap();
        check.digit(before) == *last
    }

    #[test]
    fn known_numbers_hold() {
        assert!(holds(Check::Luhn, "4111 1111 1111 1111"));
        assert!(holds(Check::Luhn, "5500005555555559"));
        assert!(holds(Check::Luhn, "378282246310005"));
        assert!(!holds(Check::Luhn, "4111 1111 1111 1112"));
        assert!(holds(Check::KoreanBusiness, "220-81-62517"));
        assert!(!holds(Check::KoreanBusiness, "220-81-62518"));
        assert_eq!(iban("GB", "WEST12345698765432"), Some(82));
        assert_eq!(iban("DE", "370400440532013000"), Some(89));
    }
}
