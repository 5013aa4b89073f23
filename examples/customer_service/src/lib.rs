//! An MCP server over a table of customers, with the guard inside.
//!
//! Each tool says who may call it and what becomes of the personal data in its calls; `haechi.toml`
//! says the rest. What arrives sealed stays sealed in the table, so that neither a copy of the file
//! nor a query by hand shows anybody's number.

mod deletions;
mod serving;
mod table;
mod tools;

pub use deletions::DeletionLimit;
pub use serving::{Options, ServeError, open, run};
pub use table::{Customer, CustomerRow, Customers, NewCustomer, Note, TableError};
pub use tools::CustomerService;
