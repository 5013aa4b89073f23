//! Which texts pass for credentials and which do not; none of them opens anything.

use super::{TABLE, Validator};

fn check(name: &str) -> Validator {
    TABLE.iter().find(|(known, _)| *known == name).unwrap().1
}

fn holds(name: &str, texts: &[&str]) {
    let refused: Vec<_> = texts.iter().filter(|text| !check(name)(text)).collect();
    assert!(refused.is_empty(), "{name} refuses {refused:?}");
}

fn fails(name: &str, texts: &[&str]) {
    let accepted: Vec<_> = texts.iter().filter(|text| check(name)(text)).collect();
    assert!(accepted.is_empty(), "{name} accepts {accepted:?}");
}

#[test]
fn a_token_made_by_chance_holds_and_a_placeholder_does_not() {
    holds("secret_token", &["AKIA3Q7ZL2WVX5TB4NHG", "glpat-Zk3_9xTq-L0vWmB7yHc2"]);
    let placeholders = [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AIzaSyabcdefghijklmnopqrstuvwxyz1234567",
        "ntn_12345678901234567890123456789012345",
        "sk-your-key-goes-here-1",
        "00000000000000000000000000000000",
        "${GITHUB_TOKEN}",
        "thistokenhasnodigitsatallinit",
    ];
    fails("secret_token", &placeholders);
}

#[test]
fn the_value_of_a_key_is_no_name_of_something() {
    holds("secret_value", &["9f2c4b7a1e8d3056f7c2", "q8Zt_3LmX-0pRw5Yb7Kd", "k3J9x0Lq7Vb2"]);
    let names = [
        "rc0.15.0_20231217_1420-SNAPSHOT",
        "ultraPictureBox1",
        "id-Gost28147-89-None-KeyMeshing",
        "dev-lb1.api.test.com:5215",
        "kVK_Return.u16",
        "s_rsa1024_priv.pem",
        "next_page_token_2",
        "process.env.API_KEY_2",
    ];
    fails("secret_value", &names);
}

#[test]
fn a_password_is_neither_a_reference_nor_a_word_for_one() {
    holds("secret_password", &["hunter22", "P@ss!word9", "root", "Tr0ub4dor&3", "$ecretK1$9"]);
    let references = [
        "password",
        "changeme",
        "$DB_PASSWORD",
        "${DB_PASSWORD}",
        "{{ vault_pw }}",
        "%DB_PW%",
        "<password>",
        "********",
        "os.environ['PW']",
        "/run/secrets/db_password",
        "getpass()",
        "config.database.password",
    ];
    fails("secret_password", &references);
    fails("secret_password_bare", &["required", "user_password", "self.password", "0"]);
}

#[test]
fn a_login_has_a_password() {
    holds("secret_login", &["shop:k9Lm2xQ", ":d2LkV78zLx", "d2LkV78zLx!t:"]);
    fails("secret_login", &["user:password", "$USER:$PASS", "username:token", ":", "shop"]);
}

#[test]
fn the_last_letters_of_a_github_token_are_its_checksum() {
    // CRC-32 of the 30 characters before, in base 62.
    holds("github_token", &["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"]);
    fails("github_token", &["ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18", "ghp_", "", "ghp_é"]);
}

#[test]
fn the_header_of_a_json_web_token_names_an_algorithm() {
    holds("jwt", &["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA"]);
    fails("jwt", &["eyJhbGciOiJ.a.b", "bm90IGpzb24.a.b", "eyJ0eXAiOiJKV1QifQ.a.b"]);
}

#[test]
fn basic_credentials_are_a_name_and_a_password() {
    holds("basic_credentials", &["c2hvcDprOUxtMnhR"]);
    fails("basic_credentials", &["authentication", "c2hvcA==", "Og==", "dXNlcjpwYXNzd29yZA=="]);
}

#[test]
fn a_secret_access_key_is_no_digest() {
    holds("aws_secret_key", &["kT9/bQ2xLr0+ZwM4vYp7HcN1sGdJfA8eUiOo5XtK"]);
    fails("aws_secret_key", &["da39a3ee5e6b4b0d3255bfef95601890afd80709"]);
}

#[test]
fn a_seed_phrase_carries_its_checksum() {
    // The first vector of BIP-39 that is not one word repeated.
    let phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    holds("seed_phrase", &[phrase, &format!("{phrase} and so on")]);
    fails("seed_phrase", &["legal winner thank year", &phrase.replace("yellow", "year")]);
}
