//! `[gateway]`: the gateway in front of a program that embeds the guard.

use std::path::Path;

use haechi_core::UpstreamName;
use haechi_identity::jose::KeySet;
use haechi_identity::{GatewayCallers, KeyLocation, KeyRefresh};
use schemars::JsonSchema;
use serde::Deserialize;

use super::issuer::location;
use super::problem::Problems;
use super::value::named_secret;

/// The gateway in front of a program that embeds the guard.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawGateway {
    /// The gateway's own name (`iss`); whoever holds its keys by default.
    issuer: Option<String>,
    /// What the gateway calls this server; the server's own name by default.
    audience: Option<String>,
    /// The gateway's public keys: an `https://` address, `file:PATH`, or `env:NAME` for a variable
    /// that holds the set itself.
    jwks: Option<String>,
}

impl RawGateway {
    /// `name` is that of the server in this process; `None` in a gateway's own settings.
    pub(crate) fn check(
        self,
        name: Option<&UpstreamName>,
        base: &Path,
        problems: &mut Problems,
    ) -> Option<GatewayCallers> {
        let Some(name) = name else {
            problems.add("gateway", "is for programs that embed the guard; this is the gateway");
            return None;
        };
        for (key, stated) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if stated.as_ref().is_some_and(String::is_empty) {
                problems.add(format!("gateway.{key}"), "must be a name");
            }
        }
        if self.jwks.is_none() {
            problems.add("gateway.jwks", "is needed");
        }
        let keys = problems.read("gateway.jwks", self.jwks, None, |text| keys(base, &text));
        Some(GatewayCallers {
            issuer: self.issuer,
            audience: self.audience.unwrap_or_else(|| name.as_str().to_owned()),
            keys: keys?,
            refresh: KeyRefresh::default(),
        })
    }
}

/// What `text` names; a set that is given must have a key that can be used.
fn keys(base: &Path, text: &str) -> Result<Option<KeyLocation>, String> {
    if !text.starts_with("env:") {
        return location(base, text);
    }
    let Some(given) = named_secret(base, text) else { return Ok(None) };
    let given = given?;
    let set = KeySet::from_jwks(given.expose(), false).map_err(|error| error.to_string())?;
    if set.is_empty() {
        return Err("holds no key that can be used".to_owned());
    }
    let given = given.expose_str().ok_or("is no text")?;
    Ok(Some(KeyLocation::Given(given.to_owned())))
}
