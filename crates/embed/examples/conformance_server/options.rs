//! The command line.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

/// What the command line asked for.
#[derive(Debug)]
pub(crate) struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub(crate) port: u16,
    pub(crate) shape: Shape,
}

/// What stands between the callers and the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// Nothing.
    Bare,
    /// The guard, which keeps its data in this folder.
    Guarded(PathBuf),
}

/// Why the command line was not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OptionsError {
    #[error("unknown option `{0}`; there are --port N, --bare and --guarded FOLDER")]
    Unknown(String),
    #[error("`--port` needs a number from 0 to 65535")]
    Port,
    #[error("`--guarded` needs the folder for the guard's data")]
    Folder,
}

impl Options {
    /// Reads the arguments behind the program's name.
    pub(crate) fn from_arguments(
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Self, OptionsError> {
        let mut options = Self { port: 0, shape: Shape::Bare };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bare" => options.shape = Shape::Bare,
                "--guarded" => {
                    let folder = arguments.next().ok_or(OptionsError::Folder)?;
                    options.shape = Shape::Guarded(folder.into());
                }
                "--port" => options.port = port(arguments.next())?,
                _ => return Err(OptionsError::Unknown(argument)),
            }
        }
        Ok(options)
    }
}

fn port(argument: Option<String>) -> Result<u16, OptionsError> {
    argument.and_then(|text| text.parse().ok()).ok_or(OptionsError::Port)
}

/// Prints an error and what caused it on standard error.
pub(crate) fn complain(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(io::stderr(), "{text}");
}
