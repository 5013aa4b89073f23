//! Backups, ordinary ones and those of persons' keys.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    ManualClock, ProtectError, Protection, Secret, SubjectKeyStore as _, SubjectRegistry as _,
    Timestamp,
};
use haechi_vault::{
    BackupError, BackupPlan, DATA_SUBJECT, ErasureRequest, KeyBackupError,
    LONGEST_SUBJECT_KEY_BACKUP, Verdict, back_up, check_backup, restore,
};

use crate::people::{People, closed, folder, root};

const DAY: Duration = Duration::from_secs(86_400);

fn plan(people: &People, also: Vec<(String, std::path::PathBuf)>) -> BackupPlan {
    BackupPlan {
        database: ("haechi.db".to_owned(), Arc::new(people.database.clone())),
        also,
        key_ids: vec!["7/1".to_owned()],
        without: vec!["key".to_owned(), "subject-keys.db".to_owned()],
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_backup_is_restored_into_an_empty_directory_and_goes_on_with_the_keys_beside_it() {
    let (live, copies, fresh) = (folder(), folder(), folder());
    let people = People::open(live.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let token = people.protect(Protection::Token, "value of ann", &ann).await.unwrap();
    let log = live.path().join("audit");
    fs::create_dir(&log).unwrap();
    fs::write(log.join("0001.seg"), b"entries").unwrap();
    fs::write(live.path().join("key"), [1; 32]).unwrap();
    let (to, clock) = (copies.path().join("new/backup"), ManualClock::at(Timestamp(5_000)));
    let plan = plan(&people, vec![("audit".to_owned(), log)]);
    let manifest = back_up(plan, &to, &root(), &clock).await.unwrap();
    let files: Vec<_> = manifest.files.iter().map(|file| &*file.name).collect();
    assert_eq!(files, ["audit/0001.seg", "haechi.db"]);
    assert_eq!(manifest.made_at, "1970-01-01T00:00:05.000Z");
    assert_eq!(manifest.without, ["key", "subject-keys.db"]);
    assert_eq!(names(&to), ["audit", "haechi.db", "manifest.json", "manifest.mac"]);

    let there = fresh.path().join("data");
    assert_eq!(restore(&to, &there, &root()).await.unwrap(), manifest);
    assert_eq!(names(&there), ["audit", "haechi.db"]);
    // Without the keys of persons nothing about a person opens; with their copy it does.
    assert!(People::open(&there, 2).await.read(&token).await.is_err());
    closed(&there).await;
    fs::remove_dir_all(&there).unwrap();
    restore(&to, &there, &root()).await.unwrap();
    let (_, copy) = people.subjects.back_up_keys(copies.path(), DAY).await.unwrap();
    let restored = People::open(&there, 3).await;
    let brought = restored.subjects.restore_keys(&copy).await.unwrap();
    assert_eq!((brought.keys, brought.erased), (1, 0));
    assert_eq!(restored.read(&token).await.unwrap().value.expose(), b"value of ann");
}

#[tokio::test]
async fn a_backup_that_was_changed_or_made_under_another_root_is_refused() {
    let (live, copies, fresh) = (folder(), folder(), folder());
    let people = People::open(live.path(), 1).await;
    let to = copies.path().join("backup");
    let clock = ManualClock::at(Timestamp(5_000));
    back_up(plan(&people, Vec::new()), &to, &root(), &clock).await.unwrap();
    check_backup(&to, &root()).await.unwrap();
    let other = check_backup(&to, &Secret::new(vec![9; 32])).await;
    assert!(matches!(other, Err(BackupError::NotGenuine)), "{other:?}");
    let again = back_up(plan(&people, Vec::new()), &to, &root(), &clock).await;
    assert!(matches!(again, Err(BackupError::NotEmpty(_))), "{again:?}");
    fs::write(fresh.path().join("there"), b"").unwrap();
    let full = restore(&to, fresh.path(), &root()).await;
    assert!(matches!(full, Err(BackupError::NotEmpty(_))), "{full:?}");

    for name in ["haechi.db", "manifest.json", "manifest.mac"] {
        let path = to.join(name);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        for changed in [changed, whole[..whole.len() - 1].to_vec(), Vec::new()] {
            fs::write(&path, changed).unwrap();
            let empty = fresh.path().join("empty");
            assert!(restore(&to, &empty, &root()).await.is_err(), "{name}");
            assert!(!empty.exists(), "nothing is written before everything is checked");
        }
        fs::remove_file(&path).unwrap();
        assert!(check_backup(&to, &root()).await.is_err(), "{name}");
        fs::write(&path, whole).unwrap();
    }
    check_backup(&to, &root()).await.unwrap();
}

#[tokio::test]
async fn neither_the_root_key_nor_keys_of_persons_get_into_an_ordinary_backup() {
    let (live, copies) = (folder(), folder());
    let people = People::open(live.path(), 1).await;
    people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    fs::write(live.path().join("key"), [1; 32]).unwrap();
    let clock = ManualClock::at(Timestamp(5_000));
    let path = |name: &str| live.path().join(name);
    let cases = [
        ("key", path("key")),
        ("subject-keys.db", path("subject-keys.db")),
        ("subject-keys.db-wal", path("subject-keys.db-wal")),
        ("data", live.path().to_owned()),
    ];
    for (number, (name, from)) in cases.into_iter().enumerate() {
        let to = copies.path().join(number.to_string());
        let also = vec![(name.to_owned(), from)];
        let refused = back_up(plan(&people, also), &to, &root(), &clock).await;
        assert!(matches!(refused, Err(BackupError::LeftOut(_))), "{name}: {refused:?}");
        assert!(!to.join("manifest.json").exists());
    }
    for name in ["", "../up", "/etc/x", "a/../../b", "manifest.json"] {
        let to = copies.path().join("odd");
        let also = vec![(name.to_owned(), path("haechi.db"))];
        let refused = back_up(plan(&people, also), &to, &root(), &clock).await;
        assert!(matches!(refused, Err(BackupError::Name(_))), "{name}: {refused:?}");
        fs::remove_dir_all(&to).unwrap();
    }
    std::os::unix::fs::symlink(path("key"), path("link")).unwrap();
    let also = vec![("settings".to_owned(), path("link"))];
    let refused = back_up(plan(&people, also), &copies.path().join("link"), &root(), &clock).await;
    assert!(matches!(refused, Err(BackupError::Name(_))), "{refused:?}");
}

#[tokio::test]
async fn a_copy_of_keys_lives_for_thirty_days_at_most_and_its_end_cannot_be_moved() {
    let (live, copies, fresh) = (folder(), folder(), folder());
    let people = People::open(live.path(), 1).await;
    people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let longer = LONGEST_SUBJECT_KEY_BACKUP + Duration::from_millis(1);
    for keep in [longer, Duration::ZERO] {
        let refused = people.subjects.back_up_keys(copies.path(), keep).await;
        assert!(matches!(refused, Err(KeyBackupError::TooLong)), "{refused:?}");
    }
    let (backup, path) =
        people.subjects.back_up_keys(copies.path(), LONGEST_SUBJECT_KEY_BACKUP).await.unwrap();
    let whole = fs::read(&path).unwrap();
    let end = backup.expires_at.0.to_string();
    let text = String::from_utf8_lossy(&whole).into_owned();
    assert!(text.starts_with("haechi subject keys 1\n{") && text.contains(&end));

    let other = People::open(fresh.path(), 2).await;
    other.clock.set(Timestamp(backup.expires_at.0 - 1));
    assert_eq!(other.subjects.restore_keys(&path).await.unwrap().keys, 1);
    other.clock.set(backup.expires_at);
    let expired = other.subjects.restore_keys(&path).await;
    assert!(matches!(expired, Err(KeyBackupError::Expired(at)) if at == backup.expires_at));
    let at = whole.windows(end.len()).position(|window| window == end.as_bytes()).unwrap();
    let mut later = whole.clone();
    later[at] += 1;
    let cases = [later, whole[..whole.len() - 1].to_vec(), whole[..40].to_vec(), Vec::new()];
    for changed in cases {
        fs::write(&path, changed).unwrap();
        let refused = other.subjects.restore_keys(&path).await;
        assert!(matches!(refused, Err(KeyBackupError::NotGenuine)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_certificate_names_each_copy_of_keys_that_has_not_expired() {
    let (live, copies) = (folder(), folder());
    let people = People::open(live.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let token = people.protect(Protection::Token, "value", &ann).await.unwrap();
    let (short, _) = people.subjects.back_up_keys(copies.path(), DAY).await.unwrap();
    let (long, path) = people.subjects.back_up_keys(copies.path(), 10 * DAY).await.unwrap();
    people.clock.advance(2 * DAY);
    let backups = vec![copies.path().to_owned()];
    let request = ErasureRequest { backups, ..ErasureRequest::default() };
    let certificate = people.subjects.erase(&ann, request.clone()).await.unwrap();
    // The copy that is still good is named; the one that expired should not be there any more.
    let named: Vec<_> = certificate.subject_key_backups.iter().map(|it| &it.backup_id).collect();
    assert_eq!(named, [&long.backup_id]);
    assert_eq!(certificate.verdict, Verdict::NotErased);
    assert!(certificate.remains[0].ends_with(format!("{}.subject-keys", short.backup_id)));
    fs::remove_file(&certificate.remains[0]).unwrap();

    let certificate = people.subjects.erase(&ann, request.clone()).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::ErasedOnceCopiesAreGone);
    assert_eq!(certificate.complete_from, Some(long.expires_at.to_string()));
    assert!(certificate.after.files.iter().any(|file| file.keys_found == 1));
    // It is restored while it is good, and erased people stay erased all the same.
    let brought = people.subjects.restore_keys(&path).await.unwrap();
    assert_eq!((brought.keys, brought.erased), (0, 1));
    assert!(matches!(people.read(&token).await, Err(ProtectError::Unknown | ProtectError::Gone)));

    // A copy that is made afterwards has the tombstone and no key.
    fs::remove_file(&path).unwrap();
    people.clock.advance(Duration::from_millis(1));
    let (_, after) = people.subjects.back_up_keys(copies.path(), 20 * DAY).await.unwrap();
    people.clock.set(long.expires_at);
    let certificate = people.subjects.erase(&ann, request).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::Erased, "{certificate:#?}");
    let fresh = folder();
    let other = People::open(fresh.path(), 2).await;
    other.clock.set(long.expires_at);
    other.subjects.restore_keys(&after).await.unwrap();
    let state = other.keys.keys(&ann).await.unwrap();
    assert!(matches!(state, haechi_core::SubjectKeyState::Destroyed(_)), "{state:?}");
    assert_eq!(people.database.key_backups(Timestamp(0)).await.unwrap().len(), 3);
}
