//! The program from outside: its process, its sockets, its pipes.

#[cfg(test)]
mod audit_proofs;
#[cfg(test)]
mod audit_report;
#[cfg(test)]
mod child_exec;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod demo_and_run;
#[cfg(test)]
mod home;
#[cfg(test)]
mod mcp_server;
#[cfg(test)]
mod pii;
#[cfg(test)]
mod raw_http;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod sample_server;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod subject;
#[cfg(test)]
mod vault;
