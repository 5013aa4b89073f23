//! What of a value is enciphered, and what its new form must hold.

use super::alphabet::Alphabet;
use super::check::{Check, iban};
use super::rank::Rank;

/// Kinds whose last digit is Luhn's.
const LUHN: [&str; 4] = ["CREDIT_CARD", "IMEI", "ICCID", "CA_SIN"];
/// Kinds whose letters stay, because a value is known by them, where there are digits enough.
const LETTERS_STAY: [&str; 4] = ["PASSPORT", "US_PASSPORT", "DRIVER_LICENSE", "VEHICLE_PLATE"];
const ENOUGH_DIGITS: usize = 6;

/// What is done with one value.
#[derive(Debug)]
pub(super) struct Plan {
    chars: Vec<char>,
    /// Positions in `chars` that are enciphered.
    slots: Vec<usize>,
    symbols: Vec<u16>,
    ending: Ending,
    form: Form,
}

/// What follows the enciphered part and is computed anew.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Nothing,
    /// The last digit stands `off` above what `check` wants.
    Digit {
        position: usize,
        check: Check,
        off: u16,
    },
    /// The check digits of an IBAN at these two positions stand `off` above the right ones.
    Iban {
        off: u32,
    },
}

/// What the enciphered part must be.
#[derive(Debug)]
enum Form {
    Any,
    /// The first digit is above 1, or is not.
    First {
        above_one: bool,
    },
    /// A United States social security number that can be one, or cannot.
    SocialSecurity {
        possible: bool,
    },
    /// A Korean number that begins with a date, or cannot.
    Undated,
    Ranked(Vec<Rank>),
}

impl Plan {
    /// The plan for `value`; `None` when nothing in it can be enciphered.
    pub(super) fn of(kind: &str, value: &str) -> Option<Self> {
        let chars: Vec<char> = value.chars().collect();
        let slots: Vec<usize> = chars
            .iter()
            .enumerate()
            .filter(|(_, c)| Alphabet::of(**c).is_some())
            .map(|(at, _)| at)
            .collect();
        let mut plan =
            Self { chars, slots, symbols: Vec::new(), ending: Ending::Nothing, form: Form::Any };
        plan.suit(kind)?;
        plan.symbols = plan.at_slots().filter_map(|c| Alphabet::of(c)?.symbol(c)).collect();
        plan.form = plan.form_of(kind)?;
        Some(plan)
    }

    pub(super) fn symbols(&self) -> &[u16] {
        &self.symbols
    }

    /// The class of all symbols; where there are several there is a rank.
    pub(super) fn alphabet(&self) -> Alphabet {
        self.at_slots().find_map(Alphabet::of).unwrap_or(Alphabet::Digits)
    }

    /// The numbers that are enciphered in place of the symbols, one after the other.
    pub(super) fn ranks(&self) -> &[Rank] {
        if let Form::Ranked(ranks) = &self.form { ranks } else { &[] }
    }

    /// Whether `symbols` have the form wanted.
    pub(super) fn fits(&self, symbols: &[u16]) -> bool {
        match &self.form {
            Form::Any | Form::Ranked(_) => true,
            Form::First { above_one } => {
                symbols.first().is_some_and(|first| (*first > 1) == *above_one)
            }
            Form::SocialSecurity { possible } => is_social_security(symbols) == *possible,
            Form::Undated => {
                Rank::korean(symbols, 1).is_none() && Rank::korean(symbols, 5).is_none()
            }
        }
    }

    /// The value with `symbols` in place of its own, and the check digits that belong to them.
    pub(super) fn write(mut self, symbols: &[u16]) -> String {
        for (slot, symbol) in self.slots.iter().zip(symbols) {
            let Some(to) = self.chars.get_mut(*slot) else { continue };
            let class = Alphabet::of(*to);
            *to = class.and_then(|class| class.character(*symbol, *to)).unwrap_or(*to);
        }
        match self.ending {
            Ending::Nothing => {}
            Ending::Digit { position, check, off } => {
                let right = check.digit(&self.digits_before(position));
                self.set(position, u32::from((right + off) % 10));
            }
            Ending::Iban { off } => self.write_iban(off),
        }
        self.chars.into_iter().collect()
    }

    fn at_slots(&self) -> impl Iterator<Item = char> {
        self.slots.iter().filter_map(|slot| self.chars.get(*slot).copied())
    }

    /// Takes out of the slots what stays or is computed.
    fn suit(&mut self, kind: &str) -> Option<()> {
        let all_digits = self.at_slots().all(|c| c.is_ascii_digit());
        match kind {
            kind if LUHN.contains(&kind) && all_digits => {
                let kept = if kind == "CREDIT_CARD" && self.slots.len() > 9 { 2 } else { 0 };
                self.end_with(Check::Luhn, kept)
            }
            "KR_RRN" if all_digits && self.slots.len() == 13 => {
                self.end_with(Check::KoreanResident, 0)
            }
            "KR_FRN" if all_digits && self.slots.len() == 13 => {
                self.end_with(Check::KoreanForeigner, 0)
            }
            "KR_BRN" if all_digits && self.slots.len() == 10 => {
                self.end_with(Check::KoreanBusiness, 0)
            }
            "IBAN_CODE" => self.suit_iban(),
            "PHONE_NUMBER" if all_digits => {
                self.slots.drain(..self.kept_of_phone());
                Some(())
            }
            "EMAIL_ADDRESS" => {
                if let Some(dot) = self.chars.iter().rposition(|c| *c == '.') {
                    self.slots.retain(|slot| *slot < dot);
                }
                Some(())
            }
            kind if LETTERS_STAY.contains(&kind) => {
                let chars = &self.chars;
                let is_digit = |slot: &usize| chars.get(*slot).is_some_and(char::is_ascii_digit);
                if self.slots.iter().filter(|slot| is_digit(slot)).count() >= ENOUGH_DIGITS {
                    self.slots.retain(is_digit);
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    fn end_with(&mut self, check: Check, kept: usize) -> Option<()> {
        let position = self.slots.pop()?;
        let stands = self.chars.get(position)?.to_digit(10).and_then(|d| u16::try_from(d).ok())?;
        let right = check.digit(&self.digits_before(position));
        self.slots.drain(..kept.min(self.slots.len()));
        self.ending = Ending::Digit { position, check, off: (10 + stands - right) % 10 };
        Some(())
    }

    /// The country and letters of the account number stay; check digits that are none stay too.
    fn suit_iban(&mut self) -> Option<()> {
        let text: String = self.at_slots().collect();
        let letters = text.chars().take(2).all(|c| c.is_ascii_uppercase());
        let (country, rest) = text.split_at_checked(2)?;
        let (stated, account) = rest.split_at_checked(2)?;
        let stated = stated.parse::<u32>().ok().filter(|stated| (2..=98).contains(stated));
        if let (true, Some(stated), Some(right)) = (letters, stated, iban(country, account)) {
            self.ending = Ending::Iban { off: (97 + stated - right) % 97 };
        }
        self.slots.drain(..4);
        let chars = &self.chars;
        self.slots.retain(|slot| chars.get(*slot).is_some_and(char::is_ascii_digit));
        Some(())
    }

    fn write_iban(&mut self, off: u32) {
        let text: String = self.chars.iter().filter(|c| Alphabet::of(**c).is_some()).collect();
        let parts = text.split_at_checked(2).zip(text.split_at_checked(4));
        let Some(right) = parts.and_then(|((country, _), (_, account))| iban(country, account))
        else {
            return;
        };
        let stated = (right - 2 + off) % 97 + 2;
        let positions = self.chars.iter().enumerate().filter(|(_, c)| Alphabet::of(**c).is_some());
        let positions: Vec<usize> = positions.map(|(at, _)| at).skip(2).take(2).collect();
        for (position, digit) in positions.into_iter().zip([stated / 10, stated % 10]) {
            self.set(position, digit);
        }
    }

    /// How many digits of a telephone number stay: seven are enciphered in the United States' form,
    /// eight in others.
    fn kept_of_phone(&self) -> usize {
        let count = self.slots.len();
        let of_ten = count == 10 || (count == 11 && self.at_slots().next() == Some('1'));
        count.saturating_sub(if of_ten { 7 } else { 8 })
    }

    fn form_of(&self, kind: &str) -> Option<Form> {
        let classes: Vec<Alphabet> = self.at_slots().filter_map(Alphabet::of).collect();
        if classes.iter().any(|class| Some(class) != classes.first()) {
            return self.pieces(&classes).map(Form::Ranked);
        }
        let is_digits = classes.first() == Some(&Alphabet::Digits);
        Some(match kind {
            "KR_RRN" | "KR_FRN" if is_digits && self.symbols.len() == 12 => {
                let base = if kind == "KR_RRN" { 1 } else { 5 };
                // One that has the other's date is enciphered as the other.
                let rank = Rank::korean(&self.symbols, base);
                rank.or_else(|| Rank::korean(&self.symbols, 6 - base))
                    .map_or(Form::Undated, |rank| Form::Ranked(vec![rank]))
            }
            "PHONE_NUMBER" if is_digits => {
                Form::First { above_one: self.symbols.first().is_some_and(|first| *first > 1) }
            }
            "US_SSN" => Form::SocialSecurity { possible: is_social_security(&self.symbols) },
            _ => Form::Any,
        })
    }

    /// The symbols in as few pieces of about one length as have ranks.
    fn pieces(&self, classes: &[Alphabet]) -> Option<Vec<Rank>> {
        (1..=classes.len()).find_map(|count| {
            let length = classes.len().div_ceil(count);
            let pieces = self.symbols.chunks(length).zip(classes.chunks(length));
            pieces.map(|(symbols, classes)| Rank::mixed(symbols, classes)).collect()
        })
    }

    fn digits_before(&self, position: usize) -> Vec<u16> {
        let before = self.chars.iter().take(position);
        before.filter_map(|c| c.to_digit(10)).filter_map(|d| u16::try_from(d).ok()).collect()
    }

    fn set(&mut self, position: usize, digit: u32) {
        if let (Some(to), Some(c)) = (self.chars.get_mut(position), char::from_digit(digit, 10)) {
            *to = c;
        }
    }
}

/// Area not 000, 666 or above 899; group not 00; serial not 0000.
fn is_social_security(digits: &[u16]) -> bool {
    let number = |from: usize, to: usize| {
        digits.get(from..to).map_or(0, |part| part.iter().fold(0, |sum, digit| sum * 10 + digit))
    };
    let area = number(0, 3);
    digits.len() == 9
        && area != 0
        && area != 666
        && area < 900
        && number(3, 5) != 0
        && number(5, 9) != 0
}
