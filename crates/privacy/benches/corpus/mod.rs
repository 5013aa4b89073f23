//! What is scanned: development data where it is, made text where it is not.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each corpus by its name: documents of some kilobytes.
pub(crate) fn all() -> Vec<(&'static str, Vec<String>)> {
    vec![
        ("prose", file("en_lifebench_part").unwrap_or_else(made_prose)),
        ("json", made_json()),
        ("korean", file("ko_klue_dev_first4000").map(join).unwrap_or_else(made_korean)),
        ("clean", clean()),
    ]
}

/// The texts of one development file; unpacked by the system, so that no crate is needed for it.
#[expect(clippy::disallowed_methods, reason = "a bench has no settings")]
fn file(name: &str) -> Option<Vec<String>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pii");
    let folder = env::var_os("HAECHI_PII_DATA").map_or(beside, PathBuf::from);
    let packed = folder.join(format!("{name}.jsonl.gz"));
    if !packed.exists() {
        return None;
    }
    let unpacked = Command::new("gzip").arg("-dc").arg(packed).output().ok()?.stdout;
    let lines = String::from_utf8(unpacked).ok()?;
    let texts = lines.lines().filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line.get("text")?.as_str()?.to_owned())
    });
    Some(texts.collect())
}

/// Sentences put together to documents of about 4 kB.
fn join(sentences: Vec<String>) -> Vec<String> {
    let mut documents = vec![String::new()];
    for sentence in sentences {
        if documents.last().is_some_and(|document| document.len() > 4_000) {
            documents.push(String::new());
        }
        if let Some(document) = documents.last_mut() {
            document.push_str(&sentence);
            document.push('\n');
        }
    }
    documents
}

fn made_prose() -> Vec<String> {
    let sentence = "On the way home they talked about the garden, the 3 new neighbours and how the \
                    meeting at 14:30 had gone; nobody knew who had sent the parcel from Leeds. ";
    vec![sentence.repeat(25); 200]
}

fn made_korean() -> Vec<String> {
    let sentence = "지난 회의에서 정한 대로 담당자는 다음 주까지 자료를 정리하여 공유하고, 예산 1,200만 원은 3월에 집행한다.\n";
    vec![sentence.repeat(30); 200]
}

/// Results of tools: records with ids, states, times, texts, and some personal data.
fn made_json() -> Vec<String> {
    let mut random = 0x9e37_79b9_u64;
    let mut next = move |below: u64| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut document = || {
        let mut text = String::from("{\"items\":[");
        for index in 0..12 {
            let comma = if index > 0 { "," } else { "" };
            write!(
                text,
                "{comma}{{\"id\":{},\"uuid\":\"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}\",\"state\":\"{}\",\
                 \"created_at\":\"2026-0{}-1{}T0{}:1{}:00Z\",\"title\":\"Quarterly review of the {} report\",\
                 \"labels\":[\"bug\",\"needs-triage\"],\"author\":{{\"login\":\"dev{}\",\"email\":\"dev{}@example.org\",\
                 \"site_admin\":false}},\"comments\":{},\"url\":\"https://git.example.org/repos/{}/issues/{}\",\
                 \"body\":\"The build fails on main since yesterday. Steps to reproduce are in the log.\"}}",
                1_000_000 + next(9_000_000), next(1 << 32), next(1 << 16), next(1 << 12), next(1 << 12),
                next(1 << 48), if next(2) == 0 { "open" } else { "closed" }, 1 + next(9), next(9), next(9),
                next(9), next(1000), next(50), next(50), next(30), next(500), next(5000),
            )
            .unwrap_or_default();
        }
        text.push_str("],\"total_count\":12}");
        text
    };
    (0..400).map(|_| document()).collect()
}

/// Text without anything to find, and without digits.
fn clean() -> Vec<String> {
    let sentence = "The committee agreed that the new layout is easier to read, and that the older pages \
                    should be moved to the archive before the end of the season. ";
    vec![sentence.repeat(25); 200]
}
