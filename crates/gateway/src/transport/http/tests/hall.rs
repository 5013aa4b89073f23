//! A gateway on a free port, with people who can sign in, in front of a server of both eras.

use std::net::SocketAddr;
use std::sync::Arc;

use haechi_assembly::settings::Publish;
use haechi_audit::AuditLog;
use haechi_audit::view::View;
use haechi_core::{Secret, UpstreamName};
use haechi_guard::{Guard, GuardConfig};
use haechi_identity::{
    Anonymous, ForeignIssuer, Identity, NewUser, SenderConstraint, SignInAttempt,
};
use haechi_outbound::{Outbound, OutboundConfig};
use haechi_policy::{Policy, PolicySource, Role, Rule, RuleKind};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::mcp_server::McpServer;
use super::raw_http::{Answer, once};
use crate::gateway::{Gateway, HttpConfig, Parts, PublishedLog, Route};
use crate::server::Tls;
use crate::test_rooms::TestRooms;
use crate::upstream::{HttpUpstream, HttpUpstreamConfig};

pub(super) const PASSWORD: &str = "correct horse battery";

/// What may differ from one hall to another, besides the face.
#[derive(Default)]
pub(super) struct Scene {
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) issuers: Vec<ForeignIssuer>,
    /// What tokens must be bound to at `crm`.
    pub(super) sender: SenderConstraint,
    /// What monitors may read of the log.
    pub(super) publish: Publish,
}

/// Everything, running.
pub(super) struct Hall {
    pub(super) address: SocketAddr,
    pub(super) server: Arc<McpServer>,
    pub(super) identity: Arc<Identity>,
    pub(super) audit: AuditLog,
    pub(super) stop: CancellationToken,
    pub(super) running: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Hall {
    /// With the defaults: nobody without a token.
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings of the face.
    pub(super) async fn with(settings: impl FnOnce(&mut HttpConfig)) -> Self {
        Self::behind(None, settings).await
    }

    /// With other settings, perhaps behind TLS.
    pub(super) async fn behind(
        tls: Option<Arc<Tls>>,
        settings: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        Self::in_scene(Scene { tls, ..Scene::default() }, settings).await
    }

    /// With other settings, in this scene.
    pub(super) async fn in_scene(scene: Scene, settings: impl FnOnce(&mut HttpConfig)) -> Self {
        let Scene { tls, issuers, sender, publish } = scene;
        let server = McpServer::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (identity, guard) = rooms(folder.path(), issuers).await;
        let audit = guard.rooms().audit.clone();
        let mut http = HttpConfig::new(address);
        settings(&mut http);
        let gateway = Arc::new(Gateway::new(Parts {
            guard,
            identity: Arc::clone(&identity),
            authorization: None,
            http,
            routes: vec![
                ("crm".to_owned(), Route { sender, ..route(&server, false) }),
                ("open".to_owned(), route(&server, true)),
            ],
            ready: Arc::new(|| Box::pin(async { Ok(()) })),
            metrics: None,
            log: Some(PublishedLog::new(
                View::open(&folder.path().join("audit")).unwrap(),
                publish,
            )),
        }));
        let stop = CancellationToken::new();
        let serving = gateway.serve(listener, tls, stop.clone());
        let running = tokio::spawn(async move { serving.await.unwrap() });
        for (username, role) in [("ann", "user"), ("ben", "user"), ("eve", "guest")] {
            add(&identity, username, role).await;
        }
        Self { address, server, identity, audit, stop, running, _folder: folder }
    }

    /// A token of this person for the route of `crm`.
    pub(super) async fn token(&self, username: &str) -> String {
        let audiences = [format!("http://{}/crm/mcp", self.address)];
        self.token_for(username, &audiences).await
    }

    /// A token of this person for these resources.
    pub(super) async fn token_for(&self, username: &str, audiences: &[String]) -> String {
        let password = Secret::from(PASSWORD.to_owned());
        let attempt = SignInAttempt {
            username,
            password: &password,
            audiences,
            address: None,
            client_id: None,
        };
        let issued = self.identity.sign_in(&attempt).await.unwrap();
        issued.token.expose_str().unwrap().to_owned()
    }

    /// POSTs a legacy message with a token and further headers.
    pub(super) async fn post(&self, token: &str, headers: &str, body: &str) -> Answer {
        once(self.address, &post_head(token, headers), body).await
    }

    /// Opens a legacy session and gives its name.
    pub(super) async fn session(&self, token: &str, version: &str) -> String {
        let answer = self.post(token, "", &initialize(version)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.header("mcp-session-id").expect("a session").to_owned()
    }
}

/// Request line and headers of a POST to `crm`.
pub(super) fn post_head(token: &str, headers: &str) -> String {
    format!(
        "POST /crm/mcp HTTP/1.1
        Authorization: Bearer {token}
        Content-Type: application/json
        Accept: application/json, text/event-stream
        {headers}"
    )
}

pub(super) fn initialize(version: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"t","version":"1"}}}}}}"#
    )
}

pub(super) fn call(id: &str, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

fn route(server: &McpServer, anonymous: bool) -> Route {
    let name = UpstreamName::parse(if anonymous { "open" } else { "crm" }).unwrap();
    let client = Outbound::new(OutboundConfig::default()).unwrap().upstream_client();
    let config = HttpUpstreamConfig::new(server.url().parse().unwrap());
    let upstream = Arc::new(HttpUpstream::new(name, config, client));
    Route { upstream, anonymous, scopes: vec!["mcp".to_owned()], sender: Default::default() }
}

async fn rooms(
    folder: &std::path::Path,
    issuers: Vec<ForeignIssuer>,
) -> (Arc<Identity>, Arc<Guard>) {
    let anonymous = Anonymous { roles: ["visitor".to_owned()].into() };
    let opened = TestRooms::open(folder, |settings| {
        settings.anonymous = Some(anonymous);
        settings.issuers = issuers;
    });
    let opened = opened.await;
    let identity = Arc::clone(&opened.rooms.identity);
    (identity, Guard::new(opened.rooms, Arc::new(policy()), GuardConfig::default()))
}

fn policy() -> Policy {
    let role = |name: &str, allow: Vec<Rule>, deny: Vec<Rule>| Role {
        name: name.to_owned(),
        allow,
        deny,
        ..Role::default()
    };
    let source = PolicySource {
        roles: vec![
            role(
                "user",
                vec![Rule::tools("crm:*"), Rule::new(RuleKind::Other, "crm:*")],
                vec![Rule::tools("crm:delete")],
            ),
            role("guest", vec![Rule::tools("crm:nothing-of-that-name")], vec![]),
            role("visitor", vec![Rule::tools("open:echo")], vec![]),
        ],
        upstreams: vec!["crm".to_owned(), "open".to_owned()],
        ..PolicySource::default()
    };
    Policy::compile(&source, 1).expect("the policy of the tests").0
}

async fn add(identity: &Identity, username: &str, role: &str) {
    let new = NewUser {
        username: username.to_owned(),
        display_name: None,
        email: None,
        roles: [role.to_owned()].into(),
        password: Some(Secret::from(PASSWORD.to_owned())),
    };
    identity.add_user(new).await.unwrap();
}
