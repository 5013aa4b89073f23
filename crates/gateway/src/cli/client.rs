//! `haechi client`: programs that come to tokens through the authorization server.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use haechi_assembly::settings::read_duration;
use haechi_assembly::{Act, ClientView, Done, NewClient};
use haechi_authorization::{ClientMetadata, ClientMethod, GrantType, MetadataSource};
use haechi_core::Secret;
use serde_json::{Map, Value, json};
use zeroize::Zeroize;

use super::context::Context;
use super::failure::Failure;
use super::secret::write_private;
use super::table::{json as print_json, table};

/// The largest file of keys that is read, in bytes.
const MAX_JWKS_BYTES: u64 = 16 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Add a client; its secret is shown this once
    #[command(
        after_long_help = "Examples:\n  $ haechi client add 'Claude Code' --redirect-uri http://127.0.0.1/callback\n  $ haechi client add 'Night report' --confidential --grant client_credentials --role reporter"
    )]
    Add(Box<Add>),
    /// List clients
    #[command(after_long_help = "Example:\n  $ haechi client list")]
    List(List),
    /// Show all that is known of a client
    #[command(after_long_help = "Example:\n  $ haechi client show hc_3f9a52c0d7b14e8890ab12cd")]
    Show(Show),
    /// Remove a client with all that people granted it; it is refused from the next request on
    #[command(after_long_help = "Example:\n  $ haechi client remove hc_3f9a52c0d7b14e8890ab12cd")]
    Remove(Remove),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What people are told it is called
    name: String,
    /// Where answers may go: https, http to this machine (any port), or a scheme like com.example.app
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// It can keep a secret, and gets one
    #[arg(long, conflicts_with = "public")]
    confidential: bool,
    /// It cannot keep a secret; so it is unless said otherwise
    #[arg(long)]
    public: bool,
    /// Its secret comes in the body and not in the header `Authorization`
    #[arg(long, requires = "confidential")]
    secret_in_body: bool,
    /// Its public keys (a JSON Web Key Set); it signs assertions and has no secret
    #[arg(long, value_name = "FILE", conflicts_with_all = ["public", "confidential"])]
    jwks: Option<PathBuf>,
    /// Where it publishes its public keys
    #[arg(long, value_name = "URL", conflicts_with_all = ["public", "confidential", "jwks"])]
    jwks_uri: Option<String>,
    /// What it gets tokens for: authorization_code, refresh_token, client_credentials,
    /// token_exchange or jwt_bearer
    #[arg(long, value_name = "GRANT", value_parser = grant)]
    grant: Vec<GrantType>,
    /// All it can ever ask for; without it, what is offered
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// A role of the client itself, where it acts for nobody
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// For whom it may exchange tokens
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,
    /// Its tokens must be bound to its key (DPoP)
    #[arg(long)]
    dpop: bool,
    /// Its id; made when absent
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Its life, such as `90d`
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// Write the secret into this file (mode 0600) and not on standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its id
    client_id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// Its id, or the address of its metadata document
    client_id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn grant(text: &str) -> Result<GrantType, String> {
    let short = |grant: &GrantType| {
        let name = grant.as_str().rsplit(':').next().unwrap_or_default().replace('-', "_");
        name == text || grant.as_str() == text
    };
    let known = GrantType::ALL.into_iter().find(short);
    known.ok_or_else(|| {
        "write authorization_code, refresh_token, client_credentials, token_exchange or jwt_bearer"
            .to_owned()
    })
}

impl Client {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        match self {
            Self::Add(add) => add.run(context, out).await,
            Self::List(list) => list.run(context, out).await,
            Self::Show(show) => show.run(context, out).await,
            Self::Remove(remove) => remove.run(context, out).await,
        }
    }
}

impl Add {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let lifetime = self.expires_in.as_deref().map(read_duration).transpose();
        let lifetime = lifetime.map_err(Failure::unknown)?;
        let method = self.method();
        if self.output.is_some() && !method.has_secret() {
            let text = "this client has no secret that could be written into a file";
            return Err(Failure::no(text).help("leave out `--output`, or say `--confidential`"));
        }
        let metadata = self.metadata(method)?.to_string();
        ClientMetadata::read(metadata.as_bytes(), MetadataSource::Operator)
            .map_err(|error| Failure::no(super::failure::chain(&error)).help(error.help()))?;
        let client = NewClient {
            client_id: self.client_id.clone(),
            metadata,
            secret: method.has_secret(),
            roles: self.role.iter().cloned().collect(),
            lifetime_secs: lifetime.map(|lifetime| lifetime.as_secs()),
        };
        let Done::Client(mut client) = context.administer(Act::AddClient { client }).await? else {
            return Err(Failure::unknown("the gateway answered something else"));
        };
        if let Some(file) = &self.output
            && let Some(secret) = client.client_secret.take()
        {
            let written = write_private(file, &Secret::from(secret));
            let id = &client.client_id;
            let next = format!("its secret is lost: `haechi client remove {id}`, and add it anew");
            written.map_err(|failure| failure.help(next))?;
        }
        if self.json {
            print_json(out, &client)?;
        } else {
            writeln!(out, "client_id      {}", client.client_id)?;
            if let Some(secret) = &client.client_secret {
                writeln!(out, "client_secret  {secret}")?;
            }
        }
        client.client_secret.zeroize();
        Ok(ExitCode::SUCCESS)
    }

    /// How it proves itself, by what was said of it.
    fn method(&self) -> ClientMethod {
        if self.jwks.is_some() || self.jwks_uri.is_some() {
            return ClientMethod::PrivateKeyJwt;
        }
        match (self.confidential, self.secret_in_body) {
            (true, true) => ClientMethod::SecretPost,
            (true, false) => ClientMethod::SecretBasic,
            (false, _) => ClientMethod::None,
        }
    }

    /// Its metadata with the names of RFC 7591 §2.
    fn metadata(&self, method: ClientMethod) -> Result<Value, Failure> {
        let mut all = Map::new();
        let mut say = |name: &str, value: Value| drop(all.insert(name.to_owned(), value));
        say("client_name", json!(self.name));
        say("token_endpoint_auth_method", json!(method.as_str()));
        let grants: BTreeSet<&str> = self.grants().iter().map(|grant| grant.as_str()).collect();
        say("grant_types", json!(grants));
        if !self.redirect_uri.is_empty() {
            say("redirect_uris", json!(self.redirect_uri));
            say("response_types", json!(["code"]));
        }
        if !self.scope.is_empty() {
            say("scope", json!(self.scope.join(" ")));
        }
        if !self.audience.is_empty() {
            say("token_exchange_audiences", json!(self.audience));
        }
        if self.dpop {
            say("dpop_bound_access_tokens", json!(true));
        }
        if let Some(file) = &self.jwks {
            say("jwks", read_json(file)?);
        }
        if let Some(url) = &self.jwks_uri {
            say("jwks_uri", json!(url));
        }
        Ok(Value::Object(all))
    }

    /// What was asked for; otherwise what goes with what was said: a person where there is a
    /// redirection, the client itself where there is none.
    fn grants(&self) -> BTreeSet<GrantType> {
        if !self.grant.is_empty() {
            return self.grant.iter().copied().collect();
        }
        if self.redirect_uri.is_empty() {
            return BTreeSet::from([GrantType::ClientCredentials]);
        }
        BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken])
    }
}

fn read_json(file: &Path) -> Result<Value, Failure> {
    use std::io::Read as _;
    let mut text = Vec::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(MAX_JWKS_BYTES).read_to_end(&mut text))
        .map_err(|error| {
            Failure::unknown(format!("`{}` cannot be read: {error}", file.display()))
        })?;
    serde_json::from_slice(&text).map_err(|_| {
        Failure::no(format!("`{}` is not JSON of at most 16 KiB", file.display()))
            .help("name a JSON Web Key Set: an object with `keys`")
    })
}

impl List {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let clients = context.rooms().await?.clients().await?;
        if self.json {
            print_json(out, &clients)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<Vec<String>> = clients.iter().map(row).collect();
        table(out, &["CLIENT", "NAME", "PROVES ITSELF BY", "BROUGHT BY", "ENDS"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn row(client: &ClientView) -> Vec<String> {
    vec![
        client.client_id.clone(),
        said(client, "client_name"),
        said(client, "token_endpoint_auth_method"),
        client.origin.clone(),
        client.expires_at.clone().unwrap_or_default(),
    ]
}

/// What the metadata says under `name`, on one line.
fn said(client: &ClientView, name: &str) -> String {
    match client.metadata.get(name) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(all)) => {
            let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            all.join(" ")
        }
        Some(other) => other.to_string(),
    }
}

impl Show {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let client = context.rooms().await?.client(&self.client_id).await?;
        if self.json {
            print_json(out, &client)?;
            return Ok(ExitCode::SUCCESS);
        }
        let roles: Vec<&str> = client.roles.iter().map(String::as_str).collect();
        let rows = [
            ("client_id", client.client_id.clone()),
            ("client_name", said(&client, "client_name")),
            ("redirect_uris", said(&client, "redirect_uris")),
            ("grant_types", said(&client, "grant_types")),
            ("scope", said(&client, "scope")),
            ("proves itself by", said(&client, "token_endpoint_auth_method")),
            ("roles", roles.join(" ")),
            ("brought by", client.origin.clone()),
            ("added", client.created_at.clone()),
            ("ends", client.expires_at.clone().unwrap_or_default()),
        ];
        for (name, value) in rows.into_iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(out, "{name:<17} {}", super::table::visible(&value))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Remove {
    async fn run(self, context: &Context, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let done = context.administer(Act::RemoveClient { client_id: self.client_id }).await?;
        super::api_key::changed(out, &done, self.json)
    }
}
