//! What is kept and given up: archives, holds.

use std::path::{Path, PathBuf};
use std::process::Command;

use haechi_audit::retention::{
    Archive, ArchiveError, Archived, Hold, HoldError, Holds, Recipient, RecipientError,
    WholeSegment, archive, whole_segments,
};
use haechi_audit::tree::{Hash, Node, Nodes};
use haechi_audit::{AuditLog, Reader};
use haechi_core::{Completion, SeededEntropy, Timestamp};
use proptest::prelude::*;

use crate::support::{NOW, end, intent, open};

const IDENTITY: &str = "AGE-SECRET-KEY-1050FW2WD9AS2XAV0FEV9KJS0G8TKHPTQHW65RUHSA3NM6XD9VPGSDKVK0K";
const RECIPIENT: &str = "age16477jxz9e42l5ygw223hpwvtfw2hmt3jyd9skkczwy0ls05tpuzs44rs90";
/// A second one, whose identity nobody kept.
const OTHER: &str = "age10vlpfpjwsk0tgd93v7ralls9s5jxsn30s2mdvxjl0dwduvz4rs6qwde6ck";

/// The hashes of a log's entries, whatever its segments say by now.
struct Leaves(Vec<Hash>);

impl Nodes for Leaves {
    type Error = ();

    fn node(&mut self, node: Node) -> Result<Hash, ()> {
        assert_eq!(node.level, 0);
        self.0.get(usize::try_from(node.index).unwrap()).copied().ok_or(())
    }
}

/// A log of at least `segments` whole segments.
async fn fill(log: &AuditLog, directory: &Path, segments: usize) {
    while whole_segments(directory).unwrap().len() < segments {
        for number in 0..100 {
            let (_, open) = log.intend(intent(&format!("tool-{number}"))).await.unwrap();
            open.conclude(end(Completion::Answered)).unwrap();
        }
    }
}

fn leaves(directory: &Path) -> Leaves {
    let entries = Reader::open(directory).unwrap().entries(0);
    // Canonical JSON: what is read is written the same way again.
    let bytes = entries.map(|entry| serde_json::to_vec(&entry.unwrap()).unwrap());
    Leaves(bytes.map(|bytes| Hash::leaf(&bytes)).collect())
}

fn to(folder: &Path, recipients: &[&str]) -> Archive {
    let recipients = recipients.iter().map(|text| text.parse().unwrap()).collect();
    Archive { folder: folder.to_owned(), recipients, node: "test".to_owned() }
}

/// A log with two whole segments, and its hashes.
fn two_segments(directory: &Path) -> (Vec<WholeSegment>, Leaves) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (log, _) = open(directory);
        fill(&log, directory, 2).await;
        log.close().await;
    });
    (whole_segments(directory).unwrap(), leaves(directory))
}

fn seal(whole: &WholeSegment, leaves: &mut Leaves, to: &Archive) -> Result<Archived, ArchiveError> {
    archive(whole, leaves, to, &SeededEntropy::new(7))
}

/// Whether the program is there to be asked; CI has it.
fn has_age() -> bool {
    Command::new("age").arg("--version").output().is_ok()
}

#[test]
fn the_program_age_opens_an_archive_and_finds_the_segment_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (log, kept) = (folder.path().join("log"), folder.path().join("archive"));
    std::fs::create_dir(&kept).unwrap();
    let (whole, mut leaves) = two_segments(&log);
    let identity = folder.path().join("identity");
    std::fs::write(&identity, IDENTITY).unwrap();
    for segment in &whole {
        let archived = seal(segment, &mut leaves, &to(&kept, &[OTHER, RECIPIENT])).unwrap();
        assert_eq!((archived.first, archived.last), (segment.first, segment.last));
        let file = std::fs::read(&archived.file).unwrap();
        assert_eq!(archived.bytes, file.len() as u64);
        assert!(!file.windows(8).any(|window| window == b"tool-42\""), "nothing stands in clear");
        if !has_age() {
            continue;
        }
        let opened = Command::new("age")
            .args(["-d", "-i", identity.to_str().unwrap(), archived.file.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        let original = std::fs::read(&segment.path).unwrap();
        assert_eq!(opened.stdout, original[..opened.stdout.len()]);
        assert!(original[opened.stdout.len()..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_log_is_read_again_from_what_age_opened() {
    if !has_age() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (log, kept, again) =
        (folder.path().join("log"), folder.path().join("archive"), folder.path().join("again"));
    std::fs::create_dir(&kept).unwrap();
    std::fs::create_dir_all(again.join("segments")).unwrap();
    let (whole, mut leaves) = two_segments(&log);
    let identity = folder.path().join("identity");
    std::fs::write(&identity, IDENTITY).unwrap();
    let before: Vec<_> = Reader::open(&log).unwrap().entries(0).map(Result::unwrap).collect();
    for segment in &whole {
        let archived = seal(segment, &mut leaves, &to(&kept, &[RECIPIENT])).unwrap();
        let name = segment.path.file_name().unwrap();
        let opened = Command::new("age")
            .args(["-d", "-i", identity.to_str().unwrap(), "-o"])
            .args([again.join("segments").join(name), archived.file])
            .status()
            .unwrap();
        assert!(opened.success());
    }
    let last = whole.last().unwrap().last;
    let after: Vec<_> = Reader::open(&again).unwrap().entries(0).map(Result::unwrap).collect();
    assert_eq!(after.len() as u64, last + 1);
    assert_eq!(after, before[..after.len()]);
}

#[test]
fn an_archive_is_opened_by_nobody_else() {
    if !has_age() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (whole, mut leaves) = two_segments(&folder.path().join("log"));
    let archived = seal(&whole[0], &mut leaves, &to(folder.path(), &[OTHER])).unwrap();
    let identity = folder.path().join("identity");
    std::fs::write(&identity, IDENTITY).unwrap();
    let opened = Command::new("age")
        .args(["-d", "-i", identity.to_str().unwrap(), archived.file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!opened.status.success() && opened.stdout.is_empty());
}

#[test]
fn a_segment_that_is_not_what_the_tree_says_is_not_archived() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, mut leaves) = two_segments(&folder.path().join("log"));
    let kept = folder.path().join("archive");
    std::fs::create_dir(&kept).unwrap();
    leaves.0[5] = Hash::leaf(b"something else");
    let refused = seal(&whole[0], &mut leaves, &to(&kept, &[RECIPIENT]));
    assert!(matches!(refused, Err(ArchiveError::Damaged { sequence: 5, .. })), "{refused:?}");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0, "nothing half made is left");
    assert!(seal(&whole[1], &mut leaves, &to(&kept, &[RECIPIENT])).is_ok());
}

#[test]
fn an_archive_that_was_changed_is_noticed_and_one_that_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, mut leaves) = two_segments(&folder.path().join("log"));
    let to = to(folder.path(), &[RECIPIENT]);
    let first = seal(&whole[0], &mut leaves, &to).unwrap();
    let second = seal(&whole[0], &mut leaves, &to).unwrap();
    assert_ne!(first.file, second.file);
    assert!(first.check().is_ok() && second.check().is_ok());
    let mut bytes = std::fs::read(&first.file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&first.file, bytes).unwrap();
    assert!(matches!(first.check(), Err(ArchiveError::Changed(path)) if path == first.file));
    assert!(second.check().is_ok());
}

#[test]
fn an_archive_for_nobody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, mut leaves) = two_segments(&folder.path().join("log"));
    let refused = seal(&whole[0], &mut leaves, &to(folder.path(), &[]));
    assert!(matches!(refused, Err(ArchiveError::NoRecipient)), "{refused:?}");
}

#[test]
fn recipients_are_told_from_identities_and_from_noise() {
    assert_eq!(RECIPIENT.parse::<Recipient>().unwrap().to_string(), RECIPIENT);
    assert_eq!(IDENTITY.parse::<Recipient>(), Err(RecipientError::Identity));
    let lower = IDENTITY.to_lowercase();
    assert_eq!(lower.parse::<Recipient>(), Err(RecipientError::Identity));
    let upper = RECIPIENT.to_uppercase();
    for wrong in ["", "age1", &upper, "age1pq1zvkyg2", "ssh-ed25519 AAAA"] {
        assert_eq!(wrong.parse::<Recipient>(), Err(RecipientError::Form), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_recipient_with_one_other_character_is_none(place in 4..62_usize, to in "[a-z0-9]") {
        let mut text = RECIPIENT.to_owned();
        text.replace_range(place..=place, &to);
        prop_assert_eq!(text.parse::<Recipient>().is_ok(), text == RECIPIENT);
    }

    #[test]
    fn no_text_makes_the_reader_of_recipients_panic(text in "(age1)?\\PC{0,80}") {
        let _any = text.parse::<Recipient>();
    }
}

fn hold(name: &str, reason: &str) -> Hold {
    Hold { name: name.to_owned(), reason: reason.to_owned(), since: Timestamp(NOW.0) }
}

#[test]
fn a_hold_stands_until_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut holds = Holds::read(folder.path()).unwrap();
    assert!(holds.all().is_empty());
    holds.add(hold("case-7", "claim of 2026")).unwrap();
    holds.add(hold("case-8", "소송")).unwrap();
    assert!(matches!(holds.add(hold("case-7", "again")), Err(HoldError::Exists(_))));
    let mut again = Holds::read(folder.path()).unwrap();
    assert_eq!(again.all(), [hold("case-7", "claim of 2026"), hold("case-8", "소송")]);
    assert!(again.remove("case-7").unwrap() && !again.remove("case-7").unwrap());
    assert_eq!(Holds::read(folder.path()).unwrap().all(), [hold("case-8", "소송")]);
}

#[test]
fn holds_that_cannot_be_read_are_not_taken_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("holds.json");
    for damaged in ["", "{}", "[{}]", "[", r#"[{"name":"a","reason":"b","since":1,"more":2}]"#] {
        std::fs::write(&path, damaged).unwrap();
        let read = Holds::read(folder.path());
        assert!(matches!(read, Err(HoldError::Damaged(_))), "{damaged}");
    }
}

#[test]
fn a_hold_is_named_and_reasoned_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let mut holds = Holds::read(folder.path()).unwrap();
    for name in ["", "a b", "../x", "사건", &"n".repeat(65)] {
        assert!(matches!(holds.add(hold(name, "why")), Err(HoldError::Name)), "{name}");
    }
    for reason in ["", "two\nlines", "\u{1b}[31m", &"r".repeat(1025)] {
        assert!(matches!(holds.add(hold("a", reason)), Err(HoldError::Reason)), "{reason}");
    }
    assert!(holds.add(hold("a", "why")).is_ok());
}
