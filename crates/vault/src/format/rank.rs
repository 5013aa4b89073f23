//! Values as numbers below some end: enciphering the number keeps what the digits alone would not.

use super::alphabet::Alphabet;

/// A value that is enciphered as a number.
#[derive(Debug)]
pub(super) enum Rank {
    /// Characters of several classes, each of which stays in its own.
    Mixed { number: u128, end: u128, classes: Vec<Alphabet> },
    /// A Korean registration number without its check digit: years, days, sex and century, and the
    /// five digits after it. All dates stay real.
    Korean {
        number: u64,
        /// The least digit after the hyphen: 1 for citizens, 5 for foreigners.
        base: u64,
    },
}

const SERIALS: u64 = 100_000;
/// Days of a year in which every month has its most.
const DAYS: u64 = 366;
/// First day of each month in such a year, and the end.
const MONTHS: [u64; 13] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366];
/// Ranks of Korean numbers end here.
const KOREAN_END: u64 = 100 * DAYS * 4 * SERIALS;

impl Rank {
    /// The rank of `symbols` of these classes; `None` when there are too many.
    pub(super) fn mixed(symbols: &[u16], classes: &[Alphabet]) -> Option<Self> {
        let (mut number, mut end) = (0_u128, 1_u128);
        for (symbol, class) in symbols.iter().zip(classes) {
            let radix = u128::from(class.radix());
            number = number.checked_mul(radix)?.checked_add(u128::from(*symbol))?;
            end = end.checked_mul(radix)?;
        }
        Some(Self::Mixed { number, end, classes: classes.to_vec() })
    }

    /// The rank of the twelve digits of a Korean number; `None` when they begin with no date.
    pub(super) fn korean(digits: &[u16], base: u64) -> Option<Self> {
        let digits: &[u16; 12] = digits.try_into().ok()?;
        let [y1, y2, m1, m2, d1, d2, class, serial @ ..] = digits.map(u64::from);
        let class = class.checked_sub(base).filter(|class| *class < 4)?;
        let (year, month, day) = (y1 * 10 + y2, m1 * 10 + m2, d1 * 10 + d2);
        let in_year = day_of_year(month, day)?;
        let serial = serial.iter().fold(0, |sum, digit| sum * 10 + digit);
        let number = ((year * DAYS + in_year) * 4 + class) * SERIALS + serial;
        is_real(year, class, in_year).then_some(Self::Korean { number, base })
    }

    /// How many values are permuted.
    pub(super) const fn end(&self) -> u128 {
        match self {
            Self::Mixed { end, .. } => *end,
            Self::Korean { .. } => KOREAN_END as u128,
        }
    }

    /// The number as decimal digits, as many as the greatest has.
    pub(super) fn digits(&self) -> Vec<u16> {
        let count =
            usize::try_from((self.end() - 1).checked_ilog10().unwrap_or(0)).unwrap_or(0) + 1;
        match self {
            Self::Mixed { number, .. } => digits_of(*number, count),
            Self::Korean { number, .. } => digits_of(u128::from(*number), count),
        }
    }

    /// The symbols of another number; `None` when it stands for nothing.
    pub(super) fn write(&self, digits: &[u16]) -> Option<Vec<u16>> {
        let mut number = 0_u128;
        for digit in digits {
            number = number.checked_mul(10)?.checked_add(u128::from(*digit))?;
        }
        if number >= self.end() {
            return None;
        }
        match self {
            Self::Mixed { classes, .. } => write_mixed(number, classes),
            Self::Korean { base, .. } => write_korean(u64::try_from(number).ok()?, *base),
        }
    }
}

fn write_mixed(number: u128, classes: &[Alphabet]) -> Option<Vec<u16>> {
    let mut rest = number;
    let mut symbols = Vec::with_capacity(classes.len());
    for class in classes.iter().rev() {
        let radix = u128::from(class.radix());
        symbols.push(u16::try_from(rest % radix).ok()?);
        rest /= radix;
    }
    symbols.reverse();
    Some(symbols)
}

fn write_korean(number: u64, base: u64) -> Option<Vec<u16>> {
    let (serial, rest) = (number % SERIALS, number / SERIALS);
    let (class, rest) = (rest % 4, rest / 4);
    let (in_year, year) = (rest % DAYS, rest / DAYS);
    if !is_real(year, class, in_year) {
        return None;
    }
    let month = MONTHS.iter().rposition(|first| *first <= in_year)?;
    let day = in_year - MONTHS.get(month)? + 1;
    let month = u64::try_from(month).ok()? + 1;
    let parts = [(year, 2), (month, 2), (day, 2), (class + base, 1), (serial, 5)];
    Some(parts.iter().flat_map(|(part, count)| digits_of(u128::from(*part), *count)).collect())
}

/// The day's place in a year in which every month has its most.
fn day_of_year(month: u64, day: u64) -> Option<u64> {
    let month = usize::try_from(month).ok()?.checked_sub(1)?;
    let (first, end) = (MONTHS.get(month)?, MONTHS.get(month + 1)?);
    day.checked_sub(1).map(|day| first + day).filter(|day| day < end)
}

/// Whether the day is no 29 February, or the year has one. The class tells the century.
fn is_real(year: u64, class: u64, in_year: u64) -> bool {
    let year = if class < 2 { 1900 + year } else { 2000 + year };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    in_year != 59 || leap
}

fn digits_of(number: u128, count: usize) -> Vec<u16> {
    let mut digits = Vec::with_capacity(count);
    let mut rest = number;
    for _ in 0..count {
        digits.push(u16::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
    }
    digits.reverse();
    digits
}
