//! Durations and rates, as the settings write them.

use std::time::Duration;

/// One period of a rate, by its word.
const PERIODS: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3600)];
/// The most calls within a period.
const MAX_CALLS: u32 = 1_000_000;

/// Reads `10s`, `5m`, `1h30m`, `250ms`, `7d` as a duration from `least` to `most`.
pub(crate) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let read = plain_duration(text).ok_or_else(|| {
        format!("`{text}` is no duration; write for example `10s`, `5m` or `1h30m`")
    })?;
    if read < least || read > most {
        let (least, most) = (show(least), show(most));
        return Err(format!("`{text}` is out of range; write a duration from {least} to {most}"));
    }
    Ok(read)
}

fn plain_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let millis = number.parse::<u64>().ok()?.checked_mul(unit_millis(unit)?)?;
        total = total.checked_add(Duration::from_millis(millis))?;
        rest = after;
    }
    Some(total)
}

fn unit_millis(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let fitting = units.iter().find(|(_, one)| millis >= *one && millis.is_multiple_of(*one));
    fitting.map_or_else(|| format!("{millis}ms"), |(unit, one)| format!("{}{unit}", millis / one))
}

/// Reads `10/min`, `5/s` or `100/h` as calls and the period they fall in.
pub(crate) fn rate(text: &str) -> Result<(u32, Duration), String> {
    let form = || format!("`{text}` is no rate; write for example `10/min`, `5/s` or `100/h`");
    let (calls, period) = text.split_once('/').ok_or_else(form)?;
    let (calls, period) = (calls.trim(), period.trim());
    let (_, secs) = PERIODS.iter().find(|(word, _)| *word == period).ok_or_else(form)?;
    if calls.is_empty() || !calls.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(form());
    }
    let fitting = calls.parse().ok().filter(|calls| (1..=MAX_CALLS).contains(calls));
    let calls = fitting.ok_or_else(|| {
        format!("`{text}` is out of range; write from 1 to {MAX_CALLS} calls, as in `10/min`")
    })?;
    Ok((calls, Duration::from_secs(*secs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_settings_read_them() {
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(86_400));
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            (" 250ms ", Some(250)),
            ("1d", Some(86_400_000)),
            ("2d", None),
            ("1ms", None),
            ("10", None),
            ("s", None),
            ("", None),
            ("10 s", None),
            ("-1s", None),
            ("10min", None),
            ("99999999999999999999s", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(duration(text, least, most).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_duration_out_of_range_is_told_the_range() {
        let found = duration("2d", Duration::from_secs(1), Duration::from_secs(86_400));
        let expected = "`2d` is out of range; write a duration from 1s to 1d";
        assert_eq!(found, Err(expected.to_owned()));
    }

    #[test]
    fn rates_have_a_count_and_a_period() {
        for (text, expected) in [
            ("10/min", Some((10, 60))),
            ("5/s", Some((5, 1))),
            ("100 / h", Some((100, 3600))),
            ("0/s", None),
            ("10", None),
            ("10/m", None),
            ("/s", None),
            ("+1/s", None),
            ("1000001/s", None),
            ("10/min/s", None),
        ] {
            let expected = expected.map(|(calls, secs)| (calls, Duration::from_secs(secs)));
            assert_eq!(rate(text).ok(), expected, "{text}");
        }
    }
}
