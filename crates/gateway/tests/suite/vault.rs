//! `haechi vault`: what an administrator does with keys, copies and single values.

use crate::home::{Home, Said};

const PLACE: [&str; 6] = ["--upstream", "crm", "--tool", "get", "--field", "/email"];

fn seal(home: &Home, value: &str) -> String {
    let arguments = [&["vault", "encrypt", "--kind", "EMAIL_ADDRESS"], &PLACE[..]].concat();
    let said = home.feed(&arguments, value);
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out.trim().to_owned()
}

fn open(home: &Home, text: &str) -> Said {
    home.feed(&[&["vault", "decrypt"], &PLACE[..]].concat(), text)
}

fn works(home: &Home) -> Vec<String> {
    let told = home.good(&["audit", "query", "--event", "administration", "--json"]);
    let lines = told.out.lines().map(|line| serde_json::from_str(line).unwrap());
    let words = lines.map(|entry: serde_json::Value| {
        format!("{} {}", entry["act"].as_str().unwrap(), entry["detail"][0].as_str().unwrap())
    });
    words.collect()
}

#[test]
fn a_value_is_sealed_for_its_place_and_every_step_is_recorded() {
    let home = Home::empty();
    let sealed = seal(&home, "kim@example.com\n");
    assert!(sealed.starts_with("hv1."), "{sealed}");
    assert_eq!(open(&home, &sealed).out, "kim@example.com\n");
    let elsewhere = home.feed(&["vault", "decrypt", "--upstream", "hr"], &sealed);
    assert!(elsewhere.code == Some(1) && elsewhere.out.is_empty(), "{elsewhere:?}");
    let works = works(&home);
    for wanted in [
        "vault.encrypt asked",
        "vault.encrypt done",
        "vault.decrypt asked",
        "vault.decrypt done",
        "vault.decrypt not-done",
    ] {
        assert!(works.iter().any(|work| work == wanted), "{wanted}: {works:?}");
    }
    let log = home.good(&["audit", "query", "--json"]).out;
    assert!(!log.contains("kim@example.com") && !log.contains(&sealed));
}

#[test]
fn keys_get_new_versions_and_are_destroyed_late_only() {
    let home = Home::empty();
    let sealed = seal(&home, "kim@example.com");
    let status = home.good(&["vault", "status", "--json"]).json();
    assert_eq!(status["root"]["provider"], "file", "{status}");
    let key = status["keys"].as_array().unwrap().iter().find(|key| key["purpose"] == "seal");
    let id = key.unwrap()["key_id"].to_string();
    let rotated = home.good(&["vault", "rotate", "--purpose", "seal", "--json"]).json();
    assert_eq!(rotated[0]["version"], 2, "{rotated}");
    assert_eq!(open(&home, &sealed).out, "kim@example.com\n", "the old version opens on");
    assert!(home.good(&["vault", "status"]).out.contains("2*"));

    let now = home.run(&["vault", "destroy", &id, "--now"]);
    assert!(now.code == Some(1) && now.err.contains("seven days"), "{now:?}");
    let soon = home.run(&["vault", "destroy", &id, "--version", "1", "--in", "6d"]);
    assert_eq!(soon.code, Some(1), "{soon:?}");
    assert_eq!(home.run(&["vault", "destroy", &id, "--version", "2"]).code, Some(1));
    home.good(&["vault", "destroy", &id, "--version", "1", "--in", "7d"]);
    assert_eq!(open(&home, &sealed).code, Some(1), "it does nothing any more");
    home.good(&["vault", "destroy", &id, "--version", "1", "--cancel"]);
    assert_eq!(open(&home, &sealed).code, Some(0));
    assert_eq!(home.run(&["vault", "rotate", "--kind", "NOTHING"]).code, Some(1));
}

#[test]
fn fernet_tokens_of_others_are_opened_and_sealed_anew() {
    // From the specification of Fernet: https://github.com/fernet/spec/blob/master/verify.json
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
    let home = Home::empty();
    home.write("fernet.key", KEY);
    let import = ["vault", "import", "fernet", "--key-file", "fernet.key"];
    assert_eq!(home.good(&[&import[..], &["--json"]].concat()).json()["added"], 1);
    assert!(home.good(&import).out.starts_with("0 new keys"));
    assert_eq!(open(&home, TOKEN).out, "hello\n");
    let renew = ["vault", "rewrap", "--from", "fernet", "--kind", "EMAIL_ADDRESS"];
    let said = home.feed(&[&renew[..], &PLACE[..]].concat(), &format!("{TOKEN}\ngAAAAAno\n"));
    assert_eq!(said.code, Some(1), "one line does not open: {said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("hv1.") && lines[1] == "gAAAAAno", "{said:?}");
    assert_eq!(open(&home, lines[0]).out, "hello\n");
    home.write("fernet.key", "no key");
    let wrong = home.run(&import);
    assert!(wrong.code == Some(1) && !wrong.err.contains("no key\n"), "{wrong:?}");
}

#[test]
fn a_backup_is_restored_into_an_empty_folder_with_the_keys_that_were_kept_apart() {
    let home = Home::empty();
    home.add_user("kim", "user", "correct horse battery");
    let sealed = seal(&home, "kim@example.com");
    home.good(&["vault", "backup", "backup"]);
    let again = home.run(&["vault", "backup", "backup"]);
    assert!(again.code == Some(2) && again.err.contains("not empty"), "{again:?}");
    for left_out in ["key", "subject-keys.db"] {
        assert!(!home.path("backup").join(left_out).exists(), "{left_out}");
    }
    let long = ["vault", "backup", "--subject-keys", "keys", "--expires", "31d"];
    assert_eq!(home.run(&long).code, Some(2));
    let kept = ["vault", "backup", "--subject-keys", "keys", "--expires", "30d", "--json"];
    let file = home.good(&kept).json()["file"].as_str().unwrap().to_owned();
    std::fs::copy(home.path("data/key"), home.path("key.copy")).unwrap();

    let without = home.run(&["vault", "restore", "backup", "--data-dir", "other"]);
    assert!(without.code == Some(2) && without.err.contains("--root-key"), "{without:?}");
    let restore = ["vault", "restore", "backup", "--data-dir", "other", "--root-key", "key.copy"];
    home.good(&[&restore[..], &["--subject-keys", &file]].concat());
    assert_eq!(home.run(&restore).code, Some(2), "it is not empty any more");
    std::fs::remove_dir_all(home.path("data")).unwrap();
    std::fs::rename(home.path("other"), home.path("data")).unwrap();
    assert_eq!(open(&home, &sealed).out, "kim@example.com\n");
    assert!(home.good(&["user", "list"]).out.contains("kim"));
    assert!(!home.path("other.restoring").exists());
}

#[test]
fn a_root_key_that_is_lost_is_never_replaced() {
    let home = Home::empty();
    seal(&home, "kim@example.com");
    std::fs::rename(home.path("data/key"), home.path("key.away")).unwrap();
    let said = home.run(&["vault", "status"]);
    assert!(said.code == Some(2) && said.err.contains("data/key"), "{said:?}");
    assert!(!home.path("data/key").exists());
    std::fs::rename(home.path("key.away"), home.path("data/key")).unwrap();
    home.good(&["vault", "status"]);
}

#[test]
fn the_root_key_changes_its_keeper_and_opens_on() {
    let home = Home::empty();
    let sealed = seal(&home, "kim@example.com");
    home.write("words", "a long passphrase for this test");
    home.write("haechi.toml", "");
    home.write("next.toml", "[vault.root]\npassphrase = \"file:words\"\n");
    let said = home.good(&["vault", "root", "--to", "next.toml"]);
    assert!(said.out.contains("data/key"), "what is left is named: {said:?}");
    std::fs::remove_file(home.path("data/key")).unwrap();
    std::fs::rename(home.path("next.toml"), home.path("haechi.toml")).unwrap();
    assert_eq!(open(&home, &sealed).out, "kim@example.com\n");
}
