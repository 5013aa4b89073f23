//! What is kept beside the entries is no evidence: who forges an index or the header of a segment
//! hides nothing from whoever asks the entries themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::report::{Period, Report};
use haechi_audit::{Query, Record};
use haechi_core::{Completion, ManualClock};

use crate::support::{NOW, end, intent, open_at};

const HOUR: Duration = Duration::from_secs(3600);

/// A log of several segments over some days. One call, early, is of the tool `name`.
async fn log(data: &Path, name: &str) {
    let clock = Arc::new(ManualClock::at(NOW));
    let (log, _) = open_at(&data.join("audit"), Arc::clone(&clock));
    for n in 0..1500 {
        clock.advance(Duration::from_secs(240));
        let call = intent(if n == 100 { name } else { "read" });
        let (_, open) = log.intend(call).await.unwrap();
        open.conclude(end(Completion::Answered)).unwrap();
    }
    log.close().await;
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(data.join("audit/segments")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "seg"));
    files.sort();
    files
}

fn ask(data: &Path, query: &Query) -> Vec<Record> {
    let answer = query.run(data).unwrap();
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
    answer.records
}

#[tokio::test]
async fn a_forged_index_hides_an_entry_and_not_from_whoever_asks_without_it() {
    let (real, twin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Of the same segments in all that an index names them by.
    log(real.path(), "evil").await;
    log(twin.path(), "good").await;
    let of_evil = Query { tools: vec!["evil".to_owned()], ..Query::default() };
    assert_eq!(ask(real.path(), &of_evil).len(), 2);
    assert_eq!(ask(twin.path(), &of_evil).len(), 0);
    let index = |data: &Path| data.join("audit/index/00000000000000000000.idx");
    fs::copy(index(twin.path()), index(real.path())).unwrap();
    assert_eq!(ask(real.path(), &of_evil).len(), 0, "the forged index is taken for its own");
    let forged = fs::read(index(real.path())).unwrap();
    let without = Query { by_index: false, ..of_evil };
    assert_eq!(ask(real.path(), &without).len(), 2);
    let piece = without.stream(real.path()).unwrap().next_piece(10);
    assert_eq!(piece.len(), 2);
    assert_eq!(fs::read(index(real.path())).unwrap(), forged, "nothing was written");
}

/// Writes another time, and the checksum, into the header of a segment: the tree does not cover it.
fn date(segment: &Path, at_ms: u64) {
    let mut bytes = fs::read(segment).unwrap();
    bytes[28..36].copy_from_slice(&at_ms.to_le_bytes());
    let sum = crc32c::crc32c(&bytes[..252]);
    bytes[252..256].copy_from_slice(&sum.to_le_bytes());
    fs::write(segment, bytes).unwrap();
}

#[tokio::test]
async fn a_forged_header_hides_nothing_from_a_question_or_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    log(data, "evil").await;
    let files = segments(data);
    assert!(files.len() >= 3, "{files:?}");
    let period = Period { from: NOW, to: NOW.after(1000 * HOUR) };
    let collect = || Report::collect(data, period, &mut |_| {}).unwrap().entries;
    let whole = collect();
    let query = Query {
        tools: vec!["evil".to_owned()],
        since: Some(NOW),
        until: Some(NOW.after(24 * HOUR)),
        by_index: false,
        ..Query::default()
    };
    assert_eq!(ask(data, &query).len(), 2);
    let after = NOW.after(5000 * HOUR).as_millis();
    // As if the first segment had begun long after the period, and the last before all others.
    date(&files[0], after);
    date(files.last().unwrap(), 1);
    assert_eq!(ask(data, &query).len(), 2);
    assert_eq!(collect(), whole);
    // As if the second one had begun before the period, so that the first cannot be in it.
    date(&files[0], 1);
    date(&files[1], 1);
    assert_eq!(ask(data, &query).len(), 2);
    assert_eq!(collect(), whole);
}
