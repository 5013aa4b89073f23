//! A log that lost entries: what is wrong with it, and going on without them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::{Act, AssemblyError, Log, Rooms, Settings, Work, WorkState};
use haechi_audit::repair::{Extent, Loss, RepairError, Repaired};
use haechi_audit::view::{Demand, Finding, View, Weight};
use haechi_audit::{OpenError, Reader};
use haechi_core::Timestamp;
use serde_json::json;

use super::finding;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, NO, chain};
use crate::cli::table::{json as print_json, visible};

/// The gateway's own log.
pub(in crate::cli) const GATEWAY: &str = "audit";

#[derive(Debug, Args)]
pub(in crate::cli) struct Repair {
    /// Which log of the data directory: `audit`, which is the gateway's own, or `run/INSTANCE`
    #[arg(long, value_name = "NAME", default_value = GATEWAY)]
    log: String,
    /// Set the log aside as it is, and begin another whose first entry says what was lost
    #[arg(long)]
    accept_loss: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Repair {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let (log, directory) = self.which(context, &rooms)?;
        let settings = settings(context, &log)?;
        let examined = rooms.examine_log(&settings, &log, Extent::Everything).await;
        let Some(loss) = examined.map_err(|error| of_repair(&error))? else {
            if self.json {
                print_json(out, &json!({ "ok": true }))?;
            } else {
                let nothing = "nothing is wrong with the audit log";
                writeln!(out, "{}", context.say(nothing, "감사 로그에 문제가 없습니다"))?;
            }
            return Ok(ExitCode::SUCCESS);
        };
        let found = Found::look(&directory);
        if !self.json {
            found.tell(context, &loss, out)?;
        }
        if !self.accept_loss {
            if self.json {
                print_json(out, &found.json(&loss, None))?;
            } else {
                writeln!(out, "{}", how(context, &self.log))?;
            }
            return Ok(ExitCode::from(NO));
        }
        let repaired = rooms.accept_loss(&settings, &log).await;
        let repaired = repaired.map_err(|error| of_repair(&error))?;
        let mut detail = repaired.detail.clone();
        detail.push(format!("origin:{}", repaired.origin));
        let object = self.log.clone();
        let (work, state) = (Work::AuditRepair, WorkState::Done);
        context.administer(Act::Record { work, object, state, detail }).await?;
        if self.json {
            print_json(out, &found.json(&loss, Some(&repaired)))?;
        } else {
            writeln!(out, "{}", done(context, &repaired))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Repair {
    /// The log that is meant, and where it is.
    fn which(&self, context: &Context, rooms: &Rooms) -> Result<(Log, PathBuf), Failure> {
        if self.log == GATEWAY {
            return Ok((Log::Gateway, rooms.directory.audit()));
        }
        let logs = haechi_audit::logs(rooms.directory.path())
            .map_err(|error| Failure::unknown(format!("the logs cannot be listed: {error}")))?;
        let found = logs.into_iter().find(|(name, _)| *name == self.log);
        let instance = self.log.strip_prefix("run/");
        let (Some((_, directory)), Some(instance)) = (found, instance) else {
            let none = context.say("there is no such log", "그런 로그가 없습니다");
            return Err(Failure::unknown(none).help("`haechi audit verify` names those there are"));
        };
        Ok((Log::Run(instance.to_owned()), directory))
    }
}

/// As the log's writer has them: `haechi run` leaves those of the present folder alone.
fn settings(context: &Context, log: &Log) -> Result<Settings, Failure> {
    match log {
        Log::Run(_) if context.common.config.is_none() => Ok(Settings::standard()),
        _ => context.settings(),
    }
}

/// Why the log `log` is not opened, in the reader's language where it lost entries.
pub(in crate::cli) fn refused(context: &Context, log: &str, error: AssemblyError) -> Failure {
    match &error {
        AssemblyError::Audit(problem) if is_loss(problem) => {
            Failure::unknown(wrong(context, problem)).help(how(context, log))
        }
        _ => error.into(),
    }
}

const fn is_loss(problem: &OpenError) -> bool {
    matches!(
        problem,
        OpenError::Damaged { .. }
            | OpenError::NoCheckpoint { .. }
            | OpenError::Signed(_)
            | OpenError::Shorter { .. }
            | OpenError::OtherTree { .. }
            | OpenError::Minimum(_)
            | OpenError::Unrepaired
    )
}

fn of_repair(error: &RepairError) -> Failure {
    Failure::unknown(chain(error)).help(error.help())
}

/// What can still be read of a log, as far as it goes.
#[derive(Debug, Default)]
struct Found {
    first: Option<u64>,
    /// The last entry before the first one that does not read, and when it was written.
    last: Option<(u64, Timestamp)>,
    /// When the newest checkpoint was written.
    signed_at: Option<Timestamp>,
    /// What reading all of it found.
    findings: Vec<Finding>,
}

/// Findings that are told; `haechi audit verify` tells them all.
const MOST_FINDINGS: usize = 20;

impl Found {
    fn look(directory: &Path) -> Self {
        let mut found = Self::default();
        let written = std::fs::metadata(directory.join("checkpoint"));
        let written = written.and_then(|it| it.modified()).ok();
        let since = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        found.signed_at = since.map(|since| Timestamp::from_secs(since.as_secs()));
        found.findings = findings(directory).unwrap_or_default();
        let Ok(reader) = Reader::open(directory) else { return found };
        for entry in reader.entries(0).map_while(Result::ok) {
            found.first.get_or_insert(entry.sequence);
            found.last = Some((entry.sequence, entry.at));
        }
        found
    }

    fn tell(&self, context: &Context, loss: &Loss, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "{}: {}", context.say("wrong", "문제"), wrong(context, &loss.problem))?;
        for finding in &self.findings {
            writeln!(out, "- {}", visible(&finding::text(context, finding)))?;
        }
        if let (Some(first), Some((last, at))) = (self.first, self.last) {
            let readable = context.say(
                &format!("entries {first} to {last} can be read; the last is of {at}"),
                &format!("항목 {first}부터 {last}까지 읽을 수 있습니다. 마지막 시각은 {at}입니다"),
            );
            writeln!(out, "{readable}")?;
        }
        if let Some(at) = self.signed_at {
            let signed = context.say(
                &format!("the file `checkpoint` is of {at}"),
                &format!("`checkpoint` 파일의 시각은 {at}입니다"),
            );
            writeln!(out, "{signed}")?;
        }
        Ok(())
    }

    fn json(&self, loss: &Loss, repaired: Option<&Repaired>) -> serde_json::Value {
        json!({
            "ok": repaired.is_some(),
            "problem": chain(&loss.problem),
            "detail": loss.detail,
            "findings": self.findings.iter().map(|finding| chain(finding)).collect::<Vec<_>>(),
            "first": self.first,
            "last": self.last.map(|(last, _)| last),
            "last_at": self.last.map(|(_, at)| at.to_string()),
            "checkpoint_at": self.signed_at.map(|at| at.to_string()),
            "aside": loss.aside,
            "origin": repaired.map(|it| &it.origin),
        })
    }
}

/// What is wrong with single entries, as far as the log's own keys tell.
fn findings(directory: &Path) -> Option<Vec<Finding>> {
    let view = View::open(directory).ok()?;
    let trust = view.own_trust().ok()?;
    let report = view.verify(&Demand::new(&trust)).ok()?;
    let changed = report.findings.into_iter().filter(|it| it.weight() == Weight::Change);
    Some(changed.take(MOST_FINDINGS).collect())
}

/// What is wrong, in the reader's language.
pub(in crate::cli) fn wrong(context: &Context, problem: &OpenError) -> String {
    let english = chain(problem);
    let korean = match problem {
        OpenError::Damaged { segment, offset, sequence } => {
            format!(
                "감사 로그의 항목 {sequence}이(가) `{segment}`의 {offset}바이트에서 손상되었습니다"
            )
        }
        OpenError::NoCheckpoint { entries } => {
            format!("감사 로그에 항목 {entries}개가 있으나 체크포인트가 없습니다")
        }
        OpenError::Signed(_) => "마지막 체크포인트가 이 감사 로그의 것이 아닙니다".to_owned(),
        OpenError::Shorter { signed, found } => format!(
            "마지막 체크포인트는 항목 {signed}개를 보증하나 감사 로그에는 {found}개만 있습니다"
        ),
        OpenError::OtherTree { size } => {
            format!("감사 로그의 항목이 항목 {size}개를 보증하는 마지막 체크포인트와 다릅니다")
        }
        OpenError::Minimum(_) => {
            "어디까지 정리했는지 적은 `minimum` 파일이 이 감사 로그의 것이 아닙니다".to_owned()
        }
        OpenError::Unrepaired => "감사 로그를 따로 보관하던 중에 중단되었습니다".to_owned(),
        _ => english.clone(),
    };
    context.say(&english, &korean)
}

fn how(context: &Context, log: &str) -> String {
    let which = if log == GATEWAY { String::new() } else { format!(" --log {log}") };
    let command = format!("haechi audit repair{which} --accept-loss");
    context.say(
        &format!(
            "calls are refused until this is settled: restore the directory from a backup; where \
             there is none, `{command}` sets it aside, records the loss and begins a new log"
        ),
        &format!(
            "해결될 때까지 호출은 거부됩니다. 백업에서 디렉터리를 복원하세요. 백업이 없으면 \
             `{command}`가 로그를 따로 보관하고 손실을 기록한 뒤 새 로그를 시작합니다"
        ),
    )
}

fn done(context: &Context, repaired: &Repaired) -> String {
    let (aside, origin) = (repaired.aside.display(), &repaired.origin);
    context.say(
        &format!("the log is set aside in `{aside}`; `{origin}` begins, and says what was lost"),
        &format!(
            "로그를 `{aside}`에 따로 보관했습니다. `{origin}`이(가) 손실을 기록하며 시작합니다"
        ),
    )
}
