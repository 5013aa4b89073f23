//! What is kept and given up: archives, holds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use haechi_audit::checkpoint::Checkpoint;
use haechi_audit::minimum::Minimum;
use haechi_audit::note::{KeyKind, Signer};
use haechi_audit::retention::{
    Archive, ArchiveError, Archived, Hold, HoldError, Holds, PruneError, Pruned, Pruning,
    Recipient, RecipientError, WholeSegment, archive, whole_segments,
};
use haechi_audit::stored::StoredTiles;
use haechi_audit::tile::TileReader;
use haechi_audit::tree::{ConsistencyProof, Hash, InclusionProof, Node, Nodes};
use haechi_audit::{AuditConfig, AuditLog, Durability, NotaryConfig, OpenError, Reader};
use haechi_core::{Completion, ManualClock, Secret, SeededEntropy, Timestamp};
use proptest::prelude::*;

use crate::support::{NOW, config, end, intent, open};

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

/// A log that signs, with three whole segments and its newest checkpoint over all of it.
struct Signed {
    folder: tempfile::TempDir,
    log: AuditLog,
}

impl Signed {
    async fn with_segments(segments: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Self::open(&folder.path().join("log")).unwrap();
        fill(&log, &folder.path().join("log"), segments).await;
        log.checkpoint_now().await.unwrap();
        Self { folder, log }
    }

    fn open(directory: &Path) -> Result<AuditLog, OpenError> {
        let notary = NotaryConfig {
            period: Duration::from_millis(5),
            ..NotaryConfig::new("log.example/test", Secret::new(vec![7; 32]))
        };
        let config = AuditConfig { notary: Some(notary), ..config(directory, Durability::Kill) };
        AuditLog::open(config, Arc::new(ManualClock::at(NOW))).map(|(log, _)| log)
    }

    fn directory(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn whole(&self) -> Vec<WholeSegment> {
        whole_segments(&self.directory()).unwrap()
    }

    /// Archives what lies before `minimum`.
    fn archive(&self, minimum: u64) -> Vec<Archived> {
        let kept = self.folder.path().join("archive");
        std::fs::create_dir_all(&kept).unwrap();
        let mut leaves = leaves(&self.directory());
        let before = self.whole().into_iter().filter(|it| it.first < minimum);
        before.map(|it| seal(&it, &mut leaves, &to(&kept, &[RECIPIENT])).unwrap()).collect()
    }

    async fn reopen(self) -> (tempfile::TempDir, Result<AuditLog, OpenError>) {
        self.log.close().await;
        let reopened = Self::open(&self.folder.path().join("log"));
        (self.folder, reopened)
    }
}

fn first_entry(directory: &Path) -> u64 {
    Reader::open(directory).unwrap().entries(0).next().unwrap().unwrap().sequence
}

#[tokio::test]
async fn what_is_given_up_is_gone_and_everything_else_is_proved_as_before() {
    let signed = Signed::with_segments(3).await;
    let (directory, whole) = (signed.directory(), signed.whole());
    let minimum = whole[2].first;
    let checkpoint = signed.log.checkpoint_now().await.unwrap().checkpoint.clone();
    let open = |checkpoint: &Checkpoint| {
        let tiles = StoredTiles::new(&directory);
        TileReader::open(checkpoint.size(), checkpoint.root(), tiles).unwrap()
    };
    let all = [0, 1, minimum - 1, minimum, minimum + 1, checkpoint.size() - 1];
    let proofs: Vec<_> = {
        let mut tree = open(&checkpoint);
        all.map(|index| InclusionProof::make(index, checkpoint.size(), &mut tree).unwrap()).into()
    };
    let archived = signed.archive(minimum);
    let pruned = signed.log.prune(&Pruning { minimum, archived: Some(archived) }).unwrap();
    assert_eq!(pruned, Pruned { minimum, segments: 2, entries: minimum });
    assert_eq!(first_entry(&directory), minimum);
    // The same proofs, from the same tree; and it goes on growing.
    let mut tree = open(&checkpoint);
    for (index, proof) in all.into_iter().zip(&proofs) {
        let again = InclusionProof::make(index, checkpoint.size(), &mut tree).unwrap();
        assert_eq!(&again, proof);
    }
    fill(&signed.log, &directory, 2).await;
    let newer = signed.log.checkpoint_now().await.unwrap().checkpoint.clone();
    let proof = ConsistencyProof::make(checkpoint.size(), newer.size(), &mut open(&newer)).unwrap();
    newer.follows(&checkpoint, Some(&proof)).unwrap();
    let (_folder, reopened) = signed.reopen().await;
    assert!(reopened.is_ok(), "{reopened:?}");
}

#[tokio::test]
async fn who_reads_while_entries_are_given_up_goes_on_with_those_that_are_kept() {
    let signed = Signed::with_segments(3).await;
    let (directory, whole) = (signed.directory(), signed.whole());
    let mut entries = Reader::open(&directory).unwrap().entries(0);
    assert_eq!(entries.next().unwrap().unwrap().sequence, 0);
    let minimum = whole[2].first;
    signed.log.prune(&Pruning { minimum, archived: None }).unwrap();
    let rest: Vec<u64> = entries.map(|entry| entry.unwrap().sequence).collect();
    let kept = rest.iter().position(|sequence| *sequence == minimum).unwrap();
    assert!(rest[..kept].iter().all(|sequence| *sequence < whole[1].first), "an open file is read");
    assert!(rest[kept..].windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[tokio::test]
async fn only_what_nobody_needs_is_given_up() {
    let signed = Signed::with_segments(3).await;
    let whole = signed.whole();
    let prune = |minimum, archived| signed.log.prune(&Pruning { minimum, archived });
    let middle = prune(whole[1].first + 1, None);
    assert!(matches!(middle, Err(PruneError::NoSegment(_))), "{middle:?}");
    let nothing = prune(0, None);
    assert!(matches!(nothing, Err(PruneError::Already(0))), "{nothing:?}");
    let unarchived = prune(whole[1].first, Some(Vec::new()));
    assert!(matches!(unarchived, Err(PruneError::NotArchived(0))), "{unarchived:?}");
    let archived = signed.archive(whole[2].first);
    let half = prune(whole[2].first, Some(archived[..1].to_vec()));
    assert!(matches!(half, Err(PruneError::NotArchived(it)) if it == whole[1].first), "{half:?}");
    std::fs::write(&archived[1].file, "something else").unwrap();
    let changed = prune(whole[2].first, Some(archived));
    assert!(matches!(changed, Err(PruneError::Archive(ArchiveError::Changed(_)))), "{changed:?}");
    assert_eq!(first_entry(&signed.directory()), 0, "nothing has gone");
    prune(whole[1].first, None).unwrap();
    let again = prune(whole[1].first, None);
    assert!(matches!(again, Err(PruneError::Already(it)) if it == whole[1].first), "{again:?}");
}

#[tokio::test]
async fn a_call_without_an_end_keeps_its_segment_and_all_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("log");
    let log = Signed::open(&directory).unwrap();
    fill(&log, &directory, 1).await;
    let (_, open) = log.intend(intent("long")).await.unwrap();
    fill(&log, &directory, 3).await;
    log.checkpoint_now().await.unwrap();
    let whole = whole_segments(&directory).unwrap();
    let needed = log.prune(&Pruning { minimum: whole[2].first, archived: None });
    assert!(matches!(needed, Err(PruneError::Needed { .. })), "{needed:?}");
    open.conclude(end(Completion::Answered)).unwrap();
    assert!(log.prune(&Pruning { minimum: whole[2].first, archived: None }).is_ok());
}

#[tokio::test]
async fn a_log_that_signs_nothing_gives_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (log, _) = open(folder.path());
    fill(&log, folder.path(), 1).await;
    let minimum = whole_segments(folder.path()).unwrap()[0].last + 1;
    let refused = log.prune(&Pruning { minimum, archived: None });
    assert!(matches!(refused, Err(PruneError::Unsigned)), "{refused:?}");
}

#[tokio::test]
async fn a_pruning_that_was_cut_off_goes_on_when_the_log_is_opened() {
    let signed = Signed::with_segments(3).await;
    let (directory, whole) = (signed.directory(), signed.whole());
    let kept: Vec<_> = whole.iter().map(|it| std::fs::read(&it.path).unwrap()).collect();
    let minimum = whole[2].first;
    signed.log.prune(&Pruning { minimum, archived: None }).unwrap();
    // As if the power had gone after the first, or before any of them was gone.
    std::fs::write(&whole[1].path, &kept[1]).unwrap();
    std::fs::write(&whole[0].path, &kept[0]).unwrap();
    let (_folder, reopened) = signed.reopen().await;
    reopened.unwrap().close().await;
    assert_eq!(first_entry(&directory), minimum);
    // One that must be there is another matter.
    std::fs::remove_file(&whole[2].path).unwrap();
    let missing = Signed::open(&directory);
    assert!(matches!(missing, Err(OpenError::Shorter { .. })), "{missing:?}");
}

#[tokio::test]
async fn a_pruned_log_whose_newest_hashes_were_lost_makes_them_anew() {
    let signed = Signed::with_segments(3).await;
    let (directory, whole) = (signed.directory(), signed.whole());
    signed.log.prune(&Pruning { minimum: whole[2].first, archived: None }).unwrap();
    let (folder, reopened) = signed.reopen().await;
    reopened.unwrap().close().await;
    let lowest = directory.join("tree/0");
    let hashes = std::fs::read(&lowest).unwrap();
    let kept = usize::try_from(whole[2].first).unwrap() * 32;
    for lost in [kept + 32, kept + 5000, hashes.len() - 1] {
        std::fs::write(&lowest, &hashes[..lost]).unwrap();
        let log = Signed::open(&directory).unwrap();
        log.close().await;
    }
    // What stands for entries that are gone cannot be made anew.
    std::fs::write(&lowest, &hashes[..kept - 32]).unwrap();
    let lost = Signed::open(&directory);
    assert!(matches!(lost, Err(OpenError::OtherTree { .. })), "{lost:?}");
    drop(folder);
}

#[tokio::test]
async fn nobody_but_the_log_says_that_entries_were_given_up() {
    let signed = Signed::with_segments(2).await;
    let (directory, whole) = (signed.directory(), signed.whole());
    signed.log.close().await;
    let other = Signer::from_seed("log.example/test", KeyKind::Ed25519, &Secret::new(vec![8; 32]));
    let minimum = Minimum::new("log.example/test", whole[1].first).unwrap();
    let forged = minimum.sign(&other.unwrap(), NOW).unwrap();
    std::fs::write(directory.join("minimum"), forged.to_string()).unwrap();
    std::fs::remove_file(&whole[0].path).unwrap();
    let refused = Signed::open(&directory);
    assert!(matches!(refused, Err(OpenError::Minimum(_))), "{refused:?}");
    std::fs::remove_file(directory.join("minimum")).unwrap();
    let refused = Signed::open(&directory);
    assert!(matches!(refused, Err(OpenError::Shorter { found, .. }) if found == whole[1].first));
}
