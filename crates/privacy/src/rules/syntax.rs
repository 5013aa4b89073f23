//! The syntax of patterns: that of `regex-automata`, with classes that are ASCII.

use regex_automata::nfa::thompson::NFA;
use regex_automata::util::syntax;
use regex_syntax::hir::Hir;

/// The largest automaton of one pattern.
const MAX_NFA_BYTES: usize = 2 << 20;

/// The pattern with `\d`, `\w`, `\s` and `\b` (and their opposites) as the ASCII classes they stand for.
///
/// Unicode classes would multiply the states of the automaton; switched off as a whole, they would
/// take literals such as `가` in classes with them.
pub(crate) fn ascii(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut characters = pattern.chars();
    let mut depth = 0_usize;
    while let Some(character) = characters.next() {
        match character {
            '\\' => push_escape(&mut out, characters.next(), depth > 0),
            '[' => {
                depth += 1;
                out.push('[');
                // A bracket that stands first in a class is a literal.
                let rest = characters.as_str();
                let negated = rest.strip_prefix('^');
                if negated.is_some() {
                    characters.next();
                    out.push('^');
                }
                if negated.unwrap_or(rest).starts_with(']') {
                    characters.next();
                    out.push_str(r"\]");
                }
            }
            ']' if depth > 0 => {
                depth -= 1;
                out.push(']');
            }
            other => out.push(other),
        }
    }
    out
}

fn push_escape(out: &mut String, escaped: Option<char>, in_class: bool) {
    let class = match escaped {
        Some('d') => "0-9",
        Some('D') => "^0-9",
        Some('w') => "0-9A-Za-z_",
        Some('W') => "^0-9A-Za-z_",
        Some('s') => r"\t\n\x0b\x0c\r\x20",
        Some('S') => r"^\t\n\x0b\x0c\r\x20",
        Some('b') if !in_class => return out.push_str(r"(?-u:\b)"),
        Some(other) => {
            out.push('\\');
            return out.push(other);
        }
        None => return out.push('\\'),
    };
    if in_class && !class.starts_with('^') {
        return out.push_str(class);
    }
    out.push('[');
    out.push_str(class);
    out.push(']');
}

/// What `pattern` means.
///
/// # Errors
///
/// What the reader says, on one line.
pub(crate) fn parse(pattern: &str) -> Result<Hir, String> {
    syntax::parse_with(pattern, &syntax::Config::new())
        .map_err(|error| one_line(&error.to_string()))
}

/// Whether the automaton of `pattern` stays small enough.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn fits(pattern: &str) -> Result<(), String> {
    let config = NFA::config().nfa_size_limit(Some(MAX_NFA_BYTES));
    match NFA::compiler().configure(config).build(pattern) {
        Ok(_) => Ok(()),
        Err(error) if error.size_limit().is_some() => Err("its automaton is too large".to_owned()),
        Err(error) => Err(one_line(&error.to_string())),
    }
}

/// The last line of an error, which says what is wrong; those before repeat the pattern.
fn one_line(error: &str) -> String {
    let last = error.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(error);
    last.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_ascii_inside_and_outside_brackets() {
        assert_eq!(ascii(r"\d{2}"), "[0-9]{2}");
        assert_eq!(ascii(r"[^\d가-힣]"), "[^0-9가-힣]");
        assert_eq!(ascii(r"\\d"), r"\\d");
        assert_eq!(ascii(r"[\S]"), r"[[^\t\n\x0b\x0c\r\x20]]");
        assert_eq!(ascii(r"[]a\]]"), r"[\]a\]]");
        for pattern in [r"\d{2}[^\d가-힣]\S\b", r"[]a]", r"[^]\d]"] {
            assert!(parse(&ascii(pattern)).is_ok(), "{pattern}");
        }
    }
}
