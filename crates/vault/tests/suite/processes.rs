//! Erasure among processes, one of which is killed in the middle of it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use haechi_core::{
    ProtectError, Protection, Sid, SubjectKeyState, SubjectKeyStore as _, TokenStore as _,
};
use haechi_vault::{DATA_SUBJECT, ErasureRequest, Verdict};

use crate::people::{People, folder, stands_in};

const PROTECTED: &str = "protected ";
const ERASED: &str = "erased";

/// Runs in a child process: protects a value, says what came of it, waits for a line, and erases.
#[test]
#[ignore = "the other tests here start it in a process of its own"]
fn the_eraser() {
    let mut lines = std::io::stdin().lines().map(|line| line.unwrap());
    let Some(folder) = lines.next().filter(|folder| !folder.is_empty()) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let people = People::open(Path::new(&folder), 7).await;
        let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
        let token = people.protect(Protection::Token, "private", &ann).await.unwrap();
        println!("{PROTECTED}{ann} {token}");
        lines.next().unwrap();
        people.subjects.erase(&ann, ErasureRequest::default()).await.unwrap();
        println!("{ERASED}");
    });
}

struct Eraser(Child, BufReader<ChildStdout>);

impl Eraser {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes::the_eraser", "--ignored", "--nocapture"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut eraser = Self(child, lines);
        eraser.say(folder.to_str().unwrap());
        eraser
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// What follows `word` on the first line that has it.
    fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        while self.1.read_line(&mut line).unwrap() > 0 {
            if let Some((_, rest)) = line.trim_end().split_once(word) {
                return rest.to_owned();
            }
            line.clear();
        }
        panic!("the child ended without saying `{word}`");
    }

    /// The sid and the token.
    fn protected(&mut self) -> (Sid, String) {
        let said = self.hear(PROTECTED);
        let (sid, token) = said.split_once(' ').unwrap();
        (Sid(sid.into()), token.to_owned())
    }
}

impl Drop for Eraser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn what_another_process_erases_is_gone_here_at_once() {
    let folder = folder();
    let mut eraser = Eraser::start(folder.path());
    let (ann, token) = eraser.protected();
    let people = People::open(folder.path(), 1).await;
    assert_eq!(people.read(&token).await.unwrap().value.expose(), b"private");
    eraser.say("go");
    eraser.hear(ERASED);
    assert!(people.read(&token).await.is_err());
    let refused = people.protect(Protection::Token, "more", &ann).await;
    assert!(matches!(refused, Err(ProtectError::Gone)), "{refused:?}");
    let certificate = people.subjects.certificate(&ann).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::Erased);
}

#[tokio::test]
async fn an_erasure_whose_process_is_killed_is_finished_by_the_next() {
    let mut begun = 0;
    for delay_ms in [0, 3, 6, 12, 25, 50, 100, 200] {
        let folder = folder();
        let mut eraser = Eraser::start(folder.path());
        let (ann, token) = eraser.protected();
        let keys = People::open(folder.path(), 1).await.keys;
        let SubjectKeyState::Kept(kept) = keys.keys(&ann).await.unwrap() else { panic!() };
        drop(keys);
        eraser.say("go");
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        drop(eraser);

        let people = People::open(folder.path(), 2).await;
        let finished = people.subjects.finish_erasures().await.unwrap();
        assert!(finished.iter().all(|done| done.verdict == Verdict::Erased), "{finished:#?}");
        begun += finished.len();
        if people.subjects.certificate(&ann).await.is_err() {
            // It was killed before the erasure began: then nothing has happened.
            assert_eq!(people.read(&token).await.unwrap().value.expose(), b"private");
            people.subjects.erase(&ann, ErasureRequest::default()).await.unwrap();
        }
        assert!(people.read(&token).await.is_err());
        assert!(people.database.page(Some(&ann), None, 9).await.unwrap().is_empty());
        assert!(kept.iter().all(|key| !stands_in(folder.path(), &key.wrapped_key)));
        let certificate = people.subjects.certificate(&ann).await.unwrap();
        assert_eq!(certificate.verdict, Verdict::Erased);
    }
    println!("{begun} of 8 were killed in the middle");
}
