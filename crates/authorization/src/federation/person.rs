//! A person as a provider describes it.

use std::collections::BTreeSet;
use std::fmt;

use haechi_core::json::{self, Kind, Limits};
use serde_json::Value;

use crate::federation::{FederationError, PersonClaims};

/// What userinfo says is larger than a token, because groups are in it, and never large.
const USERINFO: Limits = Limits { max_bytes: 64 << 10, max_depth: 16, max_members: 4096 };
/// The longest name, in bytes; longer ones are left out.
const MAX_NAME_BYTES: usize = 256;
/// The longest subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 255;
/// The most groups of one person.
const MAX_GROUPS: usize = 2048;

/// A person as a provider describes it. Shows nothing of it.
#[derive(Clone, PartialEq)]
pub(crate) struct Person {
    /// The provider's stable name for the person.
    pub(crate) subject: String,
    pub(crate) username: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    /// Whether the provider says that the address is the person's.
    pub(crate) email_verified: bool,
    pub(crate) groups: BTreeSet<String>,
    /// Everything that was said, the ID token's word before userinfo's.
    pub(crate) claims: Value,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("groups", &self.groups.len()).finish_non_exhaustive()
    }
}

impl Person {
    /// Reads `claims`, whose subject was proved by an ID token as `subject`.
    pub(crate) fn read(subject: String, claims: Value, mapping: &PersonClaims) -> Self {
        let text = |path: &[String]| {
            let text = at_path(&claims, path)?.as_str()?.trim();
            is_plain(text).then(|| text.to_owned())
        };
        let verified = at_path(&claims, &mapping.email_verified) == Some(&Value::Bool(true));
        Self {
            subject,
            username: text(&mapping.username),
            name: text(&mapping.name),
            email: text(&mapping.email),
            email_verified: verified,
            groups: groups(at_path(&claims, &mapping.groups)),
            claims,
        }
    }

    /// The domain of an address that the provider has verified, and that can be read in one way only.
    pub(crate) fn verified_domain(&self) -> Option<&str> {
        let (local, domain) =
            self.email.as_deref().filter(|_| self.email_verified)?.split_once('@')?;
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let single = !domain.contains('@') && !local.contains('"');
        (plain(domain) && !local.is_empty() && !local.contains(char::is_whitespace) && single)
            .then_some(domain)
    }
}

/// The subject that the mapping leads to, in the claims of an ID token.
pub(crate) fn subject(claims: &Value, mapping: &PersonClaims) -> Option<String> {
    let subject = at_path(claims, &mapping.subject)?.as_str()?;
    (!subject.is_empty() && subject.len() <= MAX_SUBJECT_BYTES).then(|| subject.to_owned())
}

/// Whether something that rules or users are made of is not in `claims` and may be in userinfo.
pub(crate) fn lacks(claims: &Value, mapping: &PersonClaims, more: &[&[String]]) -> bool {
    let own = [&mapping.username, &mapping.name, &mapping.email, &mapping.groups];
    let paths = own.into_iter().map(Vec::as_slice).chain(more.iter().copied());
    paths.filter(|path| !path.is_empty()).any(|path| at_path(claims, path).is_none())
}

/// `claims` with what only userinfo says (OpenID Connect Core §5.3.2). It must speak of `subject`:
/// an answer about somebody else says nothing.
pub(crate) fn with_userinfo(
    claims: &Value,
    body: &[u8],
    subject: &str,
) -> Result<Value, FederationError> {
    let told = json::check(body, &USERINFO).map_err(|_| FederationError::Userinfo)?;
    if told.kind() != Kind::Object {
        return Err(FederationError::Userinfo);
    }
    if told.member("sub").and_then(|sub| sub.string()).as_deref() != Some(subject) {
        return Err(FederationError::OtherSubject);
    }
    let Value::Object(mut all) = told.to_value() else { return Err(FederationError::Userinfo) };
    if let Some(claims) = claims.as_object() {
        all.extend(claims.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(Value::Object(all))
}

/// The value a path leads to; an empty path leads nowhere.
pub(crate) fn at_path<'a>(claims: &'a Value, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, step| value.get(step))
}

/// One string, or the strings of an array. More than anybody has are none.
fn groups(value: Option<&Value>) -> BTreeSet<String> {
    let named = |value: &Value| value.as_str().filter(|it| it.len() <= 512).map(str::to_owned);
    match value {
        Some(Value::Array(values)) if values.len() <= MAX_GROUPS => {
            values.iter().filter_map(named).collect()
        }
        Some(value) => named(value).into_iter().collect(),
        None => BTreeSet::new(),
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_id_token_says_goes_before_userinfo() {
        let claims = json!({ "sub": "s", "email": "a@example.com" });
        let body = br#"{"sub":"s","email":"b@example.com","groups":["x"]}"#;
        let all = with_userinfo(&claims, body, "s").unwrap();
        assert_eq!(all["email"], "a@example.com");
        assert_eq!(all["groups"], json!(["x"]));
    }

    #[test]
    fn userinfo_of_somebody_else_or_of_nobody_is_refused() {
        let claims = json!({ "sub": "s" });
        assert!(with_userinfo(&claims, br#"{"sub":"s"}"#, "s").is_ok());
        for (body, expected) in [
            (&br#"{"sub":"t"}"#[..], FederationError::OtherSubject),
            (br#"{}"#, FederationError::OtherSubject),
            (br#"{"sub":["s"]}"#, FederationError::OtherSubject),
            (br#"["sub"]"#, FederationError::Userinfo),
            (b"eyJhbGciOiJub25lIn0.e30.", FederationError::Userinfo),
        ] {
            let refused = with_userinfo(&claims, body, "s").unwrap_err();
            assert_eq!(refused.word(), expected.word());
        }
    }

    #[test]
    fn only_true_verifies_an_address() {
        for (stated, verified) in
            [(json!(true), true), (json!("true"), false), (json!(1), false), (json!(null), false)]
        {
            let claims = json!({ "email": "a@example.com", "email_verified": stated });
            let person = Person::read("s".to_owned(), claims, &PersonClaims::default());
            assert_eq!(person.verified_domain().is_some(), verified);
        }
    }
}
