//! Globs over names and over JSON pointers, without backtracking beyond the last star.

/// Whether `pattern` matches `name`: `*` stands for any run of characters.
pub(super) fn name_matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether `pattern` matches `field`, name by name: `**` stands for any number of names.
pub(super) fn field_matches(pattern: &str, field: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let field: Vec<&str> = field.split('/').collect();
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(name) = field.get(from) {
        match pattern.get(at) {
            Some(&"**") => {
                star = Some((at, from));
                at += 1;
            }
            Some(piece) if name_matches(piece, name) => {
                at += 1;
                from += 1;
            }
            _ => {
                // The last `**` takes one name more.
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                from = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|piece| *piece == "**")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("files", "files", true),
            ("files", "file", false),
            ("read_*", "read_file", true),
            ("*_file", "read_file", true),
            ("r*d_f*e", "read_file", true),
            ("r*x*e", "read_file", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(name_matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn two_stars_stand_for_any_number_of_names() {
        for (pattern, field, expected) in [
            ("/customer/email", "/customer/email", true),
            ("/customer/*", "/customer/email", true),
            ("/customer/*", "/customer/a/b", false),
            ("/customer/**", "/customer/a/b", true),
            ("/**/email", "/a/b/email", true),
            ("/**/email", "/email", true),
            ("/**/email", "/a/email/b", false),
            ("/**/list/*/name", "/x/list/list/*/name", true),
            ("**", "", true),
            ("", "", true),
            ("/a", "", false),
        ] {
            assert_eq!(field_matches(pattern, field), expected, "{pattern} {field}");
        }
    }
}
