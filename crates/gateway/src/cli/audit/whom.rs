//! Which log is meant, and whose word is taken for it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use haechi_audit::checkpoint::{Checkpoint, Trust};
use haechi_audit::note::{Note, VerifierKey};
use haechi_audit::view::{View, ViewError};

use super::super::context::Context;
use super::super::failure::{Failure, chain};
use super::super::table::visible;

/// A verifier key is a line; a file of them has some.
const LARGEST_KEY_FILE_BYTES: u64 = 64 << 10;

/// Which log.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Which {
    /// Of this data directory: `audit`, which is the gateway's own, or `run/INSTANCE`
    #[arg(long, value_name = "NAME", conflicts_with = "directory")]
    pub(super) log: Option<String>,
    /// The log in this directory, a copy for example; nothing else is read
    #[arg(long, value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,
}

/// Whose word is taken.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Whom {
    /// The log's verifier key that you keep, or a file with it; without it the log's own word is
    /// taken, which shows that it is of one piece, not that it is the log you know
    #[arg(long, value_name = "VKEY|FILE")]
    pub(super) key: Vec<String>,
    /// A witness's verifier key, or a file with it
    #[arg(long, value_name = "VKEY|FILE")]
    witness: Vec<String>,
    /// How many of these witnesses must have cosigned; all, when none is said
    #[arg(long, value_name = "N", requires = "witness")]
    witnesses: Option<usize>,
}

/// A log by its name.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) view: View,
}

impl Which {
    /// All logs that are meant: one, or every one of the data directory.
    pub(super) fn all(&self, context: &Context) -> Result<Vec<Named>, Failure> {
        if let Some(directory) = &self.directory {
            return Ok(vec![open(context, directory.display().to_string(), directory)?]);
        }
        let settings = context.settings()?;
        let data = context.directory(&settings)?;
        let logs = haechi_audit::logs(data.path())
            .map_err(|error| Failure::unknown(format!("the logs cannot be listed: {error}")))?;
        let wanted = |(name, _): &(String, PathBuf)| self.log.as_ref().is_none_or(|it| it == name);
        let found: Vec<_> = logs.iter().filter(|log| wanted(log)).collect();
        if found.is_empty() {
            let names: Vec<&str> = logs.iter().map(|(name, _)| name.as_str()).collect();
            let help = if names.is_empty() {
                context.say(
                    "one begins when a program that writes it starts, such as `haechi serve`",
                    "로그는 `haechi serve`처럼 그것을 쓰는 프로그램이 시작할 때 만들어집니다",
                )
            } else {
                let names = visible(&names.join(", "));
                context.say(&format!("there are: {names}"), &format!("있는 로그: {names}"))
            };
            let none = context.say("there is no such log", "그런 로그가 없습니다");
            return Err(Failure::unknown(none).help(help));
        }
        let open = |(name, directory): &(String, PathBuf)| open(context, name.clone(), directory);
        found.into_iter().map(open).collect()
    }

    /// The one log that is meant: the gateway's own, unless another is named.
    pub(super) fn one(&self, context: &Context) -> Result<Named, Failure> {
        let log = self.log.clone().or_else(|| Some("audit".to_owned()));
        let one = Self { log, directory: self.directory.clone() };
        let mut logs = one.all(context)?;
        logs.pop().ok_or_else(|| Failure::unknown("there is no such log"))
    }
}

fn open(context: &Context, name: String, directory: &Path) -> Result<Named, Failure> {
    match View::open(directory) {
        Ok(view) => Ok(Named { name, view }),
        Err(error @ ViewError::NoLog { .. }) => {
            let korean = format!("`{}`에 감사 로그가 없습니다", directory.display());
            let help = context.say(
                error.help(),
                "`checkpoint`와 `segments`가 있는 디렉터리를 지정하세요. 데이터 디렉터리의 `audit` \
                 또는 그 사본입니다",
            );
            Err(Failure::unknown(context.say(&chain(&error), &korean)).help(help))
        }
        Err(error) => Err(of(&error)),
    }
}

/// A log that does not answer.
pub(super) fn of(error: &ViewError) -> Failure {
    Failure::of(error).help(error.help())
}

impl Whom {
    /// What is believed of a log: the keys that were named, or the log's own.
    pub(super) fn trust(&self, view: &View) -> Result<Trust, Failure> {
        let log = keys(&self.key)?;
        let origin = origin(view, &log);
        let trust = match origin {
            Some(origin) => Trust { origin, log, witnesses: Vec::new(), wanted: 0 },
            None => view.own_trust().map_err(|error| of(&error))?,
        };
        self.with_witnesses(trust)
    }

    /// What is believed where there is no log: the keys that were named.
    pub(super) fn named(&self) -> Result<Trust, Failure> {
        let log = keys(&self.key)?;
        let origin = log.first().map(|key| key.name().to_owned()).ok_or_else(|| {
            Failure::unknown("no key is named").help("name the log's verifier key with `--key`")
        })?;
        self.with_witnesses(Trust { origin, log, witnesses: Vec::new(), wanted: 0 })
    }

    fn with_witnesses(&self, trust: Trust) -> Result<Trust, Failure> {
        let witnesses = keys(&self.witness)?;
        // A witness may have a key of each kind, under its one name.
        let names: BTreeSet<&str> = witnesses.iter().map(VerifierKey::name).collect();
        let wanted = self.witnesses.unwrap_or(names.len());
        Ok(Trust { witnesses, wanted, ..trust })
    }

    /// Whether the log's own word is all there is.
    pub(super) fn is_own_word(&self) -> bool {
        self.key.is_empty()
    }
}

/// The name of the log that the named keys are for: the one on its checkpoint, where a key has that
/// name; otherwise the first key's, so that a log under another name is refused.
fn origin(view: &View, keys: &[VerifierKey]) -> Option<String> {
    let stated = view.checkpoint().ok().flatten().and_then(|bytes| {
        let note = Note::parse(&bytes).ok()?;
        let checkpoint: Checkpoint = note.text().parse().ok()?;
        Some(checkpoint.origin().to_owned())
    });
    let has = |origin: &String| keys.iter().any(|key| key.name() == origin);
    stated.filter(has).or_else(|| keys.first().map(|key| key.name().to_owned()))
}

/// Keys that were named: each the key itself, or a file with one on each line.
fn keys(named: &[String]) -> Result<Vec<VerifierKey>, Failure> {
    let mut keys = Vec::new();
    for text in named {
        match text.parse::<VerifierKey>() {
            Ok(key) => keys.push(key),
            Err(error) if !Path::new(text).is_file() => {
                let text = format!("`{}` is neither a key nor a file: {error}", visible(text));
                return Err(Failure::unknown(text).help(error.help()));
            }
            Err(_) => keys.extend(keys_in(Path::new(text))?),
        }
    }
    Ok(keys)
}

fn keys_in(path: &Path) -> Result<Vec<VerifierKey>, Failure> {
    let text = String::from_utf8(read(path, LARGEST_KEY_FILE_BYTES)?)
        .map_err(|_| Failure::unknown(format!("`{}` holds no key", path.display())))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Result<Vec<VerifierKey>, _> = lines.map(str::parse).collect();
    keys.map_err(|error: haechi_audit::note::KeyError| {
        Failure::unknown(format!("`{}`: {}", path.display(), chain(&error))).help(error.help())
    })
}

/// Reads a file of at most so many bytes.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let unread = |error: std::io::Error| {
        Failure::unknown(format!("`{}` cannot be read: {error}", path.display()))
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > most {
        let text = format!("`{}` is longer than {most} bytes", path.display());
        return Err(Failure::unknown(text));
    }
    Ok(bytes)
}

/// Writes a file under its name whole, or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let half = path.with_added_extension("half");
    let written = std::fs::File::create(&half).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&half, path)).map_err(|error| {
        Failure::unknown(format!("`{}` cannot be written: {error}", path.display()))
    })
}

/// The answer is no, because of `error`.
pub(super) fn no(error: &(dyn std::error::Error + 'static), help: &str) -> Failure {
    Failure::no(chain(error)).help(help)
}
