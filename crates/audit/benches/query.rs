//! How long questions take, what an index costs to make and to keep.
//!
//! Writes a log below `TMPDIR` as a gateway would in about a hundred days: 1 000 000 entries, or as
//! many as `HAECHI_BENCH_ENTRIES` says (about 500 bytes each). *cold* is the first time a question
//! is asked, with the pages of index and segments dropped where the system lets us; *warm* the second.
//! `cargo bench -p haechi-audit --bench query`.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haechi_audit::{AuditConfig, AuditLog, Durability, EventKind, Keep, Query};
use haechi_core::{
    Action, Clock, Completion, Conclusion, Entropy, Era, Event, FindingCount, Intent, ManualClock,
    Means, Sealed, SeededEntropy, Sid, SignIn, Timestamp,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const BEGIN: Timestamp = Timestamp(1_790_000_000_000);
/// Persons who call; a few of them call most.
const PERSONS: u32 = 5000;

fn main() -> Outcome<()> {
    let count = count()?;
    let folder = tempfile::tempdir()?;
    let data = folder.path();
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let end = runtime.block_on(write(data, count))?;
    let (segments, bytes) = size(&data.join("audit/segments"))?;
    let took = start.elapsed().as_secs_f64();
    println!("{count} entries in {segments} segments, {} bytes each, {took:.0} s", bytes / count);

    let _ = fs::remove_dir_all(data.join("audit/index"));
    let start = Instant::now();
    Query { persons: vec![person(7)], ..Query::default() }.run(data)?;
    let built = start.elapsed();
    let (files, bytes) = size(&data.join("audit/index"))?;
    let each = built.as_nanos() / u128::from(count);
    println!(
        "{files} indexes: {built:.1?}, {each} ns and {:.1} bytes an entry",
        bytes as f64 / count as f64
    );

    for (name, query) in questions(end) {
        forget(data)?;
        let (cold, found) = ask(data, &query)?;
        let (warm, _) = ask(data, &query)?;
        println!("{name:<42} {found:>6} found {cold:>10.1?} cold {warm:>10.1?} warm");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench is told by its environment how large it is")]
fn count() -> Outcome<u64> {
    Ok(std::env::var("HAECHI_BENCH_ENTRIES").map_or(Ok(1_000_000), |text| text.parse())?)
}

fn questions(end: Timestamp) -> Vec<(&'static str, Query)> {
    let all = Query::default;
    let text = |text: &str| vec![text.to_owned()];
    let day = |days: u64| Some(end.before(Duration::from_secs(86_400 * days)));
    vec![
        ("a busy person", Query { persons: vec![person(0)], ..all() }),
        ("a person who calls rarely", Query { persons: vec![person(PERSONS - 1)], ..all() }),
        ("nobody", Query { persons: vec![person(u32::MAX)], ..all() }),
        ("a tool", Query { tools: text("crm:tool3"), ..all() }),
        ("a tool that is hardly used", Query { tools: text("crm:rare"), ..all() }),
        ("a tool nobody has", Query { tools: text("none"), ..all() }),
        ("denied", Query { decisions: text("deny"), ..all() }),
        (
            "denied to a person",
            Query { persons: vec![person(99)], decisions: text("deny"), ..all() },
        ),
        ("a finding", Query { findings: text("EMAIL_ADDRESS"), ..all() }),
        ("a rare finding", Query { findings: text("KR_RRN"), ..all() }),
        (
            "a finding, of a person, last month",
            Query {
                findings: text("EMAIL_ADDRESS"),
                persons: vec![person(3)],
                since: day(30),
                ..all()
            },
        ),
        ("an hour fifty days ago", Query { since: day(50), until: hour_after(day(50)), ..all() }),
        (
            "a person on that day",
            Query { persons: vec![person(1)], since: day(50), until: day(49), ..all() },
        ),
        ("failed sign-ins", Query { sign_ins: text("failure"), ..all() }),
        ("what timed out", Query { completions: text("timed-out"), ..all() }),
        ("the newest of everything", all()),
        ("the oldest of everything", Query { keep: Keep::Oldest, ..all() }),
        (
            "the oldest of a rare person",
            Query { persons: vec![person(PERSONS - 1)], keep: Keep::Oldest, ..all() },
        ),
        ("starts and stops", Query { kinds: vec![EventKind::Log], ..all() }),
    ]
}

fn hour_after(at: Option<Timestamp>) -> Option<Timestamp> {
    at.map(|at| at.after(Duration::from_secs(3600)))
}

fn ask(data: &Path, query: &Query) -> Outcome<(Duration, usize)> {
    let start = Instant::now();
    let answer = query.run(data)?;
    if let Some((log, error)) = answer.problems.into_iter().next() {
        return Err(format!("{log}: {error}").into());
    }
    Ok((start.elapsed(), answer.records.len()))
}

/// Lets the system forget the pages of a log's files.
fn forget(data: &Path) -> Outcome<()> {
    for folder in ["audit/segments", "audit/index"] {
        for file in fs::read_dir(data.join(folder))? {
            let file = File::open(file?.path())?;
            file.sync_data()?;
            #[cfg(target_os = "linux")]
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

fn size(folder: &Path) -> Outcome<(usize, u64)> {
    let files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let sizes = files.iter().map(|file| Ok(file.metadata()?.len()));
    Ok((files.len(), sizes.sum::<Outcome<u64>>()?))
}

async fn write(data: &Path, count: u64) -> Outcome<Timestamp> {
    let clock = Arc::new(ManualClock::at(BEGIN));
    let durability = Durability::Kill;
    let config = AuditConfig { durability, ..AuditConfig::new(data.join("audit"), "bench") };
    let (log, _) = AuditLog::open(config, Arc::clone(&clock) as Arc<dyn Clock>)?;
    let step = Duration::from_micros(100 * 86_400 * 1_000_000 / (count / 2).max(1));
    let mut dice = Dice(SeededEntropy::new(1));
    for _ in 0..count / 2 {
        clock.advance(step);
        match dice.roll(1000)? {
            0..30 => {
                let decision = "deny".to_owned();
                let rules = vec!["nobody may".to_owned()];
                let call = Intent { decision, rules, ..intent(&mut dice)? };
                log.refuse(call, conclusion(&mut dice)?).await?;
            }
            30..40 => {
                let success = dice.roll(5)? != 0;
                let reason = (!success).then(|| "wrong-password".to_owned());
                let sid = caller(&mut dice)?;
                log.note(Event::SignIn(SignIn { sid, success, reason, address: None })).await?;
            }
            _ => {
                let (_, open) = log.intend(intent(&mut dice)?).await?;
                open.conclude(conclusion(&mut dice)?)?;
            }
        }
    }
    log.close().await;
    Ok(clock.now())
}

#[derive(Debug)]
struct Dice(SeededEntropy);

impl Dice {
    fn roll(&mut self, sides: u32) -> Outcome<u32> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).map_err(|_| "no numbers")?;
        Ok(u32::try_from(u64::from_le_bytes(bytes) % u64::from(sides))?)
    }
}

fn person(number: u32) -> Sid {
    Sid(format!("{number:08x}89abcdef0123456789abcdef").into())
}

fn caller(dice: &mut Dice) -> Outcome<Sid> {
    let most = 1 + dice.roll(PERSONS)?;
    Ok(person(dice.roll(most)?))
}

fn findings(dice: &mut Dice) -> Outcome<Vec<FindingCount>> {
    let kind = match dice.roll(10_000)? {
        0..300 => "EMAIL_ADDRESS",
        300..500 => "PHONE_NUMBER",
        500 => "KR_RRN",
        _ => return Ok(Vec::new()),
    };
    let path = "/content/*/text".to_owned();
    Ok(vec![FindingCount { kind: kind.into(), path, count: 1, action: "mask".into() }])
}

fn intent(dice: &mut Dice) -> Outcome<Intent> {
    let upstream =
        ["files", "crm", "mail", "wiki"].into_iter().nth(usize::try_from(dice.roll(4)?)?);
    let tool = dice.roll(20_000)?;
    Ok(Intent {
        sid: caller(dice)?,
        who: Some(Sealed("A".repeat(60))),
        means: Means::OwnToken,
        credential: None,
        roles: vec!["user".to_owned()],
        address: None,
        client: None,
        client_id: None,
        route: "/files/mcp".to_owned(),
        era: Era::Modern,
        upstream: upstream.unwrap_or_default().to_owned(),
        action: Action::CallTool,
        method: "tools/call".to_owned(),
        name: if tool == 0 { "rare".to_owned() } else { format!("tool{}", tool % 40) },
        sensitive: tool.is_multiple_of(50),
        parameters: Vec::new(),
        decision: "permit".to_owned(),
        rules: vec![format!("role user, rule {}", dice.roll(5)?)],
        stage: None,
        findings: findings(dice)?,
        policy_epoch: 3,
        request_bytes: 212,
        trace_id: None,
    })
}

fn conclusion(dice: &mut Dice) -> Outcome<Conclusion> {
    Ok(Conclusion {
        intent: 0,
        completion: match dice.roll(1000)? {
            0 => Completion::TimedOut,
            1..20 => Completion::ToolError,
            _ => Completion::Answered,
        },
        error_code: None,
        duration_us: 812,
        response_bytes: 1410,
        messages: 1,
        findings: findings(dice)?,
        result: None,
    })
}
