//! Trains the tagger of names from labelled text.
//!
//! `haechi-trainer train --data DIR --made DIR --out DIR` writes the weights; `evaluate` trains on what
//! is not held out and measures on what is; `leave-out` leaves each source out in turn and measures on it.

mod chain;
mod chance;
mod data;
mod score;
mod sequence;
mod words;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use haechi_privacy::Tagger;
use haechi_privacy::tagger::Lexicon;

use chain::{Chain, Settings};
use data::{Document, ReadError, SOURCES, Source};
use sequence::Sequence;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
enum TrainError {
    /// The command line does not say what to do.
    #[error(
        "usage: haechi-trainer train|evaluate|leave-out --data DIR --made DIR [--out DIR] [--only SOURCE] [--errors FILE]"
    )]
    Usage,
    /// Documents could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be read or written.
    #[error("`{0}` cannot be read or written")]
    File(PathBuf, #[source] io::Error),
    /// The outcome could not be printed.
    #[error("the outcome cannot be printed")]
    Print(#[from] io::Error),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), TrainError> {
    let corpus = Corpus::read(arguments)?;
    match arguments.first().map(String::as_str) {
        Some("train") => corpus.train(&folder(arguments, "--out")?),
        Some("evaluate") => corpus.evaluate(),
        Some("leave-out") => corpus.leave_out(option(arguments, "--only")),
        _ => Err(TrainError::Usage),
    }
}

fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).map(String::as_str)
}

fn folder(arguments: &[String], name: &str) -> Result<PathBuf, TrainError> {
    option(arguments, name).map(PathBuf::from).ok_or(TrainError::Usage)
}

/// Everything to learn from, by source.
struct Corpus {
    sources: Vec<(Source, Vec<Document>)>,
    words: String,
    /// Where errors are noted.
    errors: Option<PathBuf>,
}

/// Which documents a model learns from.
type Choice<'a> = &'a dyn Fn(&Source, &Document) -> bool;

/// The three files of weights.
struct Weights {
    lexicon: Vec<u8>,
    latin: Vec<u8>,
    hangul: Vec<u8>,
}

impl Corpus {
    fn read(arguments: &[String]) -> Result<Self, TrainError> {
        let (data, made) = (folder(arguments, "--data")?, folder(arguments, "--made")?);
        let path = made.join("lexicon.tsv");
        let words = fs::read_to_string(&path).map_err(|error| TrainError::File(path, error))?;
        let sources = SOURCES.iter().map(|source| Ok((*source, data::read(source, &data, &made)?)));
        Ok(Self {
            sources: sources.collect::<Result<_, ReadError>>()?,
            words,
            errors: option(arguments, "--errors").map(PathBuf::from),
        })
    }

    fn train(&self, out: &Path) -> Result<(), TrainError> {
        let weights = self.learn(&|_, _| true, None);
        for (name, bytes) in [
            ("lexicon.bin", &weights.lexicon),
            ("latin.bin", &weights.latin),
            ("hangul.bin", &weights.hangul),
        ] {
            let path = out.join(name);
            fs::write(&path, bytes).map_err(|error| TrainError::File(path, error))?;
        }
        Ok(())
    }

    fn evaluate(&self) -> Result<(), TrainError> {
        let weights = self.learn(&|_, _| true, None);
        self.report("held-out documents", &weights, &|_, document| {
            data::is_held_out(&document.id)
        })?;
        let by_template =
            |_: &Source, document: &Document| !data::is_held_out_template(document.template);
        let weights = self.learn(&by_template, Some(false));
        self.report("held-out templates", &weights, &|_, document| {
            data::is_held_out_template(document.template)
        })
    }

    fn leave_out(&self, only: Option<&str>) -> Result<(), TrainError> {
        for (left, _) in
            self.sources.iter().filter(|(source, _)| only.is_none_or(|only| only == source.name))
        {
            let weights = self.learn(&|source, _| source != left, Some(left.korean));
            self.report("left out", &weights, &|source, _| source == left)?;
        }
        Ok(())
    }

    fn report(&self, what: &str, weights: &Weights, choice: Choice<'_>) -> Result<(), TrainError> {
        let tagger = Tagger::new(&weights.lexicon, &weights.latin, &weights.hangul);
        let mut out = io::stdout().lock();
        for (source, documents) in &self.sources {
            let chosen: Vec<&Document> =
                documents.iter().filter(|document| choice(source, document)).collect();
            if chosen.is_empty() {
                continue;
            }
            let score = score::score(&tagger, source, &chosen);
            writeln!(out, "{}, {what}: {} documents\n{score}", source.name, chosen.len())?;
            if let Some(path) = &self.errors {
                let text = score.errors.join("\n");
                fs::write(path, text).map_err(|error| TrainError::File(path.clone(), error))?;
            }
        }
        Ok(())
    }

    /// Learns from the chosen documents; those that are held out are refused whatever the choice.
    /// With `korean` only the model of that script is trained.
    fn learn(&self, choice: Choice<'_>, korean: Option<bool>) -> Weights {
        let documents: Vec<(&Source, &Document)> = self
            .sources
            .iter()
            .flat_map(|(source, documents)| {
                documents.iter().map(move |document| (source, document))
            })
            .filter(|(source, document)| {
                !data::is_held_out(&document.id) && choice(source, document)
            })
            .collect();
        let latin: Vec<&Document> = documents
            .iter()
            .filter(|(source, _)| !source.korean)
            .map(|(_, document)| *document)
            .collect();
        let lexicon = words::write(words::parse(&self.words), &latin);
        let of_script = |script: bool| -> Vec<u8> {
            if korean.is_some_and(|korean| korean != script) {
                return Vec::new();
            }
            let chosen: Vec<_> =
                documents.iter().filter(|(source, _)| source.korean == script).copied().collect();
            learn_script(&chosen, &Lexicon::read(&lexicon), script)
        };
        Weights { latin: of_script(false), hangul: of_script(true), lexicon }
    }
}

fn learn_script(
    documents: &[(&Source, &Document)],
    lexicon: &Lexicon<'_>,
    korean: bool,
) -> Vec<u8> {
    let read: Vec<(usize, Vec<Sequence>)> = documents
        .iter()
        .map(|(source, document)| (source.repeats, sequence::sequences(document, source, lexicon)))
        .collect();
    let sequences: Vec<&Sequence> = read
        .iter()
        .flat_map(|(repeats, sequences)| (0..*repeats).flat_map(move |_| sequences))
        .collect();
    let rows = if korean { 1 << 17 } else { 1 << 18 };
    let mut chain = Chain::new(Settings { rows, passes: 4, rate: 0.1, decay: 1e-5, dropout: 0.2 });
    chain.learn(&sequences);
    chain.write()
}
