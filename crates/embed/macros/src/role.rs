//! Names of roles, and the roles that the settings beside the manifest know.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::quote;
use toml::Table;

use crate::nearest::advice;

/// The settings, beside `Cargo.toml`.
const FILE: &str = "haechi.toml";
/// The longest name, in characters.
const MAX_CHARS: usize = 64;

/// The roles that may be named.
#[derive(Debug)]
pub(crate) enum KnownRoles {
    /// There are no settings, or they have no table of roles: any name will do.
    Any,
    /// These, of the settings.
    Listed(Vec<String>),
    /// The settings are there and cannot be read, with the reason.
    Unreadable(String),
}

impl KnownRoles {
    /// Those of `haechi.toml` in the folder of the crate that is compiled.
    pub(crate) fn beside_manifest() -> Self {
        let Some(folder) = manifest_folder() else { return Self::Any };
        Self::in_folder(&folder)
    }

    fn in_folder(folder: &Path) -> Self {
        let path = folder.join(FILE);
        if !path.exists() {
            return Self::Any;
        }
        match fs::read_to_string(path) {
            Ok(text) => Self::in_text(&text),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    fn in_text(text: &str) -> Self {
        match text.parse::<Table>() {
            Ok(settings) => {
                settings.get("roles").and_then(toml::Value::as_table).map_or(Self::Any, |roles| {
                    Self::Listed(roles.keys().filter(|name| *name != "*").cloned().collect())
                })
            }
            Err(error) => Self::Unreadable(error.message().to_owned()),
        }
    }

    /// Whether `name` may be named.
    ///
    /// # Errors
    ///
    /// A sentence, with the roles there are.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        well_formed(name)?;
        match self {
            Self::Any => Ok(()),
            Self::Unreadable(reason) => {
                Err(format!("`{FILE}` beside `Cargo.toml` cannot be read: {reason}; correct it"))
            }
            Self::Listed(names) if names.iter().any(|known| known == name) => Ok(()),
            Self::Listed(names) => Err(unlisted(name, names)),
        }
    }

    /// Makes the build depend on the settings, where there are any.
    pub(crate) fn dependency(&self) -> Option<TokenStream> {
        (!matches!(self, Self::Any)).then(|| {
            quote! {
                const _: &[u8] = ::core::include_bytes!(
                    ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #FILE)
                );
            }
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo tells macros so which crate they run in")]
fn manifest_folder() -> Option<PathBuf> {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)
}

fn well_formed(name: &str) -> Result<(), String> {
    if name == "*" {
        let fix =
            "write `authenticated` in place of `roles(…)` for everybody who proved an identity";
        return Err(format!("`*` is no name of a role; {fix}"));
    }
    let length = name.chars().count();
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if length == 0 || length > MAX_CHARS || !name.chars().all(fits) {
        let form = "write 1 to 64 letters, digits, `-`, `_`, `.` and `:`";
        return Err(format!("`{name}` is no name of a role; {form}"));
    }
    Ok(())
}

fn unlisted(name: &str, names: &[String]) -> String {
    if names.is_empty() {
        return format!("`{FILE}` knows no roles yet; add `[roles.{name}]` to it");
    }
    let all: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let words = names.iter().map(String::as_str);
    let advice = advice(name, words, &format!("name one of these, or add `[roles.{name}]` to it"));
    format!("`{FILE}` has no role `{name}`, it has {}{advice}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words() {
        let long = "a".repeat(65);
        for (name, fits) in [
            ("admin", true),
            ("crm:support-2.eu_west", true),
            ("관리자", true),
            ("", false),
            ("ad min", false),
            ("*", false),
            ("a,b", false),
            (&long, false),
        ] {
            assert_eq!(KnownRoles::Any.check(name).is_ok(), fits, "{name}");
        }
    }

    #[test]
    fn a_role_that_the_settings_do_not_know_is_refused_with_those_they_know() {
        let known = KnownRoles::in_text("[roles.admin]\n[roles.user]\n[roles.\"*\"]\nallow = []\n");
        assert_eq!(known.check("admin"), Ok(()));
        let near =
            "`haechi.toml` has no role `amdin`, it has `admin`, `user`; did you mean `admin`?";
        assert_eq!(known.check("amdin"), Err(near.to_owned()));
        let far = known.check("auditor").unwrap_err();
        assert!(far.ends_with("name one of these, or add `[roles.auditor]` to it"), "{far}");
        assert!(known.dependency().is_some());
    }

    #[test]
    fn settings_without_roles_leave_names_free_and_broken_ones_do_not() {
        let known = KnownRoles::in_text("[listen]\naddress = \"127.0.0.1:1\"\n");
        assert_eq!(known.check("anything"), Ok(()));
        assert!(known.dependency().is_none());
        let broken = KnownRoles::in_text("[roles");
        assert!(broken.check("admin").unwrap_err().contains("cannot be read"));
        assert!(broken.dependency().is_some());
        let empty = KnownRoles::in_text("[roles]\n");
        assert!(empty.check("admin").unwrap_err().contains("add `[roles.admin]`"));
    }
}
