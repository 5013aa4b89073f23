//! Values made coarser.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::obligation::Generalization;

use super::date::WrittenDate;

/// `value` made coarser as `how` says; `None` where that cannot be done. `shift` is the keyed number
/// of the person.
pub(crate) fn generalize(
    how: Generalization,
    kind: &str,
    value: &str,
    shift: Option<u64>,
) -> Option<String> {
    match how {
        Generalization::ByKind => by_kind(kind, value),
        Generalization::DateShift { days } => shift_date(value, distance(shift?, days)),
        Generalization::Month => coarse_date(value, |year, month| match month {
            Some(month) => format!("{year:04}-{month:02}"),
            None => format!("{year:04}"),
        }),
        Generalization::Year => coarse_date(value, |year, _| format!("{year:04}")),
        Generalization::Decade => coarse_date(value, |year, _| format!("{:04}s", year / 10 * 10)),
        Generalization::Age { years } => bucket(value, years.into()),
        Generalization::Number { width } => bucket(value, width.into()),
        Generalization::Address => address(kind, value),
    }
}

fn by_kind(kind: &str, value: &str) -> Option<String> {
    match kind {
        "DATE_TIME" | "DATE_OF_BIRTH" => generalize(Generalization::Year, kind, value, None),
        "AGE" => bucket(value, 10),
        _ => address(kind, value),
    }
}

fn address(kind: &str, value: &str) -> Option<String> {
    match kind {
        "IP_ADDRESS" => network(value),
        "GEO_COORDINATES" => coordinates(value),
        "ZIP_CODE" => postcode(value),
        "STREET_ADDRESS" => city(value),
        _ => None,
    }
}

/// From `-days` to `days`, never 0.
fn distance(number: u64, days: u16) -> i64 {
    let days = u64::from(days.max(1));
    let step = i64::try_from(number % (2 * days)).unwrap_or_default();
    let days = i64::try_from(days).unwrap_or_default();
    if step < days { step - days } else { step - days + 1 }
}

fn shift_date(value: &str, distance: i64) -> Option<String> {
    let written = WrittenDate::read(value)?;
    Some(written.write(value, written.date.shifted(distance)?))
}

fn coarse_date(value: &str, form: impl Fn(i64, Option<i64>) -> String) -> Option<String> {
    if let Some(WrittenDate { date, .. }) = WrittenDate::read(value) {
        return Some(form(date.year, Some(date.month)));
    }
    // What is coarse already: `1990`, `1990-03`, `1990s`.
    let (year, rest) = value.trim().split_at_checked(4)?;
    let year = year.bytes().all(|b| b.is_ascii_digit()).then(|| year.parse().ok()).flatten()?;
    match rest.strip_prefix('-').map(str::parse) {
        Some(Ok(month @ 1..=12)) => Some(form(year, Some(month))),
        _ => matches!(rest, "" | "s" | "년").then(|| form(year, None)),
    }
}

/// The first whole number of `value` as `30-39`; what stands around it stays. A bucket stays as it is.
fn bucket(value: &str, width: u64) -> Option<String> {
    let start = value.find(|c: char| c.is_ascii_digit())?;
    let tail = value.get(start..)?;
    let end = tail.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(tail.len());
    let digits: String = tail.get(..end)?.chars().filter(char::is_ascii_digit).collect();
    let low = digits.parse::<u64>().ok()? / width * width;
    let high = low.checked_add(width - 1)?;
    let range = format!("{low}-{high}");
    if tail.starts_with(&range) {
        return Some(value.to_owned());
    }
    let rest = tail.get(end..)?;
    // The part behind a decimal point goes too.
    let fraction = rest.strip_prefix('.').filter(|it| it.starts_with(|c: char| c.is_ascii_digit()));
    let rest = fraction.map_or(rest, |it| it.trim_start_matches(|c: char| c.is_ascii_digit()));
    Some(format!("{}{range}{rest}", value.get(..start)?))
}

fn network(value: &str) -> Option<String> {
    Some(match value.parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).to_string()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string()
        }
    })
}

/// Every number to one decimal, cut and not rounded; needs one.
fn coordinates(value: &str) -> Option<String> {
    let mut decimals: Option<usize> = None;
    let mut found = false;
    let keep = |character: char| {
        decimals = match (character, decimals) {
            ('.', _) => Some(0),
            (digit, Some(count)) if digit.is_ascii_digit() => Some(count + 1),
            _ => None,
        };
        found |= decimals == Some(1);
        decimals.is_none_or(|count| count <= 1)
    };
    let cut: String = value
        .chars()
        .filter({
            let mut keep = keep;
            move |character| keep(*character)
        })
        .collect();
    (cut.contains('.')).then_some(cut)
}

/// The first three letters or digits, the rest as `*`.
fn postcode(value: &str) -> Option<String> {
    let mut kept = 0;
    let cut = value.chars().map(|character| {
        kept += usize::from(character.is_alphanumeric());
        if character.is_alphanumeric() && kept > 3 { '*' } else { character }
    });
    Some(cut.collect())
}

/// Of a Korean address the leading 시, 도, 군 and 구; of another its first part without digits behind
/// a comma, and what follows up to the next digit.
fn city(value: &str) -> Option<String> {
    let korean: Vec<&str> = value
        .split_whitespace()
        .take_while(|word| word.ends_with(['시', '도', '군', '구']) && word.chars().count() > 1)
        .take(3)
        .collect();
    if !korean.is_empty() {
        return Some(korean.join(" "));
    }
    let parts = value.split([',', '\n']).skip(1).map(str::trim);
    let city = parts.filter(|it| !it.is_empty()).find(|part| {
        let mut characters = part.chars();
        characters.clone().count() > 2 && characters.all(|c| !c.is_numeric())
    });
    city.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(how: &str, kind: &str, value: &str) -> Option<String> {
        let Ok(crate::obligation::Action::Generalize(how)) = crate::obligation::Action::parse(how)
        else {
            panic!("{how}")
        };
        generalize(how, kind, value, Some(7))
    }

    #[test]
    fn values_become_coarser() {
        for (how, kind, value, expected) in [
            ("generalize", "DATE_OF_BIRTH", "1990-03-04", Some("1990")),
            ("generalize", "AGE", "34 years old", Some("30-39 years old")),
            ("generalize", "IP_ADDRESS", "192.0.2.77", Some("192.0.2.0")),
            ("generalize", "IP_ADDRESS", "2001:db8:1:2::7", Some("2001:db8:1::")),
            ("generalize", "GEO_COORDINATES", "37.5665, -126.9780", Some("37.5, -126.9")),
            ("generalize", "ZIP_CODE", "94110-1234", Some("941**-****")),
            (
                "generalize",
                "STREET_ADDRESS",
                "1 Main St, Springfield, IL 62704",
                Some("Springfield"),
            ),
            (
                "generalize",
                "STREET_ADDRESS",
                "서울특별시 강남구 테헤란로 152",
                Some("서울특별시 강남구"),
            ),
            ("generalize", "EMAIL_ADDRESS", "a@b.example", None),
            ("generalize:month", "DATE_TIME", "4 March 1990", Some("1990-03")),
            ("generalize:decade", "DATE_TIME", "1994-03-04", Some("1990s")),
            (
                "generalize:number:1000",
                "ID",
                "salary 12,345.67 a year",
                Some("salary 12000-12999 a year"),
            ),
            ("generalize:date-shift:10", "DATE_TIME", "1990-03-04", Some("1990-03-01")),
            ("generalize:year", "DATE_TIME", "soon", None),
        ] {
            assert_eq!(made(how, kind, value).as_deref(), expected, "{how} {value}");
        }
    }

    #[test]
    fn dates_of_one_person_keep_their_distance() {
        let one = WrittenDate::read(&made("generalize:date-shift", "", "2020-01-01").unwrap());
        let other = WrittenDate::read(&made("generalize:date-shift", "", "2020-01-11").unwrap());
        assert_eq!(one.unwrap().date.shifted(10), Some(other.unwrap().date));
    }

    proptest! {
        #[test]
        fn a_distance_is_within_its_limit_and_never_none(number in any::<u64>(), days in 1_u16..3650) {
            let distance = distance(number, days);
            prop_assert!(distance != 0 && distance.abs() <= i64::from(days));
        }

        #[test]
        fn what_is_coarse_stays(value in "\\PC{0,30}|[0-9 ./,:-]{0,30}", which in 0_usize..8) {
            let (how, kind) = [
                ("generalize:month", "DATE_TIME"), ("generalize:year", "DATE_TIME"),
                ("generalize:decade", "DATE_TIME"), ("generalize:age", "AGE"),
                ("generalize", "IP_ADDRESS"), ("generalize", "GEO_COORDINATES"),
                ("generalize", "ZIP_CODE"), ("generalize", "STREET_ADDRESS"),
            ][which];
            if let Some(once) = made(how, kind, &value) && kind != "STREET_ADDRESS" {
                prop_assert_eq!(made(how, kind, &once), Some(once));
            }
        }
    }
}
