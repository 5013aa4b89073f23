//! Where the root key comes from, each provider against what it will meet.

mod age;
mod hardening;
mod http;
mod kms;
mod pkcs11;
mod transit;

use std::error::Error as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use haechi_core::{Clock, Entropy, EntropyError, ManualClock, Secret, SeededEntropy, Timestamp};
use haechi_vault::provider::{
    EnvironmentRoot, FileRoot, Health, PassphraseRoot, ProviderError, RootProvider, RootWrapper,
    Wrapped, WrappedRoot, rewrap_root,
};
use proptest::prelude::*;
use tempfile::TempDir;

fn chance(seed: u64) -> Arc<dyn Entropy> {
    Arc::new(SeededEntropy::new(seed))
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp(1_795_353_258_007)))
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn root(byte: u8) -> Secret {
    Secret::new(vec![byte; 32])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A variable of the test run.
#[expect(
    clippy::disallowed_methods,
    reason = "where test programs are is a setting of the test run"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says what a test leaves out for want of `what`; where `CI` is set nothing may be left out.
fn leave_out(what: &str) {
    assert!(variable("CI").as_deref() != Some("true"), "{what} must be there");
    println!("left out: {what} is not there");
}

/// All an error says, and that it gives a next step.
fn told(error: &ProviderError) -> String {
    assert!(!error.help().is_empty() && !error.help().ends_with('.'), "{error:?}");
    let mut said = format!("{error:?} {error} {}", error.help());
    let mut cause = error.source();
    while let Some(error) = cause {
        said += &format!(" {error}");
        cause = error.source();
    }
    said
}

/// A system without chance.
#[derive(Debug)]
struct NoEntropy;

impl Entropy for NoEntropy {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError)
    }
}

/// A keeper with real AES in it.
#[derive(Debug)]
struct Keeper {
    key: [u8; 32],
    name: &'static str,
    /// Gives back another root than it was given, as a broken module might.
    forgets: bool,
}

impl Keeper {
    fn with(key: u8) -> Self {
        Self { key: [key; 32], name: "keeper", forgets: false }
    }

    fn at(self, path: &Path) -> WrappedRoot {
        WrappedRoot::new(path.to_owned(), Box::new(self), clock(), chance(7))
    }

    fn aes(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.key).unwrap())
    }
}

#[async_trait]
impl RootWrapper for Keeper {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn wrap(&self, root: &Secret) -> Result<Wrapped, ProviderError> {
        let mut text = root.expose().to_vec();
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        self.aes().seal_in_place_append_tag(nonce, Aad::empty(), &mut text).unwrap();
        Ok(Wrapped { key_id: "k".to_owned(), ciphertext: BASE64_STANDARD.encode(text) })
    }

    async fn unwrap(&self, wrapped: &Wrapped) -> Result<Secret, ProviderError> {
        let not_genuine = || ProviderError::NotGenuine { provider: self.name, key: "k".to_owned() };
        let mut text = BASE64_STANDARD.decode(&wrapped.ciphertext).map_err(|_| not_genuine())?;
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let opened = self.aes().open_in_place(nonce, Aad::empty(), &mut text);
        let opened = opened.map_err(|_| not_genuine())?.to_vec();
        Ok(if self.forgets { root(0) } else { Secret::new(opened) })
    }
}

/// A folder, and a provider of each kind that keeps a file in it.
fn kinds(folder: &TempDir, seed: u64) -> Vec<Box<dyn RootProvider>> {
    let at = |name: &str| folder.path().join(name);
    let passphrase = PassphraseRoot::new(at("root.age"), &secret("six words"), chance(seed));
    let wrapped =
        WrappedRoot::new(at("root.wrapped"), Box::new(Keeper::with(1)), clock(), chance(seed));
    vec![
        Box::new(FileRoot::new(at("key"), chance(seed))),
        Box::new(passphrase.unwrap().with_work_factor(10)),
        Box::new(wrapped),
    ]
}

#[tokio::test]
async fn a_root_is_made_once_and_found_again_in_a_file_of_its_owner_alone() {
    let folder = TempDir::new().unwrap();
    for (first, again) in kinds(&folder, 1).iter().zip(kinds(&folder, 2)) {
        assert_eq!(first.health().await.unwrap(), Health::Empty, "{}", first.name());
        assert!(first.find().await.unwrap().is_none());
        let made = first.unseal().await.unwrap();
        assert_eq!(made.len(), 32);
        assert!(again.unseal().await.unwrap().matches(&made), "{}", first.name());
        assert!(again.find().await.unwrap().unwrap().matches(&made));
        assert_eq!(again.health().await.unwrap(), Health::Opens);
        assert_eq!(mode(first.place().unwrap()), 0o600);
        again.keep(&made, None).await.unwrap();
        let refused = again.keep(&root(9), None).await.unwrap_err();
        assert!(matches!(refused, ProviderError::Occupied(_)), "{refused:?}");
        assert!(again.keep(&secret("short"), None).await.is_err());
        assert!(again.find().await.unwrap().unwrap().matches(&made));
        let shown = format!("{first:?}");
        assert!(!shown.contains("six words"), "{shown}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no draft stays behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_make_a_root_at_once_all_get_the_same() {
    let folder = TempDir::new().unwrap();
    for kind in 0..3 {
        let makers = (0..8).map(|seed| {
            let provider = kinds(&folder, seed + 100).swap_remove(kind);
            tokio::spawn(async move { provider.unseal().await.unwrap() })
        });
        let made = futures_in_order(makers.collect()).await;
        assert!(made.iter().all(|root| root.matches(&made[0])), "kind {kind}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "no draft stays behind");
}

async fn futures_in_order(tasks: Vec<tokio::task::JoinHandle<Secret>>) -> Vec<Secret> {
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

#[tokio::test]
async fn a_file_that_others_may_use_or_that_is_damaged_is_refused_and_stays() {
    let folder = TempDir::new().unwrap();
    for provider in kinds(&folder, 1) {
        provider.unseal().await.unwrap();
        let path = provider.place().unwrap().to_owned();
        let whole = fs::read(&path).unwrap();
        for open in [0o640, 0o604, 0o622] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            let refused = provider.unseal().await.unwrap_err();
            assert!(matches!(refused, ProviderError::Open { mode, .. } if mode == open));
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let other = [&whole[..], b"x"].concat();
        for damaged in [&whole[..whole.len() / 2], &other, b"", &vec![b'a'; 20_000]] {
            fs::write(&path, damaged).unwrap();
            assert!(provider.unseal().await.is_err(), "{}", provider.name());
            assert!(provider.keep(&root(1), None).await.is_err());
            assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is made over it");
        }
    }
}

#[tokio::test]
async fn without_chance_or_a_folder_nothing_is_kept() {
    let folder = TempDir::new().unwrap();
    let provider = FileRoot::new(folder.path().join("key"), Arc::new(NoEntropy));
    assert!(matches!(provider.unseal().await, Err(ProviderError::Entropy)));
    let provider = FileRoot::new(folder.path().join("absent/key"), chance(1));
    assert!(matches!(provider.unseal().await, Err(ProviderError::File { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_environment_gives_a_root_in_each_way_of_writing_it_and_keeps_none() {
    let bytes: Vec<u8> = (200..232).collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for text in [
        BASE64_URL_SAFE_NO_PAD.encode(&bytes),
        BASE64_URL_SAFE.encode(&bytes),
        BASE64_STANDARD.encode(&bytes),
        hex.to_uppercase(),
        format!(" {hex}\n"),
    ] {
        let provider = EnvironmentRoot::new(&secret(&text)).unwrap();
        let found = provider.unseal().await.unwrap();
        assert_eq!(found.expose(), bytes, "{text}");
        assert!(provider.place().is_none());
        provider.keep(&found, None).await.unwrap();
        let refused = provider.keep(&root(1), None).await.unwrap_err();
        assert!(matches!(refused, ProviderError::ReadOnly("environment")), "{refused:?}");
        assert!(!format!("{provider:?}").contains(text.trim()));
    }
    let short = BASE64_URL_SAFE_NO_PAD.encode(&bytes[1..]);
    for text in
        ["", "password", &short, hex.get(1..).unwrap(), &format!("{hex}00"), &"g".repeat(64)]
    {
        let refused = EnvironmentRoot::new(&secret(text)).unwrap_err();
        assert!(matches!(refused, ProviderError::Malformed));
        assert!(text.is_empty() || !told(&refused).contains(text));
    }
}

#[tokio::test]
async fn a_root_goes_from_provider_to_provider_and_stays_the_same() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let file = FileRoot::new(at("key"), chance(1));
    let first = Keeper::with(1).at(&at("root.wrapped"));
    let second = Keeper { name: "other", ..Keeper::with(2) }.at(&at("root.wrapped"));
    let words = |text: &str| {
        let made = PassphraseRoot::new(at("root.age"), &secret(text), chance(3)).unwrap();
        made.with_work_factor(10)
    };
    let (old, new) = (words("old"), words("new\r\n"));
    let refused = rewrap_root(&first, &file).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Absent("keeper")), "{refused:?}");

    let made = file.unseal().await.unwrap();
    let way: [(&dyn RootProvider, &dyn RootProvider, Option<&str>); 5] = [
        (&file, &first, Some("key")),
        (&first, &second, None),
        (&second, &old, Some("root.wrapped")),
        (&old, &new, None),
        (&new, &file, Some("root.age")),
    ];
    for (from, to, left) in way {
        let rewrapped = rewrap_root(from, to).await.unwrap();
        assert_eq!(rewrapped.left, left.map(at), "{} to {}", from.name(), to.name());
        assert!(to.find().await.unwrap().unwrap().matches(&made));
    }
    let refused = first.find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::OtherProvider { ref found, .. } if found == "other"));
    assert!(matches!(old.find().await, Err(ProviderError::WrongPassphrase(_))));
    let environment = EnvironmentRoot::new(&secret(&"00".repeat(32))).unwrap();
    assert!(rewrap_root(&file, &environment).await.is_err());
    assert_eq!(second.wrapped_under().unwrap().as_deref(), Some("k"));
    assert_eq!(file.wrapped_under().unwrap(), None);
    let text = fs::read_to_string(at("root.wrapped")).unwrap();
    assert!(text.contains("\"provider\": \"other\"") && text.contains("2026-11-22T"), "{text}");
}

#[tokio::test]
async fn a_root_that_would_not_open_again_replaces_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.wrapped");
    let good = Keeper::with(1).at(&path);
    good.unseal().await.unwrap();
    let before = fs::read(&path).unwrap();
    let forgetful = Keeper { forgets: true, ..Keeper::with(2) }.at(&path);
    let refused = rewrap_root(&good, &forgetful).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Changed("keeper")), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(good.health().await.unwrap(), Health::Opens);

    // What stands elsewhere is never replaced, whoever wrapped it.
    let other = folder.path().join("key");
    let file = FileRoot::new(other, chance(5));
    file.unseal().await.unwrap();
    assert!(matches!(rewrap_root(&file, &good).await, Err(ProviderError::Occupied(_))));
    let stranger = Keeper { name: "other", ..Keeper::with(3) }.at(&path);
    let refused = rewrap_root(&file, &stranger).await.unwrap_err();
    assert!(matches!(refused, ProviderError::OtherProvider { .. }), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_wrapped_root_of_a_later_format_or_with_more_in_it_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("root.wrapped");
    let provider = Keeper::with(1).at(&path);
    provider.unseal().await.unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    for other in [
        whole.replace("haechi-root/1", "haechi-root/2"),
        whole.replace("{", "{\"more\": 1,"),
        whole.replace("\"format\"", "\"key_id\": \"k\", \"format\""),
        format!("{whole}{whole}"),
    ] {
        fs::write(&path, &other).unwrap();
        let refused = provider.unseal().await.unwrap_err();
        assert!(matches!(refused, ProviderError::Damaged(_)), "{other}: {refused:?}");
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn written(folder: &TempDir, name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_content_of_a_file_is_an_error_and_no_panic(
        content in prop::collection::vec(any::<u8>(), 0..300),
        header in any::<bool>(),
        json in "\\{(\"(format|provider|key_id|ciphertext|created)\": ?\"[a-z0-9/=]{0,40}\",? ?){0,6}\\}",
    ) {
        let folder = TempDir::new().unwrap();
        let mut text = if header { b"age-encryption.org/v1\n-> scrypt ".to_vec() } else { Vec::new() };
        text.extend(&content);
        let path = written(&folder, "root.age", &text);
        let provider = PassphraseRoot::new(path, &secret("words"), chance(1)).unwrap();
        prop_assert!(now(provider.find()).is_err());
        for content in [&content[..], json.as_bytes()] {
            let path = written(&folder, "root.wrapped", content);
            prop_assert!(now(Keeper::with(1).at(&path).unseal()).is_err());
        }
    }

    #[test]
    fn any_value_of_the_environment_is_a_root_or_an_error(
        text in prop_oneof![".{0,80}", "[0-9a-zA-Z_=+/-]{42,45}", "[0-9a-fA-F]{62,66}"],
    ) {
        if let Ok(provider) = EnvironmentRoot::new(&secret(&text)) {
            prop_assert_eq!(now(provider.unseal()).unwrap().len(), 32);
        }
    }
}
