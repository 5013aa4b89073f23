//! From settings to a policy in force.

use std::path::{Path, PathBuf};

use haechi_policy::{
    CedarFile, Expectations, KnownTool, Policy, PolicyProblem, PolicySource, PolicyWarning,
};

use crate::Settings;

/// The largest Cedar file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why a policy is not in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyTrouble {
    /// A Cedar file cannot be read.
    #[error("the policy file `{}` cannot be read", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Rules that cannot work; all of them.
    #[error("{}", lines(.0))]
    Problems(Vec<PolicyProblem>),
}

fn lines(problems: &[PolicyProblem]) -> String {
    let lines = problems.iter().map(|problem| format!("{problem}; {}", problem.help()));
    lines.collect::<Vec<_>>().join("\n")
}

/// What `settings` and the files they name say, about the tools in `catalog`.
///
/// # Errors
///
/// [`PolicyTrouble::File`].
pub fn policy_source(
    settings: &Settings,
    catalog: Vec<KnownTool>,
) -> Result<PolicySource, PolicyTrouble> {
    let files = settings.policy.files.iter().map(cedar_file);
    let inline = settings.policy.inline.iter().cloned().map(Ok);
    let names = settings.upstreams.iter().map(|upstream| upstream.name.as_str().to_owned());
    Ok(PolicySource {
        roles: settings.roles.clone(),
        cedar: files.chain(inline).collect::<Result<_, _>>()?,
        owner: settings.owner,
        catalog,
        upstreams: names.chain(settings.other_upstreams.iter().cloned()).collect(),
        default_sensitive_max_age: settings.policy.sensitive_max_age,
    })
}

fn cedar_file(path: &PathBuf) -> Result<CedarFile, PolicyTrouble> {
    let unreadable = |source| PolicyTrouble::File { path: path.clone(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(unreadable(std::io::Error::from(std::io::ErrorKind::FileTooLarge)));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(CedarFile { name, text })
}

/// Compiles what `settings` say as version `epoch`.
///
/// # Errors
///
/// [`PolicyTrouble`], every problem at once.
pub fn compile_policy(
    settings: &Settings,
    catalog: Vec<KnownTool>,
    epoch: u64,
) -> Result<(Policy, Vec<PolicyWarning>), PolicyTrouble> {
    let source = policy_source(settings, catalog)?;
    Policy::compile(&source, epoch).map_err(PolicyTrouble::Problems)
}

/// Why a file of expectations cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExpectationsError {
    /// It cannot be read.
    #[error("the file `{}` cannot be read", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what a file of expectations looks like.
    #[error("`{}`: {what}", .path.display())]
    Form {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
}

/// Reads a file of expectations: JSON when its name ends so, TOML otherwise.
///
/// # Errors
///
/// [`ExpectationsError`].
pub fn read_expectations(path: &Path) -> Result<Expectations, ExpectationsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ExpectationsError::File { path: path.to_owned(), source })?;
    let form = |what: String| ExpectationsError::Form { path: path.to_owned(), what };
    if path.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(&text).map_err(|error| form(error.to_string()));
    }
    toml::from_str(&text).map_err(|error| form(error.to_string().trim_end().to_owned()))
}
