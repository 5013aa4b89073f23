//! Globs over JSON pointers, without backtracking beyond the last star.

use haechi_core::glob;

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
            Some(piece) if glob::matches(piece, name) => {
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
