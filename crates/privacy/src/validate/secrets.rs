//! Credentials: what a real one looks like, and what only stands in for one.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::Validator;
use super::placeholder::{is_placeholder, is_reference, stands_in_for_password};

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("secret_token", secret_token),
    ("secret_value", secret_value),
    ("secret_with_signs", secret_with_signs),
    ("secret_password", secret_password),
    ("secret_password_bare", secret_password_bare),
    ("secret_login", secret_login),
    ("github_token", github_token),
    ("jwt", jwt),
    ("basic_credentials", basic_credentials),
    ("private_key", private_key),
    ("aws_secret_key", aws_secret_key),
    ("seed_phrase", seed_phrase),
];

/// Base64 as people paste it: with or without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// The shortest text in which a digit must stand for it to pass as made by chance.
const LONG: usize = 20;

/// The body of a token whose form is already known: made by chance, and no placeholder.
fn secret_token(text: &str) -> bool {
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    !is_placeholder(text)
        && !is_reference(text)
        && (digits || (text.len() < LONG && lower && upper))
}

/// The value of a name such as `api_key`: made by chance, for the name alone says too little.
fn secret_value(text: &str) -> bool {
    let letters = text.bytes().any(|byte| byte.is_ascii_alphabetic());
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    letters
        && digits
        && entropy(text) >= if text.len() < 24 { 2.7 } else { 3.2 }
        && !is_placeholder(text)
        && !is_reference(text)
        && !is_name(text)
}

/// A salt or key of every kind of printable character, spaces too, as web frameworks make them.
fn secret_with_signs(text: &str) -> bool {
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let signs = text.bytes().filter(u8::is_ascii_punctuation).count();
    let spaces = text.bytes().filter(|byte| *byte == b' ').count();
    digits && signs * 20 >= text.len() && spaces * 6 < text.len() && !is_placeholder(text)
}

/// The value of a name such as `password`, quoted: anything but a placeholder or a reference.
fn secret_password(text: &str) -> bool {
    (3..=256).contains(&text.len())
        && !is_placeholder(text)
        && !is_reference(text)
        && !stands_in_for_password(text)
}

/// The same without quotes, where code and prose stand too: more than one kind of character.
fn secret_password_bare(text: &str) -> bool {
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let identifier =
        text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-.()[]:,".contains(&byte));
    secret_password(text) && !identifier && letters + digits > 1 && (letters > 0 || digits >= 6)
}

/// `name:password`: both present or one empty, and the password is one.
fn secret_login(text: &str) -> bool {
    let Some((name, password)) = text.split_once(':') else { return false };
    match (name, password) {
        ("", only) | (only, "") => secret_password_bare(only),
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') => false,
        _ => !name.starts_with(['$', '<', '{', '[', '%']) && secret_password(password),
    }
}

/// A token of GitHub's since 2021: its last six letters are the CRC-32 of the others in base 62.
fn github_token(text: &str) -> bool {
    const CHECK: usize = 6;
    let Some((_, body)) = text.split_once('_') else { return false };
    let Some((random, check)) =
        body.len().checked_sub(CHECK).and_then(|at| body.split_at_checked(at))
    else {
        return false;
    };
    base62(crc32(random.as_bytes()), CHECK) == check
}

/// CRC-32 (ISO 3309), bit by bit: the text is 30 bytes long.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    })
}

/// `number` in base 62, digits before capitals before small letters, filled up with zeros.
fn base62(mut number: u32, width: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut reversed = Vec::with_capacity(width);
    while reversed.len() < width {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        reversed.extend(ALPHABET.get(digit).copied().map(char::from));
        number /= 62;
    }
    reversed.into_iter().rev().collect()
}

/// A JSON Web Token (RFC 7519): its header is a JSON object that names an algorithm.
fn jwt(text: &str) -> bool {
    let Some(header) = text.split('.').next() else { return false };
    let Ok(header) = URL_SAFE.decode(header) else { return false };
    matches!(serde_json::from_slice(&header), Ok(Value::Object(header)) if header.contains_key("alg"))
}

/// The Base64 of `name:password` (RFC 7617).
fn basic_credentials(text: &str) -> bool {
    let Ok(decoded) = STANDARD.decode(text) else { return false };
    let Some(colon) = decoded.iter().position(|byte| *byte == b':') else { return false };
    let (name, password) = decoded.split_at_checked(colon).unwrap_or_default();
    let password = String::from_utf8_lossy(password.get(1..).unwrap_or_default());
    // Chance rarely makes a name of what is not one.
    name.iter().all(u8::is_ascii_graphic)
        && !password.chars().any(|letter| letter.is_ascii_control())
        && (!name.is_empty() || !password.is_empty())
        && !stands_in_for_password(&password)
}

/// A private key in text armour: enough of a body between the lines, and made by chance.
fn private_key(text: &str) -> bool {
    let body = text.split("-----").max_by_key(|part| part.len()).unwrap_or(text);
    let letters = body.bytes().filter(u8::is_ascii_alphanumeric).count();
    letters >= 40 && entropy(body) >= 3.5 && !is_placeholder(body.trim())
}

/// The 40 characters of a secret access key: more than hexadecimal digits, in small and capital letters.
fn aws_secret_key(text: &str) -> bool {
    let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    lower && upper && entropy(text) >= 4.0 && secret_token(text)
}

/// A mnemonic of BIP-39: the words are of one of its lists, and the last one carries the checksum.
///
/// Words of the sentence may follow; each length that the standard knows is tried.
fn seed_phrase(text: &str) -> bool {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    [24, 21, 18, 15, 12].into_iter().any(|length| {
        words.get(..length).is_some_and(|words| {
            bip39::Mnemonic::validate(&words.join(" "), bip39::Language::English).is_ok()
        })
    })
}

/// Whether `text` reads as a name: words and small numbers, joined by signs or by capitals.
fn is_name(text: &str) -> bool {
    let parts = text.split(['_', '-', '.', ':', '/', ' ', '@']);
    parts.filter(|part| !part.is_empty()).all(|part| {
        let numbered = changes(part, |byte| u8::from(byte.is_ascii_digit()));
        let cased = changes(part, |byte| {
            u8::from(byte.is_ascii_digit()) + 2 * u8::from(byte.is_ascii_uppercase())
        });
        numbered <= 1 + part.len() / 8 && cased <= 1 + part.len() * 7 / 20
    })
}

/// How often neighbours in `part` are of different kinds.
fn changes(part: &str, kind: impl Fn(&u8) -> u8) -> usize {
    let kinds = |pair: &[u8]| pair.first().map(&kind) != pair.last().map(&kind);
    part.as_bytes().windows(2).filter(|pair| kinds(pair)).count()
}

/// Bits per byte, by how often each byte stands in `text` (Shannon).
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)).max(1.0);
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

#[cfg(test)]
mod tests;
