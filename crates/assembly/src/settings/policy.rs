//! `[policy]`: Cedar files beside the roles, and how much a refusal tells.

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_policy::CedarFile;
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::roles::MAX_AGE;
use super::value::duration;

/// The most Cedar files.
const MAX_FILES: usize = 1000;

/// Cedar files beside the roles, and how much a refusal tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySettings {
    /// Globs that were stated, made absolute.
    pub patterns: Vec<PathBuf>,
    /// The files they named when the settings were read, sorted.
    pub files: Vec<PathBuf>,
    /// Cedar texts that no file holds: a program that embeds the guard makes them, the settings
    /// file never does.
    pub inline: Vec<CedarFile>,
    /// Whether a caller may learn that a tool exists which it may not call.
    pub tell_denied: bool,
    /// How old a sign-in may be for a sensitive tool whose rule does not say.
    pub sensitive_max_age: Duration,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            files: Vec::new(),
            inline: Vec::new(),
            tell_denied: false,
            sensitive_max_age: Duration::from_secs(5 * 60),
        }
    }
}

/// Cedar files beside the roles, and how much a refusal tells.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPolicy {
    /// Cedar files; the last part of a path may hold `*`.
    files: Vec<String>,
    /// Tells callers that a tool exists which they may not call.
    tell_denied: bool,
    /// How old a sign-in may be for a sensitive tool whose rule does not say; `5m` by default.
    sensitive_max_age: Option<String>,
}

impl RawPolicy {
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> PolicySettings {
        let standard = PolicySettings::default();
        let mut patterns = Vec::new();
        let mut files = Vec::new();
        for (index, pattern) in self.files.iter().enumerate() {
            let pattern = base.join(pattern);
            match named_files(&pattern) {
                Ok(found) => files.extend(found),
                Err(what) => problems.add(format!("policy.files[{index}]"), what),
            }
            patterns.push(pattern);
        }
        files.sort();
        files.dedup();
        if files.len() > MAX_FILES {
            problems.add("policy.files", format!("names more than {MAX_FILES} files"));
        }
        let sensitive_max_age = problems.read(
            "policy.sensitive_max_age",
            self.sensitive_max_age,
            standard.sensitive_max_age,
            |text| duration(&text, Duration::from_secs(1), MAX_AGE),
        );
        PolicySettings {
            patterns,
            files,
            tell_denied: self.tell_denied,
            sensitive_max_age,
            ..standard
        }
    }
}

/// The files that `pattern` names; one that names none is a mistake, not an empty policy.
fn named_files(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = pattern.parent().unwrap_or(Path::new("."));
    if folder.to_string_lossy().contains('*') {
        return Err("may hold `*` in the last part of the path only".to_owned());
    }
    if !name.contains('*') {
        return if pattern.is_file() { Ok(vec![pattern.to_owned()]) } else { Err(none(pattern)) };
    }
    let unreadable = |error| format!("`{}`: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let fits =
            path.file_name().and_then(|file| file.to_str()).is_some_and(|file| fits(name, file));
        if fits && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() { Err(none(pattern)) } else { Ok(found) }
}

fn none(pattern: &Path) -> String {
    format!("`{}` names no file", pattern.display())
}

/// Whether `name` fits `glob`, in which `*` stands for any run of characters. A hidden file fits
/// only a glob that starts with a dot.
fn fits(glob: &str, name: &str) -> bool {
    if name.starts_with('.') && !glob.starts_with('.') {
        return false;
    }
    haechi_core::glob::matches(glob, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_names_files_of_one_folder() {
        let cases = [
            ("*.cedar", "a.cedar", true),
            ("*.cedar", ".hidden.cedar", false),
            ("*.cedar", "a.cedar.bak", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("*", "anything", true),
            ("한*.cedar", "한글.cedar", true),
        ];
        for (glob, name, expected) in cases {
            assert_eq!(fits(glob, name), expected, "{glob} {name}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b.cedar"), "").unwrap();
        std::fs::write(folder.path().join("a.txt"), "").unwrap();
        let found = named_files(&folder.path().join("*.cedar")).unwrap();
        assert_eq!(found, [folder.path().join("b.cedar")]);
        assert!(named_files(&folder.path().join("*.polar")).unwrap_err().contains("names no file"));
        assert!(named_files(&folder.path().join("x/b.cedar")).is_err());
    }
}
