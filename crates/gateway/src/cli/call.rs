//! `haechi call`: a small MCP client.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use haechi_face::Language;
use serde_json::Value;

use super::context::Context;
use super::failure::{Failure, NO};
use super::mcp_client::{EraChoice, McpClient, Target, refused};
use super::table::{json as print_json, table, visible};
use super::{failure::COULD_NOT_TELL, secret};

/// Call a tool of an MCP server, as a small client
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  $ haechi call http://127.0.0.1:8787/files/mcp read_file \
    '{\"path\": \"/srv/docs/plan.md\"}' --token-file kim.token\n\n\
    Exit status: 0 the tool answered, 1 the call was refused or the tool reports an error, \
    2 there was no answer.")]
pub(super) struct Call {
    /// The server's MCP endpoint
    url: String,
    /// The tool
    #[arg(required_unless_present = "list")]
    tool: Option<String>,
    /// Its arguments, a JSON object
    #[arg(default_value = "{}")]
    arguments: String,
    /// A file with an access token or API key
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The protocol era to speak
    #[arg(long, value_enum, default_value_t)]
    era: EraChoice,
    /// List the tools you may call
    #[arg(long, conflicts_with = "tool")]
    list: bool,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    /// Seconds to wait for an answer
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

impl Call {
    pub(super) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let arguments: Value = serde_json::from_str(&self.arguments)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Failure::unknown("the arguments must be a JSON object"))?;
        let token = self.token_file.as_deref().map(secret::token).transpose()?;
        let target = Target {
            url: &self.url,
            token: token.as_ref(),
            era: self.era,
            language: if context.language == Language::Korean { "ko" } else { "en" },
            timeout: Duration::from_secs(self.timeout),
        };
        let mut client = McpClient::open(&target).await?;
        let done = match &self.tool {
            Some(tool) => self.call(&mut client, tool, &arguments, out).await,
            None => self.list(&mut client, out).await,
        };
        client.close().await;
        done
    }

    async fn list(&self, client: &mut McpClient, out: &mut dyn Write) -> Result<ExitCode, Failure> {
        let tools = client.tools().await?;
        if self.json {
            print_json(out, &tools)?;
            return Ok(ExitCode::SUCCESS);
        }
        let text = |tool: &Value, member: &str| {
            let text = tool.get(member).and_then(Value::as_str).unwrap_or_default();
            text.lines().next().unwrap_or_default().to_owned()
        };
        let rows: Vec<Vec<String>> =
            tools.iter().map(|tool| vec![text(tool, "name"), text(tool, "description")]).collect();
        table(out, &["TOOL", "DESCRIPTION"], &rows)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn call(
        &self,
        client: &mut McpClient,
        tool: &str,
        arguments: &Value,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let answer = client.call(tool, arguments).await?;
        if self.json {
            print_json(out, &answer.message)?;
        }
        let Some(result) = answer.message.get("result") else {
            if self.json {
                let refused = answer.message.get("error").is_some();
                return Ok(ExitCode::from(if refused { NO } else { COULD_NOT_TELL }));
            }
            return Err(refused(&answer));
        };
        if !self.json {
            show(out, result)?;
        }
        let failed = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        Ok(ExitCode::from(if failed { NO } else { 0 }))
    }
}

/// Shows what a tool answered: its texts, or else its structured content.
fn show(out: &mut dyn Write, result: &Value) -> Result<(), Failure> {
    let blocks = result.get("content").and_then(Value::as_array);
    let mut shown = false;
    for block in blocks.into_iter().flatten() {
        match block.get("text").and_then(Value::as_str) {
            Some(text) => {
                for line in text.lines() {
                    writeln!(out, "{}", visible(line))?;
                }
            }
            None => {
                let kind = block.get("type").and_then(Value::as_str).unwrap_or("unknown");
                writeln!(out, "({})", visible(kind))?;
            }
        }
        shown = true;
    }
    match result.get("structuredContent") {
        Some(structured) if !shown => print_json(out, structured),
        _ if !shown => print_json(out, result),
        _ => Ok(()),
    }
}
