//! Words of single values: durations, sizes, addresses, names of secrets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_core::Secret;
use haechi_guard::Rate;

use crate::environment::variable;

/// The longest secret read from a file, in bytes.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Reads `10s`, `5m`, `1h30m`, `250ms`, `7d` as a duration from `least` to `most`.
pub(crate) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let form = || format!("`{text}` is no duration; write for example `10s`, `5m` or `24h`");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(form());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
        let (number, after) = rest.split_at_checked(digits).ok_or_else(form)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end).ok_or_else(form)?;
        let number: u64 = number.parse().map_err(|_| form())?;
        let one = unit_of(unit).ok_or_else(form)?;
        let part = number.checked_mul(one).map(Duration::from_millis).ok_or_else(form)?;
        total = total.checked_add(part).ok_or_else(form)?;
        rest = after;
    }
    if total < least || total > most {
        return Err(format!("must be from {} to {}", show(least), show(most)));
    }
    Ok(total)
}

/// Reads a duration as settings write it, of any length.
///
/// # Errors
///
/// What is wrong with it, for people.
pub fn read(text: &str) -> Result<Duration, String> {
    duration(text, Duration::ZERO, Duration::MAX)
}

/// The most calls that a rate may count.
pub(crate) const MOST_CALLS: u32 = 60_000_000;

/// Reads `10/s`, `600/min`, `100/h`, `5/30s` as so many calls within a time.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let form = || format!("`{text}` is no rate; write for example `10/s`, `100/h` or `5/30s`");
    let (calls, per) = text.trim().split_once('/').ok_or_else(form)?;
    let calls = calls.parse().map_err(|_| form()).and_then(|n| number(n, 1, MOST_CALLS))?;
    let per = match per {
        "s" | "m" | "h" | "d" => format!("1{per}"),
        "min" => "1m".to_owned(),
        other => other.to_owned(),
    };
    let (least, most) = (Duration::from_millis(1), Duration::from_secs(7 * 24 * 3600));
    if !per.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(form());
    }
    Ok(Rate { calls, per: duration(&per, least, most)? })
}

/// Milliseconds of one unit.
fn unit_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

/// A duration as settings write it, in the largest unit that divides it.
#[must_use]
pub fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let fitting = units.iter().find(|(_, one)| millis >= *one && millis.is_multiple_of(*one));
    fitting.map_or_else(|| format!("{millis}ms"), |(unit, one)| format!("{}{unit}", millis / one))
}

/// Reads `4 MiB`, `64 KiB`, `1 GiB` or `512 B` as bytes from `least` to `most`.
pub(crate) fn size(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let form = || format!("`{text}` is no size; write for example `64 KiB` or `4 MiB`");
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(form)?;
    let (number, unit) = text.split_at_checked(digits).ok_or_else(form)?;
    let shift = match unit.trim() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(form()),
    };
    let number: u64 = number.parse().map_err(|_| form())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(form)?;
    if bytes < least || bytes > most {
        return Err(format!("must be from {} to {}", show_size(least), show_size(most)));
    }
    Ok(bytes)
}

fn show_size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fitting =
        units.iter().find(|(_, shift)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift));
    fitting
        .map_or_else(|| format!("{bytes} B"), |(unit, shift)| format!("{} {unit}", bytes >> shift))
}

/// A whole number from `least` to `most`.
pub(crate) fn number<N: Copy + PartialOrd + std::fmt::Display>(
    number: N,
    least: N,
    most: N,
) -> Result<N, String> {
    if number < least || number > most {
        return Err(format!("must be from {least} to {most}"));
    }
    Ok(number)
}

/// A path of the settings: relative ones are relative to the file that names them.
pub(crate) fn path(base: &Path, text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("must name a path".to_owned());
    }
    Ok(base.join(text))
}

/// An http or https address without credentials.
pub(crate) fn http_url(text: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text).map_err(|_| format!("`{text}` is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("must start with `https://` or `http://`".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials".to_owned());
    }
    Ok(url)
}

/// Whether `url` stays on this machine.
pub(crate) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The secret that `text` names: `file:PATH` (one trailing line break is not part of it) or
/// `env:NAME`. `None` when it names none and stands for itself.
pub(crate) fn named_secret(base: &Path, text: &str) -> Option<Result<Secret, String>> {
    if let Some(name) = text.strip_prefix("env:") {
        let value = variable(name).and_then(|value| value.into_string().ok());
        let missing = || format!("the environment has no variable `{name}`");
        return Some(value.map(Secret::from).ok_or_else(missing));
    }
    let file = base.join(text.strip_prefix("file:")?);
    Some(read_secret(&file))
}

fn read_secret(file: &Path) -> Result<Secret, String> {
    let shown = file.display();
    let length = std::fs::metadata(file).map_err(|error| format!("`{shown}`: {error}"))?.len();
    if length > MAX_SECRET_BYTES {
        return Err(format!("`{shown}` is too large for a secret"));
    }
    let mut text = std::fs::read(file).map_err(|error| format!("`{shown}`: {error}"))?;
    for end in [b'\n', b'\r'] {
        if text.last() == Some(&end) {
            text.pop();
        }
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn durations_are_numbers_with_units() {
        let good = [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
        ];
        for (text, millis) in good {
            let read = duration(text, Duration::ZERO, HOUR);
            assert_eq!(read, Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "10", "s", "ten s", "1.5h", "-1s", "10 s ", "99999999999999999999s", "1w"] {
            assert!(duration(bad, Duration::ZERO, HOUR).is_err(), "{bad}");
        }
        assert_eq!(duration("2h", Duration::ZERO, HOUR), Err("must be from 0ms to 1h".to_owned()));
    }

    #[test]
    fn sizes_are_numbers_with_binary_units() {
        for (text, bytes) in
            [("512 B", 512), ("64KiB", 65_536), ("4 MiB", 4 << 20), ("1 GiB", 1 << 30)]
        {
            assert_eq!(size(text, 0, u64::MAX), Ok(bytes), "{text}");
        }
        for bad in
            ["", "4", "4 MB", "MiB", "-1 B", "99999999999999999999 GiB", "18446744073709551615 GiB"]
        {
            assert!(size(bad, 0, u64::MAX).is_err(), "{bad}");
        }
        assert!(size("5 MiB", 0, 4 << 20).is_err_and(|why| why.contains("to 4 MiB")));
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        for text in ["1ms", "1500ms", "90s", "5m", "36h", "7d"] {
            let read = duration(text, Duration::ZERO, Duration::MAX).unwrap();
            assert_eq!(duration(&show(read), Duration::ZERO, Duration::MAX), Ok(read));
        }
    }

    #[test]
    fn a_secret_is_named_and_never_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "s3cret\r\n").unwrap();
        let named = named_secret(folder.path(), "file:key").unwrap().unwrap();
        assert_eq!(named.expose(), b"s3cret");
        let missing = named_secret(folder.path(), "env:HAECHI_NO_SUCH_VARIABLE").unwrap();
        assert!(missing.unwrap_err().contains("HAECHI_NO_SUCH_VARIABLE"));
        assert!(named_secret(folder.path(), "plain").is_none());
    }
}
