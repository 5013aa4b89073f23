//! The program from outside: its process, its sockets, its pipes.

#[cfg(test)]
mod child_exec;
