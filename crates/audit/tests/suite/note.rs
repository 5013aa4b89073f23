//! Notes: who signed what, in one form only.

use haechi_audit::note::{
    KeyError, KeyKind, MOST_SIGNATURES, Note, NoteError, Signature, SignatureError, Signer,
    VerifierKey, VerifyError,
};
use haechi_core::{Secret, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_679_315_147_999);
const TEXT: &str = "a line\n\nand one after an empty one\n";

fn signer(name: &str, kind: KeyKind, seed: u8) -> Signer {
    Signer::from_seed(name, kind, &Secret::new(vec![seed; 32])).unwrap()
}

fn key(name: &str, kind: KeyKind, seed: u8) -> VerifierKey {
    signer(name, kind, seed).verifier_key().clone()
}

fn signed(signers: &[&Signer]) -> Note {
    let mut note = Note::new(TEXT).unwrap();
    signers.iter().for_each(|signer| note.sign(signer, NOW));
    note
}

#[test]
fn a_key_of_rfc_8032_has_the_text_and_signs_as_others_say() {
    // RFC 8032 §7.1, test 1: the seed and the public key.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let bytes = |hex: &str| -> Vec<u8> {
        let digit = |digit: &u8| u8::try_from(char::from(*digit).to_digit(16).unwrap()).unwrap();
        hex.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
    };
    let seed = Secret::new(bytes(seed));
    let signer = Signer::from_seed("example.com/log", KeyKind::Ed25519, &seed).unwrap();
    assert_eq!(signer.verifier_key().public(), bytes(public));
    let text = signer.verifier_key().to_string();
    assert_eq!(text.parse(), Ok(signer.verifier_key().clone()), "{text}");
    assert!(text.starts_with("example.com/log+"), "{text}");
    assert!(!format!("{signer:?}").contains("9d61") && !format!("{signer:?}").contains("157, 97"));
}

#[test]
fn a_note_says_whose_signatures_it_bears() {
    let (log, witness) = (signer("log", KeyKind::Ed25519, 1), signer("w", KeyKind::Cosignature, 2));
    let note = Note::parse(signed(&[&log, &witness]).to_string().as_bytes()).unwrap();
    assert_eq!(note.text(), TEXT);
    let keys = [witness.verifier_key().clone(), log.verifier_key().clone()];
    let said: Vec<_> = note.verify(&keys).unwrap().into_iter().map(|it| (it.key, it.at)).collect();
    // A cosignature's time is in whole seconds.
    let at = Some(Timestamp::from_secs(NOW.as_secs()));
    assert_eq!(said, [(log.verifier_key(), None), (witness.verifier_key(), at)]);
    assert_eq!(note.verify(&keys[..1]).unwrap().len(), 1, "unknown keys are passed over");
    assert_eq!(note.verify(&[]), Err(VerifyError::NoKnownKey));
}

#[test]
fn a_key_is_its_name_its_kind_and_its_bytes() {
    let note = signed(&[&signer("log", KeyKind::Ed25519, 1)]);
    let others = [("other", KeyKind::Ed25519, 1), ("log", KeyKind::Cosignature, 1)];
    for (name, kind, seed) in others.into_iter().chain([("log", KeyKind::Ed25519, 2)]) {
        let keys = [key(name, kind, seed)];
        assert_eq!(note.verify(&keys), Err(VerifyError::NoKnownKey), "{name} {kind:?} {seed}");
    }
}

#[test]
fn one_wrong_signature_of_a_known_key_spoils_the_note() {
    let (log, witness) = (signer("log", KeyKind::Ed25519, 1), signer("w", KeyKind::Cosignature, 2));
    let keys = [log.verifier_key().clone(), witness.verifier_key().clone()];
    let mut elsewhere = Note::new("another text\n").unwrap();
    elsewhere.sign(&witness, NOW);
    let mut note = signed(&[&log]);
    note.add(elsewhere.signatures()[0].clone());
    assert_eq!(note.verify(&keys), Err(VerifyError::Wrong("w".to_owned())));
    assert_eq!(note.verify(&keys[..1]).unwrap().len(), 1);
    // Signed again by the same key: the good one takes its place.
    note.sign(&witness, NOW);
    assert_eq!((note.signatures().len(), note.verify(&keys).unwrap().len()), (2, 2));
}

#[test]
fn a_cosignature_is_for_its_time() {
    let witness = signer("w", KeyKind::Cosignature, 2);
    let line = signed(&[&witness]).signatures()[0].to_string();
    let keys = [witness.verifier_key().clone()];
    let original: Signature = line.parse().unwrap();
    for (place, change) in [(0, 0x80), (7, 1)] {
        let mut bytes = [original.id().as_slice(), original.bytes()].concat();
        bytes[4 + place] ^= change;
        let mut note = Note::new(TEXT).unwrap();
        note.add(format!("— w {}", base64(&bytes)).parse().unwrap());
        assert_eq!(note.verify(&keys), Err(VerifyError::Wrong("w".to_owned())));
    }
}

/// Enough of RFC 4648 §4 to write a signature by hand.
fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let padded = [0, 1, 2].map(|at| u32::from(group.get(at).copied().unwrap_or(0)));
        let bits = padded[0] << 16 | padded[1] << 8 | padded[2];
        for at in 0..=3 {
            let sign = SIGNS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

const CHECKPOINT: &str = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

#[test]
fn an_ml_dsa_key_signs_what_a_checkpoint_says_and_no_other_text() {
    let (log, name) = (signer("log", KeyKind::MlDsa44, 1), "x".repeat(256));
    let keys = [log.verifier_key().clone()];
    assert_eq!(keys[0].to_string().parse(), Ok(keys[0].clone()));
    let mut note = Note::new(CHECKPOINT).unwrap();
    note.sign(&log, NOW);
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    let verified = read.verify(&keys).unwrap();
    assert_eq!(verified[0].at, Some(Timestamp::from_secs(NOW.as_secs())));
    // Extension lines are no part of what it says; size, root and origin are.
    let line = note.signatures()[0].clone();
    let extended = format!("{CHECKPOINT}more\n");
    let others = [CHECKPOINT.replace("example", "sample"), CHECKPOINT.replace("\n0\n", "\n1\n")];
    for (text, good) in [(extended, true)].into_iter().chain(others.map(|text| (text, false))) {
        let mut note = Note::new(text.as_str()).unwrap();
        note.add(line.clone());
        assert_eq!(note.verify(&keys).is_ok(), good, "{text}");
    }
    let long = signer(&name, KeyKind::MlDsa44, 1);
    let long_origin = CHECKPOINT.replace("example.com/log", &name);
    let unsigned = [(TEXT, &log), (CHECKPOINT, &long), (long_origin.as_str(), &log)];
    for (text, signer) in unsigned {
        let mut note = Note::new(text).unwrap();
        note.sign(signer, NOW);
        assert!(note.signatures().is_empty(), "{text}");
    }
}

#[test]
fn a_checkpoint_signed_by_both_kinds_is_good_by_either() {
    let both = [signer("log", KeyKind::Ed25519, 1), signer("log", KeyKind::MlDsa44, 2)];
    let mut note = Note::new(CHECKPOINT).unwrap();
    both.iter().for_each(|signer| note.sign(signer, NOW));
    for signer in &both {
        assert_eq!(note.verify(&[signer.verifier_key().clone()]).unwrap().len(), 1);
    }
    // Both are held against the text when both are known.
    let keys = both.map(|signer| signer.verifier_key().clone());
    assert_eq!(note.verify(&keys).unwrap().len(), 2);
    note.add(signed_over("other\n", 1).signatures()[0].clone());
    assert_eq!(note.verify(&keys), Err(VerifyError::Wrong("log".to_owned())));
}

fn signed_over(text: &str, seed: u8) -> Note {
    let mut note = Note::new(text).unwrap();
    note.sign(&signer("log", KeyKind::Ed25519, seed), NOW);
    note
}

#[test]
fn what_is_no_note_is_refused() {
    let line = "— log AAAAAAE=\n";
    let cases = [
        (String::new(), NoteError::NoSignatures),
        (TEXT.to_owned(), NoteError::Signature { line: 1, source: SignatureError }),
        (format!("text\n{line}"), NoteError::NoSignatures),
        (format!("text\n\n{}", line.trim_end()), NoteError::NoSignatures),
        (format!("text\n\n{line}\n"), NoteError::NoSignatures),
        ("text\n\n".to_owned(), NoteError::NoSignatures),
        (format!("text\r\n\n{line}"), NoteError::NotText),
        (format!("te\txt\n\n{line}"), NoteError::NotText),
        (format!("text\n\n{}", line.repeat(MOST_SIGNATURES + 1)), NoteError::TooMany),
        ("x".repeat(600_000), NoteError::TooLong),
    ];
    for (bytes, error) in cases {
        assert_eq!(Note::parse(bytes.as_bytes()), Err(error), "{:?}", bytes.get(..30));
    }
    assert_eq!(Note::parse(b"t\xFF\n\n"), Err(NoteError::NotText));
    assert!(Note::parse(format!("text\n\n{}", line.repeat(MOST_SIGNATURES)).as_bytes()).is_ok());
    assert_eq!(Note::new("no end"), Err(NoteError::Unended));
    assert_eq!(Note::new("a\0\n"), Err(NoteError::NotText));
    let lines = [
        "",
        "— ",
        "— log",
        "— log ",
        "- log AAAAAAE=",
        "—  AAAAAAE=",
        "— log  AAAAAAE=",
        "— log AAAAAAE",
        "— log AAAAAAF=",
        "— log AAAAAA==",
        "— l+g AAAAAAE=",
        "— l\u{a0}g AAAAAAE=",
        "— log AAAAAAE= ",
        " — log AAAAAAE=",
    ];
    for line in lines {
        assert_eq!(line.parse::<Signature>(), Err(SignatureError), "{line:?}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let good = key("log", KeyKind::Ed25519, 1).to_string();
    let (head, bytes) = good.rsplit_once("+A").unwrap();
    let (_, id) = head.split_once('+').unwrap();
    let cases = [
        (String::new(), KeyError::Form),
        ("log".to_owned(), KeyError::Form),
        (format!("log+{id}"), KeyError::Form),
        (format!("log+{id}+"), KeyError::Form),
        (format!("log+{id}+AQ=="), KeyError::Length { found: 0, wanted: 32 }),
        (format!("log+{id}+Bg=="), KeyError::Length { found: 0, wanted: 1312 }),
        (format!("log+{id}+Ag=="), KeyError::Kind(2)),
        (format!("log+{}+A{bytes}", id.to_uppercase() + "0"), KeyError::Id),
        (format!("lag+{id}+A{bytes}"), KeyError::Id),
        (format!("+{id}+A{bytes}"), KeyError::Name),
        (format!("l g+{id}+A{bytes}"), KeyError::Name),
        (format!("log+{id}+A{bytes}="), KeyError::Form),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text:?}");
    }
    let short = Secret::new(vec![1; 31]);
    assert_eq!(Signer::from_seed("log", KeyKind::Ed25519, &short).unwrap_err(), KeyError::Seed);
}

proptest! {
    #[test]
    fn a_note_reads_as_it_was_written(text in "([ -~äß—]{0,20}\n){1,5}", seeds in proptest::collection::vec(any::<u8>(), 1..5)) {
        let mut note = Note::new(text.as_str()).unwrap();
        let mut keys = Vec::new();
        for seed in seeds {
            let kind = if seed % 2 == 0 { KeyKind::Ed25519 } else { KeyKind::Cosignature };
            let signer = signer(&format!("key-{seed}"), kind, seed);
            note.sign(&signer, NOW);
            keys.push(signer.verifier_key().clone());
        }
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        prop_assert_eq!(&read, &note);
        prop_assert_eq!(read.verify(&keys).unwrap().len(), note.signatures().len());
    }

    #[test]
    fn a_changed_byte_is_noticed(place: prop::sample::Index, change in 1_u8..) {
        let (log, witness) = (signer("log", KeyKind::Ed25519, 1), signer("w", KeyKind::Cosignature, 2));
        let keys = [log.verifier_key().clone(), witness.verifier_key().clone()];
        let mut bytes = signed(&[&log, &witness]).to_string().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        // A change of a name or an id makes a signature unknown; it never makes one more.
        if let Ok(verified) = Note::parse(&bytes).map_err(|_| ()).and_then(|note| {
            note.verify(&keys).map(|all| all.len()).map_err(|_| ())
        }) {
            prop_assert_eq!(verified, 1);
            let text = Note::parse(&bytes).unwrap().text().to_owned();
            prop_assert_eq!(text, TEXT);
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".*", lines in "([a-z]{0,3}\n){0,4}(— [a-z +]{0,5}[A-Za-z0-9+/=]{0,12}\n){0,3}") {
        let _ = (Note::parse(&bytes), Note::parse(text.as_bytes()), Note::parse(lines.as_bytes()));
        let _ = (text.parse::<Signature>(), text.parse::<VerifierKey>());
    }
}
