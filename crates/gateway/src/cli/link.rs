//! `haechi link`: a person's own account at an upstream.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use haechi_assembly::settings::{AuthorizationKind, Carrier};
use haechi_assembly::{Rooms, Settings, Work, text_variable};
use haechi_core::{Credentials, Secret, Sid, UpstreamName};
use haechi_identity::{Audience, SignInAttempt};
use serde_json::json;

use super::callback::Callback;
use super::carriers::ways;
use super::context::Context;
use super::failure::Failure;
use super::secret::{PasswordSource, token};
use super::table::{json as print_json, table};
use super::work::Job;
use crate::gateway::HttpConfig;
use crate::upstream::authorization::{Authorization, LinkError};

/// How long a person may take at the authorization server.
const PATIENCE: Duration = Duration::from_secs(600);

/// Link your own account at an upstream, so that calls of yours go there in its name
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  $ haechi link crm --username kim\n  \
    $ haechi link crm --username kim --scope crm:write\n  $ haechi link --list --username kim\n  \
    $ haechi link crm --token-file token.txt\n  $ haechi link crm --username kim --remove\n\n\
    Whoever links proves to be that person, by password or token. Without `--username` it is the owner of \
    this process, for `haechi run`.")]
pub(super) struct Link {
    /// The upstream
    #[arg(required_unless_present = "list")]
    upstream: Option<String>,
    /// Whose account it is here; the owner of this process by default
    #[arg(long)]
    username: Option<String>,
    #[command(flatten)]
    password: PasswordSource,
    /// Prove who you are by a token or API key in this file (`-`: standard input), for people who
    /// sign in elsewhere
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "password_file"])]
    token_file: Option<PathBuf>,
    /// What the link must be good for, besides what the upstream asks for; may stand several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// List the linked accounts
    #[arg(long, conflicts_with_all = ["remove", "scopes"])]
    list: bool,
    /// Forget the linked account
    #[arg(long, conflicts_with = "scopes")]
    remove: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Link {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.required_settings()?;
        let directory = context.directory(&settings)?;
        let rooms = Rooms::open(&settings, directory).await?;
        let sid = match &self.token_file {
            Some(file) => bearer(&settings, &rooms, token(file)?).await?,
            None => {
                // As `haechi serve` has it: then a password alone opens nothing here either.
                if settings.authorization.second_factor_required {
                    rooms.identity.require_second_factor();
                }
                self.person(context, &rooms).await?
            }
        };
        match &self.upstream {
            Some(name) if !self.list => {
                let authorization = authorization(&settings, &rooms, name)?;
                if self.remove {
                    self.forget(context, &rooms, (&sid, name)).await?;
                } else {
                    self.link(context, &rooms, (&sid, name, &authorization), out).await?;
                }
                Ok(ExitCode::SUCCESS)
            }
            _ => self.show(&rooms, &sid, out).await,
        }
    }

    /// Who links: nobody links an account for somebody else.
    async fn person(&self, context: &Context, rooms: &Rooms) -> Result<Sid, Failure> {
        let Some(username) = &self.username else {
            let uid = rustix::process::getuid().as_raw();
            let username = text_variable("USER");
            let credentials = Credentials::OperatingSystemUser { uid, username };
            let owner = rooms.identity.authenticate(&credentials, &Audience::default()).await;
            return owner.map(|owner| owner.sid).map_err(|error| Failure::of(&error));
        };
        let password = self.password.read(context)?;
        let attempt = SignInAttempt {
            username,
            password: &Secret::new(password.as_bytes().to_vec()),
            audiences: &[rooms.identity.issuer().to_owned()],
            address: None,
            client_id: None,
        };
        let signed_in = rooms.identity.sign_in(&attempt).await;
        let signed_in = signed_in.map_err(|error| {
            Failure::no(error.to_string())
                .help("`--token-file` takes a token in place of a password")
        })?;
        rooms.identity.sid_of(&signed_in.user_id).await.map_err(|error| Failure::of(&error))
    }

    async fn link(
        &self,
        context: &Context,
        rooms: &Rooms,
        (sid, name, authorization): (&Sid, &str, &Authorization),
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let callback = Callback::listen().await?;
        let client = rooms.outbound.upstream_client();
        let begun =
            authorization.begin_link(sid, callback.redirect_uri(), &self.scopes, &client).await;
        let linking = begun.map_err(|error| failed(&error))?;
        let job = Job::new(Work::AccountLink, &sid.0).with("upstream", name);
        let scopes = job.run(context, async {
            self.tell(context, &linking.pending.url, out)?;
            let thanks = context.say(
                "Done here. You may close this page and go back to the terminal.",
                "끝났습니다. 이 창을 닫고 터미널로 돌아가세요.",
            );
            let ours = |query: &str| linking.pending.is_answered_by(query);
            let query = callback.wait(PATIENCE, ours, &thanks).await?;
            let linked = authorization.finish_link(sid, linking, &query).await;
            linked.map(|scopes| (scopes, Vec::new())).map_err(|error| failed(&error))
        });
        let scopes = scopes.await?;
        if self.json {
            print_json(out, &json!({ "linked": name, "scopes": scopes }))?;
        } else {
            writeln!(out, "{} {}", context.say("linked:", "연결됨:"), name)?;
        }
        Ok(())
    }

    /// Only a web address is shown; a browser is not started, so that nothing of it meets a shell.
    fn tell(&self, context: &Context, url: &str, out: &mut dyn Write) -> Result<(), Failure> {
        if self.json {
            print_json(out, &json!({ "open": url }))?;
        } else {
            let open = context.say(
                "Open this address in your browser, and allow it there:",
                "브라우저에서 이 주소를 열고 허용하세요:",
            );
            writeln!(out, "{open}\n{url}")?;
        }
        Ok(out.flush()?)
    }

    async fn forget(
        &self,
        context: &Context,
        rooms: &Rooms,
        (sid, name): (&Sid, &str),
    ) -> Result<(), Failure> {
        let job = Job::new(Work::AccountUnlink, &sid.0).with("upstream", name);
        let removed = job.run(context, async {
            let removed = rooms.accounts.remove(sid, name).await;
            removed.map(|removed| (removed, Vec::new())).map_err(|error| Failure::of(&error))
        });
        if removed.await? { Ok(()) } else { Err(Failure::no(format!("`{name}` is not linked"))) }
    }

    async fn show(
        &self,
        rooms: &Rooms,
        sid: &Sid,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let accounts = rooms.accounts.list(sid).await.map_err(|error| Failure::of(&error))?;
        if self.json {
            let accounts: Vec<_> = accounts
                .iter()
                .map(|it| {
                    json!({
                        "upstream": it.upstream, "issuer": it.issuer, "scopes": it.scopes,
                        "linked_at": it.created_at.to_string(),
                        "refreshed_at": it.refreshed_at.map(|at| at.to_string()),
                    })
                })
                .collect();
            print_json(out, &accounts)?;
            return Ok(ExitCode::SUCCESS);
        }
        let row = |it: &haechi_core::StoredAccount| {
            let scopes = it.scopes.iter().cloned().collect::<Vec<_>>().join(" ");
            vec![it.upstream.clone(), it.issuer.clone(), scopes, it.created_at.to_string()]
        };
        let rows: Vec<_> = accounts.iter().map(row).collect();
        table(out, &["UPSTREAM", "ISSUER", "SCOPES", "LINKED"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Whose token this is; it must be for this gateway, and good at that moment.
async fn bearer(settings: &Settings, rooms: &Rooms, token: Secret) -> Result<Sid, Failure> {
    let listen = &settings.listen;
    let config = HttpConfig {
        tls: listen.tls.is_some(),
        public_url: listen.public_url.clone(),
        ..HttpConfig::new(listen.address)
    };
    let paths = settings.upstreams.iter().map(|it| format!("/{}/mcp", it.name));
    let paths: Vec<String> = paths.chain(["/mcp".to_owned()]).collect();
    let at = |base: &String| paths.iter().map(|path| format!("{base}{path}")).collect::<Vec<_>>();
    let resources = config.bases().iter().flat_map(at).collect();
    if let Some(base) = config.bases().first().filter(|_| settings.authorization.enabled) {
        rooms.identity.be_authorization_server(base);
    }
    let audience = Audience { resources, ..Audience::default() };
    let proved = rooms.identity.authenticate(&Credentials::Bearer(token), &audience).await;
    proved.map(|person| person.sid).map_err(|error| Failure::no(error.to_string()))
}

fn failed(error: &LinkError) -> Failure {
    Failure::of(error).maybe_help(error.help())
}

fn authorization(settings: &Settings, rooms: &Rooms, name: &str) -> Result<Authorization, Failure> {
    let upstream = settings.upstream(name).ok_or_else(|| {
        Failure::no(format!("there is no upstream `{name}`"))
            .help("see `[[upstream]]` in the settings")
    })?;
    let linked = match &upstream.carrier {
        Carrier::Http(carrier) => carrier.authorization.as_ref().map(|it| (carrier, it)),
        Carrier::Program(_) | Carrier::Embedded => None,
    };
    let linked = linked.filter(|(_, it)| it.kind == AuthorizationKind::LinkedAccount);
    let (carrier, stated) = linked.ok_or_else(|| {
        Failure::no(format!("`{name}` takes no accounts of persons"))
            .help("`upstream.authorization.kind = \"linked_account\"` makes it")
    })?;
    let name = UpstreamName(name.into());
    let mut url = carrier.url.clone();
    url.set_fragment(None);
    let made = Authorization::new(name, url.to_string(), Arc::clone(stated), ways(rooms));
    made.map_err(|error| Failure::of(&error))
}
