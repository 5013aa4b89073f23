//! The documents behind `secure_data_access`.

use schemars::JsonSchema;
use serde::Serialize;

/// One document, as a search finds it.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Document {
    /// Its title.
    title: String,
    /// Its one paragraph.
    text: String,
}

const DOCUMENTS: [(&str, &str); 5] = [
    ("Release plan", "The next release is cut on the first Monday of the month."),
    ("Quarterly report", "Support tickets fell by a ninth; storage costs rose by a fifth."),
    ("Incident review", "A certificate expired unseen; a monitor now warns thirty days before."),
    ("Onboarding", "A new colleague gets an account, a key and a person to ask."),
    ("Backup policy", "Backups run each night and are restored into an empty machine each month."),
];

/// The documents that hold every word of `query`, case ignored; none for an empty query.
pub(crate) fn search(query: &str) -> Vec<Document> {
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let holds = |text: String| !words.is_empty() && words.iter().all(|word| text.contains(word));
    DOCUMENTS
        .iter()
        .filter(|(title, text)| holds(format!("{title} {text}").to_lowercase()))
        .map(|(title, text)| Document { title: (*title).to_owned(), text: (*text).to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_documents_with_every_word() {
        assert_eq!(search("BACKUP night").len(), 1);
        assert_eq!(search("release unicorn"), []);
        assert_eq!(search("  "), []);
    }
}
