//! Labelled documents, where they come from, and which of them no training may see.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use haechi_privacy::tagger::KINDS;
use serde::Deserialize;

/// A text and what is labelled in it.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) text: String,
    /// Names of JSON members from the root to the text.
    pub(crate) keys: Vec<String>,
    /// The template it was made from, where the source tells.
    pub(crate) template: Option<u64>,
    /// Bytes and kind of each labelled span.
    pub(crate) spans: Vec<(Range<usize>, usize)>,
}

/// A set of documents with one way of labelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    file: &'static str,
    pub(crate) korean: bool,
    /// Kinds the source does not label: a unit without label may be one of them.
    pub(crate) silent_on: &'static [usize],
    /// Whether the scripts of the project made it.
    made: bool,
    /// How often it is read in one pass.
    pub(crate) repeats: usize,
}

const PERSON: usize = 0;
const LOCATION: usize = 1;
const STREET_ADDRESS: usize = 2;
const ORGANIZATION: usize = 3;
const DATE_TIME: usize = 4;
const NRP: usize = 5;
const TITLE: usize = 6;

/// All there is to learn from and to measure by.
pub(crate) const SOURCES: [Source; 8] = [
    Source {
        name: "made",
        file: "made.jsonl",
        korean: false,
        silent_on: &[],
        made: true,
        repeats: 1,
    },
    Source {
        name: "made-korean",
        file: "made_korean.jsonl",
        korean: true,
        silent_on: &[],
        made: true,
        repeats: 1,
    },
    Source {
        name: "negatives",
        file: "negatives.jsonl",
        korean: false,
        silent_on: &[],
        made: true,
        repeats: 1,
    },
    Source {
        name: "presidio",
        file: "en_presidio_generated_large.jsonl",
        korean: false,
        silent_on: &[NRP],
        made: false,
        repeats: 1,
    },
    Source {
        name: "lifebench",
        file: "en_lifebench_part.jsonl",
        korean: false,
        silent_on: &[DATE_TIME, NRP, TITLE],
        made: false,
        repeats: 1,
    },
    Source {
        name: "openmed",
        file: "multi_openmed_golden.jsonl",
        korean: false,
        silent_on: &[NRP, TITLE, ORGANIZATION],
        made: false,
        repeats: 2,
    },
    Source {
        name: "klue",
        file: "ko_klue_dev_first4000.jsonl",
        korean: true,
        silent_on: &[NRP, TITLE, STREET_ADDRESS],
        made: false,
        repeats: 1,
    },
    Source {
        name: "ko-documents",
        file: "ko_generated_eval_even.jsonl",
        korean: true,
        silent_on: &[DATE_TIME, LOCATION, ORGANIZATION, TITLE],
        made: false,
        repeats: 3,
    },
];

/// The kind of a span that may be anything or nothing.
pub(crate) const UNSURE: usize = KINDS.len();

fn kind_of(label: &str) -> Option<usize> {
    Some(match label {
        "PERSON" | "PS" => PERSON,
        "LOCATION" | "LC" => LOCATION,
        "STREET_ADDRESS" | "ADDRESS" | "ZIPCODE" | "POSTAL_CODE" => STREET_ADDRESS,
        "ORGANIZATION" | "ORG" | "OG" => ORGANIZATION,
        "DATE_TIME" | "DATE" | "DT" | "TI" | "DT_BIRTH" => DATE_TIME,
        "NRP" | "NATIONALITY" => NRP,
        "TITLE" | "PREFIX" => TITLE,
        "UNSURE" => UNSURE,
        _ => return None,
    })
}

#[derive(Debug, Deserialize)]
struct RawDocument {
    id: String,
    text: String,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    tmpl: Option<u64>,
    spans: Vec<RawSpan>,
}

#[derive(Debug, Deserialize)]
struct RawSpan {
    start: usize,
    end: usize,
    r#type: String,
}

/// Why documents could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The file is missing or cannot be read.
    #[error("`{0}` cannot be read")]
    File(PathBuf, #[source] io::Error),
    /// A line is no document.
    #[error("line {1} of `{0}` is no document")]
    Line(PathBuf, usize, #[source] serde_json::Error),
}

/// Reads the documents of a source from the folder it lies in.
pub(crate) fn read(source: &Source, data: &Path, made: &Path) -> Result<Vec<Document>, ReadError> {
    let path = if source.made { made } else { data }.join(source.file);
    let text = fs::read_to_string(&path).map_err(|error| ReadError::File(path.clone(), error))?;
    let documents = text.lines().enumerate().map(|(at, line)| {
        serde_json::from_str(line)
            .map(document)
            .map_err(|error| ReadError::Line(path.clone(), at + 1, error))
    });
    documents.collect()
}

fn document(raw: RawDocument) -> Document {
    let mut starts: Vec<usize> = raw.text.char_indices().map(|(at, _)| at).collect();
    starts.push(raw.text.len());
    let spans = raw.spans.iter().filter_map(|span| {
        let range = *starts.get(span.start)?..*starts.get(span.end)?;
        Some((range, kind_of(&span.r#type)?))
    });
    let mut spans: Vec<_> = spans.collect();
    spans.sort_by_key(|(range, _)| range.start);
    Document { id: raw.id, keys: raw.keys, template: raw.tmpl, spans, text: raw.text }
}

/// Whether a document is kept for measuring: SHA-256 of its id, as a number, is a multiple of five.
///
/// 256 leaves 1 when divided by 5, so the digits to base 256 can be added.
pub(crate) fn is_held_out(id: &str) -> bool {
    let sum: u32 =
        digest(&SHA256, id.as_bytes()).as_ref().iter().map(|byte| u32::from(*byte)).sum();
    sum.is_multiple_of(5)
}

/// Whether a template is kept for measuring while the tagger is developed.
pub(crate) fn is_held_out_template(template: Option<u64>) -> bool {
    template.is_some_and(|template| is_held_out(&template.to_string()))
}
