//! Root keys in `age` files, against the program `age`.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use haechi_vault::provider::{PassphraseRoot, ProviderError, RootProvider};
use tempfile::TempDir;

use super::{chance, leave_out, root, secret, told};

const WORDS: &str = "correct horse battery staple";

fn provider(path: &Path, words: &str) -> PassphraseRoot {
    let made = PassphraseRoot::new(path.to_owned(), &secret(words), chance(1)).unwrap();
    made.with_work_factor(10)
}

/// Runs `age` on a terminal of its own, which is where it asks for the passphrase.
fn age(arguments: &str, typed: &str, folder: &Path) -> bool {
    let mut child = Command::new("script")
        .args(["-qec", &format!("age {arguments}"), "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut terminal = child.stdin.take().unwrap();
    terminal.write_all(typed.as_bytes()).unwrap();
    // The terminal stays open until the program is done.
    let done = child.wait().unwrap();
    drop(terminal);
    done.success()
}

fn there(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn the_program_age_opens_what_we_made_and_we_open_what_it_made() {
    if !there("age") || !there("script") {
        return leave_out("the program `age` (with `script`)");
    }
    let folder = TempDir::new().unwrap();
    let ours = provider(&folder.path().join("ours.age"), WORDS);
    let made = ours.unseal().await.unwrap();
    let typed = format!("{WORDS}\n");
    assert!(age("-d -o opened ours.age", &typed, folder.path()));
    assert_eq!(fs::read(folder.path().join("opened")).unwrap(), made.expose());
    assert!(!age("-d -o never ours.age", "wrong\n", folder.path()));

    fs::write(folder.path().join("plain"), root(42).expose()).unwrap();
    assert!(age("-p -o theirs.age plain", &format!("{WORDS}\n{WORDS}\n"), folder.path()));
    let theirs = folder.path().join("theirs.age");
    fs::set_permissions(&theirs, Permissions::from_mode(0o600)).unwrap();
    let found = provider(&theirs, WORDS).find().await.unwrap().unwrap();
    assert!(found.matches(&root(42)));
    let refused = provider(&theirs, "wrong").find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::WrongPassphrase(_)), "{refused:?}");
    assert!(!told(&refused).contains("wrong "), "{refused:?}");
}

#[tokio::test]
async fn a_file_with_any_byte_changed_or_cut_does_not_open() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.age");
    let made = provider(&path, WORDS).unseal().await.unwrap();
    let whole = fs::read(&path).unwrap();
    for position in 0..whole.len() {
        let mut changed = whole.clone();
        changed[position] ^= 1;
        fs::write(&path, &changed).unwrap();
        let refused = provider(&path, WORDS).find().await;
        assert!(refused.is_err(), "byte {position} of {}", String::from_utf8_lossy(&whole));
        if position % 8 == 0 {
            fs::write(&path, &whole[..position]).unwrap();
            assert!(provider(&path, WORDS).find().await.is_err(), "cut at {position}");
        }
    }
    fs::write(&path, &whole).unwrap();
    assert!(provider(&path, WORDS).find().await.unwrap().unwrap().matches(&made));
}

#[tokio::test]
async fn files_of_other_kinds_and_files_that_cost_too_much_are_refused_unopened() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.age");
    provider(&path, WORDS).unseal().await.unwrap();
    let whole = fs::read(&path).unwrap();
    let rest = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let end_of_stanza = rest + whole[rest..].iter().position(|byte| *byte == b'\n').unwrap();
    let with_factor = |factor: &str| {
        let factor = factor.as_bytes();
        [&whole[..end_of_stanza - 2], factor, &whole[end_of_stanza..]].concat()
    };
    for (factor, log_n) in [("21", 21), ("30", 30), ("63", 63), ("99", 99)] {
        fs::write(&path, with_factor(factor)).unwrap();
        let refused = provider(&path, WORDS).find().await.unwrap_err();
        assert!(matches!(refused, ProviderError::TooCostly { log_n: n, .. } if n == log_n));
    }
    for factor in ["0", "010", "+10", "1e1", " 10", "10 ", "", "256", "-1"] {
        fs::write(&path, with_factor(factor)).unwrap();
        let refused = provider(&path, WORDS).find().await.unwrap_err();
        assert!(matches!(refused, ProviderError::Damaged(_)), "{factor}: {refused:?}");
    }
    let text = String::from_utf8_lossy(&whole).into_owned();
    let with_two = text.replacen("---", "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 10\nAAAA\n---", 1);
    for other in [
        "age-encryption.org/v1\n-> X25519 AAAA\nAAAA\n--- AAAA\n",
        "-----BEGIN AGE ENCRYPTED FILE-----\n",
        "age-encryption.org/v2\n",
        &with_two,
    ] {
        fs::write(&path, other).unwrap();
        let refused = provider(&path, WORDS).find().await.unwrap_err();
        assert!(matches!(refused, ProviderError::Damaged(_)), "{other}: {refused:?}");
    }
}

#[test]
fn an_empty_passphrase_is_none() {
    for empty in ["", "\n", "\r\n"] {
        let refused =
            PassphraseRoot::new("root.age".into(), &secret(empty), chance(1)).unwrap_err();
        assert!(matches!(refused, ProviderError::NoPassphrase));
    }
}
