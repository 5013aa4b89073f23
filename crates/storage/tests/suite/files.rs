//! What only a file can get wrong: its mode, its schema, its neighbours.

use std::error::Error;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    Revocation, RevocationKind, RevocationStore, Secret, SigningKeyState, SigningKeyStore,
    StoreError, StoredPassword, StoredSigningKey, StoredUser, Timestamp, UserStore,
};
use haechi_storage::Sqlite;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::backend::{Stores, full_text, user};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// What the source of an error says; the error itself only says that the store is not available.
fn reason(error: &StoreError) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn a_new_store_is_for_its_owner_alone() {
    let (folder, _) = folder();
    let path = folder.path().join("made").join("below").join("store.db");
    let store = Sqlite::open(&path).await.unwrap();
    UserStore::add(&store, user("u-1", "one")).await.unwrap();
    assert_eq!(mode(&folder.path().join("made")), 0o700);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let mut files: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), mode(&entry.path())))
        .collect();
    files.sort();
    let expected = ["store.db", "store.db-shm", "store.db-wal"];
    assert_eq!(files, expected.map(|name| (name.to_owned(), 0o600)));
}

#[tokio::test]
async fn a_directory_or_file_that_others_may_change_is_refused_with_the_next_step() {
    let (folder, path) = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o770)).unwrap();
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(reason(&error).contains("(mode 0770); close it with `chmod go-w`"), "{error:?}");
    assert!(!path.exists());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    drop(Sqlite::open(&path).await.unwrap());
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(reason(&error).contains("(mode 0640); close it with `chmod go=`"), "{error:?}");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    Sqlite::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_path_is_a_path_whatever_it_looks_like() {
    let (folder, _) = folder();
    for name in [":memory:", "file:x?mode=memory", "with space", "한글.db", "a?b#c%20"] {
        let path = folder.path().join(name);
        let store = Sqlite::open(&path).await.unwrap();
        UserStore::add(&store, user("u-1", "one")).await.unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
        let again = Sqlite::open(&path).await.unwrap();
        assert!(UserStore::by_id(&again, "u-1").await.unwrap().is_some(), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_a_file_of_ours_is_refused_and_left_as_it_was() {
    let (folder, path) = folder();
    fs::create_dir(&path).unwrap();
    assert!(reason(&Sqlite::open(&path).await.unwrap_err()).contains("is not a file"));

    let text = folder.path().join("notes.txt");
    fs::write(&text, "this was never a database; ".repeat(300)).unwrap();
    let foreign = folder.path().join("foreign.db");
    let connection = Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(connection);
    for file in [text, foreign] {
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let before = fs::read(&file).unwrap();
        let error = Sqlite::open(&file).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(fs::read(&file).unwrap() == before, "{} was changed", file.display());
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_even_while_the_store_is_open() {
    let (_folder, path) = folder();
    let store = Sqlite::open(&path).await.unwrap();
    UserStore::add(&store, user("u-1", "one")).await.unwrap();
    let newer = Connection::open(&path).unwrap();
    let version: u32 = newer.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let refused = |error: &StoreError| matches!(error, StoreError::Newer { found: 99, known } if *known == version);
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(refused(&error), "{error:?}");
    let error = UserStore::add(&store, user("u-2", "two")).await.unwrap_err();
    assert!(refused(&error), "{error:?}");
    newer.pragma_update(None, "user_version", version).unwrap();
    UserStore::add(&store, user("u-2", "two")).await.unwrap();
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_and_keeps_what_it_held() {
    let (_folder, path) = folder();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../../migrations/sqlite/0001_users.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO users (user_id, username, roles, enabled, not_before_ms, created_at_ms)
         VALUES ('u-1', 'one', '[]', 1, 0, 1000);
         UPDATE epoch SET value = 41;
         PRAGMA application_id = 0x48414543;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let store = Sqlite::open(&path).await.unwrap();
    assert_eq!(UserStore::by_id(&store, "u-1").await.unwrap(), Some(user("u-1", "one")));
    assert_eq!(store.epoch().await.unwrap(), 41);
    assert!(RevocationStore::list(&store, Timestamp(0)).await.unwrap().is_empty());
    UserStore::remove(&store, "u-1").await.unwrap();
    assert_eq!(store.epoch().await.unwrap(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_open_a_new_store_at_once() {
    for _ in 0..5 {
        let (_folder, path) = folder();
        let mut tasks = Vec::new();
        for number in 0..8 {
            let path = path.clone();
            tasks.push(tokio::spawn(async move {
                let store = Sqlite::open(&path).await?;
                let name = format!("n-{number}");
                UserStore::add(&store, user(&name, &name)).await
            }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let store = Sqlite::open(&path).await.unwrap();
        assert_eq!(UserStore::list(&store, None, 100).await.unwrap().len(), 8);
    }
}

/// On a runtime with one thread: a write that waits for another process must not hold it.
#[tokio::test(flavor = "current_thread")]
async fn a_write_that_waits_for_another_process_holds_nobody_up() {
    let (_folder, path) = folder();
    let store = Sqlite::open(&path).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = store.clone();
    let write = tokio::spawn(async move { UserStore::add(&waiting, user("u-1", "one")).await });
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!write.is_finished());
        assert_eq!(store.epoch().await.unwrap(), 0);
        assert!(UserStore::by_id(&store, "u-1").await.unwrap().is_none());
    }
    other.execute_batch("COMMIT").unwrap();
    write.await.unwrap().unwrap();
    assert_eq!(store.epoch().await.unwrap(), 1);
}

#[tokio::test]
async fn a_lock_that_is_never_released_is_an_error_and_not_a_hang() {
    let (_folder, path) = folder();
    let store = Sqlite::open(&path).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let limit = Duration::from_secs(20);
    let refused = tokio::time::timeout(limit, UserStore::add(&store, user("u-1", "one"))).await;
    let error = refused.unwrap().unwrap_err();
    assert!(reason(&error).contains("locked"), "{error:?}");
    other.execute_batch("COMMIT").unwrap();
    UserStore::add(&store, user("u-1", "one")).await.unwrap();
}

/// Whether any file in `folder` holds `marker`. Another process looks: closing a file of an open
/// store in this one would drop its locks.
fn holds(folder: &TempDir, marker: &str) -> bool {
    let mut grep = Command::new("grep");
    let found = grep.args(["-rqaF", "--", marker]).arg(folder.path()).status().unwrap();
    assert!(found.code().is_some_and(|code| code <= 1), "{found}");
    found.success()
}

fn signing_key(key_id: &str, sealed_private: &str) -> StoredSigningKey {
    StoredSigningKey {
        key_id: key_id.to_owned(),
        algorithm: "ES256".to_owned(),
        sealed_private: sealed_private.into(),
        state: SigningKeyState::Active,
        created_at: Timestamp(1),
        retiring_since: None,
    }
}

#[tokio::test]
async fn what_was_retired_or_removed_is_in_no_file_any_more() {
    let (folder, path) = folder();
    let stores = Stores::of(
        &Sqlite::open(&path).await.unwrap(),
        Arc::new(haechi_storage::MemorySubjectKeys::new()),
    );
    let signing_keys = &stores.signing_keys;
    let old = format!("retired-private-{}", "x".repeat(9_000));
    signing_keys.activate(signing_key("k-1", &old), false).await.unwrap();
    signing_keys.activate(signing_key("k-2", "active-private-part"), false).await.unwrap();
    let email = Some("removed@example.org".to_owned());
    stores.users.add(StoredUser { email, ..user("u-1", "removed-name") }).await.unwrap();
    let phc = Secret::from("$argon2id$removed-hash".to_owned());
    let password = StoredPassword { phc, changed_at: Timestamp(1) };
    stores.passwords.replace("u-1", password).await.unwrap();
    let markers = ["retired-private", "removed-name", "removed@example.org", "removed-hash"];
    for marker in markers {
        assert!(holds(&folder, marker), "{marker} was never written");
    }
    signing_keys.retire("k-1").await.unwrap();
    stores.users.remove("u-1").await.unwrap();
    for marker in markers {
        assert!(!holds(&folder, marker), "{marker} is still there");
    }
    assert!(holds(&folder, "active-private-part"));
}

#[tokio::test]
async fn a_damaged_row_is_an_error_that_does_not_show_it() {
    let (_folder, path) = folder();
    let store = Sqlite::open(&path).await.unwrap();
    UserStore::add(&store, user("u-1", "one")).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch(r#"UPDATE users SET roles = '[{"private": "part"}]'"#).unwrap();
    let error = UserStore::by_id(&store, "u-1").await.unwrap_err();
    assert!(reason(&error).contains("`roles`"), "{error:?}");
    assert!(!full_text(&error).contains("private"), "{error:?}");
}

#[tokio::test]
async fn the_schema_itself_refuses_what_the_contracts_rule_out() {
    let (_folder, path) = folder();
    let store = Sqlite::open(&path).await.unwrap();
    UserStore::add(&store, user("u-1", "one")).await.unwrap();
    store.activate(signing_key("k-1", "private"), false).await.unwrap();
    let revocation = Revocation {
        kind: RevocationKind::Token,
        issuer: String::new(),
        id: "t-1".to_owned(),
        at: Timestamp(1),
        until: None,
    };
    store.revoke(revocation).await.unwrap();
    let other = Connection::open(&path).unwrap();
    let refused = [
        "UPDATE users SET username = ''",
        "UPDATE users SET roles = 'admin'",
        "UPDATE users SET roles = '{}'",
        "UPDATE users SET enabled = 2",
        "UPDATE users SET enabled = 'yes'",
        "UPDATE users SET created_at_ms = -1",
        "INSERT INTO epoch (one, value) VALUES (2, 0)",
        "UPDATE epoch SET value = -1",
        "INSERT INTO signing_keys VALUES ('k-2', 'ES256', x'00', 'active', 1, NULL)",
        "UPDATE signing_keys SET state = 'retired'",
        "UPDATE signing_keys SET state = 'sleeping'",
        "UPDATE revocations SET kind = 'rumour'",
        "INSERT INTO subjects VALUES ('s-1', x'00', NULL)",
        "PRAGMA foreign_keys = ON; INSERT INTO passwords VALUES ('nobody', x'00', 1)",
    ];
    for sql in refused {
        assert!(other.execute_batch(sql).is_err(), "{sql}");
    }
    other.execute_batch("UPDATE users SET enabled = 0").unwrap();
}
