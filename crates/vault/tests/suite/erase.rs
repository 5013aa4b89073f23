//! Erasure, and its proof.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    ProtectError, Protection, SealError, Sealed, Sealer as _, Secret, Sid, SubjectKeyState,
    SubjectKeyStore as _, SubjectRegistry as _, SubjectStore as _, Timestamp, TokenStore as _,
};
use haechi_storage::Sqlite;
use haechi_vault::{
    Certificate, DATA_SUBJECT, ErasureRequest, KeyChoice, Logged, Retention, SubjectError,
    VaultConfig, Verdict,
};
use tokio::sync::{Semaphore, oneshot};

use crate::people::{People, closed, folder, stands_in};
use crate::subject_sealer::{OLD, from_hex, old_subject};

const REVERSIBLE: [Protection; 4] =
    [Protection::Token, Protection::SameToken, Protection::Seal, Protection::Format];

fn request() -> ErasureRequest {
    ErasureRequest { ground: "GDPR 17(1)(b)".to_owned(), ..ErasureRequest::default() }
}

/// What protects `value` for `sid` in every way that opens again.
async fn protect_all(people: &People, value: &str, sid: &Sid) -> Vec<String> {
    let mut texts = Vec::new();
    for how in REVERSIBLE {
        texts.push(people.protect(how, value, sid).await.unwrap());
    }
    texts
}

async fn wrapped_keys(people: &People, sid: &Sid) -> Vec<Vec<u8>> {
    match people.keys.keys(sid).await.unwrap() {
        SubjectKeyState::Kept(keys) => keys.into_iter().map(|key| key.wrapped_key).collect(),
        state => panic!("{state:?}"),
    }
}

#[tokio::test]
async fn an_erased_person_is_unreadable_and_the_certificate_proves_it() {
    let (folder, copies) = (folder(), folder());
    let people = People::open(folder.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann@example.com").await.unwrap();
    let bob = people.subjects.register(DATA_SUBJECT, "bob@example.com").await.unwrap();
    people.sealer.rotate(&ann).await.unwrap();
    people.subjects.register(DATA_SUBJECT, "ann@example.com").await.unwrap();
    let texts = protect_all(&people, "ann.private.number.4217", &ann).await;
    let of_bob = protect_all(&people, "bob.private.number.5218", &bob).await;
    let sealed = people.sealer.seal(&ann, "who", b"Ann").unwrap();
    people.back_up(copies.path()).await;
    let wrapped = wrapped_keys(&people, &ann).await;
    assert_eq!(wrapped.len(), 2);
    assert!(wrapped.iter().all(|wrapped| stands_in(folder.path(), wrapped)));

    let backups = vec![copies.path().to_owned()];
    let in_log = vec![("who".to_owned(), sealed.clone())];
    let request = ErasureRequest { backups, sealed: in_log, ..request() };
    let certificate = people.subjects.erase(&ann, request).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::Erased, "{certificate:#?}");
    assert_eq!(certificate.complete_from.as_deref(), Some(&*certificate.destroyed_at));
    assert_eq!(certificate.keys.len(), 2);
    assert_eq!((certificate.deleted.keys, certificate.deleted.tokens), (2, 2));
    assert_eq!(certificate.deleted.names, 1);
    assert_eq!(certificate.logged, None);
    let logged = Logged {
        entry: "gateway-42".to_owned(),
        origin: "log.example".to_owned(),
        size: 43,
        root: "root".to_owned(),
    };
    let certified = people.subjects.certify(&ann, logged.clone()).await.unwrap();
    assert_eq!(certified, Certificate { logged: Some(logged), ..certificate.clone() });
    assert_eq!(people.subjects.certificate(&ann).await.unwrap(), certified);
    // The search before found both keys and opened the control, the name, the two stored values
    // and what the log holds with them; the same search afterwards, in more files, found and opened nothing.
    assert_eq!((certificate.before.values, certificate.before.values_opened), (5, 5));
    assert!(certificate.before.files.iter().any(|file| file.keys_found >= 2));
    assert_eq!((certificate.after.values, certificate.after.values_opened), (5, 0));
    assert!(certificate.after.files.iter().all(|file| file.keys_found == 0));
    assert!(certificate.after.keys_tried > 0, "the keys of others were tried");
    let searched = |part: &str| {
        let mut names = certificate.after.files.iter().map(|file| file.name.to_str().unwrap());
        names.any(|name| name.ends_with(part))
    };
    assert!(searched("subject-keys.db") && searched("haechi.db"));
    assert!(searched(copies.path().join("haechi.db").to_str().unwrap()));
    let text = serde_json::to_string(&certificate).unwrap();
    assert!(!text.contains("ann@example.com") && !text.contains("4217"));

    for text in &texts {
        let opened = people.read(text).await;
        let gone = matches!(opened, Err(ProtectError::Gone | ProtectError::Unknown));
        assert!(gone, "{text}: {opened:?}");
    }
    let opened = people.sealer.open(&ann, "who", &sealed).await;
    assert!(matches!(opened, Err(SealError::NoKey(_))), "{opened:?}");
    assert!(wrapped.iter().all(|wrapped| !stands_in(folder.path(), wrapped)));
    for text in &of_bob {
        let opened = people.read(text).await.unwrap();
        assert_eq!(opened.value.expose(), b"bob.private.number.5218");
    }
    let stored = people.subjects.certificate(&ann).await.unwrap();
    assert_eq!(stored, certified);
}

#[tokio::test]
async fn nothing_is_protected_for_an_erased_person_unless_it_is_registered_again() {
    let folder = folder();
    let (here, there) =
        (People::open(folder.path(), 1).await, People::open(folder.path(), 2).await);
    let ann = here.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let texts = protect_all(&there, "ann.private.number.4217", &ann).await;
    here.subjects.add_name(&ann, "email", "ann@example.com").await.unwrap();
    here.subjects.erase(&ann, request()).await.unwrap();
    for process in [&here, &there] {
        for how in REVERSIBLE {
            let refused = process.protect(how, "ann.private.number.4217", &ann).await;
            assert!(matches!(refused, Err(ProtectError::Gone)), "{refused:?}");
        }
        for text in &texts {
            assert!(process.read(text).await.is_err());
        }
        for (issuer, name) in [(DATA_SUBJECT, "ann"), ("email", "ann@example.com")] {
            let refused = process.subjects.register(issuer, name).await;
            assert!(matches!(refused, Err(SubjectError::Erased(_))), "{refused:?}");
        }
    }
    let fresh = there.subjects.register_again(DATA_SUBJECT, "ann").await.unwrap();
    assert_ne!(fresh, ann);
    let again = here.protect(Protection::Token, "new", &fresh).await.unwrap();
    assert_eq!(there.read(&again).await.unwrap().subject, Some(fresh));
    assert!(here.read(&texts[2]).await.is_err());
    let twice = here.subjects.register_again(DATA_SUBJECT, "ann").await;
    assert!(matches!(twice, Err(SubjectError::NotErased)), "{twice:?}");
}

#[tokio::test]
async fn a_legal_hold_blocks_erasure_until_it_is_released() {
    let folder = folder();
    let people = People::open(folder.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let token = people.protect(Protection::Token, "value", &ann).await.unwrap();
    people.subjects.hold(&ann, "case-7", "court order").await.unwrap();
    let twice = people.subjects.hold(&ann, "case-7", "court order").await;
    assert!(matches!(twice, Err(SubjectError::HeldAlready(id)) if id == "case-7"));
    let held = people.subjects.erase(&ann, request()).await.unwrap_err();
    let SubjectError::Held { holds, .. } = &held else { panic!("{held:?}") };
    assert_eq!(holds[0].hold_id, "case-7");
    assert!(held.to_string().contains("case-7"));
    assert!(people.read(&token).await.is_ok());
    assert!(people.subjects.held().await.unwrap().iter().eq([&ann]));

    assert!(people.subjects.release(&ann, "case-7").await.unwrap());
    let done = people.subjects.erase(&ann, request()).await.unwrap();
    assert_eq!(done.verdict, Verdict::Erased);
    let late = people.subjects.hold(&ann, "case-8", "too late").await;
    assert!(matches!(late, Err(SubjectError::Erased(_))), "{late:?}");
    let stranger = Sid("f".repeat(32).into());
    let unknown = people.subjects.erase(&stranger, request()).await;
    assert!(matches!(unknown, Err(SubjectError::Unknown(_))), "{unknown:?}");
}

#[tokio::test]
async fn what_is_over_is_deleted_by_kind_and_tenant_unless_its_person_is_held() {
    let folder = folder();
    let day = Duration::from_secs(86_400);
    let retention = Retention::default().keep(Some("acme"), Some("EMAIL_ADDRESS"), day).keep(
        None,
        None,
        9 * day,
    );
    let config = VaultConfig { retention, ..VaultConfig::default() };
    let people = People::with(folder.path(), 1, config).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let bob = people.subjects.register(DATA_SUBJECT, "bob").await.unwrap();
    for sid in [&ann, &bob] {
        people.protect(Protection::Token, "value", sid).await.unwrap();
    }
    people.subjects.hold(&ann, "case-7", "court order").await.unwrap();
    people.clock.advance(day - Duration::from_millis(1));
    assert_eq!(people.subjects.expire().await.unwrap(), 0);
    people.clock.advance(Duration::from_millis(1));
    assert_eq!(people.subjects.expire().await.unwrap(), 1);
    assert_eq!(people.database.page(Some(&ann), None, 9).await.unwrap().len(), 1);
    assert!(people.database.page(Some(&bob), None, 9).await.unwrap().is_empty());
    people.subjects.release(&ann, "case-7").await.unwrap();
    assert_eq!(people.subjects.expire().await.unwrap(), 1);
}

#[tokio::test]
async fn an_older_backup_that_is_restored_does_not_bring_an_erased_person_back() {
    let (live, copies, fresh) = (folder(), folder(), folder());
    let (ann, texts, sealed);
    {
        let people = People::open(live.path(), 1).await;
        ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
        texts = protect_all(&people, "ann.private.number.4217", &ann).await;
        sealed = people.sealer.seal(&ann, "who", b"Ann").unwrap();
        people.back_up(copies.path()).await;
        people.subjects.erase(&ann, request()).await.unwrap();
    }
    // Into an empty directory, without any keys of persons: whoever comes back has another key.
    std::fs::copy(copies.path().join("haechi.db"), fresh.path().join("haechi.db")).unwrap();
    let people = People::open(fresh.path(), 2).await;
    for text in &texts {
        assert!(people.read(text).await.is_err(), "{text}");
    }
    assert!(people.sealer.open(&ann, "who", &sealed).await.is_err());
    drop(people);

    // Over the database that is in use, beside the keys as they stand: the tombstone remains, and the
    // erasure that the registry has forgotten is done again.
    closed(live.path()).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(live.path().join(format!("haechi.db{suffix}")));
    }
    std::fs::copy(copies.path().join("haechi.db"), live.path().join("haechi.db")).unwrap();
    let people = People::open(live.path(), 3).await;
    for text in &texts {
        let opened = people.read(text).await;
        assert!(matches!(opened, Err(ProtectError::Gone)), "{text}: {opened:?}");
    }
    assert_eq!(people.database.page(Some(&ann), None, 9).await.unwrap().len(), 2);
    let again = people.subjects.finish_erasures().await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!((&again[0].sid, again[0].verdict), (&ann, Verdict::Erased));
    assert!(people.database.page(Some(&ann), None, 9).await.unwrap().is_empty());
    let refused = people.subjects.register(DATA_SUBJECT, "ann").await;
    assert!(matches!(refused, Err(SubjectError::Erased(_))), "{refused:?}");
    assert!(people.subjects.finish_erasures().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_older_file_of_keys_that_is_put_back_does_not_bring_an_erased_person_back() {
    let (live, aside) = (folder(), folder());
    let names = ["subject-keys.db", "subject-keys.db-wal"];
    let copy = |from: &Path, to: &Path| {
        for name in names {
            let _ = std::fs::remove_file(to.join(name));
            let _ = std::fs::copy(from.join(name), to.join(name));
        }
        let _ = std::fs::remove_file(to.join("subject-keys.db-shm"));
    };
    let (ann, texts);
    {
        let people = People::open(live.path(), 1).await;
        ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
        texts = protect_all(&people, "ann.private.number.4217", &ann).await;
    }
    closed(live.path()).await;
    copy(live.path(), aside.path());
    {
        let people = People::open(live.path(), 1).await;
        people.subjects.erase(&ann, request()).await.unwrap();
    }
    closed(live.path()).await;
    copy(aside.path(), live.path());
    let people = People::open(live.path(), 2).await;
    assert_eq!(wrapped_keys(&people, &ann).await.len(), 1, "the key is back");
    for text in &texts {
        assert!(people.read(text).await.is_err(), "{text}");
    }
    let refused = people.protect(Protection::Seal, "more", &ann).await;
    assert!(matches!(refused, Err(ProtectError::Gone)), "{refused:?}");
    let again = people.subjects.finish_erasures().await.unwrap();
    assert_eq!((again.len(), again[0].verdict), (1, Verdict::Erased));
    let state = people.keys.keys(&ann).await.unwrap();
    assert!(matches!(state, SubjectKeyState::Destroyed(_)), "{state:?}");
    assert!(people.subjects.finish_erasures().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_erasure_that_was_cut_off_anywhere_is_finished_later() {
    for cut in 0..5 {
        let folder = folder();
        let ann;
        {
            let people = People::open(folder.path(), 1).await;
            ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
            protect_all(&people, "ann.private.number.4217", &ann).await;
            let database = &people.database;
            if cut > 0 {
                database.begin_erasure(&ann, Timestamp(5)).await.unwrap();
            }
            if cut > 1 {
                people.keys.destroy(&ann, Timestamp(6)).await.unwrap();
            }
            if cut > 2 {
                database.delete_by_subject(&ann).await.unwrap();
            }
            if cut > 3 {
                database.forget_names(&ann).await.unwrap();
            }
        }
        let people = People::open(folder.path(), 2).await;
        let finished = people.subjects.finish_erasures().await.unwrap();
        assert_eq!(finished.len(), usize::from(cut > 0), "{cut}");
        assert!(finished.iter().all(|done| done.verdict == Verdict::Erased), "{finished:#?}");
        let list = people.subjects.list(None, 9).await.unwrap();
        assert_eq!(list[0].key_versions, usize::from(cut == 0));
        assert_eq!(list[0].erasing_since.is_some(), cut > 0);
    }
}

#[tokio::test]
async fn a_key_that_still_stands_in_an_old_backup_is_found_and_named() {
    let (folder, copies) = (folder(), folder());
    let people = People::open(folder.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    people.protect(Protection::Token, "value", &ann).await.unwrap();
    // As somebody leaves it who copies the whole data directory: in the middle of a larger file.
    let wrapped = wrapped_keys(&people, &ann).await.remove(0);
    let archive = copies.path().join("whole.tar");
    let filler = vec![7; (1 << 20) - 17];
    std::fs::write(&archive, [&filler[..], &wrapped, b"end"].concat()).unwrap();
    let backups = vec![copies.path().to_owned()];
    let certificate =
        people.subjects.erase(&ann, ErasureRequest { backups, ..request() }).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::NotErased);
    assert!(certificate.remains.iter().eq([&archive]));
    assert_eq!(certificate.complete_from, None);
    assert_eq!(certificate.after.values_opened, certificate.after.values);

    std::fs::remove_file(archive).unwrap();
    let backups = vec![copies.path().to_owned()];
    let again = people.subjects.prove_again(&ann, ErasureRequest { backups, ..request() }).await;
    let again = again.unwrap();
    assert_eq!((again.verdict, again.remains.len()), (Verdict::Erased, 0));
    assert_eq!((again.after.values, again.after.values_opened), (1, 0));
    assert_eq!(people.subjects.certificate(&ann).await.unwrap(), again);
}

#[tokio::test]
async fn a_backup_from_before_keys_had_their_own_file_is_found_to_hold_the_key() {
    let (live, copies) = (folder(), folder());
    for folder in [&live, &copies] {
        let old = Sqlite::open(&folder.path().join("haechi.db")).await.unwrap();
        old.find_or_add(old_subject()).await.unwrap();
        drop(old);
        closed(folder.path()).await;
    }
    let wrapped = from_hex(OLD[2]);
    assert!(stands_in(live.path(), &wrapped) && stands_in(copies.path(), &wrapped));
    let people = People::under(live.path(), 1, Secret::new(vec![1; 32])).await;
    assert!(!stands_in(live.path(), &wrapped), "it has moved");
    let ann = old_subject().sid;
    let backups = vec![copies.path().to_owned()];
    let sealed = vec![("who".to_owned(), Sealed(OLD[3].to_owned()))];
    let request = ErasureRequest { backups, sealed, ..request() };
    let certificate = people.subjects.erase(&ann, request.clone()).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::NotErased);
    assert!(!certificate.remains.is_empty());
    assert_eq!((certificate.after.values, certificate.after.values_opened), (2, 2));
    certificate.remains.iter().for_each(|name| std::fs::remove_file(name).unwrap());
    let certificate = people.subjects.erase(&ann, request).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::Erased, "{certificate:#?}");
}

#[tokio::test]
async fn a_folder_that_is_misspelt_is_noticed_before_and_one_that_vanished_is_named() {
    let (folder, copies) = (folder(), folder());
    let people = People::open(folder.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let backups = vec![copies.path().join("misspelt")];
    let refused = people.subjects.erase(&ann, ErasureRequest { backups, ..request() }).await;
    assert!(matches!(refused, Err(SubjectError::File { .. })), "{refused:?}");
    assert!(people.database.erasures().await.unwrap().is_empty());
    people.protect(Protection::Token, "value", &ann).await.unwrap();

    let there = copies.path().join("there");
    std::fs::create_dir(&there).unwrap();
    std::os::unix::fs::symlink("/dev/zero", there.join("endless")).unwrap();
    let backups = vec![there.clone()];
    let request = ErasureRequest { backups, ..request() };
    people.subjects.erase(&ann, request.clone()).await.unwrap();
    let again = people.subjects.erase(&ann, request.clone()).await.unwrap();
    assert!(again.after.unsearched.is_empty());
    std::fs::remove_dir_all(&there).unwrap();
    let again = people.subjects.prove_again(&ann, request).await.unwrap();
    assert!(again.after.unsearched.iter().eq([&there]));
}

#[tokio::test]
async fn a_search_through_the_folder_that_is_in_use_leaves_its_locks_alone() {
    let folder = folder();
    let people = People::open(folder.path(), 1).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    std::fs::write(folder.path().join("note.txt"), b"beside").unwrap();
    let locks = || {
        let all = std::fs::read_to_string("/proc/locks").unwrap();
        let own = format!(" {} ", std::process::id());
        let index = folder.path().join("haechi.db-shm");
        let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(index).unwrap());
        let of_index = |line: &&str| line.contains(&own) && line.contains(&format!(":{inode} "));
        all.lines().filter(of_index).count()
    };
    let before = locks();
    assert!(before > 0, "SQLite holds its index as long as the database is open");
    let backups = vec![folder.path().to_owned()];
    let certificate =
        people.subjects.erase(&ann, ErasureRequest { backups, ..request() }).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::Erased);
    let mut names: Vec<_> = certificate.after.files.iter().map(|file| &file.name).collect();
    assert!(names.iter().any(|name| name.ends_with("note.txt")));
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "no file was searched twice");
    assert_eq!(locks(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn values_that_race_an_erasure_open_no_more_afterwards() {
    let folder = folder();
    let people = Arc::new(People::open(folder.path(), 1).await);
    let other = Arc::new(People::open(folder.path(), 2).await);
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let (mut writers, made) = (Vec::new(), Arc::new(Semaphore::new(0)));
    for process in [&people, &other] {
        let (process, ann, made) = (Arc::clone(process), ann.clone(), Arc::clone(&made));
        writers.push(tokio::spawn(async move {
            let mut texts = Vec::new();
            for number in 0..400 {
                let how = REVERSIBLE[number % 3];
                match process.protect(how, &format!("value {number}"), &ann).await {
                    Ok(text) => {
                        texts.push(text);
                        made.add_permits(1);
                    }
                    Err(ProtectError::Gone) => return texts,
                    Err(error) => panic!("{error:?}"),
                }
            }
            texts
        }));
    }
    made.acquire_many(6).await.unwrap().forget();
    let certificate = people.subjects.erase(&ann, request()).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::Erased);
    for writer in writers {
        for text in writer.await.unwrap() {
            assert!(people.read(&text).await.is_err() && other.read(&text).await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_that_is_erased_while_everything_is_rewrapped_stays_erased() {
    let folder = folder();
    let people = Arc::new(People::open(folder.path(), 1).await);
    let other = People::open(folder.path(), 2).await;
    let ann = people.subjects.register(DATA_SUBJECT, "ann").await.unwrap();
    let bob = people.subjects.register(DATA_SUBJECT, "bob").await.unwrap();
    let (mut of_ann, mut of_bob) = (Vec::new(), Vec::new());
    for number in 0..600 {
        let value = format!("value {number}");
        of_ann.push(people.protect(Protection::Token, &value, &ann).await.unwrap());
        of_bob.push(people.protect(Protection::Token, &value, &bob).await.unwrap());
    }
    people.vault.rotate(&KeyChoice::default()).await.unwrap();
    let rewrapping = Arc::clone(&people);
    let (started, start) = oneshot::channel();
    let rewrap = tokio::spawn(async move {
        let mut started = Some(started);
        let mut progress = |_: &_| {
            started.take().map(|started| started.send(()));
            true
        };
        rewrapping.vault.rewrap(None, &mut progress).await.unwrap()
    });
    start.await.unwrap();
    let certificate = other.subjects.erase(&ann, request()).await.unwrap();
    assert_eq!(certificate.verdict, Verdict::Erased);
    assert_eq!(certificate.deleted.tokens, 600);
    let done = rewrap.await.unwrap();
    assert!(done.cursor.is_none() && done.renewed >= 600, "{done:?}");
    assert!(people.database.page(Some(&ann), None, 9).await.unwrap().is_empty());
    for text in of_ann {
        assert!(people.read(&text).await.is_err());
    }
    for (number, text) in of_bob.iter().enumerate() {
        let opened = people.read(text).await.unwrap();
        assert_eq!(opened.value.expose(), format!("value {number}").as_bytes());
    }
}
