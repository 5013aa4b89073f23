//! What a server says when it wants a token: `WWW-Authenticate` (RFC 9110 §11.6.1).

use std::iter::Peekable;
use std::str::Chars;

use crate::address::MAX_ADDRESS_BYTES;

/// No header of a stranger is read beyond this, in bytes.
const MAX_BYTES: usize = 8 << 10;
/// Nor more of its parameters.
const MAX_PARAMETERS: usize = 64;
/// Nor more scopes than this.
const MAX_SCOPES: usize = 128;

/// How a token is to be presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// `Authorization: DPoP` with a proof (RFC 9449).
    Dpop,
}

/// A challenge for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// How the token is to be presented.
    pub scheme: Scheme,
    /// Where the resource's metadata is (RFC 9728 §5.1).
    pub resource_metadata: Option<String>,
    /// The scopes that are needed; authoritative for this request.
    pub scopes: Option<Vec<String>>,
    /// The error code (RFC 6750 §3.1), such as `insufficient_scope`.
    pub error: Option<String>,
}

impl Challenge {
    /// Reads the values of `WWW-Authenticate`; the first challenge that names the resource's metadata
    /// is taken, or else the first for a token. `None` when there is none, also when what stands
    /// there cannot be read.
    pub fn read<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut found: Option<Self> = None;
        for value in values.into_iter().take(8).filter(|value| value.len() <= MAX_BYTES) {
            for challenge in challenges(value).iter().filter_map(Self::of) {
                if challenge.resource_metadata.is_some() {
                    return Some(challenge);
                }
                found.get_or_insert(challenge);
            }
        }
        found
    }

    /// Whether the token that was presented has too few scopes.
    #[must_use]
    pub fn wants_more_scopes(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }

    /// Whether the proof must carry the nonce of this answer (RFC 9449 §9).
    #[must_use]
    pub fn wants_nonce(&self) -> bool {
        self.error.as_deref() == Some("use_dpop_nonce")
    }

    fn of(read: &Read) -> Option<Self> {
        let scheme = match read.scheme.to_ascii_lowercase().as_str() {
            "bearer" => Scheme::Bearer,
            "dpop" => Scheme::Dpop,
            _ => return None,
        };
        let parameter = |name: &str| {
            let named = |(stated, _): &&(String, String)| stated.eq_ignore_ascii_case(name);
            read.parameters.iter().find(named).map(|(_, value)| value.clone())
        };
        let metadata = parameter("resource_metadata");
        Some(Self {
            scheme,
            resource_metadata: metadata.filter(|url| url.len() <= MAX_ADDRESS_BYTES),
            scopes: parameter("scope").map(|scope| scopes(&scope)),
            error: parameter("error").filter(|error| error.len() <= 64),
        })
    }
}

/// The scopes in a text (RFC 6749 §3.3), each once, in its order; what cannot be one is left out.
pub(crate) fn scopes(text: &str) -> Vec<String> {
    let form = |c: char| matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split(' ').filter(|scope| !scope.is_empty() && scope.chars().all(form)) {
        if scopes.len() < MAX_SCOPES && !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

struct Read {
    scheme: String,
    parameters: Vec<(String, String)>,
}

/// Every challenge in one value. A word that is followed by `=` is a parameter, any other one begins
/// a challenge; reading stops at what is neither.
fn challenges(value: &str) -> Vec<Read> {
    let mut found: Vec<Read> = Vec::new();
    let mut rest = value.chars().peekable();
    loop {
        while rest.next_if(|c| matches!(c, ' ' | '\t' | ',')).is_some() {}
        let Some(name) = token(&mut rest) else { return found };
        while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        if rest.next_if_eq(&'=').is_none() {
            found.push(Read { scheme: name, parameters: Vec::new() });
            continue;
        }
        while rest.next_if(|c| matches!(c, ' ' | '\t' | '=')).is_some() {}
        let Some(value) = parameter(&mut rest) else { return found };
        match found.last_mut() {
            Some(last) if last.parameters.len() < MAX_PARAMETERS => {
                last.parameters.push((name, value));
            }
            _ => return found,
        }
    }
}

fn token(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let form = |c: &char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(*c);
    let mut word = String::new();
    while let Some(c) = rest.next_if(|c| form(c)) {
        word.push(c);
    }
    (!word.is_empty()).then_some(word)
}

/// A token or a quoted string; `None` when a quote does not end. Of a token68 nothing is left.
fn parameter(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    if rest.next_if_eq(&'"').is_none() {
        return Some(token(rest).unwrap_or_default());
    }
    let mut text = String::new();
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => text.push(rest.next()?),
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_challenge_is_read_whole() {
        let value = r#"Bearer realm="a, b", resource_metadata="https://a.example/m", scope="r w r", error="insufficient_scope""#;
        let challenge = Challenge::read([value]).unwrap();
        assert_eq!(challenge.scheme, Scheme::Bearer);
        assert_eq!(challenge.resource_metadata.as_deref(), Some("https://a.example/m"));
        assert_eq!(challenge.scopes.as_deref(), Some(&["r".to_owned(), "w".to_owned()][..]));
        assert!(challenge.wants_more_scopes() && !challenge.wants_nonce());
    }

    #[test]
    fn the_challenge_that_leads_on_is_taken() {
        for (values, scheme, leads) in [
            (vec!["Basic YWJj==, Bearer scope=a"], Scheme::Bearer, false),
            (vec!["Negotiate", "bearer"], Scheme::Bearer, false),
            (vec![r#"Bearer, DPoP resource_metadata="https://a.example/m""#], Scheme::Dpop, true),
            (vec![r#"DPoP error="use_dpop_nonce""#], Scheme::Dpop, false),
        ] {
            let challenge = Challenge::read(values.iter().copied()).unwrap();
            assert_eq!((challenge.scheme, challenge.resource_metadata.is_some()), (scheme, leads));
        }
        for none in ["", "Basic realm=x", "scope=a", "\"", "=", "Bearerscope"] {
            assert_eq!(Challenge::read([none]), None, "{none}");
        }
        let open = Challenge::read([r#"Bearer scope="a"#]).unwrap();
        assert_eq!(open.scopes, None);
    }

    proptest! {
        #[test]
        fn whatever_stands_in_the_header_is_read_or_not(value in ".{0,200}") {
            let _ = Challenge::read([value.as_str()]);
        }

        #[test]
        fn what_was_written_is_read(scope in "[a-z:/.]{1,20}", url in "https://[a-z]{1,9}/[ -!#-\\[\\]-~]{0,20}") {
            let value = format!(r#"Bearer scope="{scope}", resource_metadata="{url}""#);
            let challenge = Challenge::read([value.as_str()]).unwrap();
            prop_assert_eq!(challenge.scopes, Some(vec![scope]));
            prop_assert_eq!(challenge.resource_metadata, Some(url));
        }
    }
}
