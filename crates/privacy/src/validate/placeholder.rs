//! What stands where a credential will stand: placeholders, references to it, and examples.

/// Words that no credential contains but by a rare chance.
const WORDS: [&str; 24] = [
    "example",
    "xxxx",
    "your",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "redacted",
    "dummy",
    "insert",
    "replace",
    "todo",
    "****",
    "....",
    "…",
    "••",
    "-here",
    "_here",
    "sample",
    "notreal",
    "not-real",
    "fixme",
    "lorem",
    "removed",
];

/// What people write for a password when they mean none.
const STAND_INS: [&str; 44] = [
    "password",
    "passwd",
    "pass",
    "pwd",
    "secret",
    "token",
    "none",
    "null",
    "nil",
    "true",
    "false",
    "undefined",
    "string",
    "str",
    "username",
    "user",
    "value",
    "key",
    "foo",
    "bar",
    "test",
    "mypassword",
    "my_password",
    "my-password",
    "userpassword",
    "user_password",
    "apikey",
    "api_key",
    "api-key",
    "text",
    "prompt",
    "required",
    "optional",
    "yes",
    "no",
    "hidden",
    "empty",
    "unset",
    "file",
    "ask",
    "env",
    "passphrase",
    "default",
    "credentials",
];

/// Whether `text` only holds the place of a value.
pub(super) fn is_placeholder(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let cut = text.ends_with("...");
    cut || WORDS.iter().any(|word| lower.contains(word))
        || is_monotonous(&lower)
        || is_counted(&lower)
}

/// Whether `text` points to a value that is kept elsewhere: a variable, a template, a call, a path.
pub(super) fn is_reference(text: &str) -> bool {
    const MARKS: [&str; 15] = [
        "${",
        "$(",
        "{{",
        "}}",
        "%(",
        "{%",
        "#{",
        "getenv",
        "process.env",
        "environ",
        "env[",
        "vault:",
        "secrets.",
        "`",
        "://",
    ];
    let lower = text.to_ascii_lowercase();
    let variable = text.starts_with('$') && text.bytes().skip(1).all(is_identifier)
        || text.starts_with('%') && text.ends_with('%')
        || text.len() < 48 && text.starts_with('{') && text.ends_with('}')
        || text.starts_with('[') && text.ends_with(']')
        || text.starts_with('<') && text.ends_with('>');
    variable || MARKS.iter().any(|mark| lower.contains(mark)) || is_path(text) || is_call(text)
}

/// Whether `text` is a word that people write where they mean no password.
pub(super) fn stands_in_for_password(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = lower.bytes().all(|byte| byte.is_ascii_lowercase() || b"_-. ".contains(&byte));
    let names_one = ["passw", "passphrase", "secret", "token", "credential", "api_key"];
    STAND_INS.contains(&lower.as_str())
        || words && names_one.iter().any(|name| lower.contains(name))
}

/// One character makes up half of it, or too few make up the whole.
fn is_monotonous(text: &str) -> bool {
    let mut counts = [0_usize; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let different = counts.iter().filter(|count| **count > 0).count();
    text.len() >= 6 && most * 2 > text.len() || text.len() >= 16 && different < 6 || different <= 1
}

/// Letters or digits in their own order, `abcdefg` or `234567`, make up two fifths of it.
fn is_counted(text: &str) -> bool {
    const RUN: usize = 6;
    let (mut counted, mut run, mut before) = (0, 1, None);
    for byte in text.bytes().map(Some).chain([None]) {
        if before.is_some_and(|before: u8| byte == before.checked_add(1)) {
            run += 1;
        } else {
            counted += if run >= RUN { run } else { 0 };
            run = 1;
        }
        before = byte;
    }
    text.len() > 10 && counted * 5 >= text.len() * 2
}

/// `/run/secrets/name`, `C:\name`, `./name`, `~/name`.
fn is_path(text: &str) -> bool {
    let slashes = text.bytes().filter(|byte| *byte == b'/').count();
    text.starts_with("./")
        || text.starts_with("~/")
        || text.starts_with("../")
        || text.get(1..3) == Some(":\\")
        || text.starts_with('/')
            && slashes > 1
            && text.bytes().all(|byte| is_identifier(byte) || b"/.-".contains(&byte))
            && text.len() < 40
}

/// `read("name")`, `name()`, `config.name`, `self.name`.
fn is_call(text: &str) -> bool {
    let called = text.split_once('(').is_some_and(|(name, _)| {
        !name.is_empty() && name.bytes().all(|byte| is_identifier(byte) || byte == b'.')
    });
    let member = text.contains('.')
        && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"._[]'\"".contains(&byte));
    called && text.contains(')') || member
}

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
