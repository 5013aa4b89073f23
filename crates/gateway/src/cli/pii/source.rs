//! Files, folders and standard input, read piece by piece.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use haechi_core::json::{self, Limits, Text};

use super::super::failure::{Failure, chain};
use super::super::table::visible;

/// The longest text or JSON document; JSON lines may be of any length.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// The longest line of JSON lines.
const MAX_LINE_BYTES: u64 = 16 << 20;
/// What is looked at to tell what a file holds.
const HEAD_BYTES: usize = 64 << 10;
/// What is taken for JSON.
const JSON: Limits =
    Limits { max_bytes: 64 << 20, max_depth: json::MAX_DEPTH, max_members: 10_000_000 };

/// What files hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// By name and contents
    #[default]
    Auto,
    /// Free text
    Text,
    /// One JSON document
    Json,
    /// A JSON document on each line
    Lines,
}

/// One input.
#[derive(Debug)]
pub(super) struct Source {
    /// What it is called to people.
    pub(super) name: String,
    /// `None`: standard input.
    path: Option<PathBuf>,
    /// Its path below the folder that was named; its file name where it was named itself.
    pub(super) below: PathBuf,
    /// In bytes; 0 where that is not known.
    pub(super) size: u64,
    /// Whether it was named, and not found in a folder.
    pub(super) named: bool,
}

/// Why an input was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("it is a binary file")]
    Binary,
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is longer than 64 MiB; only JSON lines may be")]
    TooLong,
    #[error("line {0} is longer than 16 MiB")]
    LineTooLong(usize),
    #[error("it is not JSON")]
    NotJson(#[source] json::JsonError),
    #[error("line {line} is no object with a string `{field}`")]
    NoField { line: usize, field: String },
    #[error("what was found could not be replaced")]
    Edit(#[source] json::EditError),
    #[error("it cannot be read")]
    Io(#[source] io::Error),
}

/// What is scanned at once: a text, a document, a line.
pub(super) struct Piece<'a> {
    /// Counted from 1, of JSON lines.
    pub(super) line: Option<usize>,
    /// All of it, without the end of the line.
    pub(super) text: &'a str,
    /// The document, where it is one.
    pub(super) json: Option<Text<'a>>,
}

/// What became of a piece or an input. The inner error is about this input only.
pub(super) type Visited = Result<Result<(), Unread>, Failure>;

/// Is handed each piece, with whether a line ended behind it.
type Visit<'v> = dyn FnMut(Piece<'_>, bool) -> Visited + 'v;

/// What was looked for and cannot be read, and what was left out.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Whether something that was asked for could not be read.
    pub(super) any: bool,
    skipped: Vec<String>,
}

impl Troubles {
    /// Says why `source` was not read. Binary files of a folder are left out, which is no trouble.
    pub(super) fn note(&mut self, source: &Source, why: &Unread) {
        if !source.named && matches!(why, Unread::Binary) {
            self.skip(&source.name);
            return;
        }
        self.say(&source.name, why);
    }

    fn say(&mut self, name: &str, why: &Unread) {
        self.any = true;
        report(&format!("`{name}`: {}", chain(why)));
    }

    fn skip(&mut self, name: &str) {
        self.skipped.push(name.to_owned());
    }

    /// Says what was left out.
    pub(super) fn close(&self) {
        let (count, names) = (self.skipped.len(), &self.skipped);
        if count == 0 {
            return;
        }
        let few: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
        let more = if count > 3 { ", …" } else { "" };
        let what = "left out, being binary, symbolic links or no files";
        report(&format!("{count} {what}: {}{more}", few.join(", ")));
    }
}

fn report(text: &str) {
    use io::Write as _;
    let _unheard = writeln!(io::stderr(), "haechi: {}", visible(text));
}

/// All files of `inputs`, those of a folder in the order of their names. Symbolic links in folders are
/// not followed.
pub(super) fn sources(inputs: &[PathBuf], troubles: &mut Troubles) -> Vec<Source> {
    let mut sources = Vec::new();
    if inputs.is_empty() {
        sources.push(standard_input());
    }
    for input in inputs {
        if input.as_os_str() == "-" {
            sources.push(standard_input());
            continue;
        }
        match fs::metadata(input) {
            Ok(what) if what.is_dir() => folder(input, &mut sources, troubles),
            Ok(what) => {
                let below = input.file_name().map(PathBuf::from).unwrap_or_default();
                sources.push(Source { named: true, ..file(input, below, &what) });
            }
            Err(error) => troubles.say(&input.display().to_string(), &Unread::Io(error)),
        }
    }
    sources
}

fn standard_input() -> Source {
    let name = "-".to_owned();
    Source { below: PathBuf::from("standard-input"), name, path: None, size: 0, named: true }
}

fn file(path: &Path, below: PathBuf, what: &Metadata) -> Source {
    let (name, path) = (path.display().to_string(), Some(path.to_owned()));
    Source { name, path, below, size: what.len(), named: false }
}

fn folder(root: &Path, sources: &mut Vec<Source>, troubles: &mut Troubles) {
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let below = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let what = match fs::symlink_metadata(&path) {
            // A folder that was named may be a link.
            Ok(_) if path == root => fs::metadata(&path),
            other => other,
        };
        let entries = what.and_then(|what| {
            if what.is_dir() {
                let entries = fs::read_dir(&path)?.map(|entry| Ok(entry?.path()));
                return entries.collect::<io::Result<Vec<_>>>();
            }
            if what.is_file() {
                sources.push(file(&path, below, &what));
            } else {
                troubles.skip(&path.display().to_string());
            }
            Ok(Vec::new())
        });
        match entries {
            Ok(mut entries) => {
                entries.sort_unstable_by(|a, b| b.cmp(a));
                waiting.append(&mut entries);
            }
            Err(error) => troubles.say(&path.display().to_string(), &Unread::Io(error)),
        }
    }
}

impl Source {
    /// Hands each piece to `visit`.
    pub(super) fn each(&self, format: Format, visit: &mut Visit<'_>) -> Visited {
        let mut reader = match self.open() {
            Ok(reader) => reader,
            Err(error) => return Ok(Err(Unread::Io(error))),
        };
        let format = match reader.fill_buf() {
            Ok(head) if is_binary(head) => return Ok(Err(Unread::Binary)),
            Ok(head) => self.format(format, head),
            Err(error) => return Ok(Err(Unread::Io(error))),
        };
        if format == Format::Lines {
            return each_line(&mut *reader, visit);
        }
        let text = match whole(&mut *reader) {
            Ok(text) => text,
            Err(unread) => return Ok(Err(unread)),
        };
        let json = match format {
            Format::Text | Format::Lines => None,
            Format::Auto => document(&text).ok(),
            Format::Json => match document(&text) {
                Ok(json) => Some(json),
                Err(error) => return Ok(Err(Unread::NotJson(error))),
            },
        };
        visit(Piece { line: None, text: &text, json }, false)
    }

    fn open(&self) -> io::Result<Box<dyn BufRead>> {
        let read: Box<dyn Read> = match &self.path {
            Some(path) => Box::new(File::open(path)?),
            None => Box::new(io::stdin().lock()),
        };
        Ok(Box::new(BufReader::with_capacity(HEAD_BYTES, read)))
    }

    /// `Auto`: JSON where all of it is, else text.
    fn format(&self, wanted: Format, head: &[u8]) -> Format {
        if wanted != Format::Auto {
            return wanted;
        }
        let extension = self.below.extension().and_then(|it| it.to_str()).unwrap_or_default();
        if matches!(extension, "jsonl" | "ndjson") || starts_as_lines(head) {
            return Format::Lines;
        }
        Format::Auto
    }
}

fn is_binary(head: &[u8]) -> bool {
    head.contains(&0)
}

/// Whether the first line is a whole document and another begins behind it.
fn starts_as_lines(head: &[u8]) -> bool {
    let mut lines = head.splitn(2, |byte| *byte == b'\n');
    let (Some(first), Some(rest)) = (lines.next(), lines.next()) else { return false };
    let begins = |text: &[u8]| matches!(text.trim_ascii_start().first(), Some(b'{' | b'['));
    begins(first) && begins(rest) && json::check(first, &JSON).is_ok()
}

fn document(text: &str) -> Result<Text<'_>, json::JsonError> {
    json::check(text.as_bytes(), &JSON)
}

fn whole(reader: &mut dyn BufRead) -> Result<String, Unread> {
    let mut bytes = Vec::new();
    reader.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(Unread::Io)?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Unread::TooLong);
    }
    if is_binary(&bytes) {
        return Err(Unread::Binary);
    }
    String::from_utf8(bytes).map_err(|_| Unread::NotUtf8)
}

/// A line that is no JSON is a text.
fn each_line(mut reader: &mut dyn BufRead, visit: &mut Visit<'_>) -> Visited {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        match (&mut reader).take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Ok(Err(Unread::Io(error))),
        }
        let ended = bytes.last() == Some(&b'\n');
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        if text.len() as u64 > MAX_LINE_BYTES {
            return Ok(Err(Unread::LineTooLong(line)));
        }
        let Ok(text) = std::str::from_utf8(text) else { return Ok(Err(Unread::NotUtf8)) };
        let piece = Piece { line: Some(line), text, json: document(text).ok() };
        if let Err(unread) = visit(piece, ended)? {
            return Ok(Err(unread));
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_are_told_by_their_first_two_lines() {
        assert!(starts_as_lines(b"{\"a\":1}\n{\"a\":2}\n"));
        assert!(starts_as_lines(b"[1]\r\n\n[2]"));
        assert!(!starts_as_lines(b"{\"a\":1}\n"));
        assert!(!starts_as_lines(b"{\n\"a\":1}\n"));
        assert!(!starts_as_lines(b"[draft]\n[final]\n"));
        assert!(!starts_as_lines(b"Dear {name},\n{text}"));
    }
}
