//! The guard inside a server of one's own, from outside: real clients in this process, and servers
//! of every form that the macros take.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod clinic;
#[cfg(test)]
#[path = "../pass/forms.rs"]
mod forms;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod http;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod macros;
#[cfg(test)]
mod reveal;
#[cfg(test)]
mod rmcp_handler;
#[cfg(test)]
mod rmcp_macros;
#[cfg(test)]
#[path = "../pass/two_tools.rs"]
mod two_tools;
