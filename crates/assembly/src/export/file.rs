//! A file, one record a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use haechi_audit::export::{Format, Line, Receipt, Sink, SinkError, otlp_request};

use super::VERSION;
use crate::settings::FileDestination;

/// How far back the end of the last whole line is looked for at once.
const PIECE_BYTES: u64 = 64 << 10;

/// Appends lines to a file. They are confirmed when they would survive a power cut.
#[derive(Debug)]
pub(super) struct FileSink {
    to: FileDestination,
    format: Format,
}

impl FileSink {
    pub(super) fn new(to: &FileDestination, format: Format) -> Self {
        Self { to: to.clone(), format }
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn send(&mut self, lines: &[Line]) -> Result<Receipt, SinkError> {
        let bytes = file_text(lines, self.format).into_bytes();
        let to = self.to.clone();
        let written = tokio::task::spawn_blocking(move || append(&to, &bytes)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        written.map_err(|error| SinkError::Unreachable(error.into()))?;
        Ok(Receipt::default())
    }
}

/// What a file gets of `lines`: each on a line of its own. Records of OpenTelemetry become one
/// request, as its collector's file receiver reads them.
#[must_use]
pub fn file_text(lines: &[Line], format: Format) -> String {
    if format == Format::Otlp {
        return format!("{}\n", otlp_request(lines, VERSION));
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

/// The file is opened each time: whoever moves it away gets a new one.
fn append(to: &FileDestination, bytes: &[u8]) -> io::Result<()> {
    let is_full = fs::metadata(&to.path).is_ok_and(|about| about.len() >= to.rotate_bytes);
    if is_full {
        rotate(&to.path, to.keep)?;
    }
    let mut file = open_lines(&to.path)?;
    let end = file.stream_position()?;
    if let Err(error) = file.write_all(bytes) {
        // Half a batch would come again with each attempt, and on a full disk keep the last room.
        let _still_longer = file.set_len(end);
        return Err(error);
    }
    file.sync_all()
}

/// Opens a file to be appended to, behind its last whole line; makes it, for this user alone, where
/// there is none, under a name that survives a power cut.
///
/// # Errors
///
/// [`io::Error`].
pub fn open_lines(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path)?;
    if file.metadata()?.is_file() {
        let end = whole_lines(&mut file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
    }
    if is_new {
        sync_folder(path)?;
    }
    Ok(file)
}

/// Where the last line ends. What stands behind it was cut off by a kill, was not confirmed, and
/// comes again.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut piece = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(PIECE_BYTES);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        io::Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(last) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// `log` becomes `log.1`, `log.1` becomes `log.2`, and the oldest goes.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let older = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    if keep == 0 {
        return fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        rename(&older(number), &older(number + 1))?;
    }
    rename(path, &older(1))?;
    sync_folder(path)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use haechi_core::Timestamp;

    use super::*;

    fn sink(path: &Path, rotate_bytes: u64, keep: u32) -> FileSink {
        let to = FileDestination { path: path.to_owned(), rotate_bytes, keep };
        FileSink::new(&to, Format::Json)
    }

    fn lines(texts: &[&str]) -> Vec<Line> {
        let line = |text: &&str| Line { text: (*text).to_owned(), at: Timestamp(1) };
        texts.iter().map(line).collect()
    }

    #[tokio::test]
    async fn a_line_that_a_kill_cut_off_is_not_there_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut sink = sink(&path, 1 << 20, 2);
        sink.send(&lines(&["one"])).await.unwrap();
        let mut torn = fs::read(&path).unwrap();
        torn.extend_from_slice(&[b'x'; 70_000]);
        fs::write(&path, torn).unwrap();
        sink.send(&lines(&["two"])).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        fs::write(&path, "torn").unwrap();
        sink.send(&lines(&["three"])).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[tokio::test]
    async fn a_full_file_gives_way_and_so_many_older_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut sink = sink(&path, 4, 2);
        for text in ["one", "two", "three", "four"] {
            sink.send(&lines(&[text])).await.unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("audit.jsonl"), "four\n");
        assert_eq!(read("audit.jsonl.1"), "three\n");
        assert_eq!(read("audit.jsonl.2"), "two\n");
        assert!(!folder.path().join("audit.jsonl.3").exists());
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_is_no_sink() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = sink(&folder.path().join("none/audit.jsonl"), 1 << 20, 2);
        assert!(matches!(sink.send(&lines(&["one"])).await, Err(SinkError::Unreachable(_))));
    }
}
