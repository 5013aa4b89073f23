//! What can be asked about an entry, read from its bytes without the rest.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// What a fact is about.
///
/// INVARIANT: the numbers stand in index files. One that means something else is a new format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Field {
    /// Entries that this program has no words for; they may match anything.
    Odd = 0,
    Kind = 1,
    Person = 2,
    Upstream = 3,
    Tool = 4,
    Decision = 5,
    Rule = 6,
    Finding = 7,
    Completion = 8,
    Client = 9,
    Act = 10,
    SignIn = 11,
    Method = 12,
}

impl Field {
    /// How many there are.
    pub(crate) const COUNT: usize = 13;

    /// Whether the outcome of a call says it, and not its intent alone.
    pub(crate) const fn is_of_outcomes(self) -> bool {
        matches!(self, Self::Finding | Self::Completion)
    }
}

/// Text of an entry; copied only where it was escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Text<'de>;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Reading)
    }
}

/// One finding of an entry.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Found<'a> {
    #[serde(borrow)]
    pub(crate) kind: Text<'a>,
    #[serde(default)]
    pub(crate) count: u64,
    #[serde(borrow, default)]
    pub(crate) action: Text<'a>,
}

/// An entry without what is sealed in it. Members mean what they mean in the event they stand in.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Sketch<'a> {
    pub(crate) at_ms: u64,
    #[serde(borrow, default)]
    pub(crate) node: Text<'a>,
    #[serde(borrow)]
    pub(crate) event: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) sid: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) subject: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) who: Option<Text<'a>>,
    #[serde(default)]
    pub(crate) sensitive: bool,
    #[serde(borrow, default)]
    pub(crate) upstream: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) method: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) decision: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) rules: Vec<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) stage: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) client_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) findings: Vec<Found<'a>>,
    #[serde(default)]
    pub(crate) intent: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) completion: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) act: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) object: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) detail: Vec<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) purpose: Text<'a>,
    #[serde(default)]
    pub(crate) success: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) state: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) version: Text<'a>,
    #[serde(default)]
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) truncated: bool,
}

impl<'a> Sketch<'a> {
    /// Reads an entry's bytes; `None` for what this program has no words for.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The intent whose end this is.
    pub(crate) fn concludes(&self) -> Option<u64> {
        self.intent.filter(|_| self.event.0 == "outcome")
    }

    /// Whether this is an intent.
    pub(crate) fn is_intent(&self) -> bool {
        self.event.0 == "intent"
    }

    /// Tells everything that can be asked about the entry, except its kind. What is told of an
    /// intent holds for its outcome too, and the other way round.
    pub(crate) fn facts(&self, tell: &mut impl FnMut(Field, &str)) {
        let mut tell = |field, text: &str| {
            if !text.is_empty() {
                tell(field, text);
            }
        };
        self.sid.iter().for_each(|sid| tell(Field::Person, &sid.0));
        self.client_id.iter().for_each(|client| tell(Field::Client, &client.0));
        match &*self.event.0 {
            "intent" => {
                tell(Field::Upstream, &self.upstream.0);
                tell(Field::Method, &self.method.0);
                tell(Field::Decision, &self.decision.0);
                self.rules.iter().chain(&self.stage).for_each(|rule| tell(Field::Rule, &rule.0));
                if !self.name.0.is_empty() {
                    tell(Field::Tool, &self.name.0);
                    tell(Field::Tool, &format!("{}:{}", self.upstream.0, self.name.0));
                }
            }
            "outcome" => tell(Field::Completion, &self.completion.0),
            "session" => tell(Field::Upstream, &self.upstream.0),
            "sign-in" => {
                tell(Field::SignIn, if self.success == Some(true) { "success" } else { "failure" });
                self.reason.iter().for_each(|reason| tell(Field::SignIn, &reason.0));
            }
            "administration" => {
                tell(Field::Act, &self.act.0);
                tell(Field::Act, self.act.0.split_once('.').map_or("", |(family, _)| family));
            }
            "reveal" => self.subject.iter().for_each(|sid| tell(Field::Person, &sid.0)),
            _ => {}
        }
        for finding in &self.findings {
            tell(Field::Finding, &finding.kind.0);
            tell(Field::Finding, &format!("{}:{}", finding.kind.0, finding.action.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(json: &str) -> Vec<(Field, String)> {
        let mut facts = Vec::new();
        Sketch::parse(json.as_bytes())
            .unwrap()
            .facts(&mut |field, text| facts.push((field, text.to_owned())));
        facts.sort();
        facts
    }

    #[test]
    fn escaped_text_is_read_as_what_it_means() {
        let told = facts(
            r#"{"seq":1,"at_ms":2,"event":"administration","sid":"a","act":"user.\u0061dd","object":"","detail":[]}"#,
        );
        let expected = [(Field::Person, "a"), (Field::Act, "user"), (Field::Act, "user.add")];
        assert_eq!(told, expected.map(|(field, text)| (field, text.to_owned())));
    }

    #[test]
    fn an_event_of_a_later_program_is_told_by_its_person_alone() {
        let told = facts(r#"{"seq":1,"at_ms":2,"event":"novelty","sid":"a","name":"n"}"#);
        assert_eq!(told, [(Field::Person, "a".to_owned())]);
        assert!(Sketch::parse(br#"{"seq":1,"at_ms":2,"event":"novelty","sid":7}"#).is_none());
    }
}
