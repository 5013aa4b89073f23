//! What administrators change is recorded, by whichever process does it.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use haechi_assembly::{
    Act, Administrator, Assembly, Control, DataDirectory, Done, Failure, Log, Password, SOCKET,
    Settings, UserView, administer,
};
use haechi_audit::{EventKind, Query};
use haechi_core::{Administration, Event, RevocationStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

const PASSWORD: &str = "correct horse battery";

struct Stand {
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Stand {
    fn new() -> Self {
        let text = "[audit]\nsegment_size = \"256 KiB\"\nreserve = \"64 KiB\"\n\
                    [api_key]\nmax_lifetime = \"30d\"\n\
                    [password]\nmemory = \"8 MiB\"\niterations = 1\n";
        let settings = Settings::parse(text, std::path::Path::new("/base")).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), settings }
    }

    fn directory(&self) -> DataDirectory {
        DataDirectory::open(&self.folder.path().join("data")).unwrap()
    }

    async fn administer(&self, act: Act) -> Result<Done, Failure> {
        administer(&self.settings, self.directory(), act).await
    }

    async fn add(&self, username: &str) -> UserView {
        match self.administer(add(username)).await.unwrap() {
            Done::User(user) => user,
            other => panic!("{other:?}"),
        }
    }

    fn acts(&self) -> Vec<Administration> {
        let query = Query { kinds: vec![EventKind::Administration], ..Query::default() };
        let found = query.run(self.directory().path()).unwrap();
        assert!(found.problems.is_empty());
        let act = |record: haechi_audit::Record| match record.entry.event {
            Event::Administration(act) => act,
            other => panic!("{other:?}"),
        };
        found.records.into_iter().map(act).collect()
    }
}

fn add(username: &str) -> Act {
    Act::AddUser {
        username: username.to_owned(),
        name: Some("Kim Haechi".to_owned()),
        email: Some("kim@example.com".to_owned()),
        roles: ["user".to_owned()].into(),
        password: Some(Password::new(Zeroizing::new(PASSWORD.to_owned()))),
    }
}

#[tokio::test]
async fn an_act_is_recorded_when_it_is_asked_and_when_it_is_done() {
    let stand = Stand::new();
    let user = stand.add("kim").await;
    let refused = stand.administer(add("kim")).await;
    assert!(matches!(refused, Err(Failure::Identity(_))), "{refused:?}");
    let acts = stand.acts();
    let told: Vec<(&str, &str, &str)> = acts
        .iter()
        .map(|act| (act.act.as_str(), act.detail[0].as_str(), act.object.as_str()))
        .collect();
    let expected = [
        ("user.add", "asked", "user"),
        ("user.add", "done", user.sid.as_str()),
        ("user.add", "asked", "user"),
        ("user.add", "not-done", "user"),
    ];
    assert_eq!(told, expected);
    assert!(acts.iter().all(|act| act.detail[1..] == ["role:user"]));
}

#[tokio::test]
async fn no_personal_data_stands_in_the_log_in_clear() {
    let stand = Stand::new();
    stand.add("kim-the-user").await;
    let stop = Act::StopUser { username: "kim-the-user".to_owned(), lift: false };
    stand.administer(stop).await.unwrap();
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(stand.directory().audit().join("segments")).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    for secret in ["kim-the-user", "Kim Haechi", "kim@example.com", PASSWORD] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret}");
    }
    let log = String::from_utf8_lossy(&bytes);
    assert!(log.contains("stop.user"), "the log was written");
}

#[tokio::test]
async fn a_running_gateway_does_what_commands_ask_and_the_epoch_has_risen() {
    let stand = Stand::new();
    let assembly = Assembly::open(&stand.settings, stand.directory(), &Log::Gateway).await.unwrap();
    let administrator =
        Administrator::new(assembly.rooms.clone(), assembly.audit.clone(), &stand.settings);
    let heard = Arc::new(AtomicU32::new(0));
    let hears = Arc::clone(&heard);
    let control = Control::listen(&assembly.rooms.directory).unwrap();
    let socket = assembly.rooms.directory.path().join(SOCKET);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let serving = tokio::spawn(control.serve(administrator, move |_: &Act| {
        hears.fetch_add(1, Ordering::SeqCst);
    }));
    stand.add("kim").await;
    let before = assembly.rooms.store.epoch().await.unwrap();
    let disable = Act::DisableUser { username: "kim".to_owned() };
    let Done::User(user) = stand.administer(disable).await.unwrap() else { panic!("no user") };
    assert!(!user.enabled);
    assert!(assembly.rooms.store.epoch().await.unwrap() > before);
    assert!(!assembly.rooms.identity.user("kim").await.unwrap().enabled);
    let unknown = Act::DisableUser { username: "lee".to_owned() };
    let refused = stand.administer(unknown).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no such user");
    assert!(refused.help().unwrap().contains("user list"));
    assert_eq!(heard.load(Ordering::SeqCst), 2, "what was not done is not heard of");
    assert_eq!(stand.acts().len(), 6);
    serving.abort();
    let _ended = serving.await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_socket_survives_whatever_is_written_to_it() {
    let stand = Stand::new();
    let assembly = Assembly::open(&stand.settings, stand.directory(), &Log::Gateway).await.unwrap();
    let administrator =
        Administrator::new(assembly.rooms.clone(), assembly.audit.clone(), &stand.settings);
    let control = Control::listen(&assembly.rooms.directory).unwrap();
    let serving = tokio::spawn(control.serve(administrator, |_: &Act| {}));
    let socket = assembly.rooms.directory.path().join(SOCKET);
    let long = vec![b'x'; 100 << 10];
    let bad: [&[u8]; 5] = [b"", b"\n", b"not json\n", b"{\"act\":\"make_me_root\"}\n", &long];
    for bytes in bad {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let _may_be_closed_early = stream.write_all(bytes).await;
        let _half_closed = stream.shutdown().await;
        let mut reply = String::new();
        let _may_be_reset = stream.read_to_string(&mut reply).await;
        assert!(!reply.contains("\"ok\""), "{reply}");
    }
    let silent = UnixStream::connect(&socket).await.unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(10), stand.add("kim")).await;
    assert_eq!(answered.unwrap().username, "kim");
    drop(silent);
    assert_eq!(stand.acts().len(), 2, "what could not be read was not recorded as asked");
    serving.abort();
}

#[tokio::test]
async fn a_socket_that_a_killed_gateway_left_behind_is_in_nobody_s_way() {
    let stand = Stand::new();
    let socket = stand.directory().path().join(SOCKET);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    stand.add("kim").await;
    let control = Control::listen(&stand.directory()).unwrap();
    drop(control);
    assert!(!socket.exists());
}

#[tokio::test]
async fn keys_for_programs_end_when_the_settings_say_so() {
    let stand = Stand::new();
    stand.add("kim").await;
    let key = |lifetime_secs| Act::AddApiKey {
        username: "kim".to_owned(),
        label: "nightly".to_owned(),
        upstreams: vec!["crm".to_owned()],
        tools: Vec::new(),
        lifetime_secs,
    };
    for lifetime in [None, Some(31 * 24 * 3600)] {
        let refused = stand.administer(key(lifetime)).await;
        assert!(matches!(refused, Err(Failure::LivesTooLong(_))), "{refused:?}");
    }
    let Done::ApiKey(made) = stand.administer(key(Some(3600))).await.unwrap() else { panic!() };
    let text = made.text.clone().unwrap();
    assert!(text.starts_with("hk_") && !format!("{made:?}").contains(&text));
    let revoke = || stand.administer(Act::RevokeApiKey { key_id: made.key_id.clone() });
    assert_eq!(revoke().await.unwrap(), Done::Changed { changed: true });
    assert_eq!(revoke().await.unwrap(), Done::Changed { changed: false });
}

#[test]
fn a_password_on_its_way_prints_as_secret() {
    assert!(!format!("{:?}", add("kim")).contains(PASSWORD));
}
