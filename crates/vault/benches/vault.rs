//! How many values a second one core protects and opens, by CPU time of the whole process.
//!
//! Values have 64 bytes and go in batches of 1000; stored tokens go into memory, and into SQLite below
//! `TMPDIR`, durable when acknowledged. `cargo bench -p haechi-vault --bench vault`; a word behind `--`
//! chooses the rows that contain it.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::error::Error;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use haechi_core::{
    Clock, Entropy, EntropyError, Place, Protection, Protector, Secret, Sid, Timestamp, ToOpen,
    ToProtect, TokenStore, VaultKeyStore,
};
use haechi_storage::{Memory, Sqlite};
use haechi_vault::{MemorySubjectKeys, Vault, VaultConfig, VaultStores};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const BATCH: usize = 1000;
const PERIOD: Duration = Duration::from_millis(1500);

fn main() -> Outcome<()> {
    let chosen = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    runtime.block_on(measure_all(chosen.as_deref().unwrap_or_default()))
}

async fn measure_all(chosen: &str) -> Outcome<()> {
    println!("{:<34} {:>12} {:>12} {:>10}", "", "CPU/s", "wall/s", "CPU each");
    let memory = Memory::new();
    let vault = open(Arc::new(memory.clone()), Arc::new(memory)).await?;
    let same = "mina.kim.the.long.one@department.of.some.company.example.com.kr";
    let rows = [
        ("seal", Protection::Seal, same, false),
        ("seal, person known", Protection::Seal, same, true),
        ("deterministic token", Protection::SameToken, same, false),
        ("digest", Protection::Hash, same, false),
        ("stored token, memory", Protection::Token, same, false),
        ("format, payment card", Protection::Format, "4111-1111-1111-1111", false),
        ("format, telephone", Protection::Format, "010-1234-5678", false),
        ("format, resident number", Protection::Format, "900101-1234568", false),
        ("format, e-mail address", Protection::Format, "mina.kim2@example.com", false),
    ];
    for (name, how, value, person) in rows.into_iter().filter(|row| row.0.contains(chosen)) {
        measure(name, &vault, how, value, person).await?;
    }
    if "stored token, SQLite".contains(chosen) {
        let folder = tempfile::tempdir()?;
        let store = Sqlite::open(&folder.path().join("bench.db")).await?;
        let vault = open(Arc::new(store.clone()), Arc::new(store)).await?;
        measure("stored token, SQLite", &vault, Protection::Token, same, false).await?;
    }
    if "recognize".contains(chosen) {
        recognize(&vault)?;
    }
    Ok(())
}

async fn open(keys: Arc<dyn VaultKeyStore>, tokens: Arc<dyn TokenStore>) -> Outcome<Vault> {
    let entropy: Arc<dyn Entropy> =
        Arc::new(Urandom(Mutex::new(std::fs::File::open("/dev/urandom")?)));
    let subjects = Arc::new(MemorySubjectKeys::new(Arc::clone(&entropy)));
    let stores = VaultStores { keys, tokens, subjects };
    let root = Secret::new(vec![7; 32]);
    Ok(Vault::open(stores, &root, VaultConfig::default(), Arc::new(SystemClock), entropy).await?)
}

/// Protects, then opens what was protected, each for [`PERIOD`].
async fn measure(
    name: &str,
    vault: &Vault,
    how: Protection,
    value: &str,
    person: bool,
) -> Outcome<()> {
    let kind = match name {
        "format, payment card" => "CREDIT_CARD",
        "format, telephone" => "PHONE_NUMBER",
        "format, resident number" => "KR_RRN",
        _ => "EMAIL_ADDRESS",
    };
    let place = Place {
        tenant: "acme".into(),
        upstream: "crm".into(),
        tool: "find_customer".into(),
        field: "/customers/*/email".into(),
        kind: kind.into(),
    };
    let sid = Sid("0123456789abcdef0123456789abcdef".into());
    let subject = person.then_some(&sid);
    let value = ToProtect { how, value, place: &place, subject, receiver: None };
    let values = vec![value; BATCH];
    let mut texts = vault.protect(&values).await?;
    let mut meter = Meter::start()?;
    while meter.runs() {
        texts = vault.protect(&values).await?;
    }
    meter.print(name)?;
    if how == Protection::Hash {
        return Ok(());
    }
    let to_open: Vec<ToOpen<'_>> =
        texts.iter().map(|text| ToOpen { text, place: &place }).collect();
    let mut meter = Meter::start()?;
    while meter.runs() {
        for opened in vault.open(&to_open).await {
            opened?;
        }
    }
    meter.print("  opened")
}

fn recognize(vault: &Vault) -> Outcome<()> {
    let words = "The quick brown fox jumps over the lazy dog, then writes to someone about it. ";
    let text = format!("{}tok_EMAIL_ADDRESS_{}", words.repeat(20), "a".repeat(26)).repeat(600);
    let (cpu, mut rounds) = (cpu_time()?, 0_u32);
    while cpu_time()?.saturating_sub(cpu) < PERIOD {
        let found = vault.recognize(&text).len();
        assert_eq!(found, 1);
        rounds += 1;
    }
    let bytes = text.len() as f64 * f64::from(rounds);
    let cpu = cpu_time()?.saturating_sub(cpu).as_secs_f64();
    println!("{:<34} {:>9.0} MB/s", "recognize", bytes / cpu / 1e6);
    Ok(())
}

/// Counts batches.
struct Meter {
    start: Instant,
    cpu: Duration,
    batches: u32,
}

impl Meter {
    fn start() -> Outcome<Self> {
        Ok(Self { start: Instant::now(), cpu: cpu_time()?, batches: 0 })
    }

    fn runs(&mut self) -> bool {
        let runs = self.start.elapsed() < PERIOD;
        self.batches += u32::from(runs);
        runs
    }

    fn print(&self, name: &str) -> Outcome<()> {
        let cpu = cpu_time()?.saturating_sub(self.cpu).as_secs_f64();
        let values = f64::from(self.batches) * BATCH as f64;
        println!(
            "{name:<34} {:>12.0} {:>12.0} {:>7.2} µs",
            values / cpu,
            values / self.start.elapsed().as_secs_f64(),
            cpu * 1e6 / values
        );
        Ok(())
    }
}

/// CPU time of this process, in steps of 10 ms.
fn cpu_time() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no process name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "a clock has to come from somewhere")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// One system call a time, as the operating system's chance costs.
#[derive(Debug)]
struct Urandom(Mutex<std::fs::File>);

impl Entropy for Urandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        let mut file = self.0.lock().map_err(|_| EntropyError)?;
        file.read_exact(out).map_err(|_| EntropyError)
    }
}
