//! What enters from the process's environment. Nothing else reads it.

use std::ffi::OsString;
use std::path::PathBuf;

/// The value of one variable; `None` when it is unset or empty.
#[must_use]
pub fn variable(name: &str) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "this is the place where settings enter")]
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The value of one variable, when it is text.
#[must_use]
pub fn text_variable(name: &str) -> Option<String> {
    variable(name)?.into_string().ok()
}

/// Every variable, for children that are allowed some of them.
#[must_use]
pub fn variables() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Where data is kept when nothing says otherwise: `HAECHI_DATA_DIR`, else
/// `$XDG_DATA_HOME/haechi`, else `~/.local/share/haechi`.
#[must_use]
pub fn default_data_directory() -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let named = variable("HAECHI_DATA_DIR").map(PathBuf::from);
    let data = || absolute("XDG_DATA_HOME").map(|data| data.join("haechi"));
    let home = || absolute("HOME").map(|home| home.join(".local/share/haechi"));
    named.or_else(data).or_else(home)
}
