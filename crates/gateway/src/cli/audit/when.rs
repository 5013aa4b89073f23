//! Moments, as people write them.

use haechi_core::{Clock as _, Timestamp};

use crate::cli::failure::Failure;

const DAY_SECS: u64 = 86_400;

/// `2h` ago, a day (`2026-11-01`) or a moment (`2026-11-01T09:00:00Z`) in UTC, or seconds since
/// 1970-01-01T00:00:00Z.
pub(super) fn moment(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(secs) = text.parse() {
        return Ok(Timestamp::from_secs(secs));
    }
    if let Some(at) = date(text) {
        return Ok(at);
    }
    let ago = haechi_assembly::settings::read_duration(text).map_err(Failure::unknown)?;
    Ok(haechi_assembly::SystemClock.now().before(ago))
}

/// A calendar date in UTC, with or without the time of day.
fn date(text: &str) -> Option<Timestamp> {
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let time = time.strip_suffix('Z')?;
    let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    let [hour, minute, second] = numbers(&time, ':', [2, 2, 2])?;
    let days = days_before(year, month, day)?;
    let fits = hour < 24 && minute < 60 && second < 60;
    let secs = days * DAY_SECS + hour * 3600 + minute * 60 + second;
    fits.then(|| Timestamp::from_secs(secs))
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        let plain = part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| plain)?;
    }
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` where there is no such day.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let length = |month| match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap(year) => 29,
        2 => 28,
        _ => 31,
    };
    if year < 1970 || !(1..=12).contains(&month) || !(1..=length(month)).contains(&day) {
        return None;
    }
    let years = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum::<u64>();
    Some(years + (1..month).map(length).sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_read_as_they_are_printed() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2000-02-29T12:30:01.000Z",
            "2026-11-23T23:59:59.000Z",
            "2100-03-01T00:00:00.000Z",
        ] {
            let written = text.replace(".000", "");
            assert_eq!(date(&written).unwrap().to_string(), text);
        }
        assert_eq!(date("2026-11-01").unwrap().to_string(), "2026-11-01T00:00:00.000Z");
        assert_eq!(date("2026-11-01T09:30Z").unwrap().to_string(), "2026-11-01T09:30:00.000Z");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2026",
            "2026-11",
            "2026-13-01",
            "2026-00-01",
            "2026-11-31",
            "2100-02-29",
            "1969-12-31",
            "2026-1-01",
            "2026-11-01-01",
            "2026-11-01T24:00:00Z",
            "2026-11-01T00:00:00",
            "+026-11-01",
            "2026-11-01T00:60Z",
            "2h",
        ] {
            assert!(date(text).is_none(), "{text}");
        }
    }
}
