//! What the guard adds to one `tools/call` of a server of one's own, in both protocol eras.
//!
//! A client of `rmcp` calls the same tool over a pipe of this process, one call after the other:
//! of the bare server, and of the server with the guard around it. Printed is the processor time
//! of the whole process per call, the server's and the client's and that of the thread which
//! writes the audit log, and how often memory was asked for. Every row has its turn in every
//! round, and its median round counts, so that a machine with other work slows all rows alike.
//! `cargo bench -p haechi-embed --bench wrapper`.
#![expect(clippy::print_stdout, reason = "the figures are the result")]

use std::alloc::System;
use std::error::Error;
use std::time::{Duration, Instant};

use haechi_embed::{Haechi, Recording, SecureServer, ToolSecurity, Who};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolRequestParams, JsonObject, ProtocolVersion, ServerCapabilities, ServerConfig,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService};
use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tempfile::TempDir;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 9;

/// What a guard is made of, by the name of its row: settings, whether calls are recorded, and
/// whether arguments and results are long.
const GUARDED: [(&str, &str, bool, bool); 8] = [
    ("roles; audit survives a power cut", POWER_CUT, true, false),
    ("roles; audit survives a kill", KILL, true, false),
    ("roles; permitted calls not recorded", KILL, false, false),
    ("roles; not recorded, 2 KB both ways", KILL, false, true),
    ("  and patterns of personal data", PATTERNS, false, true),
    ("  and names in free text", NAMES, false, true),
    ("roles; recorded, 2 KB both ways", KILL, true, true),
    ("  and patterns of personal data", PATTERNS, true, true),
];
const POWER_CUT: &str = "limits = { calls_per_minute = 60000000 }";
const KILL: &str = "limits = { calls_per_minute = 60000000 }\naudit = { durability = \"kill\" }";
const PATTERNS: &str = "limits = { calls_per_minute = 60000000 }\n\
    audit = { durability = \"kill\" }\nprivacy = { enabled = true, names = false }";
const NAMES: &str = "limits = { calls_per_minute = 60000000 }\n\
    audit = { durability = \"kill\" }\nprivacy = { enabled = true, names = true }";

/// Words of nobody in particular.
const CLEAN: &str = "the tide tables of this harbour are printed each spring and hung by the gate ";

#[derive(Clone, Debug)]
struct Harbour;

#[derive(Debug, Deserialize, JsonSchema)]
struct Text {
    text: String,
}

#[tool_router]
impl Harbour {
    /// Answers what it got.
    #[tool]
    async fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }
}

#[tool_handler]
impl ServerHandler for Harbour {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

#[derive(Clone, Copy, Debug)]
enum Spoken {
    Legacy,
    Modern,
}

/// One row: a client whose server is bare or guarded.
struct Row {
    name: &'static str,
    client: RunningService<RoleClient, ()>,
    call: CallToolRequestParams,
    rounds: Vec<Cost>,
    // What the guard keeps, for as long as it does.
    _kept: Option<(Haechi, TempDir)>,
}

/// What one call costs, on the average of a round.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    micros: f64,
    allocations: f64,
    bytes: f64,
    wall_micros: f64,
}

fn main() -> Outcome<()> {
    // One thread: what two wait for each other would be counted too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for spoken in [Spoken::Legacy, Spoken::Modern] {
            println!(
                "{:40} {:>11} {:>7} {:>12} {:>8} {:>8} {:>11}",
                format!("{spoken:?}"),
                "CPU/call",
                "more",
                "allocations",
                "more",
                "KB/call",
                "wall/call",
            );
            compare(spoken).await?;
        }
        Ok(())
    })
}

async fn compare(spoken: Spoken) -> Outcome<()> {
    let mut rows = Vec::new();
    for (name, long) in [("bare", false), ("bare, 2 KB both ways", true)] {
        rows.push(row(name, client(Harbour, spoken).await?, long, None));
    }
    for (name, settings, recorded, long) in GUARDED {
        let (server, kept) = guarded(settings, recorded).await?;
        rows.push(row(name, client(server, spoken).await?, long, Some(kept)));
    }
    for round in 0..=ROUNDS {
        for row in &mut rows {
            let cost = measure(row).await?;
            // The first fills caches and compiles what is compiled late.
            if round > 0 {
                row.rounds.push(cost);
            }
        }
    }
    let costs: Vec<Cost> = rows.iter().map(|row| median(&row.rounds)).collect();
    for (row, cost) in rows.iter().zip(&costs) {
        let bare = usize::from(is_long(row));
        let bare = costs.get(bare).copied().unwrap_or_default();
        println!(
            "{:40} {:>8.1} µs {:>+7.1} {:>12.0} {:>+8.0} {:>8.1} {:>8.0} µs",
            row.name,
            cost.micros,
            cost.micros - bare.micros,
            cost.allocations,
            cost.allocations - bare.allocations,
            cost.bytes / 1024.0,
            cost.wall_micros,
        );
    }
    Ok(())
}

fn row(
    name: &'static str,
    client: RunningService<RoleClient, ()>,
    long: bool,
    kept: Option<(Haechi, TempDir)>,
) -> Row {
    let text = CLEAN.repeat(if long { 2048 / CLEAN.len() } else { 1 });
    let mut arguments = JsonObject::new();
    arguments.insert("text".to_owned(), text.into());
    let call = CallToolRequestParams::new("echo").with_arguments(arguments);
    Row { name, client, call, rounds: Vec::new(), _kept: kept }
}

fn is_long(row: &Row) -> bool {
    row.name.contains("2 KB") || row.name.starts_with(' ')
}

async fn guarded(
    settings: &str,
    recorded: bool,
) -> Outcome<(SecureServer<Harbour>, (Haechi, TempDir))> {
    let folder = tempfile::tempdir()?;
    let builder = Haechi::builder("harbour").data_directory(folder.path().join("data"));
    let haechi = builder.settings(settings).owner_roles(&["user"]).build().await?;
    let recording = if recorded { Recording::Names } else { Recording::Off };
    let rules = ToolSecurity::new(Who::Roles(&["user"])).with_recording(recording);
    haechi.enforce(&[("echo".into(), rules)])?;
    let caller = haechi.stdio_caller().await?;
    let server = SecureServer::undecorated(Harbour, &haechi).for_caller(caller);
    Ok((server, (haechi, folder)))
}

async fn client(
    server: impl ServerHandler,
    spoken: Spoken,
) -> Outcome<RunningService<RoleClient, ()>> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        if let Ok(running) = server.serve(far).await {
            let _ended = running.waiting().await;
        }
    });
    let lifecycle = match spoken {
        Spoken::Legacy => ClientLifecycleMode::Initialize,
        Spoken::Modern => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
    };
    Ok(().serve_with_lifecycle(near, lifecycle).await?)
}

/// Calls for a while, and what one call cost.
async fn measure(row: &Row) -> Outcome<Cost> {
    let (start, cpu, memory) = (Instant::now(), cpu_time()?, Region::new(MEMORY));
    let mut calls = 0_u32;
    while start.elapsed() < Duration::from_millis(250) {
        for _ in 0..20 {
            let answer = row.client.call_tool(row.call.clone()).await?;
            if answer.is_error == Some(true) || answer.content.is_empty() {
                return Err("the call was refused".into());
            }
        }
        calls += 20;
    }
    let (took, asked) = (start.elapsed(), memory.change());
    let cpu = cpu_time()?.saturating_sub(cpu);
    let calls = f64::from(calls);
    Ok(Cost {
        micros: cpu.as_secs_f64() * 1e6 / calls,
        allocations: (asked.allocations + asked.reallocations) as f64 / calls,
        bytes: asked.bytes_allocated as f64 / calls,
        wall_micros: took.as_secs_f64() * 1e6 / calls,
    })
}

fn median(rounds: &[Cost]) -> Cost {
    let of = |figure: fn(&Cost) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or_default()
    };
    Cost {
        micros: of(|cost| cost.micros),
        allocations: of(|cost| cost.allocations),
        bytes: of(|cost| cost.bytes),
        wall_micros: of(|cost| cost.wall_micros),
    }
}

/// Processor time of all threads of this process.
fn cpu_time() -> Outcome<Duration> {
    // Whoever runs is counted up to where it last gave the processor away.
    std::thread::yield_now();
    let mut sum = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task")? {
        let figures = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let nanos = figures.split_whitespace().next().ok_or("no figures of a thread")?;
        sum += Duration::from_nanos(nanos.parse()?);
    }
    Ok(sum)
}
