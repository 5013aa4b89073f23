//! What an auditor does with the program: on the machine itself, with a copy, and with a proof alone.

use std::path::Path;

use crate::home::Home;

const PASSWORD: &str = "correct horse battery staple";

/// A data directory with some entries, whose log nobody writes any more.
fn home() -> Home {
    let home = Home::empty();
    for number in 0..3 {
        home.add_user(&format!("person{number}"), "user", PASSWORD);
    }
    home
}

fn words(said: &str) -> Vec<&str> {
    said.split_whitespace().collect()
}

fn segment(log: &Path) -> std::path::PathBuf {
    log.join("segments/00000000000000000000.seg")
}

/// Changes one bit in what was logged of somebody.
fn change(log: &Path) {
    let mut bytes = std::fs::read(segment(log)).unwrap();
    let place = bytes.windows(8).position(|window| window == b"user.add").unwrap();
    bytes[place] ^= 1;
    std::fs::write(segment(log), bytes).unwrap();
}

#[test]
fn an_auditor_verifies_remembers_and_is_told_what_was_changed() {
    let home = home();
    let whole = home.good(&["audit", "verify"]);
    assert!(whole.out.starts_with("audit: whole"), "{whole:?}");
    assert!(whole.out.contains("the log's own word"), "{whole:?}");
    let key = home.good(&["audit", "key"]).out;
    std::fs::write(home.path("key"), &key).unwrap();
    let json = home.good(&["audit", "verify", "--key", "key", "--remember", "kept", "--json"]);
    let json = json.json();
    assert_eq!(
        (json["verdict"].as_str(), json["logs"][0]["uncovered"].as_u64()),
        (Some("whole"), Some(0))
    );
    assert_eq!(json["logs"][0]["entries_read"], json["logs"][0]["size"]);
    home.add_user("later", "user", PASSWORD);
    let again = ["audit", "verify", "--key", "key", "--against", "kept", "--remember", "kept"];
    assert!(home.good(&again).out.contains("grown from the remembered"));
    let since = home.good(&["audit", "verify", "--since", "1h"]);
    assert!(since.out.contains("whole"), "{since:?}");
    change(&home.path("data/audit"));
    let changed = home.run(&again);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.out.contains("was changed") && changed.out.contains("next:"), "{changed:?}");
    let json = home.run(&["audit", "verify", "--json"]).json();
    assert_eq!(json["logs"][0]["findings"][0]["finding"], "changed", "{json}");
    assert!(json["logs"][0]["findings"][0]["entry"].is_u64(), "{json}");
    let korean = home.run(&["--lang", "ko", "audit", "verify"]);
    assert!(korean.out.contains("변경됨"), "{korean:?}");
    assert!(korean.out.contains("번 항목이 변경되었습니다"), "{korean:?}");
    assert!(!korean.out.contains("was changed") && !korean.out.contains("keep"), "{korean:?}");
}

#[test]
fn where_there_is_no_log_the_next_step_is_another_folder() {
    let home = Home::empty();
    std::fs::create_dir(home.path("other")).unwrap();
    home.write("other/notes", "nothing");
    for folder in ["other", "none", "other/notes"] {
        let none = home.run(&["audit", "verify", "--directory", folder]);
        assert_eq!(none.code, Some(2), "{none:?}");
        assert!(none.err.contains("there is no audit log in"), "{none:?}");
        assert!(!none.err.contains("audit verify"), "{none:?}");
    }
    let korean = home.run(&["--lang", "ko", "audit", "verify", "--directory", "other"]);
    assert!(korean.err.contains("감사 로그가 없습니다"), "{korean:?}");
}

#[test]
fn an_auditor_is_told_of_a_loss_and_still_verifies_what_was_left() {
    let home = home();
    let key = home.good(&["audit", "key"]).out;
    std::fs::write(home.path("key"), &key).unwrap();
    change(&home.path("data/audit"));
    assert_eq!(home.run(&["audit", "repair"]).code, Some(1));
    home.good(&["audit", "repair", "--accept-loss"]);
    let verified = home.good(&["audit", "verify"]).out;
    assert!(verified.contains("audit: whole"), "{verified}");
    assert!(verified.contains("a log before this one lost entries (generation:1"), "{verified}");
    let json = home.good(&["audit", "verify", "--json"]).json();
    let lost = &json["logs"][0]["findings"][0];
    assert_eq!(lost["finding"], "lost", "{json}");
    let shown = home.good(&["audit", "query", "--act", "audit.repair", "--json"]).out;
    let act: serde_json::Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    let by = act["sid"].as_str().unwrap();
    assert!(lost["text"].as_str().unwrap().ends_with(&format!(" by {by}")), "{lost} {act}");
    // Whoever kept the key learns of it too.
    let kept = home.run(&["audit", "verify", "--key", "key"]);
    assert_eq!(kept.code, Some(1), "{kept:?}");
    let aside = ["audit", "verify", "--directory", "data/audit/lost/1", "--key", "key"];
    let aside = home.run(&aside);
    assert_eq!(aside.code, Some(1), "{aside:?}");
    assert!(aside.out.contains("was changed"), "{aside:?}");
}

#[test]
fn a_copy_is_verified_where_there_is_nothing_else() {
    let home = home();
    let key = home.good(&["audit", "key"]).out;
    home.good(&["audit", "verify", "--remember", "kept"]);
    let away = Home::empty();
    copy(&home.path("data/audit"), &away.path("copy"));
    copy(&home.path("kept"), &away.path("kept"));
    let key = key.trim();
    let verify = ["audit", "verify", "--directory", "copy", "--key", key];
    assert!(away.good(&verify).out.contains("copy: whole"));
    assert!(!away.path("data").exists(), "nothing else is made or read");
    let other = "gateway.example/other+0a2b3c4d+AQAA";
    assert_eq!(away.run(&["audit", "verify", "--directory", "copy", "--key", other]).code, Some(2));
    // Another log's key is a key, and not this log's.
    let stranger = self::home();
    let strange = stranger.good(&["audit", "key"]).out;
    let strange = ["audit", "verify", "--directory", "copy", "--key", strange.trim()];
    assert_eq!(away.run(&strange).code, Some(1));
    std::fs::remove_file(away.path("copy/checkpoint")).unwrap();
    assert_eq!(away.run(&verify).code, Some(2));
    let against = [&verify[..], &["--against", "kept"]].concat();
    assert_eq!(away.run(&against).code, Some(1));
    assert_eq!(away.run(&["audit", "verify", "--directory", "none"]).code, Some(2));
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

#[test]
fn a_proof_is_checked_with_nothing_but_the_key() {
    let home = home();
    let key = home.good(&["audit", "key"]).out;
    let listed = home.good(&["audit", "query", "--event", "administration"]).out;
    let entry = words(&listed).into_iter().find(|word| word.starts_with("gateway-")).unwrap();
    let entry = entry.to_owned();
    home.good(&["audit", "prove", &entry, "--entry-out", "entry.json"]);
    let away = Home::empty();
    let proof = format!("{entry}.tlog-proof");
    copy(&home.path(&proof), &away.path(&proof));
    copy(&home.path("entry.json"), &away.path("entry.json"));
    let check = ["audit", "check-proof", &proof, "--entry", "entry.json", "--key", key.trim()];
    let good = away.good(&check);
    assert!(good.out.contains("this is entry"), "{good:?}");
    assert!(!away.path("data").exists(), "nothing else is made or read");
    let json = away.good(&[&check[..], &["--json"]].concat()).json();
    assert_eq!(format!("gateway-{}", json["index"]), entry);
    assert_eq!(away.run(&check[..5]).code, Some(2), "no key");
    let changed = std::fs::read_to_string(away.path("entry.json")).unwrap().replace("user", "User");
    std::fs::write(away.path("entry.json"), changed).unwrap();
    assert_eq!(away.run(&check).code, Some(1));
    std::fs::write(away.path(&proof), "no proof").unwrap();
    assert_eq!(away.run(&check).code, Some(2));
    assert_eq!(home.run(&["audit", "prove", "gateway-4000000"]).code, Some(1));
    assert_eq!(home.run(&["audit", "prove", "someone-1"]).code, Some(1));
    let printed = home.good(&["audit", "prove", "3", "-o", "-"]).out;
    assert!(printed.starts_with("c2sp.org/tlog-proof@v1\nindex 3\n"), "{printed}");
}

#[test]
fn a_log_shows_that_it_grew_and_is_exported_for_others() {
    let home = home();
    std::fs::write(home.path("kept"), home.good(&["audit", "checkpoint"]).out).unwrap();
    home.add_user("later", "user", PASSWORD);
    let grew = home.good(&["audit", "consistency", "kept"]);
    assert!(grew.out.contains("grew from"), "{grew:?}");
    let json = home.good(&["audit", "consistency", "2", "5", "--json"]).json();
    assert!(json["proof"].as_array().is_some_and(|hashes| !hashes.is_empty()), "{json}");
    std::fs::write(home.path("newer"), home.good(&["audit", "checkpoint"]).out).unwrap();
    let older = home.path("older");
    copy(&home.path("data/audit"), &older);
    home.add_user("latest", "user", PASSWORD);
    std::fs::write(home.path("newest"), home.good(&["audit", "checkpoint"]).out).unwrap();
    let grown = ["audit", "consistency", "kept", "newest", "--directory", "data/audit"];
    home.good(&grown);
    // A copy of before has less than the log has signed since.
    let set_back = home.run(&["audit", "consistency", "kept", "newest", "--directory", "older"]);
    assert_eq!(set_back.code, Some(1), "{set_back:?}");
    home.good(&["audit", "consistency", "kept", "newer", "--directory", "older"]);
    assert_eq!(home.run(&["audit", "consistency", "5", "2"]).code, Some(1));
    assert_eq!(home.run(&["audit", "consistency", "5", "200000"]).code, Some(2));
    let first = home.good(&["audit", "export-tiles", "out", "--json"]).json();
    // A tile of hashes and one of entries, both partial.
    assert_eq!(first["written"], 2, "{first}");
    let tile = format!("out/tile/0/000.p/{}", first["size"]);
    assert!(home.path(&tile).exists() && home.path("out/checkpoint").exists(), "{tile}");
    let stranger = self::home();
    let out = home.path("out").display().to_string();
    assert_eq!(stranger.run(&["audit", "export-tiles", &out]).code, Some(1), "another log's");
}

#[test]
fn every_command_of_the_auditor_has_an_example() {
    let home = Home::empty();
    for command in
        ["verify", "prove", "check-proof", "consistency", "export-tiles", "checkpoint", "key"]
    {
        let help = home.good(&["audit", command, "--help"]).out;
        assert!(help.contains(&format!("$ haechi audit {command}")), "{help}");
    }
}
