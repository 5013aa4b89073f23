//! Why a command did not do what it was asked.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use haechi_assembly::{AssemblyError, DirectoryError, PolicyTrouble, SettingsError};
use haechi_face::Language;

/// The answer is no.
pub(super) const NO: u8 = 1;
/// There is no answer.
pub(super) const COULD_NOT_TELL: u8 = 2;

/// Why a command did not do what it was asked: what to say, what to do next, how to end.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    code: u8,
    message: String,
    help: Option<String>,
    unheard: bool,
}

impl Failure {
    /// The answer is no.
    pub(super) fn no(message: impl Into<String>) -> Self {
        Self { code: NO, ..Self::unknown(message) }
    }

    /// There is no answer.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self { code: COULD_NOT_TELL, message: message.into(), help: None, unheard: false }
    }

    /// With the next step.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// With the next step, when there is one.
    pub(super) fn maybe_help(self, help: Option<impl Into<String>>) -> Self {
        Self { help: help.map(Into::into), ..self }
    }

    /// With another step beside the one there is.
    pub(super) fn or_help(self, other: &str) -> Self {
        let help = self.help.map_or_else(|| other.to_owned(), |help| format!("{help}; or {other}"));
        Self { help: Some(help), ..self }
    }

    /// There is no answer, because of `error` and what caused it.
    pub(super) fn of(error: &(dyn Error + '_)) -> Self {
        Self::unknown(chain(error))
    }

    /// Says it on standard error. A reader who has gone, as of `haechi audit query | head`, wants
    /// to hear nothing.
    pub(super) fn report(&self, language: Language) -> ExitCode {
        if self.unheard {
            return ExitCode::from(self.code);
        }
        let word = language.choose("error", "오류");
        let help = self.help.as_ref().map(|help| {
            let word = language.choose("next", "다음 단계");
            format!("{word}: {help}\n")
        });
        let text = format!("{word}: {}\n{}", self.message, help.unwrap_or_default());
        let _unheard = std::io::stderr().write_all(text.as_bytes());
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &(dyn Error + '_)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _infallible = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self { code: 0, unheard: true, ..Self::unknown("") };
        }
        Self::unknown(format!("the output cannot be written: {error}"))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        std::io::Error::from(error).into()
    }
}

impl From<AssemblyError> for Failure {
    fn from(error: AssemblyError) -> Self {
        Self::of(&error).maybe_help(error.help())
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::of(&error).help(error.help())
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match &error {
            SettingsError::File { .. } => Self::of(&error)
                .help("name another file with `--config`, or make one with `haechi init`"),
            _ => Self::of(&error).help("`haechi config schema` describes every setting"),
        }
    }
}

impl From<PolicyTrouble> for Failure {
    fn from(error: PolicyTrouble) -> Self {
        Self::of(&error).help("`haechi check` shows every problem at once")
    }
}

impl From<haechi_identity::AdministrationError> for Failure {
    fn from(error: haechi_identity::AdministrationError) -> Self {
        use haechi_identity::AdministrationError as E;
        let help = error.help();
        let failure = Self::of(&error).maybe_help(help);
        match error {
            E::Busy | E::Failed | E::Entropy(_) | E::Store(_) | E::Unnamed(_) => failure,
            _ => Self { code: NO, ..failure },
        }
    }
}

impl From<haechi_assembly::ClientAdministrationError> for Failure {
    fn from(error: haechi_assembly::ClientAdministrationError) -> Self {
        use haechi_assembly::ClientAdministrationError as E;
        let failure = Self::of(&error).maybe_help(error.help());
        match error {
            E::Exists(_) | E::Missing(_) | E::Id(_) => Self { code: NO, ..failure },
            _ => failure,
        }
    }
}

impl From<haechi_assembly::Failure> for Failure {
    fn from(error: haechi_assembly::Failure) -> Self {
        use haechi_assembly::{ControlError, Failure as E};
        use haechi_audit::retention::HoldError as H;
        let help = error.help();
        match error {
            E::Identity(error) => error.into(),
            E::Client(error) => error.into(),
            E::LivesTooLong(_)
            | E::Held(_)
            | E::NotExported { .. }
            | E::Prune(_)
            | E::Hold(H::Name | H::Reason | H::Exists(_) | H::TooMany) => {
                Self::no(chain(&error)).maybe_help(help)
            }
            E::Control(ControlError::Refused { message, .. }) => Self::no(message).maybe_help(help),
            error => Self::of(&error).maybe_help(help),
        }
    }
}
