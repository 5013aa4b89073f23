//! What a write that was acknowledged is worth: processes that are killed, and several at once.
//!
//! SIGKILL shows that nothing is acknowledged before it left the process; it does not show what a
//! power cut does, for which `synchronous = FULL` has SQLite sync the log before each answer.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use haechi_core::{RevocationStore, UserStore};
use haechi_storage::Sqlite;
use rusqlite::Connection;

use crate::backend::user;

const ACKNOWLEDGED: &str = "acknowledged ";

/// Runs in a child process: adds users until it is killed or has added enough, and says so after
/// each. Where, how it names them and how many come on stdin; without that it does nothing.
#[test]
#[ignore = "the other tests here start it in a process of its own"]
fn the_writer() {
    let mut order = String::new();
    std::io::stdin().read_line(&mut order).unwrap();
    let parts: Vec<_> = order.trim_end().split('\t').collect();
    let [path, prefix, count] = parts[..] else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(Path::new(path)).await.unwrap();
        for number in 0..count.parse::<u32>().unwrap() {
            let name = format!("{prefix}-{number}");
            let before = store.epoch().await.unwrap();
            store.add(user(&name, &name)).await.unwrap();
            assert!(store.epoch().await.unwrap() > before);
            println!("{ACKNOWLEDGED}{name}");
        }
    });
}

struct Writer(Child, BufReader<ChildStdout>);

impl Writer {
    fn start(path: &Path, prefix: &str, count: u32) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new(this);
        command.args(["--exact", "durability::the_writer", "--ignored", "--nocapture"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut order = child.stdin.take().unwrap();
        writeln!(order, "{}\t{prefix}\t{count}", path.display()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self(child, lines)
    }

    /// The next name that was acknowledged; `None` when the process has ended.
    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.1.read_line(&mut line).unwrap() > 0 {
            if let Some((_, name)) = line.trim_end().split_once(ACKNOWLEDGED) {
                return Some(name.to_owned());
            }
            line.clear();
        }
        None
    }
}

/// Asserts that the file is sound and holds every user of `names`.
async fn assert_kept(path: &Path, names: &[String]) {
    let store = Sqlite::open(path).await.unwrap();
    for name in names {
        assert!(UserStore::by_id(&store, name).await.unwrap().is_some(), "{name} was lost");
    }
    let kept = UserStore::list(&store, None, u32::MAX).await.unwrap().len();
    let epoch = store.epoch().await.unwrap();
    assert_eq!(epoch, u64::try_from(kept).unwrap(), "each user raised the epoch in the same step");
    let check = Connection::open(path).unwrap();
    let sound: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut names = Vec::new();
    for kill in 0..10 {
        let mut writer = Writer::start(&path, &format!("n-{kill}"), u32::MAX);
        for _ in 0..(1 + kill * 7) {
            names.push(writer.next().unwrap());
        }
        // SIGKILL, in the middle of whichever write it has come to.
        writer.0.kill().unwrap();
        writer.0.wait().unwrap();
        while let Some(name) = writer.next() {
            names.push(name);
        }
        assert_kept(&path, &names).await;
    }
}

#[tokio::test]
async fn processes_that_start_and_write_at_once_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut writers: Vec<_> =
        (0..4).map(|number| Writer::start(&path, &format!("p-{number}"), 25)).collect();
    let mut names = Vec::new();
    for writer in &mut writers {
        while let Some(name) = writer.next() {
            names.push(name);
        }
        assert!(writer.0.wait().unwrap().success());
    }
    assert_eq!(names.len(), 100);
    assert_kept(&path, &names).await;
}

#[tokio::test]
async fn a_process_sees_the_epoch_of_another_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::open(&path).await.unwrap();
    let mut writer = Writer::start(&path, "n", 30);
    let mut acknowledged = 0;
    while let Some(name) = writer.next() {
        acknowledged += 1;
        assert!(store.epoch().await.unwrap() >= acknowledged);
        assert!(UserStore::by_id(&store, &name).await.unwrap().is_some());
    }
    assert!(writer.0.wait().unwrap().success());
    assert_eq!(acknowledged, 30);
    assert_eq!(store.epoch().await.unwrap(), 30);
}
