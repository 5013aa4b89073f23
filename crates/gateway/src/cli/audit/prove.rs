//! `haechi audit prove`, `check-proof`, `consistency`, `export-tiles`, `checkpoint` and `key`: what
//! others verify without this program, and what we verify of others.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haechi_audit::Entry;
use haechi_audit::checkpoint::{Checkpoint, Trust, TrustError, VerifiedCheckpoint};
use haechi_audit::note::{LARGEST_NOTE_BYTES, VerifyError};
use haechi_audit::proof::{EntryProof, EntryProofError};
use haechi_audit::tree::Hash;
use haechi_audit::view::{Progress, View, ViewError};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::super::context::Context;
use super::super::failure::{COULD_NOT_TELL, Failure, chain};
use super::super::table::{json as print_json, visible};
use super::whom::{Named, Which, Whom, no, of, read, write};

/// A proof is a note, 63 hashes and what may come along.
const LARGEST_PROOF_BYTES: u64 = 2 * LARGEST_NOTE_BYTES as u64;
/// What a log takes (C2SP tlog-tiles).
const LARGEST_ENTRY_BYTES: u64 = 65_535;

#[derive(Debug, Args)]
pub(in crate::cli) struct Prove {
    /// The entry's id, as refusals and tables name it, or its number
    entry: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    whom: Whom,
    /// Write the proof here; by default to `ENTRY.tlog-proof`, and `-` is standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the entry too, byte for byte as it was logged: the proof is about these bytes
    #[arg(long, value_name = "FILE")]
    entry_out: Option<PathBuf>,
}

impl Prove {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let (Named { name, view }, index, bytes) = self.find(context)?;
        let trust = self.whom.trust(&view)?;
        let proof = view.prove(index, &trust).map_err(|error| verdict(&error))?;
        // What is handed out was seen to hold.
        proof.verify(&bytes, &trust).map_err(|error| no(&error, error.help()))?;
        if let Some(path) = &self.entry_out {
            write(path, &bytes)?;
        }
        let standard = PathBuf::from(format!("{}.tlog-proof", self.entry));
        let path = self.output.unwrap_or(standard);
        if path == Path::new("-") {
            write!(out, "{proof}")?;
            return Ok(ExitCode::SUCCESS);
        }
        write(&path, proof.to_string().as_bytes())?;
        let (log, path) = (visible(&name), path.display());
        let english = format!("entry {index} of `{log}` is proved by `{path}`");
        let korean = format!("`{log}`의 {index}번 항목은 `{path}`(으)로 증명됩니다");
        writeln!(out, "{}", context.say(&english, &korean))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The log that has the entry, its place there and its bytes.
    fn find(&self, context: &Context) -> Result<(Named, u64, Vec<u8>), Failure> {
        let none = || {
            let entry = visible(&self.entry);
            let english = format!("there is no entry `{entry}`");
            Failure::no(context.say(&english, &format!("`{entry}` 항목이 없습니다")))
        };
        let (number, named) = (self.entry.parse::<u64>().ok(), Entry::split_id(&self.entry));
        let index = number.or_else(|| named.map(|(_, index)| index)).ok_or_else(none)?;
        let logs = match number {
            Some(_) => vec![self.which.one(context)?],
            None => self.which.all(context)?,
        };
        for log in logs {
            let Some(bytes) = log.view.entry(index).map_err(|error| of(&error))? else { continue };
            let entry: Option<Entry> = serde_json::from_slice(&bytes).ok();
            let is_meant = named.is_none_or(|(node, _)| entry.is_some_and(|it| it.node == node));
            if is_meant {
                return Ok((log, index, bytes));
            }
        }
        Err(none())
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckProof {
    /// The proof
    proof: PathBuf,
    /// The entry, byte for byte as it was logged
    #[arg(long, value_name = "FILE")]
    entry: PathBuf,
    #[command(flatten)]
    whom: Whom,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CheckProof {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let trust = self.whom.named()?;
        let unread = |why: String| Failure::unknown(format!("`{}`: {why}", self.proof.display()));
        let text = String::from_utf8(read(&self.proof, LARGEST_PROOF_BYTES)?);
        let text = text.map_err(|_| unread("the proof is not text".to_owned()))?;
        let proof: EntryProof = text
            .parse()
            .map_err(|error: haechi_audit::proof::ReadProofError| unread(chain(&error)))?;
        let entry = read(&self.entry, LARGEST_ENTRY_BYTES)?;
        let opened = proof.verify(&entry, &trust).map_err(|error| {
            let failure = no(&error, error.help());
            match error {
                EntryProofError::Checkpoint(TrustError::Witnesses { .. }) => {
                    Failure::unknown(chain(&error)).help(error.help())
                }
                _ => failure,
            }
        })?;
        let (index, checkpoint) = (proof.index(), opened.checkpoint());
        let (size, origin) = (checkpoint.size(), checkpoint.origin());
        if self.json {
            let seen = opened.cosignatures().iter();
            let seen = seen.map(|(key, at)| json!({ "name": key.name(), "at": at.to_string() }));
            let seen: Vec<_> = seen.collect();
            let told = json!({ "index": index, "origin": origin, "size": size, "witnesses": seen });
            print_json(out, &told)?;
            return Ok(ExitCode::SUCCESS);
        }
        let english = format!("this is entry {index} of `{origin}`, which had {size} entries then");
        let korean = format!("`{origin}`의 {index}번 항목이 맞습니다 (당시 항목 {size}개)");
        writeln!(out, "{}", context.say(&english, &korean))?;
        for (key, at) in opened.cosignatures() {
            let english = format!("seen by the witness `{}` at {at}", key.name());
            let korean = format!("증인 `{}`이(가) {at}에 확인했습니다", key.name());
            writeln!(out, "  {}", context.say(&english, &korean))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Consistency {
    /// The older checkpoint: a file, or a number of entries
    old: String,
    /// The newer one; the log's newest, when none is named
    new: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    whom: Whom,
    /// Print JSON, with the proof's hashes
    #[arg(long)]
    json: bool,
}

impl Consistency {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let Named { view, .. } = self.which.one(context)?;
        let trust = self.whom.trust(&view)?;
        let newest = view.verified(&trust).map_err(|error| verdict(&error))?;
        let newest = newest.checkpoint();
        let old = side(&self.old, &view, &trust, newest)?;
        let new = match &self.new {
            Some(new) => side(new, &view, &trust, newest)?,
            None => newest.clone(),
        };
        if new.size() > newest.size() {
            // The log itself has signed more than it holds now.
            newest.follows(&new, None).map_err(|error| no(&error, error.help()))?;
        }
        let proof = if old.size() == 0 || old.size() >= new.size() {
            None
        } else {
            let made = view.consistency(old.size(), new.size(), &trust);
            Some(made.map_err(|error| verdict(&error))?)
        };
        new.follows(&old, proof.as_ref()).map_err(|error| no(&error, error.help()))?;
        let (old_size, new_size) = (old.size(), new.size());
        if self.json {
            let hashes = proof.iter().flat_map(|proof| &proof.hashes).map(Hash::to_string);
            let hashes: Vec<String> = hashes.collect();
            print_json(
                out,
                &json!({
                    "old_size": old_size, "old_root": old.root().to_string(),
                    "new_size": new_size, "new_root": new.root().to_string(), "proof": hashes,
                }),
            )?;
        } else {
            let english = format!("the log of {new_size} entries grew from that of {old_size}");
            let korean = format!("항목 {new_size}개의 로그는 {old_size}개의 로그에서 이어졌습니다");
            writeln!(out, "{}", context.say(&english, &korean))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A checkpoint from a file, or what the log says of so many entries.
fn side(
    text: &str,
    view: &View,
    trust: &Trust,
    newest: &Checkpoint,
) -> Result<Checkpoint, Failure> {
    let Ok(size) = text.parse::<u64>() else {
        let bytes = read(Path::new(text), LARGEST_NOTE_BYTES as u64)?;
        let trust = Trust { wanted: 0, ..trust.clone() };
        let opened = VerifiedCheckpoint::open(&bytes, &trust);
        return opened.map(|it| it.checkpoint().clone()).map_err(|error| no(&error, error.help()));
    };
    if size > newest.size() {
        let text = format!("the log's newest checkpoint has {} entries", newest.size());
        return Err(Failure::unknown(text).help("name a size that it covers"));
    }
    let root = view.root_at(size, trust).map_err(|error| verdict(&error))?;
    Checkpoint::new(newest.origin(), size, root).map_err(|error| Failure::of(&error))
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportTiles {
    /// Where to; an earlier export there is gone on from
    #[arg(value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    whom: Whom,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ExportTiles {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let Named { view, .. } = self.which.one(context)?;
        let trust = self.whom.trust(&view)?;
        let bar = ProgressBar::new_spinner();
        let form = ProgressStyle::with_template("{spinner} {human_pos} files, {per_sec}");
        bar.set_style(form.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let tell = |progress: Progress| bar.set_position(progress.done);
        let exported = view.export_tiles(&self.to, &trust, Some(&tell));
        bar.finish_and_clear();
        let exported = exported.map_err(|error| verdict(&error))?;
        let (size, written, kept) = (exported.size, exported.written, exported.kept);
        if self.json {
            let pruned = exported.pruned;
            let told = json!({ "size": size, "written": written, "kept": kept, "pruned": pruned });
            print_json(out, &told)?;
            return Ok(ExitCode::SUCCESS);
        }
        let english =
            format!("{size} entries exported: {written} files written, {kept} were there");
        let korean =
            format!("항목 {size}개를 내보냈습니다: 파일 {written}개 기록, {kept}개는 이미 있음");
        writeln!(out, "{}", context.say(&english, &korean))?;
        if exported.pruned > 0 {
            let english = format!("{} bundles were pruned; their hashes stay", exported.pruned);
            let korean = format!("묶음 {}개는 정리되었고 해시만 남아 있습니다", exported.pruned);
            writeln!(out, "{}", context.say(&english, &korean))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Newest {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    whom: Whom,
}

impl Newest {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let Named { view, .. } = self.which.one(context)?;
        let trust = self.whom.trust(&view)?;
        let newest = view.verified(&trust).map_err(|error| verdict(&error))?;
        write!(out, "{}", newest.note())?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Key {
    #[command(flatten)]
    which: Which,
}

impl Key {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let Named { view, .. } = self.which.one(context)?;
        let keys = view.verifier_keys().map_err(|error| of(&error))?;
        keys.iter().try_for_each(|key| writeln!(out, "{key}"))?;
        Ok(ExitCode::from(if keys.is_empty() { COULD_NOT_TELL } else { 0 }))
    }
}

/// No, where the log is not what was signed; where it does not answer, nothing is known.
fn verdict(error: &ViewError) -> Failure {
    match error {
        ViewError::Checkpoint(TrustError::Signature(
            VerifyError::NoKnownKey | VerifyError::Wrong(_),
        ))
        | ViewError::Tree(_)
        | ViewError::OtherExport { .. } => no(error, error.help()),
        _ => of(error),
    }
}
