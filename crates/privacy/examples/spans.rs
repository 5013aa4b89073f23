//! Finds spans in documents, for `scripts/score`.
//!
//! `spans [--no-names] [FILE]` reads JSON lines `{"id", "text"}` from the file or standard input and writes
//! `{"id", "spans": [{"start", "end", "type", "score", "rule"}]}`, in code points.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write, stdin, stdout};

use haechi_privacy::{Detector, DetectorConfig, code_points};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let (options, files): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let names = !options.iter().any(|option| option == "--no-names");
    let detector = Detector::new(&DetectorConfig { names, ..DetectorConfig::default() })?;
    let input: Box<dyn BufRead> = match files.first() {
        Some(file) => Box::new(BufReader::new(File::open(file)?)),
        None => Box::new(stdin().lock()),
    };
    let mut out = BufWriter::new(stdout().lock());
    for line in input.lines() {
        let document: Value = serde_json::from_str(&line?)?;
        writeln!(out, "{}", scanned(&detector, &document))?;
    }
    out.flush()?;
    Ok(())
}

/// What is found in one document.
fn scanned(detector: &Detector, document: &Value) -> Value {
    let text = document.get("text").and_then(Value::as_str).unwrap_or_default();
    let findings = detector.scan(text);
    let places = code_points(text, &findings);
    let spans: Vec<Value> = findings
        .iter()
        .zip(places)
        .map(|(finding, place)| {
            json!({
                "start": place.start,
                "end": place.end,
                "type": &*finding.kind,
                "score": finding.score,
                "rule": &*finding.rule,
            })
        })
        .collect();
    json!({ "id": document.get("id"), "spans": spans })
}
