//! What clients can do with customers. Who may is written above each tool.

use haechi_embed::{Caller, Haechi, Sealed, secure_tool, tool_router};
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{PromptMessage, Role, ServerCapabilities, ServerConfig};
use rmcp::{ErrorData, ServerHandler, prompt, prompt_handler, prompt_router, tool, tool_handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::table::{Customer, CustomerRow, Customers, NewCustomer, TableError};

/// The settings: `haechi.toml` beside `Cargo.toml`.
pub(crate) const SETTINGS: &str = include_str!("../haechi.toml");

/// How many customers are found when nobody says how many.
const LIMIT: u32 = 10;

/// The server.
#[derive(Clone, Debug)]
pub struct CustomerService {
    customers: Customers,
    haechi: Haechi,
}

/// Who is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Query {
    /// Part of a name, or a whole e-mail address or telephone number.
    query: String,
    /// At most so many customers: 20 or fewer, 10 when left out.
    #[serde(default)]
    limit: Option<u32>,
}

/// Who was found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// Number and name.
    customers: Vec<Contact>,
}

/// Number and name of a customer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Contact {
    /// The number by which the other tools know this customer.
    id: i64,
    /// The full name.
    name: String,
}

/// Which customer.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct CustomerId {
    /// The number that `find_customer` tells.
    id: i64,
}

/// A customer who is not there yet.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Newcomer {
    /// The full name.
    name: String,
    /// The e-mail address.
    #[serde(default)]
    email: Option<String>,
    /// The telephone number.
    #[serde(default)]
    phone: Option<String>,
    /// The resident registration number.
    #[serde(default)]
    resident_number: Option<String>,
}

/// What is to be different from now on; what is left out stays.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct ContactChange {
    /// Which customer.
    id: i64,
    /// The new e-mail address.
    #[serde(default)]
    email: Option<String>,
    /// The new telephone number.
    #[serde(default)]
    phone: Option<String>,
}

/// How many customers there are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Count {
    /// How many.
    customers: i64,
}

/// All customers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Everybody {
    /// Each with the notes.
    customers: Vec<Customer>,
}

/// Something to write down.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct NewNote {
    /// Which customer.
    id: i64,
    /// What is to be written down.
    note: String,
}

/// A note that was written down.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NoteTaken {
    /// Which customer.
    id: i64,
    /// Who wrote it.
    written_by: String,
}

/// A customer who is gone.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    /// Who was removed.
    id: i64,
}

/// What the table keeps sealed, in clear.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Revealed {
    /// Which customer.
    id: i64,
    /// The e-mail address.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// The resident registration number.
    resident_number: Option<String>,
}

/// Whose letter is answered. Arguments of prompts are texts.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Letter {
    /// The number that `find_customer` tells.
    id: String,
}

#[tool_router]
impl CustomerService {
    /// How many customers there are.
    #[secure_tool(authenticated, audit = "off", rate = "2/s")]
    #[tool(annotations(read_only_hint = true))]
    async fn count_customers(&self) -> Result<Json<Count>, ErrorData> {
        Ok(Json(Count { customers: self.customers.count()? }))
    }

    /// Finds customers by part of their name, or by a whole e-mail address or telephone number.
    #[secure_tool(
        roles("viewer", "agent", "admin"),
        condition = "if context.arguments has limit then context.arguments.limit <= 20 else true",
        tokenize_same(arguments = ["EMAIL_ADDRESS", "PHONE_NUMBER"]),
        allow(arguments = ["PERSON"], results = ["PERSON"]),
        rate = "60/min"
    )]
    #[tool(annotations(read_only_hint = true))]
    async fn find_customer(
        &self,
        Parameters(Query { query, limit }): Parameters<Query>,
    ) -> Result<Json<Found>, ErrorData> {
        let rows = self.customers.find(&query, limit.unwrap_or(LIMIT))?;
        let contact = |CustomerRow { id, name, .. }| Contact { id, name };
        Ok(Json(Found { customers: rows.into_iter().map(contact).collect() }))
    }

    /// One customer, with what colleagues wrote down. Addresses and numbers come as tokens, which
    /// other tools of this server take.
    #[secure_tool(
        roles("viewer", "agent", "admin"),
        allow(results = ["PERSON"]),
        results = "tokenize",
        timeout = "5s"
    )]
    #[tool(annotations(read_only_hint = true))]
    async fn get_customer(
        &self,
        Parameters(CustomerId { id }): Parameters<CustomerId>,
    ) -> Result<Json<Customer>, ErrorData> {
        Ok(Json(self.customers.customer(id)?))
    }

    /// Adds a customer.
    #[secure_tool(
        roles("agent", "admin"),
        allow(arguments = ["PERSON"], results = ["PERSON"]),
        tokenize_same(arguments = ["EMAIL_ADDRESS", "PHONE_NUMBER"]),
        encrypt(arguments = ["KR_RRN"]),
        refuse(arguments = ["CREDIT_CARD"]),
        concurrency = 4
    )]
    #[tool]
    async fn add_customer(
        &self,
        Parameters(new): Parameters<Newcomer>,
    ) -> Result<Json<Contact>, ErrorData> {
        let Newcomer { name, email, phone, resident_number } = new;
        let new = NewCustomer { name, email, phone, resident_number };
        let id = self.customers.add(&new)?;
        Ok(Json(Contact { id, name: new.name }))
    }

    /// Writes a new e-mail address or telephone number of a customer.
    #[secure_tool(
        roles("agent", "admin"),
        condition = "context.arguments has email || context.arguments has phone",
        tokenize_same(arguments = ["EMAIL_ADDRESS", "PHONE_NUMBER"]),
        results = "tokenize"
    )]
    #[tool]
    async fn update_contact(
        &self,
        Parameters(ContactChange { id, email, phone }): Parameters<ContactChange>,
    ) -> Result<Json<Customer>, ErrorData> {
        self.customers.update(id, email.as_deref(), phone.as_deref())?;
        Ok(Json(self.customers.customer(id)?))
    }

    /// Writes something down about a customer. Numbers of telephones are masked, and notes with the
    /// number of a card or a resident are not taken.
    #[secure_tool(
        roles("agent", "admin"),
        allow(arguments = ["PERSON"], results = ["PERSON"]),
        mask(arguments = ["PHONE_NUMBER"]),
        refuse(arguments = ["CREDIT_CARD", "KR_RRN"]),
        audit(parameters = "none")
    )]
    #[tool]
    async fn add_note(
        &self,
        caller: Caller,
        Parameters(NewNote { id, note }): Parameters<NewNote>,
    ) -> Result<Json<NoteTaken>, ErrorData> {
        let written_by = caller.name().or(caller.username()).unwrap_or(caller.subject());
        self.customers.note(id, &note, written_by)?;
        Ok(Json(NoteTaken { id, written_by: written_by.to_owned() }))
    }

    /// Shows what the table keeps sealed. Each value that is shown is recorded.
    #[secure_tool(roles("admin"), sensitive(max_age = "10m"), results = "allow", rate = "10/min")]
    #[tool(annotations(read_only_hint = true))]
    async fn show_contact(
        &self,
        caller: Caller,
        Parameters(CustomerId { id }): Parameters<CustomerId>,
    ) -> Result<Json<Revealed>, ErrorData> {
        let row = self.customers.row(id)?;
        let number = row.resident_number.as_deref();
        let number =
            number.map(|it| Sealed::argument(it, ("add_customer", "/resident_number"), "KR_RRN"));
        Ok(Json(Revealed {
            id,
            email: self.shown(&caller, row.email.as_deref().map(Sealed::token)).await?,
            phone: self.shown(&caller, row.phone.as_deref().map(Sealed::token)).await?,
            resident_number: self.shown(&caller, number).await?,
        }))
    }

    /// All customers, for the statistics of another department: whose token must say so, and who
    /// gets digests in the place of names, addresses and numbers.
    #[secure_tool(
        roles("admin"),
        scopes("customers.export"),
        results = "hash",
        rate = "5/h",
        timeout = "30s"
    )]
    #[tool(annotations(read_only_hint = true))]
    async fn export_customers(&self) -> Result<Json<Everybody>, ErrorData> {
        let rows = self.customers.find("", u32::MAX)?;
        let all = rows.into_iter().map(|row| self.customers.customer(row.id));
        Ok(Json(Everybody { customers: all.collect::<Result<_, _>>()? }))
    }

    /// Removes a customer and all notes.
    #[secure_tool(roles("admin"), sensitive(max_age = "10m"), timeout = "10s", concurrency = 1)]
    #[tool(annotations(destructive_hint = true))]
    async fn delete_customer(
        &self,
        Parameters(CustomerId { id }): Parameters<CustomerId>,
    ) -> Result<Json<Removed>, ErrorData> {
        self.customers.delete(id)?;
        Ok(Json(Removed { id }))
    }
}

impl CustomerService {
    /// The server over `customers`; `haechi` opens what the table keeps sealed.
    #[must_use]
    pub fn new(customers: Customers, haechi: &Haechi) -> Self {
        Self { customers, haechi: haechi.clone() }
    }

    /// What a sealed value of the table holds; one that was there before the guard is as it is.
    async fn shown(
        &self,
        caller: &Caller,
        sealed: Option<Sealed<'_>>,
    ) -> Result<Option<String>, ErrorData> {
        let Some(sealed) = sealed else { return Ok(None) };
        if !sealed.is_protected() {
            return Ok(Some(sealed.text().to_owned()));
        }
        let shown = self.haechi.reveal(caller, sealed, "support").await;
        let shown = shown.map_err(|no| ErrorData::invalid_request(no.to_string(), None))?;
        Ok(shown.expose_str().map(str::to_owned))
    }
}

#[expect(missing_docs, reason = "of what the macro makes of a prompt, one function has none")]
#[prompt_router]
impl CustomerService {
    /// How to answer a customer who wrote to us.
    #[prompt]
    async fn answer_letter(
        &self,
        Parameters(Letter { id }): Parameters<Letter>,
    ) -> Result<Vec<PromptMessage>, ErrorData> {
        let number = || ErrorData::invalid_params("`id` is the number of a customer", None);
        let id = id.parse().map_err(|_| number())?;
        let CustomerRow { name, .. } = self.customers.row(id)?;
        let text = format!(
            "Answer the letter of {name}, our customer {id}, kindly and in their language. \
             Look at the notes first (get_customer), and write down what you promised (add_note)."
        );
        Ok(vec![PromptMessage::new_text(Role::User, text)])
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for CustomerService {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_prompts().build();
        ServerConfig::new(capabilities).with_instructions("The customers of a small company.")
    }
}

/// What a caller may know of a failure: that it happened, and never a value.
impl From<TableError> for ErrorData {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Unknown(_) => Self::invalid_params(error.to_string(), None),
            TableError::Sqlite(_) => Self::internal_error(error.to_string(), None),
        }
    }
}
