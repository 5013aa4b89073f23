//! What is given up by itself when its time is over, and what stands against it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_assembly::{
    Act, Administrator, Assembly, DataDirectory, Done, Extras, Failure, Log, Settings,
};
use haechi_audit::Reader;
use haechi_audit::retention::{Archived, PruneError, whole_segments};
use haechi_core::{Administration, Event, ManualClock, Sid, Timestamp};
use haechi_vault::DATA_SUBJECT;

const DAY: Duration = Duration::from_secs(24 * 3600);
const NOW: Timestamp = Timestamp(1_795_353_258_007);
const RECIPIENT: &str = "age16477jxz9e42l5ygw223hpwvtfw2hmt3jyd9skkczwy0ls05tpuzs44rs90";

fn settings(keep: &str) -> Settings {
    let small = "[audit]\nsegment_size = \"256 KiB\"\nreserve = \"64 KiB\"\n";
    Settings::parse(&format!("{small}[audit.keep]\n{keep}\n"), Path::new("/base")).unwrap()
}

/// A gateway without calls whose log grows by notes, at a time of the test's own.
struct Stand {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    settings: Settings,
    assembly: Assembly,
    administrator: Administrator,
}

impl Stand {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        std::fs::create_dir(&archive).unwrap();
        let keep = format!(
            "time = \"30d\"\narchive = \"{}\"\nrecipients = [\"{RECIPIENT}\"]",
            archive.display()
        );
        let (settings, clock) = (settings(&keep), Arc::new(ManualClock::at(NOW)));
        let directory = DataDirectory::open(&folder.path().join("data")).unwrap();
        let extras = Extras { clock: Some(clock.clone()), ..Extras::default() };
        let assembly = Assembly::open_with(&settings, directory, &Log::Gateway, extras).await;
        let assembly = assembly.unwrap();
        let administrator =
            Administrator::new(assembly.rooms.clone(), assembly.audit.clone(), &settings);
        Self { folder, clock, settings, assembly, administrator }
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("data/audit")
    }

    /// Notes until so many segments are over.
    async fn fill(&self, segments: usize) {
        while whole_segments(&self.log()).unwrap().len() < segments {
            let entry = Administration {
                sid: Sid("0".repeat(32).into()),
                act: "test".to_owned(),
                object: "x".repeat(2000),
                detail: Vec::new(),
            };
            self.assembly.audit.note(Event::Administration(entry)).await.unwrap();
        }
    }

    async fn give_up(&self) -> Result<Option<Done>, Failure> {
        self.administrator.give_up_old(&self.settings.audit.keep).await
    }

    fn acts(&self, name: &str) -> Vec<Administration> {
        let first = whole_segments(&self.log()).unwrap().first().map_or(0, |it| it.first);
        let entries = Reader::open(&self.log()).unwrap().entries(first);
        let act = |event| match event {
            Event::Administration(act) if act.act == name => Some(act),
            _ => None,
        };
        entries.filter_map(|entry| act(entry.unwrap().event)).collect()
    }
}

#[tokio::test]
async fn what_is_older_than_the_settings_keep_is_archived_and_given_up() {
    let stand = Stand::new().await;
    stand.fill(2).await;
    assert!(matches!(stand.give_up().await, Ok(None)), "nothing is old yet");
    stand.clock.advance(31 * DAY);
    stand.fill(3).await;
    let whole = whole_segments(&stand.log()).unwrap();
    // The third is over since now only: its first entries are as old as those before it.
    let minimum = whole[2].first;
    let done = stand.give_up().await.unwrap();
    assert_eq!(done, Some(Done::Pruned { minimum, segments: 2, entries: minimum }));
    assert_eq!(whole_segments(&stand.log()).unwrap()[0].first, minimum);
    let archived = std::fs::read_dir(stand.folder.path().join("archive")).unwrap().count();
    assert_eq!(archived, 2);
    let told = stand.acts("audit.prune");
    let archives = told[0].detail.iter().filter(|it| it.starts_with("archive:")).count();
    assert_eq!((told[0].detail[0].as_str(), archives), ("asked", 2));
    assert_eq!(told[1].detail[0], "done");
    assert!(matches!(stand.give_up().await, Ok(None)), "once");
}

#[tokio::test]
async fn while_anything_is_held_nothing_is_given_up() {
    let stand = Stand::new().await;
    stand.fill(2).await;
    stand.clock.advance(31 * DAY);
    let (name, reason) = ("case-7".to_owned(), "a claim".to_owned());
    let hold = Act::HoldLog { name: name.clone(), reason };
    stand.administrator.perform(hold, 0).await.unwrap();
    let held = stand.give_up().await;
    assert!(matches!(&held, Err(Failure::Held(names)) if *names == ["case-7"]), "{held:?}");
    stand.administrator.perform(Act::ReleaseLog { name }, 0).await.unwrap();
    let subjects = &stand.assembly.rooms.safe.subjects;
    let sid = subjects.register(DATA_SUBJECT, "C-1001").await.unwrap();
    subjects.hold(&sid, "case-8", "a claim").await.unwrap();
    let minimum = whole_segments(&stand.log()).unwrap()[1].first;
    for held in [
        stand.give_up().await.map(drop),
        stand.administrator.perform(Act::PruneLog { minimum, archived: None }, 0).await.map(drop),
        stand.assembly.rooms.refuse_while_held().await,
    ] {
        let on = format!("{sid}:case-8");
        assert!(matches!(&held, Err(Failure::Held(names)) if *names == [on]), "{held:?}");
    }
    subjects.release(&sid, "case-8").await.unwrap();
    assert!(matches!(stand.give_up().await, Ok(Some(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn holds_that_are_set_at_once_all_stand() {
    let stand = Stand::new().await;
    let hold = |number: usize| {
        let administrator = stand.administrator.clone();
        let (name, reason) = (format!("case-{number}"), "a claim".to_owned());
        tokio::spawn(async move { administrator.perform(Act::HoldLog { name, reason }, 0).await })
    };
    let set: Vec<_> = (0..40).map(hold).collect();
    for done in set {
        done.await.unwrap().unwrap();
    }
    assert_eq!(stand.assembly.rooms.standing_holds().await.unwrap().len(), 40);
}

#[tokio::test]
async fn what_an_export_has_not_confirmed_is_not_given_up() {
    let stand = Stand::new().await;
    stand.fill(2).await;
    let minimum = whole_segments(&stand.log()).unwrap()[1].first;
    let prune = Act::PruneLog { minimum, archived: None };
    let cursor = stand.folder.path().join("data/export/siem.cursor");
    std::fs::create_dir_all(cursor.parent().unwrap()).unwrap();
    for (next, gone) in [(0, false), (minimum - 1, false), (minimum, true)] {
        std::fs::write(&cursor, format!("{{\"v\":1,\"logs\":{{\"audit\":{next}}}}}")).unwrap();
        let done = stand.administrator.perform(prune.clone(), 0).await;
        if gone {
            assert!(done.is_ok(), "{done:?}");
        } else {
            let refused = matches!(&done, Err(Failure::NotExported { sink, next: it }) if sink == "siem" && *it == next);
            assert!(refused, "{done:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_archived_again_and_again_while_an_export_is_behind() {
    let stand = Stand::new().await;
    stand.fill(2).await;
    stand.clock.advance(31 * DAY);
    stand.fill(3).await;
    let cursor = stand.folder.path().join("data/export/siem.cursor");
    std::fs::create_dir_all(cursor.parent().unwrap()).unwrap();
    std::fs::write(&cursor, "{\"v\":1,\"logs\":{\"audit\":3}}").unwrap();
    for _ in 0..2 {
        let refused = stand.give_up().await;
        assert!(matches!(refused, Err(Failure::NotExported { .. })), "{refused:?}");
    }
    let archived = std::fs::read_dir(stand.folder.path().join("archive")).unwrap().count();
    assert_eq!(archived, 0);
}

#[tokio::test]
async fn what_no_archive_holds_is_not_given_up_by_whoever_says_that_one_does() {
    let stand = Stand::new().await;
    stand.fill(2).await;
    let whole = whole_segments(&stand.log()).unwrap();
    let minimum = whole[1].first;
    let file = stand.folder.path().join("archive/made-up.age");
    std::fs::write(&file, "not what was written").unwrap();
    let made_up = Archived { first: 0, last: minimum - 1, file, bytes: 20, sha256: "0".repeat(64) };
    let archived = Some(vec![made_up]);
    let refused = stand.administrator.perform(Act::PruneLog { minimum, archived }, 0).await;
    assert!(matches!(refused, Err(Failure::Prune(PruneError::Archive(_)))), "{refused:?}");
    assert_eq!(stand.acts("audit.prune")[1].detail[0], "not-done");
    assert_eq!(whole_segments(&stand.log()).unwrap()[0].first, 0);
}

#[test]
fn keeping_for_a_time_needs_an_archive_and_somebody_who_can_open_it() {
    let cases = [
        ("time = \"400d\"", "audit.keep.archive"),
        ("time = \"400d\"\narchive = \"/backup\"", "audit.keep.recipients"),
        ("archive = \"/backup\"\nrecipients = [\"age1\"]", "audit.keep.recipients[0]"),
        ("time = \"1h\"", "audit.keep.time"),
    ];
    for (text, key) in cases {
        let parsed = Settings::parse(&format!("[audit.keep]\n{text}\n"), Path::new("/base"));
        let problems = parsed.unwrap_err();
        assert!(problems.iter().any(|problem| problem.key == key), "{text}: {problems:?}");
    }
    let identity = "AGE-SECRET-KEY-1050FW2WD9AS2XAV0FEV9KJS0G8TKHPTQHW65RUHSA3NM6XD9VPGSDKVK0K";
    let text = format!("[audit.keep]\narchive = \"/backup\"\nrecipients = [\"{identity}\"]\n");
    let problems = Settings::parse(&text, Path::new("/base")).unwrap_err();
    assert!(!format!("{problems:?}").contains("050FW2"), "an identity is not repeated");
}
