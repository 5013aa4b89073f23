//! Fernet: key files and tokens of other programs are read, and moved out of.

use std::io::Write as _;
use std::process::{Command, Stdio};

use haechi_core::{Place, ProtectError, Protection, Secret};
use haechi_vault::{FernetKeyError, ImportError, VaultConfig};

use crate::hall::{Hall, assert_fails, place};

const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// `hello`, made with [`KEY`] in 1985: the example of the Fernet specification.
const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

async fn import(hall: &Hall, file: &str) -> Result<usize, ImportError> {
    hall.vault.import_fernet("acme", &Secret::from(file.to_owned())).await
}

#[tokio::test]
async fn an_imported_key_opens_what_it_made_for_its_tenant() {
    let hall = Hall::new().await;
    let here = place("EMAIL_ADDRESS");
    assert_fails!(hall.open(TOKEN, &here).await, ProtectError::Unknown);
    assert_eq!(import(&hall, KEY).await.unwrap(), 1);
    let opened = hall.open(TOKEN, &here).await.unwrap();
    assert_eq!(opened.value.expose_str(), Some("hello"));
    assert_eq!(&*opened.kind, "EMAIL_ADDRESS");
    let there = Place { tenant: "other".into(), ..here };
    assert_fails!(hall.open(TOKEN, &there).await, ProtectError::Unknown);
}

#[tokio::test]
async fn a_file_of_several_keys_is_taken_over_once() {
    let hall = Hall::new().await;
    assert_eq!(import(&hall, KEY).await.unwrap(), 1);
    let both = format!("{OTHER_KEY}\n{KEY}\n");
    assert_eq!(import(&hall, &both).await.unwrap(), 1);
    assert_eq!(import(&hall, &both).await.unwrap(), 0);
    assert!(hall.open(TOKEN, &place("ID")).await.is_ok());
    let wrong = import(&hall, &format!("{KEY}\nnonsense")).await;
    assert_fails!(wrong, ImportError::File(FernetKeyError::NotAKey { line: 2 }));
    assert_fails!(import(&hall, "").await, ImportError::File(FernetKeyError::Empty));
}

#[tokio::test]
async fn a_token_is_renewed_as_an_envelope() {
    let hall = Hall::new().await;
    let place = place("EMAIL_ADDRESS");
    import(&hall, KEY).await.unwrap();
    let renewed = hall.vault.renew(TOKEN, &place).await.unwrap().unwrap();
    assert!(renewed.starts_with("hv1."), "{renewed}");
    let opened = hall.open(&renewed, &place).await.unwrap();
    assert_eq!(opened.value.expose_str(), Some("hello"));
}

#[tokio::test]
async fn fernet_is_written_only_where_the_setting_says_so() {
    let place = place("EMAIL_ADDRESS");
    for write_fernet in [false, true] {
        let hall = Hall::with(VaultConfig { write_fernet, ..VaultConfig::default() }).await;
        let without_key = hall.protect(Protection::Seal, "a@example.com", &place).await;
        assert!(without_key.starts_with("hv1."), "{without_key}");
        import(&hall, KEY).await.unwrap();
        let text = hall.protect(Protection::Seal, "a@example.com", &place).await;
        assert_eq!(text.starts_with("gAAAAA"), write_fernet, "{text}");
        let opened = hall.open(&text, &place).await.unwrap();
        assert_eq!(opened.value.expose_str(), Some("a@example.com"));
    }
}

/// Runs `script` with Python's `cryptography`; `None` where there is none. A script that fails is a
/// failure, and no reason to leave it out.
fn python(script: &str, input: &str) -> Option<String> {
    let run = |script: &str| {
        let child = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        child.and_then(|mut child| {
            child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()))?;
            child.wait_with_output()
        })
    };
    let probe = run("import sys, cryptography.fernet; sys.stdin.read()");
    if !probe.is_ok_and(|probe| probe.status.success()) {
        #[expect(clippy::disallowed_methods, reason = "what must be there is a setting of the run")]
        let ci = std::env::var_os("CI");
        assert!(ci.is_none_or(|ci| ci != "true"), "Python's `cryptography` must be there");
        println!("left out: Python's `cryptography`, which is not there");
        return None;
    }
    let output = run(script).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn pythons_tokens_are_read() {
    let values = ["hello", "", "한국어 텍스트", &"x".repeat(1000)];
    let script = "import sys, json\n\
        from cryptography.fernet import Fernet, MultiFernet\n\
        given = json.load(sys.stdin)\n\
        fernet = MultiFernet([Fernet(key) for key in given['keys']])\n\
        print(json.dumps([fernet.encrypt(v.encode()).decode() for v in given['values']]))";
    let given = serde_json::json!({ "keys": [OTHER_KEY, KEY], "values": values });
    let Some(tokens) = python(script, &given.to_string()) else { return };
    let tokens: Vec<String> = serde_json::from_str(&tokens).unwrap();
    let hall = Hall::new().await;
    import(&hall, &format!("{OTHER_KEY}\n{KEY}\n")).await.unwrap();
    for (token, value) in tokens.iter().zip(values) {
        let opened = hall.open(token, &place("ID")).await.unwrap();
        assert_eq!(opened.value.expose_str(), Some(value));
    }
}

#[tokio::test]
async fn python_reads_what_is_written() {
    let hall = Hall::with(VaultConfig { write_fernet: true, ..VaultConfig::default() }).await;
    import(&hall, &format!("{OTHER_KEY}\n{KEY}\n")).await.unwrap();
    let values = ["hello", "", "한국어 텍스트", &"x".repeat(1000)];
    let mut tokens = Vec::new();
    for value in values {
        tokens.push(hall.protect(Protection::Seal, value, &place("ID")).await);
    }
    // The first line of the file encrypts, as it does for Python.
    let script = "import sys, json\n\
        from cryptography.fernet import Fernet\n\
        given = json.load(sys.stdin)\n\
        fernet = Fernet(given['key'])\n\
        print(json.dumps([fernet.decrypt(t).decode() for t in given['tokens']]))";
    let given = serde_json::json!({ "key": OTHER_KEY, "tokens": tokens });
    let Some(opened) = python(script, &given.to_string()) else { return };
    let opened: Vec<String> = serde_json::from_str(&opened).unwrap();
    assert_eq!(opened, values);
}
