//! `haechi pii redact`: texts written anew without what was found.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use haechi_core::json::{Editor, quote};
use haechi_privacy::{Action, Generalization, without_vault};

use super::super::context::Context;
use super::super::failure::{COULD_NOT_TELL, Failure};
use super::super::table::visible;
use super::Looking;
use super::find::{Finder, Leaf, Site};
use super::progress::Progress;
use super::source::{Piece, Source, Troubles, Unread, Visited, sources};

#[derive(Debug, Args)]
pub(in super::super) struct Redact {
    #[command(flatten)]
    looking: Looking,
    /// `redact`, `mask` or `generalize`, with parameters as in `mask:4` and `generalize:year`
    #[arg(long, default_value = "redact", value_parser = action)]
    action: Action,
    /// The new file, or for several files their folder; standard output by default
    #[arg(long, short, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
}

/// What needs no keys.
fn action(text: &str) -> Result<Action, String> {
    let action = Action::parse(text).map_err(|error| error.to_string())?;
    match action {
        Action::Generalize(Generalization::DateShift { .. }) => {
            Err("dates are shifted by a key that is the gateway's".to_owned())
        }
        Action::Redact | Action::Mask { .. } | Action::Generalize(_) => Ok(action),
        _ => Err(format!(
            "`{}` needs the gateway's keys: redact, mask and generalize do not",
            action.as_str()
        )),
    }
}

impl Redact {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let mut troubles = Troubles::default();
        let sources = sources(&self.looking.inputs, &mut troubles);
        let to_folder =
            self.looking.inputs.len() > 1 || self.looking.inputs.iter().any(|it| it.is_dir());
        if to_folder && self.output.is_none() {
            return Err(Failure::unknown("there are several files to write")
                .help("name a folder for them with `--output DIR`"));
        }
        let finder = Finder::new(self.looking.wanted.detector(context)?, self.looking.only());
        let progress = Progress::over(&sources);
        for source in &sources {
            let mut work = Work {
                redact: &self,
                finder: &finder,
                progress: &progress,
                values: Values::default(),
            };
            let done = match &self.output {
                None => work.source(source, out)?,
                Some(output) if to_folder => work.file(source, &output.join(&source.below))?,
                Some(output) => work.file(source, output)?,
            };
            if let Err(why) = done {
                progress.aside(|| troubles.note(source, &why));
            }
        }
        drop(progress);
        troubles.close();
        Ok(ExitCode::from(if troubles.any { COULD_NOT_TELL } else { 0 }))
    }
}

/// One file under way.
struct Work<'w> {
    redact: &'w Redact,
    finder: &'w Finder,
    progress: &'w Progress,
    values: Values,
}

impl Work<'_> {
    /// Writes a file that is not there yet; none is left when that fails.
    fn file(&mut self, source: &Source, path: &Path) -> Visited {
        let file = create(path)?;
        let mut out = BufWriter::new(file);
        let done = self.source(source, &mut out);
        let done = done.and_then(|done| Ok(out.flush().map(|()| done)?));
        if !matches!(done, Ok(Ok(()))) {
            let _left = fs::remove_file(path);
        }
        done
    }

    fn source(&mut self, source: &Source, out: &mut dyn Write) -> Visited {
        source.each(self.redact.looking.format, &mut |piece, ended| {
            let text = match self.piece(&piece) {
                Ok(text) => text,
                Err(unread) => return Ok(Err(unread)),
            };
            let end = if ended { "\n" } else { "" };
            self.progress.aside(|| write!(out, "{text}{end}"))?;
            self.progress.add(piece.text.len() + end.len());
            Ok(Ok(()))
        })
    }

    fn piece(&mut self, piece: &Piece<'_>) -> Result<String, Unread> {
        let leaves = self.finder.in_piece(piece);
        let Some(json) = piece.json else {
            let leaf = leaves.first();
            return Ok(leaf.map_or_else(|| piece.text.to_owned(), |leaf| self.rewritten(leaf)));
        };
        let mut editor = Editor::new(json);
        let mut names: HashMap<usize, BTreeSet<String>> = HashMap::new();
        for leaf in &leaves {
            let new = self.rewritten(leaf);
            match &leaf.site {
                Site::Whole => {}
                Site::Value(text) => drop(editor.replace(*text, quote(&new))),
                Site::Name { member, object } => {
                    let of_object = || object.members().map(|it| it.key.into_owned()).collect();
                    let taken = names.entry(object.span().start).or_insert_with(of_object);
                    let _editor = editor.rename(member, &free(&new, taken));
                }
            }
        }
        let new = editor.finish().map_err(Unread::Edit)?;
        let around = |range| piece.text.get(range).unwrap_or_default();
        let (before, after) =
            (around(0..json.span().start), around(json.span().end..piece.text.len()));
        Ok(format!("{before}{new}{after}"))
    }

    fn rewritten(&mut self, leaf: &Leaf<'_>) -> String {
        let mut new = String::with_capacity(leaf.text.len());
        let mut at = 0;
        for finding in &leaf.findings {
            let part = |range| leaf.text.get(range).unwrap_or_default();
            new.push_str(part(at..finding.range.start));
            at = finding.range.end;
            let value = part(finding.range.clone());
            let coarse = without_vault(self.redact.action, &finding.kind, value);
            new.push_str(&coarse.unwrap_or_else(|| self.values.placeholder(&finding.kind, value)));
        }
        new.push_str(leaf.text.get(at..).unwrap_or_default());
        new
    }
}

/// The numbers of a file's values.
#[derive(Default)]
struct Values {
    numbers: HashMap<Arc<str>, HashMap<String, usize>>,
}

impl Values {
    /// `[KIND_1]`, for equal values the same.
    fn placeholder(&mut self, kind: &Arc<str>, value: &str) -> String {
        let values = self.numbers.entry(kind.clone()).or_default();
        let next = values.len() + 1;
        let number = values.entry(value.to_owned()).or_insert(next);
        format!("[{kind}_{number}]")
    }
}

/// `name`, with a number behind it where its object has that name already.
fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut free = name.to_owned();
    for number in 2.. {
        if taken.insert(free.clone()) {
            break;
        }
        free = format!("{name}_{number}");
    }
    free
}

fn create(path: &Path) -> Result<File, Failure> {
    let failed = |error: std::io::Error| {
        let name = visible(&path.display().to_string());
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Failure::unknown(format!("`{name}` is there already"))
                .help("nothing is written over: name another file or folder with `--output`");
        }
        Failure::unknown(format!("`{name}` cannot be written: {error}"))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)
}
