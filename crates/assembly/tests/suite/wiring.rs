//! The parts together: one writer, private files, instances of `haechi run`.

use haechi_assembly::{Assembly, AssemblyError, DataDirectory, Log, Settings};
use haechi_audit::OpenError;
use haechi_core::{Action, Credentials, Origin, Resource, UpstreamName};
use haechi_identity::Audience;

fn settings(text: &str) -> Settings {
    let small = "[audit]\nsegment_size = \"256 KiB\"\nreserve = \"64 KiB\"\n";
    Settings::parse(&format!("{text}\n{small}"), std::path::Path::new("/base")).unwrap()
}

fn directory(folder: &tempfile::TempDir) -> DataDirectory {
    DataDirectory::open(&folder.path().join("data")).unwrap()
}

#[tokio::test]
async fn a_data_directory_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let first = Assembly::open(&settings(""), directory(&folder), &Log::Gateway).await.unwrap();
    let second = Assembly::open(&settings(""), directory(&folder), &Log::Gateway).await;
    let pid = Some(std::process::id());
    assert!(
        matches!(&second, Err(AssemblyError::Audit(OpenError::Locked { pid: found })) if *found == pid),
        "{second:?}"
    );
    first.audit.close().await;
    Assembly::open(&settings(""), directory(&folder), &Log::Gateway).await.unwrap();
}

#[tokio::test]
async fn programs_of_one_name_have_a_log_each_and_use_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::Run("files".to_owned());
    let settings = settings("");
    let open = || Assembly::open(&settings, directory(&folder), &log);
    let (one, two) = (open().await.unwrap(), open().await.unwrap());
    assert!(one.log.ends_with("run/files") && two.log.ends_with("run/files-2"), "{:?}", two.log);
    one.audit.close().await;
    assert!(open().await.unwrap().log.ends_with("run/files"));
    let bad = Log::Run("../up".to_owned());
    let refused = Assembly::open(&settings, directory(&folder), &bad).await;
    assert!(matches!(refused, Err(AssemblyError::LogName(_))), "{refused:?}");
}

#[tokio::test]
async fn the_owner_may_do_everything_without_settings_and_nothing_with_empty_ones() {
    let folder = tempfile::tempdir().unwrap();
    let name = UpstreamName::parse("files").unwrap();
    let owned = Settings::owned(name.clone(), vec!["program".to_owned()]);
    let narrowed = settings("").narrowed(name.clone(), vec!["program".to_owned()]).unwrap();
    let resource = Resource { upstream: name, name: "anything".into() };
    let owner = Credentials::OperatingSystemUser { uid: 7, username: None };
    for (settings, expected) in [(owned, true), (narrowed, false)] {
        let log = Log::Run("files".to_owned());
        let assembly = Assembly::open(&settings, directory(&folder), &log).await.unwrap();
        let (audience, origin) = (Audience::default(), Origin::default());
        let principal = assembly.guard.authenticate(&owner, &audience, &origin).await.unwrap();
        let may = assembly.guard.foresees(&principal, Action::CallTool, &resource);
        assert_eq!(may, expected);
        assembly.audit.close().await;
    }
}

#[tokio::test]
async fn a_policy_with_a_mistake_opens_nothing_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let broken = settings("[roles.user]\nallow = [\"nowhere:tool\"]");
    let refused = Assembly::open(&broken, directory(&folder), &Log::Gateway).await;
    assert!(matches!(refused, Err(AssemblyError::Policy(_))), "{refused:?}");
    assert!(!folder.path().join("data/audit").exists());

    let good =
        settings("[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\n[roles.user]\nallow = [\"a:*\"]");
    let assembly = Assembly::open(&good, directory(&folder), &Log::Gateway).await.unwrap();
    let before = assembly.guard.policy().cedar_text();
    assert!(assembly.reload(&broken).is_err());
    assert_eq!(assembly.guard.policy().cedar_text(), before);
    let fewer =
        settings("[[upstream]]\nname = \"a\"\ncommand = [\"x\"]\n[roles.user]\nallow = [\"a:b\"]");
    assembly.reload(&fewer).unwrap();
    assert_ne!(assembly.guard.policy().cedar_text(), before);
}

#[tokio::test]
async fn a_key_that_belongs_to_another_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Assembly::open(&settings(""), directory(&folder), &Log::Gateway).await.unwrap();
    let key = folder.path().join("data/key");
    std::fs::write(&key, [7; 32]).unwrap();
    let refused = Assembly::open(&settings(""), directory(&folder), &Log::Gateway).await;
    assert!(matches!(refused, Err(AssemblyError::Identity(_))), "{refused:?}");
}
