//! Rules about people, by what their provider says of them.

use std::collections::BTreeSet;

use haechi_core::glob;
use haechi_identity::ClaimPath;
use serde_json::Value;

use crate::federation::person::{Person, at_path};
use crate::federation::{ProviderConfig, RoleRule};

/// Describes people. All that is said must hold; what is not said is not asked. Where nothing is
/// said, nobody is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Everybody whom the provider signs in.
    pub everybody: bool,
    /// Globs: the person is in a group that one of them matches.
    pub groups: Vec<String>,
    /// The person has a verified e-mail address of exactly one of these domains, whatever case.
    pub email_domains: Vec<String>,
    /// Globs by claim: a string, or a string of an array, that one of them matches.
    pub claims: Vec<(ClaimPath, Vec<String>)>,
}

impl Who {
    /// Whether this says nothing, and so means nobody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.everybody
            && self.groups.is_empty()
            && self.email_domains.is_empty()
            && self.claims.is_empty()
    }

    /// Whether `person` is meant.
    pub(crate) fn means(&self, person: &Person) -> bool {
        let group = || person.groups.iter().any(|group| any(&self.groups, group));
        let domain =
            || person.verified_domain().is_some_and(|it| is_one_of(&self.email_domains, it));
        let claim = |(path, globs): &(ClaimPath, Vec<String>)| holds(&person.claims, path, globs);
        !self.is_empty()
            && (self.groups.is_empty() || group())
            && (self.email_domains.is_empty() || domain())
            && self.claims.iter().all(claim)
    }
}

impl ProviderConfig {
    /// Whether `person` may come in.
    pub(crate) fn admits(&self, person: &Person) -> bool {
        self.allow.iter().any(|who| who.means(person))
    }

    /// What the rules give `person`.
    pub(crate) fn given_roles(&self, person: &Person) -> BTreeSet<String> {
        let fitting = |rule: &&RoleRule| rule.who.means(person);
        self.roles.iter().filter(fitting).flat_map(|rule| rule.roles.iter().cloned()).collect()
    }

    /// The roles of a user who came here by this provider: what rules give now, and of what was
    /// there before only what no rule can give.
    pub(crate) fn roles_after(
        &self,
        before: &BTreeSet<String>,
        person: &Person,
    ) -> BTreeSet<String> {
        let own = self.own_roles();
        let operators = before.iter().filter(|role| !own.contains(role.as_str())).cloned();
        operators.chain(self.given_roles(person)).collect()
    }
}

fn is_one_of(domains: &[String], domain: &str) -> bool {
    domains.iter().any(|known| known.eq_ignore_ascii_case(domain))
}

fn holds(claims: &Value, path: &[String], globs: &[String]) -> bool {
    let text = |value: &Value| value.as_str().is_some_and(|text| any(globs, text));
    match at_path(claims, path) {
        Some(Value::Array(values)) => values.iter().any(text),
        Some(Value::Bool(yes)) => any(globs, if *yes { "true" } else { "false" }),
        Some(value) => text(value),
        None => false,
    }
}

fn any(globs: &[String], text: &str) -> bool {
    globs.iter().any(|it| glob::matches(it, text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person() -> Person {
        Person {
            subject: "s".to_owned(),
            username: None,
            name: None,
            email: Some("Jane@Example.com".to_owned()),
            email_verified: true,
            groups: ["staff-kr".to_owned(), "mail".to_owned()].into(),
            claims: json!({ "dept": "it-ops", "tags": ["a", "b"], "deep": { "x": "y" }, "on": true }),
        }
    }

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn all_that_is_said_must_hold_and_who_says_nothing_means_nobody() {
        let claim = |path: &[&str], glob: &str| Who {
            claims: vec![(texts(path), texts(&[glob]))],
            ..Who::default()
        };
        let groups = |all: &[&str]| Who { groups: texts(all), ..Who::default() };
        let domains = |all: &[&str]| Who { email_domains: texts(all), ..Who::default() };
        for (who, means) in [
            (Who::default(), false),
            (Who { everybody: true, ..Who::default() }, true),
            (groups(&["staff-*"]), true),
            (groups(&["staff"]), false),
            (groups(&["x", "mail"]), true),
            (domains(&["example.com"]), true),
            (domains(&["ample.com"]), false),
            (domains(&["*"]), false),
            (claim(&["dept"], "it-*"), true),
            (claim(&["dept"], "hr-*"), false),
            (claim(&["tags"], "b"), true),
            (claim(&["deep", "x"], "y"), true),
            (claim(&["deep"], "*"), false),
            (claim(&["on"], "true"), true),
            (claim(&["missing"], "*"), false),
            (Who { groups: texts(&["nobody"]), ..domains(&["example.com"]) }, false),
            (Who { everybody: true, ..groups(&["nobody"]) }, false),
        ] {
            assert_eq!(who.means(&person()), means, "{who:?}");
        }
    }

    #[test]
    fn an_address_that_is_not_verified_or_ambiguous_opens_nothing() {
        let who = Who { email_domains: texts(&["example.com"]), ..Who::default() };
        assert!(who.means(&person()));
        assert!(!who.means(&Person { email_verified: false, ..person() }));
        for email in [
            "example.com",
            "@example.com",
            "a@evil.com@example.com",
            "a@example.com ",
            "a b@example.com",
        ] {
            let email = Some(email.to_owned());
            assert!(!who.means(&Person { email: email.clone(), ..person() }), "{email:?}");
        }
    }
}
