//! What the labels of a network are called here.

use std::collections::HashMap;

use serde::Deserialize;

/// Label by label, what it says of a piece.
#[derive(Debug)]
pub(super) struct Labels {
    labels: Vec<Option<Label>>,
    /// The most pieces the network takes at once, what it puts around them included.
    pub(super) longest: usize,
}

/// What a label says of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) kind: &'static str,
    /// Which of the labels of this kind.
    part: &'static str,
    begins: bool,
}

/// What of a `config.json` is read.
#[derive(Deserialize)]
struct RawConfig {
    id2label: HashMap<String, String>,
    #[serde(default = "default_longest")]
    max_position_embeddings: usize,
}

const fn default_longest() -> usize {
    512
}

/// The label, and the kind that it is part of. Labels that are not here are passed over.
const KINDS: [(&str, &str); 31] = [
    ("GIVEN_NAME", "PERSON"),
    ("SURNAME", "PERSON"),
    ("PERSON", "PERSON"),
    ("PER", "PERSON"),
    ("EMAIL", "EMAIL_ADDRESS"),
    ("PHONE", "PHONE_NUMBER"),
    ("URL", "URL"),
    ("TAX_ID", "TAX_ID"),
    ("BANK_ACCOUNT", "BANK_ACCOUNT"),
    ("ROUTING", "ABA_ROUTING"),
    ("ROUTING_NUMBER", "ABA_ROUTING"),
    ("GOVERNMENT_ID", "ID"),
    ("PASSPORT", "PASSPORT"),
    ("DRIVERS_LICENSE", "DRIVER_LICENSE"),
    ("BUILDING_NUMBER", "STREET_ADDRESS"),
    ("STREET_NAME", "STREET_ADDRESS"),
    ("STREET", "STREET_ADDRESS"),
    ("SECONDARY_ADDRESS", "STREET_ADDRESS"),
    ("ADDRESS", "STREET_ADDRESS"),
    ("CITY", "LOCATION"),
    ("STATE", "LOCATION"),
    ("COUNTRY", "LOCATION"),
    ("LOCATION", "LOCATION"),
    ("LOC", "LOCATION"),
    ("GPE", "LOCATION"),
    ("ZIP", "ZIP_CODE"),
    ("ZIP_CODE", "ZIP_CODE"),
    ("ORGANIZATION", "ORGANIZATION"),
    ("ORG", "ORGANIZATION"),
    ("DATE", "DATE_TIME"),
    ("DATE_TIME", "DATE_TIME"),
];

impl Labels {
    /// Reads a `config.json`; `None` when it tells no labels, or none that is known here.
    pub(super) fn read(json: &str) -> Option<Self> {
        let raw: RawConfig = serde_json::from_str(json).ok()?;
        let mut labels = vec![None; raw.id2label.len()];
        for (index, name) in raw.id2label {
            *labels.get_mut(index.parse::<usize>().ok()?)? = Label::named(&name);
        }
        let known = labels.iter().any(Option::is_some);
        (known && raw.max_position_embeddings > 2)
            .then_some(Self { labels, longest: raw.max_position_embeddings })
    }

    pub(super) const fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn label(&self, index: usize) -> Option<Label> {
        self.labels.get(index).copied().flatten()
    }
}

impl Label {
    fn named(name: &str) -> Option<Self> {
        let (position, bare) = name.split_once('-').unwrap_or(("I", name));
        let (part, kind) = KINDS.iter().find(|(part, _)| *part == bare)?;
        Some(Self { kind, part, begins: position == "B" })
    }

    /// Whether a piece labelled so goes on with what `before` is the label of, with `between` them.
    pub(super) fn continues(self, before: Self, between: &str) -> bool {
        if self.kind != before.kind {
            return false;
        }
        let comma = matches!(self.kind, "STREET_ADDRESS" | "LOCATION") && between.trim() == ",";
        let joined = between.len() <= 3 && (between.trim().is_empty() || comma);
        // A second one of the same part is another value: a name after a name.
        joined && (between.is_empty() || !self.begins || self.part != before.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_name_goes_on_with_a_given_name_and_a_second_given_name_does_not() {
        let given = Label::named("B-GIVEN_NAME").unwrap();
        let family = Label::named("B-SURNAME").unwrap();
        assert!(family.continues(given, " "));
        assert!(!given.continues(given, " "));
        assert!(given.continues(given, ""));
        assert!(!family.continues(given, ", "));
        assert!(Label::named("B-STATE").unwrap().continues(Label::named("I-CITY").unwrap(), ", "));
        assert_eq!(Label::named("O"), None);
        assert_eq!(Label::named("B-SHOE_SIZE"), None);
    }

    #[test]
    fn labels_are_told_by_their_numbers() {
        let labels = Labels::read(r#"{"id2label": {"1": "B-CITY", "0": "O"}}"#).unwrap();
        assert_eq!((labels.len(), labels.longest), (2, 512));
        assert_eq!(labels.label(0), None);
        assert_eq!(labels.label(1).map(|label| label.kind), Some("LOCATION"));
        for json in ["{}", r#"{"id2label": {"7": "O"}}"#, r#"{"id2label": {"0": "O"}}"#] {
            assert!(Labels::read(json).is_none(), "{json}");
        }
    }
}
