//! `haechi audit verify`: whether a log is what was signed.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_audit::checkpoint::{Checkpoint, Trust, VerifiedCheckpoint};
use haechi_audit::note::Note;
use haechi_audit::view::{Demand, Finding, Progress, Report, Verdict, View, Weight};
use haechi_core::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::failure::{COULD_NOT_TELL, Failure, NO, chain};
use super::super::table::{json as print_json, visible};
use super::finding;
use super::when::moment;
use super::whom::{Named, Which, Whom, of, read, write};

/// A checkpoint with its signatures is far below.
const LARGEST_CHECKPOINT_BYTES: u64 = 512 << 10;

#[derive(Debug, Args)]
pub(in crate::cli) struct Verify {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    whom: Whom,
    /// Read entries from this moment on, `2h` ago or seconds since 1970-01-01T00:00:00Z; those
    /// before are left to the stored hashes, which the checkpoint covers
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// A checkpoint that you kept: the log must have grown from it
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Keep the newest checkpoint in this file when all is well, for the next time
    #[arg(long, value_name = "FILE")]
    remember: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What one log came to.
struct Told {
    name: String,
    trust: Option<Trust>,
    report: Result<Report, Failure>,
}

impl Told {
    fn verdict(&self) -> Verdict {
        self.report.as_ref().map_or(Verdict::Open, Report::verdict)
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let logs = self.which.all(context)?;
        if logs.len() > 1 && (self.against.is_some() || self.remember.is_some()) {
            return Err(Failure::unknown(context.say(
                "a checkpoint is of one log, and there are several",
                "체크포인트는 로그 하나의 것인데 로그가 여러 개입니다",
            ))
            .help("name one with `--log`: `--log audit` is the gateway's own"));
        }
        let remembered = self.against.as_deref();
        let remembered = remembered.map(|path| read(path, LARGEST_CHECKPOINT_BYTES)).transpose()?;
        let since = self.since.as_deref().map(moment).transpose()?;
        let mut told = Vec::new();
        for Named { name, view } in logs {
            let trust = self.whom.trust(&view);
            let report = match &trust {
                Ok(trust) => verify(&view, trust, remembered.as_deref(), since),
                Err(failure) => Err(failure.clone()),
            };
            told.push(Told { name, trust: trust.ok(), report });
        }
        let verdict = together(&told);
        if let (Some(path), Verdict::Whole) = (&self.remember, verdict) {
            told.iter().filter_map(|log| log.report.as_ref().ok()).try_for_each(|report| {
                let newest = report.checkpoint.as_ref().map(|it| it.note().to_string());
                newest.map_or(Ok(()), |newest| write(path, newest.as_bytes()))
            })?;
        }
        if self.json {
            let logs: Vec<Value> = told.iter().map(|log| self.as_json(log)).collect();
            print_json(out, &json!({ "verdict": word(verdict), "logs": logs }))?;
        } else {
            told.iter().try_for_each(|log| self.tell(context, out, log))?;
        }
        Ok(ExitCode::from(match verdict {
            Verdict::Whole => 0,
            Verdict::Changed => NO,
            Verdict::Open => COULD_NOT_TELL,
        }))
    }

    fn tell(&self, context: &Context, out: &mut dyn Write, log: &Told) -> Result<(), Failure> {
        let verdict = match log.verdict() {
            Verdict::Whole => context.say("whole", "온전함"),
            Verdict::Changed => context.say("CHANGED", "변경됨"),
            Verdict::Open => context.say("could not tell", "판단할 수 없음"),
        };
        writeln!(out, "{}: {verdict}", visible(&log.name))?;
        let report = match &log.report {
            Ok(report) => report,
            Err(failure) => {
                writeln!(out, "  {}", visible(&failure.to_string()))?;
                return Ok(());
            }
        };
        for finding in &report.findings {
            let text = finding::text(context, finding);
            writeln!(out, "  {}: {}", weight(context, finding), visible(&text))?;
            let next = context.say("next", "다음 단계");
            writeln!(out, "    {next}: {}", finding::next(context, finding))?;
        }
        for line in lines(context, report) {
            writeln!(out, "  {}", visible(&line))?;
        }
        if self.whom.is_own_word() {
            let own = context.say(
                "the key is the log's own word: keep it elsewhere and name it with `--key`",
                "키는 로그 자신이 말한 것입니다. 다른 곳에 보관하고 `--key`로 지정하세요",
            );
            writeln!(out, "  {own}")?;
        }
        Ok(())
    }

    fn as_json(&self, log: &Told) -> Value {
        let keys = log.trust.iter().flat_map(|trust| &trust.log);
        let keys: Vec<String> = keys.map(ToString::to_string).collect();
        let report = match &log.report {
            Ok(report) => report,
            Err(failure) => {
                return json!({
                    "log": log.name,
                    "verdict": word(log.verdict()),
                    "error": failure.to_string(),
                });
            }
        };
        let newest = report.checkpoint.as_ref().map(VerifiedCheckpoint::checkpoint);
        let findings: Vec<Value> = report.findings.iter().map(finding_as_json).collect();
        json!({
            "log": log.name,
            "verdict": word(log.verdict()),
            "keys": keys,
            "key_is_the_logs_own_word": self.whom.is_own_word(),
            "origin": newest.map(Checkpoint::origin),
            "size": newest.map(Checkpoint::size),
            "root": newest.map(|it| it.root().to_string()),
            "minimum": report.minimum,
            "first_read": report.first,
            "entries_read": report.entries,
            "bytes_read": report.bytes,
            "uncovered": report.uncovered,
            "remembered_size": report.remembered,
            "witnesses": witnesses(report),
            "findings": findings,
        })
    }
}

fn verify(
    view: &View,
    trust: &Trust,
    remembered: Option<&[u8]>,
    since: Option<Timestamp>,
) -> Result<Report, Failure> {
    let bar = Bar::new(view);
    let tell = |progress: Progress| bar.0.set_position(progress.done);
    let demand = Demand { trust, remembered, since, progress: Some(&tell) };
    view.verify(&demand).map_err(|error| of(&error))
}

/// A bar on standard error; nothing where that is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(view: &View) -> Self {
        let size = view.checkpoint().ok().flatten().and_then(|bytes| {
            let checkpoint: Checkpoint = Note::parse(&bytes).ok()?.text().parse().ok()?;
            Some(checkpoint.size())
        });
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let form = "{bar:32} {human_pos} of {human_len} entries, {per_sec}, {eta} to go";
        Self(bar.with_style(
            ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
        ))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// One log that was changed is what is said; one that cannot be told of leaves the rest open.
fn together(logs: &[Told]) -> Verdict {
    let has = |verdict| logs.iter().any(|log| log.verdict() == verdict);
    match (has(Verdict::Changed), has(Verdict::Open)) {
        (true, _) => Verdict::Changed,
        (false, true) => Verdict::Open,
        (false, false) => Verdict::Whole,
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Whole => "whole",
        Verdict::Changed => "changed",
        Verdict::Open => "unknown",
    }
}

fn weight(context: &Context, finding: &Finding) -> String {
    match finding.weight() {
        Weight::Change => context.say("changed", "변경"),
        Weight::Open => context.say("open", "미확인"),
        Weight::Remark => context.say("remark", "참고"),
    }
}

fn lines(context: &Context, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(newest) = &report.checkpoint {
        let newest = newest.checkpoint();
        let (size, origin) = (newest.size(), newest.origin());
        let english = format!("{size} entries, signed as `{origin}`, root hash {}", newest.root());
        let korean = format!("항목 {size}개, 서명 `{origin}`, 루트 해시 {}", newest.root());
        lines.push(context.say(&english, &korean));
        let (read, first) = (report.entries, report.first);
        let english = format!("{read} read and hashed, from entry {first} on");
        let korean = format!("{first}번 항목부터 {read}개를 읽고 해시했습니다");
        lines.push(context.say(&english, &korean));
    }
    if report.uncovered > 0 {
        let english = format!("{} behind the newest checkpoint, not covered yet", report.uncovered);
        let korean = format!("{}개는 아직 체크포인트에 포함되지 않았습니다", report.uncovered);
        lines.push(context.say(&english, &korean));
    }
    if report.minimum > 0 {
        let english = format!("entries before {} were pruned", report.minimum);
        let korean = format!("{}번 이전의 항목은 정리되었습니다", report.minimum);
        lines.push(context.say(&english, &korean));
    }
    if let (Some(size), Verdict::Whole) = (report.remembered, report.verdict()) {
        let english = format!("grown from the remembered checkpoint of {size} entries");
        let korean = format!("기억한 체크포인트(항목 {size}개)에서 이어졌습니다");
        lines.push(context.say(&english, &korean));
    }
    if let Some(cosigned) = &report.cosigned {
        for (key, at) in cosigned.cosignatures() {
            let (size, name) = (cosigned.checkpoint().size(), key.name());
            let english = format!("{size} entries seen by the witness `{name}` at {at}");
            let korean = format!("증인 `{name}`이(가) {at}에 항목 {size}개를 확인했습니다");
            lines.push(context.say(&english, &korean));
        }
    }
    lines
}

fn witnesses(report: &Report) -> Value {
    let cosigned = report.cosigned.iter().flat_map(|cosigned| {
        let size = cosigned.checkpoint().size();
        cosigned
            .cosignatures()
            .iter()
            .map(move |(key, at)| json!({ "name": key.name(), "size": size, "at": at.to_string() }))
    });
    cosigned.collect()
}

fn finding_as_json(finding: &Finding) -> Value {
    let weight = match finding.weight() {
        Weight::Change => "change",
        Weight::Open => "open",
        Weight::Remark => "remark",
    };
    json!({
        "finding": finding.word(),
        "weight": weight,
        "text": chain(finding),
        "entry": finding.entry(),
        "next": finding.help(),
    })
}
