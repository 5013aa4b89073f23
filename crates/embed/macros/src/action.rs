//! What can be done with a finding: the words of docs/obligations.md.

use crate::nearest::advice;

/// Actions that take nothing behind a colon.
const PLAIN: [&str; 8] =
    ["allow", "encrypt", "format", "hash", "redact", "refuse", "tokenize", "tokenize-same"];
/// Actions that may.
const WITH_PARAMETER: [&str; 2] = ["generalize", "mask"];
/// The ways to make a value coarser, and the greatest number behind them; none takes no number.
const GENERALIZATIONS: [(&str, Option<u32>); 7] = [
    ("address", None),
    ("age", Some(100)),
    ("date-shift", Some(3650)),
    ("decade", None),
    ("month", None),
    ("number", Some(1_000_000_000)),
    ("year", None),
];

/// Whether `text` is an action as the settings write it: `mask`, `mask:2`, `generalize:age:5`.
///
/// # Errors
///
/// A sentence, with what would be accepted.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let (word, parameter) = match text.split_once(':') {
        Some((word, parameter)) => (word, Some(parameter)),
        None => (text, None),
    };
    match (word, parameter) {
        ("mask", Some(kept)) => mask(kept),
        ("generalize", Some(how)) => generalize(how),
        ("mask" | "generalize", None) => Ok(()),
        (word, Some(_)) if PLAIN.contains(&word) => {
            Err(format!("`{word}` takes nothing behind a colon; write `{word}`"))
        }
        (word, None) if PLAIN.contains(&word) => Ok(()),
        _ => {
            let words = PLAIN.into_iter().chain(WITH_PARAMETER);
            let otherwise = format!("write {} or mask", PLAIN.join(", ") + ", generalize");
            Err(format!("`{text}` is no action{}", advice(word, words, &otherwise)))
        }
    }
}

fn mask(kept: &str) -> Result<(), String> {
    let fits = kept.parse::<u8>().is_ok_and(|kept| kept <= 16);
    fits.then_some(()).ok_or_else(|| {
        format!("`mask:{kept}` does not say how many characters stay; write `mask:0` to `mask:16`")
    })
}

fn generalize(how: &str) -> Result<(), String> {
    let (word, number) = match how.split_once(':') {
        Some((word, number)) => (word, Some(number)),
        None => (how, None),
    };
    let Some((_, most)) = GENERALIZATIONS.iter().find(|(known, _)| *known == word) else {
        let words = GENERALIZATIONS.iter().map(|(known, _)| *known);
        let all: Vec<&str> = words.clone().collect();
        let otherwise = format!("there are {}", all.join(", "));
        return Err(format!("`generalize:{word}` is not known{}", advice(word, words, &otherwise)));
    };
    let fits = match (most, number) {
        (_, None) => word != "number",
        (None, Some(_)) => false,
        (Some(most), Some(number)) => {
            number.parse::<u32>().is_ok_and(|number| (1..=*most).contains(&number))
        }
    };
    fits.then_some(()).ok_or_else(|| match most {
        Some(most) => format!(
            "`generalize:{how}` needs a whole number from 1 to {most}; write for example `generalize:{word}:10`"
        ),
        None => format!("`generalize:{word}` takes no number; write `generalize:{word}`"),
    })
}
