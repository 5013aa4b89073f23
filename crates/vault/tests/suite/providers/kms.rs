//! AWS KMS, against moto, which checks every signature with Amazon's own library for Python.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{Answered, Clock, Exchange, FetchError, ManualClock, Post, Secret, Timestamp};
use haechi_vault::provider::{
    AwsCredentials, FileRoot, KmsConfig, KmsWrapper, ProviderError, RootProvider, RootWrapper,
    Wrapped, WrappedRoot, rewrap_root,
};
use serde_json::Value;
use tempfile::TempDir;

use super::http::Plain;
use super::{chance, clock, leave_out, secret, told, variable};

/// Moto in a process that ends with its input.
struct Moto {
    child: Child,
    told: Value,
}

impl Moto {
    /// `None` when no Python here has it.
    fn start() -> Option<Self> {
        let outside = variable("HAECHI_OUTSIDE").map(|it| format!("{it}/venv/bin/python"));
        let pythons = outside.into_iter().chain(["python3".to_owned()]);
        let python = pythons.into_iter().find(|python| {
            let mut asked = Command::new(python);
            asked.args(["-c", "import boto3, flask, moto"]).stderr(Stdio::null());
            asked.status().is_ok_and(|status| status.success())
        })?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/outside/kms.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Some(Self { child, told: serde_json::from_str(&line).unwrap() })
    }

    fn text(&self, pointer: &str) -> &str {
        self.told.pointer(pointer).unwrap().as_str().unwrap()
    }

    fn config(&self, key: &str) -> KmsConfig {
        KmsConfig {
            region: self.text("/region").to_owned(),
            key: key.to_owned(),
            endpoint: Some(format!("http://127.0.0.1:{}", self.told["port"])),
            context: BTreeMap::new(),
        }
    }

    fn credentials(&self, who: &str) -> AwsCredentials {
        let given = &self.told[who];
        AwsCredentials {
            access_key_id: given["id"].as_str().unwrap().to_owned(),
            secret_access_key: secret(given["secret"].as_str().unwrap()),
            session_token: given["token"].as_str().map(secret),
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}

fn provider(path: &Path, config: KmsConfig, credentials: AwsCredentials) -> WrappedRoot {
    let wrapper = KmsWrapper::new(config, credentials, Arc::new(Plain), clock()).unwrap();
    WrappedRoot::new(path.to_owned(), Box::new(wrapper), clock(), chance(1))
}

fn place(folder: &TempDir) -> PathBuf {
    folder.path().join("root.wrapped")
}

#[tokio::test]
async fn kms_makes_the_root_and_opens_it_for_whoever_signs_rightly() {
    let Some(moto) = Moto::start() else { return leave_out("moto, a stand-in for AWS KMS") };
    let folder = TempDir::new().unwrap();
    let path = place(&folder);
    let first = provider(&path, moto.config("alias/haechi"), moto.credentials("permitted"));
    let made = first.unseal().await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(moto.text("/keys/0/arn")), "{text}");
    for (key, who) in [
        ("alias/haechi", "session"),
        (moto.text("/keys/0/id"), "permitted"),
        (moto.text("/keys/0/arn"), "session"),
    ] {
        let again = provider(&path, moto.config(key), moto.credentials(who));
        assert!(again.unseal().await.unwrap().matches(&made), "{key} {who}");
    }
    let second = provider(&path, moto.config(moto.text("/keys/1/id")), moto.credentials("session"));
    let refused = second.find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::OtherKey { .. }), "{refused:?}");

    // To another key, to a file and back, by `Encrypt`.
    rewrap_root(&first, &second).await.unwrap();
    assert!(second.find().await.unwrap().unwrap().matches(&made));
    let file = FileRoot::new(folder.path().join("key"), chance(5));
    rewrap_root(&second, &file).await.unwrap();
    fs::remove_file(&path).unwrap();
    rewrap_root(&file, &first).await.unwrap();
    assert!(first.find().await.unwrap().unwrap().matches(&made));
}

#[tokio::test]
async fn kms_refuses_wrong_signatures_strangers_other_contexts_and_altered_text() {
    let Some(moto) = Moto::start() else { return leave_out("moto, a stand-in for AWS KMS") };
    let folder = TempDir::new().unwrap();
    let path = place(&folder);
    let permitted = moto.credentials("permitted");
    let wrong_secret =
        AwsCredentials { secret_access_key: secret("wrong+secret"), ..permitted.clone() };
    let stolen = AwsCredentials { session_token: None, ..moto.credentials("session") };
    for (name, credentials) in [
        ("wrong secret", wrong_secret),
        ("stranger", moto.credentials("denied")),
        ("without its token", stolen),
    ] {
        let refused = provider(&path, moto.config("alias/haechi"), credentials).unseal().await;
        let refused = refused.unwrap_err();
        let expected =
            matches!(refused, ProviderError::NotPermitted { .. } | ProviderError::NotReady { .. });
        assert!(expected, "{name}: {refused:?}");
        assert!(!told(&refused).contains("wrong+secret"), "{refused:?}");
        assert!(!path.exists());
    }
    let absent = provider(&path, moto.config("alias/none"), permitted.clone());
    let refused = absent.unseal().await.unwrap_err();
    assert!(matches!(refused, ProviderError::NoKey { .. }), "{refused:?}");

    let good = provider(&path, moto.config("alias/haechi"), permitted.clone());
    good.unseal().await.unwrap();
    let context = BTreeMap::from([("gateway".to_owned(), "1".to_owned())]);
    let other = KmsConfig { context, ..moto.config("alias/haechi") };
    let refused = provider(&path, other, permitted).find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::NotGenuine { .. }), "{refused:?}");
    let whole = fs::read_to_string(&path).unwrap();
    let end = whole.find("\"ciphertext\": \"").unwrap() + 15 + 100;
    let mut changed = whole.clone().into_bytes();
    changed[end] = if changed[end] == b'A' { b'B' } else { b'A' };
    fs::write(&path, &changed).unwrap();
    let refused = good.find().await.unwrap_err();
    assert!(matches!(refused, ProviderError::NotGenuine { .. }), "{refused:?}");
}

/// Answers one thing, and keeps what it was asked.
#[derive(Debug)]
struct Says(u16, String, std::sync::Mutex<Option<Post>>);

#[async_trait]
impl Exchange for Says {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        *self.2.lock().unwrap() = Some(post);
        Ok(Answered { status: self.0, body: Secret::from(self.1.clone()) })
    }
}

fn asking(says: &Arc<Says>, config: KmsConfig) -> KmsWrapper {
    let credentials = AwsCredentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        session_token: Some(secret("session-token")),
    };
    let at: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp(1_440_938_160_000)));
    KmsWrapper::new(config, credentials, Arc::clone(says) as Arc<dyn Exchange>, at).unwrap()
}

fn says(status: u16, body: &str) -> Arc<Says> {
    Arc::new(Says(status, body.to_owned(), std::sync::Mutex::default()))
}

fn paris() -> KmsConfig {
    let key = "alias/haechi".to_owned();
    KmsConfig { region: "eu-west-3".to_owned(), key, endpoint: None, context: BTreeMap::new() }
}

#[tokio::test]
async fn each_documented_error_is_told_by_its_name() {
    let sealed = Wrapped { key_id: "k".to_owned(), ciphertext: "AAAA".to_owned() };
    for (kind, expected) in [
        ("NotFoundException", "NoKey"),
        ("com.amazonaws.kms#NotFoundException", "NoKey"),
        ("InvalidCiphertextException", "NotGenuine"),
        ("IncorrectKeyException", "NotGenuine"),
        ("AccessDeniedException", "NotPermitted"),
        ("DisabledException", "NotUsable"),
        ("KMSInvalidStateException", "NotUsable"),
        ("InvalidKeyUsageException", "NotUsable"),
        ("UnrecognizedClientException", "NotAccepted"),
        ("InvalidSignatureException", "NotAccepted"),
        ("ExpiredTokenException", "NotAccepted"),
        ("IncompleteSignature", "NotAccepted"),
        ("ThrottlingException", "NotReady"),
        ("KeyUnavailableException", "NotReady"),
        ("SomethingNewException", "NotUnderstood"),
    ] {
        let body = format!("{{\"__type\":\"{kind}\",\"message\":\"said wJalr by AWS\"}}");
        let refused = asking(&says(400, &body), paris()).unwrap(&sealed).await.unwrap_err();
        let said = told(&refused);
        assert!(said.starts_with(expected), "{kind}: {said}");
        assert!(!said.contains("wJalr"), "{said}");
    }
    for (status, body, expected) in [
        (500, "", "NotReady"),
        (503, "<html>", "NotReady"),
        (403, "<ErrorResponse/>", "NotPermitted"),
        (302, "", "NotUnderstood"),
        (200, "{}", "NotUnderstood"),
        (200, "[]", "NotUnderstood"),
        (200, "{\"Plaintext\":\"?\"}", "NotUnderstood"),
        (200, "{\"Plaintext\":7}", "NotUnderstood"),
    ] {
        let refused = asking(&says(status, body), paris()).unwrap(&sealed).await.unwrap_err();
        assert!(told(&refused).starts_with(expected), "{status} {body}: {refused:?}");
    }
}

#[tokio::test]
async fn a_question_is_signed_as_botocore_signs_it() {
    let says = says(200, "{\"Plaintext\":\"AAAA\"}");
    let sealed = Wrapped { key_id: "alias/haechi".to_owned(), ciphertext: "AAAA".to_owned() };
    asking(&says, paris()).unwrap(&sealed).await.unwrap();
    let post = says.2.lock().unwrap().take().unwrap();
    assert_eq!(post.url, "https://kms.eu-west-3.amazonaws.com/");
    let body = "{\"KeyId\":\"alias/haechi\",\"EncryptionContext\":{\"haechi:purpose\":\"root-key\"},\
                \"CiphertextBlob\":\"AAAA\"}";
    assert_eq!(post.body.expose_str(), Some(body));
    let header = |name: &str| {
        let found = post.headers.iter().find(|(header, _)| *header == name);
        found.unwrap().1.expose_str().unwrap().to_owned()
    };
    assert_eq!(header("x-amz-target"), "TrentService.Decrypt");
    assert_eq!(header("x-amz-date"), "20150830T123600Z");
    assert_eq!(header("x-amz-security-token"), "session-token");
    // By botocore.auth.SigV4Auth over the same request.
    let expected = "AWS4-HMAC-SHA256 \
        Credential=AKIDEXAMPLE/20150830/eu-west-3/kms/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
        Signature=bb96f602ff27d45b586241b5d06e900e06d2a60363f58e7d27360c0add8e499d";
    assert_eq!(header("authorization"), expected);
    assert!(!format!("{post:?}").contains("session-token"));
}

#[test]
fn regions_and_endpoints_that_would_lead_elsewhere_are_refused() {
    let new = |config| {
        let credentials = AwsCredentials {
            access_key_id: String::new(),
            secret_access_key: secret(""),
            session_token: None,
        };
        KmsWrapper::new(config, credentials, Arc::new(Plain), clock())
    };
    for region in ["", "eu-west-3.example.com/", "eu west", "a/b", "a@b"] {
        assert!(new(KmsConfig { region: region.to_owned(), ..paris() }).is_err(), "{region}");
    }
    for endpoint in ["", "kms", "ftp://kms/", "https://a:b@kms/"] {
        let endpoint = Some(endpoint.to_owned());
        assert!(new(KmsConfig { endpoint: endpoint.clone(), ..paris() }).is_err(), "{endpoint:?}");
    }
    assert!(new(KmsConfig { region: "cn-north-1".to_owned(), ..paris() }).is_ok());
}
