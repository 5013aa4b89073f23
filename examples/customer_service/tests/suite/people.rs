//! The server in a folder of its own, and people who sign in to it.

use std::path::PathBuf;

use haechi_customer_service::{CustomerRow, CustomerService, Customers, open};
use haechi_embed::rooms::identity::{Audience, Credentials, NewUser, Secret, SignInAttempt};
use haechi_embed::{Caller, SecureServer};
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, GetPromptRequestParams};
use rmcp::service::{RoleClient, RunningService, ServiceError};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Office {
    server: SecureServer<CustomerService>,
    folder: TempDir,
}

/// One person's client.
pub(crate) struct Person(RunningService<RoleClient, ()>);

pub(crate) async fn office() -> Office {
    let folder = tempfile::tempdir().unwrap();
    let server = open(&folder.path().join("data")).await.unwrap();
    Office { server, folder }
}

impl Office {
    /// Somebody of that role, who has just signed in.
    pub(crate) async fn person(&self, name: &str, role: &str) -> Person {
        let identity = self.server.haechi().identity();
        let resources = vec!["http://127.0.0.1/mcp".to_owned()];
        let password = || Secret::from(format!("the password of {name}"));
        let user = NewUser {
            username: name.to_owned(),
            display_name: Some(format!("{name} of the office")),
            email: None,
            roles: [role.to_owned()].into(),
            password: Some(password()),
        };
        identity.add_user(user).await.unwrap();
        let attempt = SignInAttempt {
            username: name,
            password: &password(),
            audiences: &resources,
            address: None,
            client_id: None,
        };
        let token = identity.sign_in(&attempt).await.unwrap().token;
        let audience = Audience { resources, ..Audience::default() };
        let proved = identity.authenticate(&Credentials::Bearer(token), &audience).await;
        let server = self.server.clone().for_caller(Caller::from(proved.unwrap()));
        let (near, far) = tokio::io::duplex(1 << 16);
        let (reader, writer) = tokio::io::split(far);
        tokio::spawn(server.serve_over(reader, writer));
        Person(().serve(near).await.unwrap())
    }

    /// A row as it stands in the file.
    pub(crate) fn row(&self, id: i64) -> CustomerRow {
        Customers::open(&self.table()).unwrap().row(id).unwrap()
    }

    /// Everything that the file of the table holds.
    pub(crate) fn file(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.table()).unwrap()).into_owned()
    }

    fn table(&self) -> PathBuf {
        self.folder.path().join("data/customers.db")
    }
}

impl Person {
    pub(crate) async fn tools(&self) -> Result<Vec<String>, String> {
        let tools = self.0.list_all_tools().await.map_err(words)?;
        let mut names: Vec<String> = tools.into_iter().map(|tool| tool.name.into()).collect();
        names.sort();
        Ok(names)
    }

    pub(crate) async fn prompts(&self) -> Vec<String> {
        let prompts = self.0.list_all_prompts().await.unwrap();
        prompts.into_iter().map(|prompt| prompt.name).collect()
    }

    /// The structured result of a call, or the words of its refusal.
    pub(crate) async fn call(&self, tool: &'static str, arguments: Value) -> Result<Value, String> {
        let arguments = arguments.as_object().cloned().unwrap();
        let call = CallToolRequestParams::new(tool).with_arguments(arguments);
        let answer = self.0.call_tool(call).await.map_err(words)?;
        Ok(answer.structured_content.unwrap_or_default())
    }

    pub(crate) async fn prompt(&self, name: &str, id: &str) -> Result<String, String> {
        let arguments = json!({ "id": id }).as_object().cloned().unwrap();
        let asked = GetPromptRequestParams::new(name).with_arguments(arguments);
        let prompt = self.0.get_prompt(asked).await.map_err(words)?;
        Ok(serde_json::to_string(&prompt).unwrap())
    }
}

fn words(error: ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => format!("{} {}", error.code.0, error.message),
        other => panic!("{other}"),
    }
}
