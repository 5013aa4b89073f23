//! A root key wrapped inside SoftHSM, a security module in software.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haechi_core::Secret;
use haechi_vault::provider::{
    FileRoot, Pkcs11Config, Pkcs11Wrapper, ProviderError, RootProvider, WrappedRoot, rewrap_root,
};
use tempfile::TempDir;

use super::{chance, clock, leave_out, mode, secret, told, variable};

const PIN: &str = "48151623";

/// Where distributions put the module.
const MODULES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

fn module() -> Option<PathBuf> {
    MODULES.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn softhsm(folder: &Path, arguments: &[&str]) {
    let status = Command::new("softhsm2-util")
        .args(arguments)
        .env("SOFTHSM2_CONF", folder.join("softhsm2.conf"))
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{arguments:?}");
}

/// Two tokens; in the first the keys `root`, `other`, a `copy` of the bytes of `root`, and two that
/// are both called `twice`.
fn tokens(folder: &Path) {
    let store = folder.join("tokens");
    fs::create_dir(&store).unwrap();
    let config = format!("directories.tokendir = {}\nlog.level = ERROR\n", store.display());
    fs::write(folder.join("softhsm2.conf"), config).unwrap();
    for label in ["gateway", "second"] {
        let made =
            ["--init-token", "--free", "--label", label, "--so-pin", "12345678", "--pin", PIN];
        softhsm(folder, &made);
    }
    let keys = [("root", 1), ("other", 2), ("copy", 1), ("twice", 3), ("twice", 4)];
    for (number, (label, byte)) in keys.into_iter().enumerate() {
        let file = folder.join(format!("aes{number}"));
        fs::write(&file, [byte; 32]).unwrap();
        let (file, id) = (file.to_str().unwrap().to_owned(), format!("0{number}"));
        let token = ["--token", "gateway", "--label", label, "--id", &id, "--pin", PIN];
        softhsm(folder, &[&["--import", &file, "--aes"][..], &token].concat());
    }
}

#[test]
fn a_security_module_keeps_the_key_that_wraps_the_root() {
    if module().is_none() {
        return leave_out("the module of SoftHSM");
    }
    let folder = TempDir::new().unwrap();
    tokens(folder.path());
    // The module reads its configuration from the environment, so it gets a process of its own.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "providers::pkcs11::in_a_process_of_its_own", "--nocapture"])
        .env("SOFTHSM2_CONF", folder.path().join("softhsm2.conf"))
        .env("HAECHI_SOFTHSM", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("the module was asked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_process_of_its_own() {
    let Some(folder) = variable("HAECHI_SOFTHSM").map(PathBuf::from) else { return };
    of_many_at_once_all_get_the_same(&folder).await;
    the_root_comes_and_goes(&folder).await;
    what_is_not_there_or_not_ours_is_refused(&folder).await;
    what_was_altered_does_not_open(&folder).await;
    println!("the module was asked");
}

fn config(token: &str, key: &str) -> Pkcs11Config {
    let module = module().unwrap();
    Pkcs11Config { module, token: token.to_owned(), key: key.to_owned() }
}

fn wrapped(path: &Path, config: Pkcs11Config, pin: &str, seed: u64) -> WrappedRoot {
    let wrapper = Pkcs11Wrapper::new(config, &secret(pin), chance(seed));
    WrappedRoot::new(path.to_owned(), Box::new(wrapper), clock(), chance(seed))
}

fn provider(folder: &Path, seed: u64) -> WrappedRoot {
    wrapped(&folder.join("root.wrapped"), config("gateway", "root"), PIN, seed)
}

async fn of_many_at_once_all_get_the_same(folder: &Path) {
    let tasks: Vec<_> = (0..6)
        .map(|seed| {
            let provider = provider(folder, seed + 50);
            tokio::spawn(async move { provider.unseal().await.unwrap() })
        })
        .collect();
    let mut made: Vec<Secret> = Vec::new();
    for task in tasks {
        made.push(task.await.unwrap());
    }
    assert!(made.iter().all(|root| root.matches(&made[0])));
    assert_eq!(mode(&folder.join("root.wrapped")), 0o600);
}

async fn the_root_comes_and_goes(folder: &Path) {
    let inside = provider(folder, 1);
    let made = inside.find().await.unwrap().unwrap();
    let text = fs::read_to_string(folder.join("root.wrapped")).unwrap();
    assert!(text.contains("\"key_id\": \"gateway/root\""), "{text}");
    let file = FileRoot::new(folder.join("key"), chance(2));
    rewrap_root(&inside, &file).await.unwrap();
    assert!(file.find().await.unwrap().unwrap().matches(&made));
    // Back under another key of the module; the former name then opens it no more.
    let other = wrapped(&folder.join("root.wrapped"), config("gateway", "other"), PIN, 3);
    rewrap_root(&inside, &other).await.unwrap();
    assert!(other.find().await.unwrap().unwrap().matches(&made));
    let refused = inside.find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::OtherKey { .. }), "{refused:?}");
    rewrap_root(&other, &inside).await.unwrap();
    assert!(inside.find().await.unwrap().unwrap().matches(&made));
}

async fn what_is_not_there_or_not_ours_is_refused(folder: &Path) {
    let path = folder.join("new.wrapped");
    let absent = Pkcs11Config { module: "/absent.so".into(), ..config("gateway", "root") };
    let text = Pkcs11Config { module: folder.join("key"), ..config("gateway", "root") };
    type Expected = fn(&ProviderError) -> bool;
    let cases: [(Pkcs11Config, &str, Expected); 7] = [
        (config("gateway", "none"), PIN, |it| matches!(it, ProviderError::NoKey { .. })),
        (config("none", "root"), PIN, |it| matches!(it, ProviderError::NoKey { .. })),
        (config("second", "root"), PIN, |it| matches!(it, ProviderError::NoKey { .. })),
        (config("gateway", "twice"), PIN, |it| {
            matches!(it, ProviderError::Ambiguous { count: 2, .. })
        }),
        (config("gateway", "root"), "99999999", |it| matches!(it, ProviderError::NotAccepted(_))),
        (absent, PIN, |it| matches!(it, ProviderError::Module { .. })),
        (text, PIN, |it| matches!(it, ProviderError::Module { .. })),
    ];
    for (config, pin, expected) in cases {
        let refused = wrapped(&path, config.clone(), pin, 9).unseal().await.unwrap_err();
        assert!(expected(&refused), "{config:?}: {refused:?}");
        let said = told(&refused);
        assert!(!said.contains(PIN) && !said.contains("99999999"), "{said}");
        assert!(!path.exists());
    }
    // A wrong PIN after a right one is still a wrong PIN.
    assert!(provider(folder, 1).find().await.is_ok());
    let wrong = wrapped(&folder.join("root.wrapped"), config("gateway", "root"), "99999999", 9);
    assert!(matches!(wrong.find().await, Err(ProviderError::NotAccepted(_))));
}

async fn what_was_altered_does_not_open(folder: &Path) {
    let path = folder.join("root.wrapped");
    let whole = fs::read_to_string(&path).unwrap();
    let start = whole.find("\"ciphertext\": \"").unwrap() + 15;
    for position in [0, 5, 16, 20, 50, 70] {
        let mut changed = whole.clone().into_bytes();
        let at = start + position;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, &changed).unwrap();
        let refused = provider(folder, 1).find().await.unwrap_err();
        assert!(matches!(refused, ProviderError::NotGenuine { .. }), "{position}: {refused:?}");
    }
    // The name of another key does not help: its bytes are others, or the name that is bound is.
    for label in ["other", "copy"] {
        fs::write(&path, whole.replace("gateway/root", &format!("gateway/{label}"))).unwrap();
        let other = wrapped(&path, config("gateway", label), PIN, 3);
        let refused = other.find().await.unwrap_err();
        assert!(matches!(refused, ProviderError::NotGenuine { .. }), "{label}: {refused:?}");
    }
    fs::write(&path, whole).unwrap();
    assert!(provider(folder, 1).find().await.is_ok());
}
