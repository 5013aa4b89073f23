//! Secrets that are typed or read, and never arguments.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use haechi_assembly::Password;
use haechi_core::{Entropy, Secret};
use zeroize::Zeroizing;

use super::context::Context;
use super::failure::Failure;

/// The longest secret that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Where a password comes from.
#[derive(Debug, Args)]
pub(super) struct PasswordSource {
    /// Read the password from this file (`-`: standard input) and not from a prompt
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

impl PasswordSource {
    /// A password that exists already.
    pub(super) fn read(&self, context: &Context) -> Result<Zeroizing<String>, Failure> {
        match &self.password_file {
            Some(file) => read_file(file),
            None => prompt(&context.say("Password: ", "비밀번호: ")),
        }
    }

    /// A new password: a prompt asks twice.
    pub(super) fn read_new(&self, context: &Context) -> Result<Password, Failure> {
        let Some(file) = &self.password_file else {
            let first = prompt(&context.say("New password: ", "새 비밀번호: "))?;
            let second = prompt(&context.say("Once more: ", "한 번 더: "))?;
            if *first != *second {
                return Err(Failure::no(
                    context.say("the two passwords differ", "두 비밀번호가 다릅니다"),
                ));
            }
            return Ok(Password::new(first));
        };
        Ok(Password::new(read_file(file)?))
    }
}

/// Reads a token from a file.
pub(super) fn token(file: &Path) -> Result<Secret, Failure> {
    let text = read_file(file)?;
    Ok(Secret::new(text.trim().as_bytes().to_vec()))
}

/// Reads a secret from standard input.
pub(super) fn from_input() -> Result<Zeroizing<String>, Failure> {
    read_file(Path::new("-"))
}

/// Reads a secret from a file or, for `-`, from standard input; the line break at its end is no part
/// of it.
fn read_file(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(4096));
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_SECRET_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(MAX_SECRET_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::unknown(format!("`{}` cannot be read: {error}", file.display()))
    })?;
    let kept = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(kept);
    Ok(text)
}

/// Asks on the terminal without showing what is typed.
fn prompt(question: &str) -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::unknown("there is no terminal to ask for a password on").help(
            "name a file with `--password-file FILE`, or `--password-file -` for standard input",
        ));
    }
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .map_err(|error| Failure::unknown(format!("the password cannot be read: {error}")))
}

/// Writes a secret into a file that only its owner may read, replacing one that is there.
pub(super) fn write_private(file: &Path, secret: &Secret) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let unusable =
        |error| Failure::unknown(format!("`{}` cannot be written: {error}", file.display()));
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut opened =
        options.write(true).create_new(true).mode(0o600).open(file).map_err(unusable)?;
    opened.write_all(secret.expose()).and_then(|()| opened.write_all(b"\n")).map_err(unusable)
}

/// A random text that nobody guesses: 144 bits.
pub(super) fn random_text(entropy: &dyn Entropy) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new([0; 18]);
    entropy.fill(&mut *bytes).map_err(|error| Failure::of(&error))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}
