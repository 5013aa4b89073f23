//! Dates as people write them: read, moved or made coarser, and written in their own form.

use std::ops::Range;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A date in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

/// A date, and where its parts stand in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenDate {
    pub(crate) date: Date,
    year: Range<usize>,
    month: Range<usize>,
    day: Range<usize>,
    /// Whether days and months of one digit get a zero before them.
    padded: bool,
}

/// A run of digits or letters.
struct Piece<'a> {
    text: &'a str,
    range: Range<usize>,
}

impl Date {
    /// `None` where the calendar has no such day.
    fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let date = Self { year, month, day };
        let real = (1..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
        (real && Self::from_days(date.days()) == date).then_some(date)
    }

    /// Days since 0000-03-01.
    const fn days(self) -> i64 {
        // The year starts in March, so that the leap day is its last.
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let month = (self.month + 9) % 12;
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + self.day - 1
    }

    const fn from_days(days: i64) -> Self {
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year + era * 400 + if month <= 2 { 1 } else { 0 };
        Self { year, month, day: of_year - (153 * shifted + 2) / 5 + 1 }
    }

    /// `None` past the years 1 to 9999.
    pub(crate) fn shifted(self, days: i64) -> Option<Self> {
        let moved = Self::from_days(self.days().checked_add(days)?);
        (1..=9999).contains(&moved.year).then_some(moved)
    }
}

impl WrittenDate {
    /// The first date in `text`. Days and months that both can be either are read as the month first
    /// behind `/`, and as the day first behind `.` and `-`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let pieces = pieces(text);
        with_month_name(&pieces).or_else(|| of_numbers(text, &pieces)).or_else(|| compact(&pieces))
    }

    /// `text`, which this was read from, with `date` in its place.
    pub(crate) fn write(&self, text: &str, date: Date) -> String {
        let mut parts = [
            (&self.year, date.year, Part::Year),
            (&self.month, date.month, Part::Month),
            (&self.day, date.day, Part::Day),
        ];
        parts.sort_by_key(|(range, ..)| range.start);
        let mut written = String::with_capacity(text.len());
        let mut at = 0;
        for (range, number, part) in parts {
            written.push_str(text.get(at..range.start).unwrap_or_default());
            let old = text.get(range.clone()).unwrap_or_default();
            written.push_str(&part.write(old, number, self.padded));
            at = range.end;
        }
        written.push_str(text.get(at..).unwrap_or_default());
        written
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Year,
    Month,
    Day,
}

impl Part {
    /// `number` as wide as `old`, or as a name where `old` is one.
    fn write(self, old: &str, number: i64, padded: bool) -> String {
        if self == Self::Month && !old.starts_with(|c: char| c.is_ascii_digit()) {
            return month_name(old, number);
        }
        if self == Self::Year && old.len() == 2 {
            return format!("{:02}", number.rem_euclid(100));
        }
        match self {
            Self::Year => format!("{number:04}"),
            Self::Month | Self::Day if padded => format!("{number:02}"),
            Self::Month | Self::Day => number.to_string(),
        }
    }
}

fn month_name(old: &str, number: i64) -> String {
    let index = usize::try_from(number - 1).unwrap_or_default();
    let full = MONTHS.get(index).copied().unwrap_or_default();
    // `May` is both; the short form is the more frequent one.
    let short = old.len() <= 4;
    let name = if short { full.get(..3).unwrap_or(full) } else { full };
    if old.chars().all(char::is_uppercase) {
        return name.to_uppercase();
    }
    if old.starts_with(char::is_lowercase) {
        return name.to_owned();
    }
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut start: Option<(usize, bool)> = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let digit = character.is_ascii_digit();
        let part = digit || character.is_ascii_alphabetic();
        if let Some((from, of_digits)) = start
            && (!part || digit != of_digits)
        {
            pieces.push(Piece { text: text.get(from..at).unwrap_or_default(), range: from..at });
            start = None;
        }
        if part && start.is_none() {
            start = Some((at, digit));
        }
        // No date is longer.
        if pieces.len() >= 16 {
            break;
        }
    }
    pieces
}

impl Piece<'_> {
    fn number(&self) -> Option<i64> {
        (self.text.len() <= 8).then(|| self.text.parse().ok()).flatten()
    }

    fn month_by_name(&self) -> Option<i64> {
        let word = self.text.to_ascii_lowercase();
        let fits = |name: &str| {
            name == word
                || name.get(..3) == Some(&*word)
                || (word == "sept" && name.starts_with("sept"))
        };
        let index = MONTHS.iter().position(|name| fits(name))?;
        i64::try_from(index + 1).ok()
    }

    fn day(&self) -> Option<i64> {
        (self.text.len() <= 2).then(|| self.number()).flatten().filter(|day| (1..=31).contains(day))
    }

    /// Two digits are of this century up to 30, of the last one after that.
    fn year(&self) -> Option<i64> {
        match (self.text.len(), self.number()?) {
            (4, year) => Some(year),
            (2, year) => Some(if year <= 30 { 2000 + year } else { 1900 + year }),
            _ => None,
        }
    }
}

fn made(year: &Piece<'_>, month: &Piece<'_>, day: &Piece<'_>) -> Option<WrittenDate> {
    let number = month.month_by_name().or_else(|| month.number())?;
    Some(WrittenDate {
        date: Date::new(year.year()?, number, day.day()?)?,
        year: year.range.clone(),
        month: month.range.clone(),
        day: day.range.clone(),
        padded: is_padded(month, day),
    })
}

/// One leading zero says that there are always some; two digits twice say so for numbers that stand
/// close to each other (`12/31/1999`, not `12월 31일`).
fn is_padded(month: &Piece<'_>, day: &Piece<'_>) -> bool {
    let close = month.range.end.abs_diff(day.range.start) <= 1
        || day.range.end.abs_diff(month.range.start) <= 1;
    let two = |piece: &Piece<'_>| piece.text.len() == 2 && piece.number().is_some();
    day.text.starts_with('0') || month.text.starts_with('0') || (close && two(month) && two(day))
}

/// `March 3, 1990`, `3rd of March 1990`.
fn with_month_name(pieces: &[Piece<'_>]) -> Option<WrittenDate> {
    let at = pieces.iter().position(|piece| piece.month_by_name().is_some())?;
    let month = pieces.get(at)?;
    let numbers = |list: &[usize]| -> Vec<usize> {
        let is_number = |i: &usize| pieces.get(*i).is_some_and(|piece| piece.number().is_some());
        list.iter().copied().filter(is_number).collect()
    };
    let after: Vec<usize> = (at + 1..pieces.len().min(at + 4)).collect();
    let before: Vec<usize> = (at.saturating_sub(3)..at).rev().collect();
    let (after, before) = (numbers(&after), numbers(&before));
    let pick = |index: Option<&usize>| index.and_then(|index| pieces.get(*index));
    let day_first = || made(pick(after.first())?, month, pick(before.first())?);
    let month_first = || made(pick(after.get(1))?, month, pick(after.first())?);
    let year_first = || made(pick(before.first())?, month, pick(after.first())?);
    day_first().or_else(month_first).or_else(year_first)
}

/// `1990-03-03`, `3.3.1990`, `03/03/90`, `1990년 3월 3일`.
fn of_numbers(text: &str, pieces: &[Piece<'_>]) -> Option<WrittenDate> {
    pieces.windows(3).find_map(|window| {
        let [one, two, three] = window else { return None };
        let between = text.get(one.range.end..two.range.start)?;
        let again = text.get(two.range.end..three.range.start)?;
        if ![between, again].iter().all(|gap| is_separator(gap)) {
            return None;
        }
        if one.text.len() == 4 || between.contains('년') {
            return made(one, two, three);
        }
        let (day_first, month_first) = (made(three, two, one), made(three, one, two));
        if between.contains('/') { month_first.or(day_first) } else { day_first.or(month_first) }
    })
}

fn is_separator(gap: &str) -> bool {
    matches!(gap.trim(), "-" | "/" | "." | "년" | "월" | "年" | "月")
}

/// `19900303`.
fn compact(pieces: &[Piece<'_>]) -> Option<WrittenDate> {
    let piece = pieces.iter().find(|piece| piece.text.len() == 8)?;
    let part = |range: Range<usize>| {
        let start = piece.range.start;
        Some(Piece {
            text: piece.text.get(range.clone())?,
            range: start + range.start..start + range.end,
        })
    };
    made(&part(0..4)?, &part(4..6)?, &part(6..8)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_move_in_their_own_form() {
        for (text, days, expected) in [
            ("1990-03-01", -1, "1990-02-28"),
            ("2024-02-28T10:00:00Z", 1, "2024-02-29T10:00:00Z"),
            ("12/31/1999", 1, "01/01/2000"),
            ("31.12.1999", 1, "01.01.2000"),
            ("3.3.90", 1, "4.3.90"),
            ("31/12/1999", 1, "01/01/2000"),
            ("March 31, 1990", 1, "April 1, 1990"),
            ("3rd of Mar 1990", 1, "4rd of Mar 1990"),
            ("SEP 30 2001", 1, "OCT 1 2001"),
            ("1990년 3월 31일", 1, "1990년 4월 1일"),
            ("19991231", 1, "20000101"),
            ("31-Dec-99", 1, "1-Jan-00"),
        ] {
            let date = WrittenDate::read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(date.write(text, date.date.shifted(days).unwrap()), expected, "{text}");
        }
        for text in ["", "tomorrow", "13/13/1999", "1990-02-30", "12:30:45", "1999", "May"] {
            assert_eq!(WrittenDate::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn moving_there_and_back_changes_nothing(days in 0_i64..3_600_000, by in -4000_i64..4000) {
            let date = Date::from_days(days);
            prop_assert_eq!(date.days(), days);
            if let Some(moved) = date.shifted(by) && (1..=9999).contains(&date.year) {
                prop_assert_eq!(moved.shifted(-by), Some(date));
            }
        }

        #[test]
        fn reading_never_panics(text in "\\PC*|[0-9 ./-]*|[0-9A-Za-z ,]*") {
            if let Some(date) = WrittenDate::read(&text) {
                let again = WrittenDate::read(&date.write(&text, date.date));
                prop_assert_eq!(again.map(|it| it.date), Some(date.date));
            }
        }
    }
}
