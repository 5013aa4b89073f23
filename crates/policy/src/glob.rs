//! Globs: over names (`upstream:tool`) and over the values of arguments.

/// The longest pattern, in characters.
pub(crate) const MAX_PATTERN_CHARS: usize = 256;

/// The longest value a [`ValueGlob`] looks at, in characters.
pub(crate) const MAX_VALUE_CHARS: usize = 4096;

/// A glob over one name: `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NameGlob(String);

impl NameGlob {
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The one name it matches, when it has no `*`.
    pub(crate) fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }

    pub(crate) fn is_any(&self) -> bool {
        self.0 == "*"
    }

    /// Whether it matches `name`.
    pub(crate) fn matches(&self, name: &str) -> bool {
        haechi_core::glob::matches(&self.0, name)
    }

    /// Whether every name that `other` matches is matched by this one. May say no too often.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        // No literal of a pattern is a `*`, so a `*` of `other` can only be met by one of ours.
        self.matches(&other.0)
    }
}

/// A pattern of the settings: `upstream:name`, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    pub(crate) upstream: NameGlob,
    pub(crate) name: NameGlob,
}

impl Pattern {
    /// Reads a pattern; `literal_marks` lets `?`, `[` and `{` stand for themselves, as in URIs.
    pub(crate) fn parse(text: &str, literal_marks: bool) -> Result<Self, &'static str> {
        if text.chars().count() > MAX_PATTERN_CHARS {
            return Err("a pattern has at most 256 characters");
        }
        if text.chars().any(char::is_control) {
            return Err("a pattern has no control characters");
        }
        let (upstream, name) = match text.split_once(':') {
            Some(halves) => halves,
            None if text == "*" => ("*", "*"),
            None => return Err("a pattern is `upstream:name`, or `*`"),
        };
        let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '*');
        if upstream.is_empty() || !upstream.chars().all(allowed) {
            return Err("an upstream's name has only `a-z`, `0-9`, `_` and `-`");
        }
        if name.is_empty() {
            return Err("there is nothing after the `:`");
        }
        let marks: &[char] = if literal_marks { &['\\'] } else { &['?', '[', ']', '{', '}', '\\'] };
        if name.contains(marks) {
            return Err("only `*` is special; `?`, brackets and `\\` have no place");
        }
        if looks_like_regex(name) {
            return Err("this looks like a regular expression; write a glob");
        }
        Ok(Self {
            text: text.to_owned(),
            upstream: NameGlob::new(upstream),
            name: NameGlob::new(name),
        })
    }

    pub(crate) fn matches(&self, upstream: &str, name: &str) -> bool {
        self.upstream.matches(upstream) && self.name.matches(name)
    }

    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.upstream.covers(&other.upstream) && self.name.covers(&other.name)
    }
}

/// `^…`, `…$` and `.*` with an anchor or group are not globs somebody meant.
fn looks_like_regex(text: &str) -> bool {
    text.starts_with('^') || (text.ends_with('$') && text.len() > 1) || text.contains(".+")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Token {
    Literal(char),
    /// `?`: one character, not `/`.
    One,
    /// `*`: any run without `/`.
    Run,
    /// `**`: any run.
    Anything,
}

/// A glob over one value, aware of `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ValueGlob(Vec<Token>);

impl ValueGlob {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.chars().count() > MAX_PATTERN_CHARS {
            return Err("a glob has at most 256 characters");
        }
        if looks_like_regex(text) {
            return Err("this looks like a regular expression; write a glob");
        }
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '\\' => Token::Literal(chars.next().ok_or("a `\\` at the end escapes nothing")?),
                '*' if chars.next_if_eq(&'*').is_some() => Token::Anything,
                '*' => Token::Run,
                '?' => Token::One,
                '[' | ']' | '{' | '}' => {
                    return Err("brackets have no meaning in a glob; escape them with `\\`");
                }
                literal => Token::Literal(literal),
            });
            if chars.peek() == Some(&'*') && tokens.last() == Some(&Token::Anything) {
                return Err("`***` has no meaning");
            }
        }
        if tokens.is_empty() {
            return Err("an empty glob matches only the empty text; use `equals`");
        }
        Ok(Self(tokens))
    }

    /// Whether all of `value` has this form; never for more than [`MAX_VALUE_CHARS`].
    ///
    /// Follows every position in the pattern at once, so no value makes it go back: the cost is at
    /// most the product of both lengths.
    pub(crate) fn matches(&self, value: &str) -> bool {
        let mut here = vec![false; self.0.len() + 1];
        if let Some(start) = here.first_mut() {
            *start = true;
        }
        self.skip_runs(&mut here);
        let mut next = here.clone();
        for (count, c) in value.chars().enumerate() {
            if count >= MAX_VALUE_CHARS || !here.contains(&true) {
                return false;
            }
            self.step(&here, &mut next, c);
            self.skip_runs(&mut next);
            std::mem::swap(&mut here, &mut next);
        }
        here.last().copied().unwrap_or(false)
    }

    fn step(&self, here: &[bool], next: &mut [bool], c: char) {
        next.fill(false);
        for (at, (token, _)) in self.0.iter().zip(here).enumerate().filter(|(_, (_, on))| **on) {
            let target = match token {
                Token::Literal(literal) => (*literal == c).then_some(at + 1),
                Token::One => (c != '/').then_some(at + 1),
                Token::Run => (c != '/').then_some(at),
                Token::Anything => Some(at),
            };
            if let Some(state) = target.and_then(|target| next.get_mut(target)) {
                *state = true;
            }
        }
    }

    /// A run may be empty, so a position before it is also one after it.
    fn skip_runs(&self, here: &mut [bool]) {
        let mut open = false;
        for (at, state) in here.iter_mut().enumerate() {
            *state |= open;
            open = *state && matches!(self.0.get(at), Some(Token::Run | Token::Anything));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_glob_matches_runs() {
        let cases = [
            ("*", "anything", true),
            ("read_*", "read_file", true),
            ("read_*", "read_", true),
            ("read_*", "unread_file", false),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("a*b*a", "aba", true),
            ("a*b*a", "ab", false),
            ("aa*aa", "aaa", false),
            ("exact", "exact", true),
            ("exact", "Exact", false),
            ("*a*", "bab", true),
            ("a**b", "a-b", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(NameGlob::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_has_an_upstream_and_a_name() {
        let good = ["*", "files:*", "*:read_*", "files:a:b", "f*s:x"];
        for text in good {
            assert!(Pattern::parse(text, false).is_ok(), "{text}");
        }
        let long = format!("files:{}", "a".repeat(256));
        let bad =
            ["", "files", ":x", "files:", "Files:x", "f:a?", "f:[ab]", "f:^a", "f:a\nb", &long];
        for text in bad {
            assert!(Pattern::parse(text, false).is_err(), "{text}");
        }
        assert!(Pattern::parse("files:file:///a?b=[1]", true).is_ok());
    }

    #[test]
    fn a_star_never_crosses_from_the_upstream_into_the_name() {
        let pattern = Pattern::parse("f*:read", false).unwrap();
        assert!(pattern.matches("files", "read"));
        assert!(!pattern.matches("files", "x:read"));
        assert!(!pattern.matches("crm", "f:read"));
    }

    #[test]
    fn a_value_glob_knows_segments() {
        let cases = [
            ("/srv/docs/**", "/srv/docs/a/b.txt", true),
            ("/srv/docs/**", "/srv/docs/", true),
            ("/srv/docs/**", "/srv/docs", false),
            ("/srv/docs/**", "/srv/docsx/a", false),
            ("/srv/*.txt", "/srv/a.txt", true),
            ("/srv/*.txt", "/srv/a/b.txt", false),
            ("/home/*/drafts/**", "/home/kim/drafts/a/b", true),
            ("/home/*/drafts/**", "/home/kim/x/drafts/a", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a\\*c", "a*c", true),
            ("a\\*c", "abc", false),
            ("**", "", true),
            ("한*", "한글", true),
        ];
        for (pattern, value, expected) in cases {
            assert_eq!(
                ValueGlob::parse(pattern).unwrap().matches(value),
                expected,
                "{pattern} {value}"
            );
        }
    }

    #[test]
    fn a_bad_value_glob_is_refused() {
        for bad in ["", "a\\", "[a]", "{a,b}", "^a", "a$", "a***"] {
            assert!(ValueGlob::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hostile_value_costs_no_more_than_the_product() {
        let pattern = ValueGlob::parse(&"*a".repeat(127)).unwrap();
        assert!(!pattern.matches(&"a".repeat(MAX_VALUE_CHARS - 1).replace('a', "ab")));
        assert!(!ValueGlob::parse("**").unwrap().matches(&"a".repeat(MAX_VALUE_CHARS + 1)));
    }
}
