//! `haechi init`: commented settings and the first administrator.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::settings::INITIAL;
use haechi_assembly::{Act, Settings, administer};

use super::context::{Context, DEFAULT_SETTINGS};
use super::failure::Failure;
use super::secret::PasswordSource;
use super::table::visible;

/// The role of the first administrator, which the settings let do everything.
const ROLE: &str = "admin";

/// Write commented settings and make the first administrator
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  $ haechi init\n  $ haechi init --username ada --password-file ada.password"
)]
pub(super) struct Init {
    /// The administrator's name; asked for by default
    #[arg(long)]
    username: Option<String>,
    #[command(flatten)]
    password: PasswordSource,
}

impl Init {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let file = context.common.config.clone();
        let file = file.unwrap_or_else(|| PathBuf::from(DEFAULT_SETTINGS));
        if file.exists() {
            let message = format!("`{}` is there already, and stays as it is", file.display());
            return Err(Failure::no(message).help("name another file with `--config`"));
        }
        let username = self.username(context, out)?;
        let password = self.password.read_new(context)?;
        write_new(&file)?;
        let settings = Settings::load(&file)?;
        let directory = context.directory(&settings)?;
        let act = Act::AddUser {
            username: username.clone(),
            name: None,
            email: None,
            roles: [ROLE.to_owned()].into(),
            password: Some(password),
        };
        if let Err(failure) = administer(&settings, directory, act).await {
            // Nothing half-made stays behind: the command can be repeated as it was.
            let _left_over = std::fs::remove_file(&file);
            return Err(failure.into());
        }
        let made = context.say("written:", "작성됨:");
        writeln!(out, "{made} {}", file.display())?;
        let administrator = context.say("administrator:", "관리자:");
        writeln!(out, "{administrator} {}", visible(&username))?;
        let next = context.say(
            "next: name your servers in it, then `haechi check` and `haechi serve`",
            "다음: 파일에 서버를 적고 `haechi check`와 `haechi serve`를 실행하세요",
        );
        writeln!(out, "{next}")?;
        Ok(ExitCode::SUCCESS)
    }

    fn username(&self, context: &Context, out: &mut dyn Write) -> Result<String, Failure> {
        if let Some(username) = &self.username {
            return Ok(username.clone());
        }
        if !std::io::stdin().is_terminal() {
            return Ok(ROLE.to_owned());
        }
        let question = context.say("Administrator's name [admin]: ", "관리자 이름 [admin]: ");
        write!(out, "{question}")?;
        out.flush()?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        let name = line.trim();
        Ok(if name.is_empty() { ROLE.to_owned() } else { name.to_owned() })
    }
}

fn write_new(file: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let unusable =
        |error| Failure::unknown(format!("`{}` cannot be written: {error}", file.display()));
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o644).open(file);
    opened.map_err(unusable)?.write_all(INITIAL.as_bytes()).map_err(unusable)
}
