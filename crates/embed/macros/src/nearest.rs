//! The word that was meant.

/// The nearest of `words`, unless all are too far to have been meant.
pub(crate) fn nearest<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let sought = word.to_lowercase();
    let most = (sought.chars().count() / 3).max(1);
    let far = |known: &&'a str| distance(&sought, &known.to_lowercase());
    words
        .into_iter()
        .map(|known| (far(&known), known))
        .filter(|(far, _)| *far <= most)
        .min()
        .map(|(_, known)| known)
}

/// `; did you mean …?` with the nearest word, or `otherwise`.
pub(crate) fn advice<'a>(
    word: &str,
    words: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    nearest(word, words)
        .map_or_else(|| format!("; {otherwise}"), |known| format!("; did you mean `{known}`?"))
}

/// Letters to insert, delete, replace or swap with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut before = None;
    for (line, letter) in left.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&row, column) + usize::from(letter != *other);
            let mut least = replaced.min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            let neighbour = column.checked_sub(1).and_then(|column| right.get(column));
            if before == Some(*other) && neighbour == Some(&letter) {
                least = least.min(at(&above, column.saturating_sub(1)).saturating_add(1));
            }
            next.push(least);
        }
        before = Some(letter);
        above = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let words = ["timeout", "tokenize", "rate", "roles"];
        for (word, expected) in [
            ("timout", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("Rate", Some("rate")),
            ("role", Some("roles")),
            ("tokenise", Some("tokenize")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words), expected, "{word}");
        }
    }

    #[test]
    fn distances_count_single_changes() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
