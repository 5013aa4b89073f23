//! `haechi demo`: see it work.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::settings::DemoSettings;
use haechi_assembly::{Act, Administrator, Assembly, DataDirectory, Log, Password, Settings};
use haechi_core::Secret;
use haechi_identity::SignInAttempt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use super::carriers::this_program;
use super::context::Context;
use super::failure::Failure;
use super::folder::{Folder, unusable};
use super::secret::{random_text, write_private};
use super::serve::{Serving, http_config, listen, serve, stop_signals};
use super::table::json as print_json;

/// Who takes part: a name and a display name; the role has the same name.
const PEOPLE: [(&str, &str); 3] =
    [("admin", "Ada Admin"), ("user", "Uma User"), ("guest", "Gus Guest")];

/// See it work: a sample server, three people, three commands to try
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  $ haechi demo\n  $ haechi demo --dir /tmp/haechi --json")]
pub(super) struct Demo {
    /// Keep everything in this folder; by default one that is removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The address to listen on; a free port is taken when this one is not
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8787")]
    address: SocketAddr,
    /// Print one JSON object instead of text, and serve
    #[arg(long)]
    json: bool,
}

/// One person of the demo.
struct Person {
    username: &'static str,
    token: Secret,
    token_file: PathBuf,
    password_file: PathBuf,
}

/// What the newcomer is told.
struct Story {
    program: String,
    url: String,
    folder: PathBuf,
    config: PathBuf,
    data: PathBuf,
    people: Vec<Person>,
}

impl Demo {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        // Before anything is made: Ctrl-C at any moment tidies up.
        let stop = stop_signals()?;
        let folder = Folder::make(self.dir.as_deref(), "haechi-demo")?;
        let listener = free_listener(self.address).await?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::unknown(format!("the listener has no address: {error}")))?;
        let program = this_program()?;
        let config = folder.path.join("haechi.toml");
        let text =
            DemoSettings { address, program: &program, sample: &folder.path.join("sample") }.text();
        std::fs::write(&config, text).map_err(|error| unusable(&config, &error))?;
        let settings = Settings::load(&config)?;
        let data = DataDirectory::open(&folder.path.join("data"))?;
        let assembly = Assembly::open(&settings, data, &Log::Gateway).await?;
        let http = http_config(&settings, &listener, context.language)?;
        let path = format!("/{}/mcp", DemoSettings::UPSTREAM);
        let audiences: Vec<String> =
            http.bases().into_iter().map(|base| format!("{base}{path}")).collect();
        let administrator =
            Administrator::new(assembly.rooms.clone(), assembly.audit.clone(), &settings);
        let mut people = Vec::new();
        for person in PEOPLE {
            let password = random_text(&*assembly.rooms.entropy)?;
            make(&assembly, &administrator, person, password.clone()).await?;
            people.push(sign_in(&assembly, person.0, &password, (&audiences, &folder.path)).await?);
        }
        let story = Story {
            program: shell_word(&program.to_string_lossy()),
            url: format!("http://{address}/{}/mcp", DemoSettings::UPSTREAM),
            data: assembly.rooms.directory.path().to_owned(),
            folder: folder.path.clone(),
            config,
            people,
        };
        if self.json {
            print_json(out, &story.json())?;
        } else {
            story.tell(context, out)?;
        }
        out.flush()?;
        drop(story);
        serve(Serving { settings, assembly, listener, language: context.language, stop }).await
    }
}

/// Signs a person in and keeps the token and the password in files of their own.
async fn sign_in(
    assembly: &Assembly,
    username: &'static str,
    password: &str,
    (audiences, folder): (&[String], &Path),
) -> Result<Person, Failure> {
    let password = Secret::new(password.as_bytes().to_vec());
    let attempt =
        SignInAttempt { username, password: &password, audiences, address: None, client_id: None };
    let issued = assembly.rooms.identity.sign_in(&attempt).await;
    let token = issued.map_err(|error| Failure::of(&error))?.token;
    let token_file = folder.join(format!("{username}.token"));
    let password_file = folder.join(format!("{username}.password"));
    write_private(&token_file, &token)?;
    write_private(&password_file, &password)?;
    Ok(Person { username, token, token_file, password_file })
}

/// Adds a person, or gives one who is there from an earlier demo in the same folder a new password.
async fn make(
    assembly: &Assembly,
    administrator: &Administrator,
    (username, name): (&str, &str),
    password: Zeroizing<String>,
) -> Result<(), Failure> {
    let uid = rustix::process::getuid().as_raw();
    let password = Password::new(password);
    let act = if assembly.rooms.identity.user(username).await.is_ok() {
        Act::SetPassword { username: username.to_owned(), password }
    } else {
        Act::AddUser {
            username: username.to_owned(),
            name: Some(name.to_owned()),
            email: None,
            roles: [username.to_owned()].into(),
            password: Some(password),
        }
    };
    administrator.perform(act, uid).await?;
    Ok(())
}

/// The wanted address, or the same with a free port.
async fn free_listener(wanted: SocketAddr) -> Result<TcpListener, Failure> {
    match TcpListener::bind(wanted).await {
        Ok(listener) => Ok(listener),
        Err(_) => listen(SocketAddr::new(wanted.ip(), 0)).await,
    }
}

/// A word as a shell reads it back.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Story {
    fn token_file(&self, username: &str) -> String {
        shell_word(&self.folder.join(format!("{username}.token")).to_string_lossy())
    }

    /// A call that is permitted, one that is refused, and the record of both.
    fn commands(&self) -> [(&'static str, &'static str, String); 3] {
        let (program, url) = (&self.program, shell_word(&self.url));
        let user = self.token_file("user");
        let data = shell_word(&self.data.to_string_lossy());
        [
            (
                "permitted",
                "허용되는 호출",
                format!(
                    r#"{program} call {url} get_weather '{{"city":"Seoul"}}' --token-file {user}"#
                ),
            ),
            (
                "refused, with a reason",
                "이유와 함께 거부되는 호출",
                format!("{program} call {url} admin_system_status --token-file {user}"),
            ),
            (
                "the record of both",
                "두 호출의 감사 기록",
                format!("{program} audit query --data-dir {data}"),
            ),
        ]
    }

    /// Entries for settings of clients, with the token of `user`.
    fn clients(&self) -> Value {
        let token = self.people.iter().find(|person| person.username == "user");
        let token = token.and_then(|person| person.token.expose_str()).unwrap_or_default();
        let authorization = format!("Bearer {token}");
        let headers = json!({ "Authorization": authorization });
        json!({
            "claude_desktop": { "mcpServers": { "haechi-demo": {
                "command": "npx",
                "args": ["-y", "mcp-remote", self.url, "--header", "Authorization:${HAECHI_TOKEN}"],
                "env": { "HAECHI_TOKEN": authorization },
            } } },
            "vs_code": { "servers": { "haechi-demo": {
                "type": "http", "url": self.url, "headers": headers,
            } } },
            "inspector": format!(
                "npx @modelcontextprotocol/inspector --cli {} --transport http --method tools/list --header \"Authorization: Bearer $(cat {})\"",
                shell_word(&self.url), self.token_file("user"),
            ),
        })
    }

    fn json(&self) -> Value {
        let people: Vec<Value> = self
            .people
            .iter()
            .map(|person| {
                json!({
                    "username": person.username,
                    "roles": [person.username],
                    "token": person.token.expose_str(),
                    "token_file": person.token_file,
                    "password_file": person.password_file,
                })
            })
            .collect();
        let commands: Vec<Value> = self
            .commands()
            .into_iter()
            .map(|(name, _, command)| json!({ "name": name, "command": command }))
            .collect();
        json!({
            "url": self.url,
            "folder": self.folder,
            "config": self.config,
            "data_dir": self.data,
            "people": people,
            "commands": commands,
            "clients": self.clients(),
        })
    }

    fn tell(&self, context: &Context, out: &mut dyn Write) -> Result<(), Failure> {
        let headline =
            context.say("Haechi guards a sample server at", "해치가 예제 서버를 지키고 있습니다:");
        writeln!(out, "{headline} {}\n", self.url)?;
        let three = context.say("Three people, a token each:", "세 사람과 각자의 토큰:");
        writeln!(out, "{three}")?;
        for person in &self.people {
            let token = person.token.expose_str().unwrap_or_default();
            writeln!(out, "  {:6} {}", person.username, person.token_file.display())?;
            writeln!(out, "         {token}")?;
        }
        let try_it = context.say(
            "Three commands to try in a second terminal:",
            "두 번째 터미널에서 실행해 볼 세 명령:",
        );
        writeln!(out, "\n{try_it}")?;
        for (english, korean, command) in self.commands() {
            writeln!(out, "  # {}\n  {command}", context.say(english, korean))?;
        }
        self.tell_clients(context, out)?;
        let settings =
            context.say("Settings, to be changed while it runs:", "실행 중에 고칠 수 있는 설정:");
        writeln!(out, "\n{settings} {}", self.config.display())?;
        let end = context.say("Ctrl-C ends it.", "Ctrl-C를 누르면 끝납니다.");
        writeln!(out, "{end}")?;
        Ok(())
    }

    fn tell_clients(&self, context: &Context, out: &mut dyn Write) -> Result<(), Failure> {
        let clients = self.clients();
        let ready = context.say("Ready entries for clients:", "클라이언트 설정에 넣을 항목:");
        writeln!(out, "\n{ready}")?;
        for (name, member) in [
            ("Claude Desktop (claude_desktop_config.json)", "claude_desktop"),
            ("VS Code (.vscode/mcp.json)", "vs_code"),
        ] {
            let entry = clients.get(member).unwrap_or(&Value::Null);
            writeln!(out, "  # {name}\n  {entry}")?;
        }
        let inspector = clients.get("inspector").and_then(Value::as_str).unwrap_or_default();
        writeln!(out, "  # Inspector\n  {inspector}")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        assert_eq!(shell_word("/usr/bin/haechi"), "/usr/bin/haechi");
        assert_eq!(shell_word("/my dir/haechi"), "'/my dir/haechi'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("$(x)"), "'$(x)'");
        assert_eq!(shell_word(""), "''");
    }
}
