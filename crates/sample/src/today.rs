//! What time it is, in the one place where this server asks.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_A_DAY: u64 = 86_400;

/// Whole seconds since 1970-01-01T00:00:00Z; 0 when the clock stands before that.
#[expect(
    clippy::disallowed_methods,
    reason = "the weather has no clock of the house; this is the only place"
)]
pub(crate) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Whole days since 1970-01-01.
pub(crate) fn days_since_epoch(now_secs: u64) -> u64 {
    now_secs / SECONDS_A_DAY
}

/// `YYYY-MM-DD` of a day in the proleptic Gregorian calendar.
///
/// Counts years from 1 March, so that the leap day ends a year, in cycles of 400 years.
pub(crate) fn iso_date(days_since_epoch: u64) -> String {
    let since_march_0000 = days_since_epoch + 719_468;
    let (cycle, day) = (since_march_0000 / 146_097, since_march_0000 % 146_097);
    let year_of_cycle = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_number_becomes_the_date_of_the_calendar() {
        for (days, date) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (20_779, "2026-11-22"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(iso_date(days), date);
        }
    }
}
