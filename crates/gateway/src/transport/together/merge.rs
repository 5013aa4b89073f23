//! What several upstreams say of themselves, as one server says it.

use haechi_core::json::{Checked, Text, quote};
use haechi_core::rpc::{VERSIONS, is_modern_version};
use haechi_core::{Era, UpstreamName};
use serde_json::{Map, Value};

/// Where a modern result says who answers.
const META_SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The longest that what was put together may be taken for fresh, in milliseconds.
const MAX_TTL_MS: u64 = 60_000;

/// What one upstream said of itself.
pub(super) type Said<'a> = (&'a UpstreamName, &'a Checked);

/// The result of `initialize`, at the lowest revision that was agreed on.
pub(super) fn initialized(said: &[Said<'_>], version: &str) -> String {
    let instructions = instructions(said);
    format!(
        r#"{{"protocolVersion":{},"capabilities":{},"serverInfo":{}{instructions}}}"#,
        quote(version),
        capabilities(said),
        server_info(),
    )
}

/// The result of `server/discover`.
pub(super) fn discovered(said: &[Said<'_>]) -> String {
    let speaks = |version: &str| said.iter().any(|(_, message)| has_version(message, version));
    let modern = VERSIONS.iter().filter(|version| is_modern_version(version) && speaks(version));
    let versions: Vec<String> = modern.map(|version| quote(version)).collect();
    format!(
        r#"{{"supportedVersions":[{}],"capabilities":{}{}{}}}"#,
        versions.join(","),
        capabilities(said),
        instructions(said),
        modern_members(said.iter().map(|(_, message)| message.text())),
    )
}

/// Whether what `message` says of itself names `version`.
pub(super) fn has_version(message: &Checked, version: &str) -> bool {
    let versions = message.text().path(&["result", "supportedVersions"]);
    let mut versions = versions.into_iter().flat_map(Text::elements).filter_map(Text::string);
    versions.any(|other| other == version)
}

/// Members that every modern result of ours has, with a comma before the first. It is fresh as
/// long as the shortest of its `parts`, and no other caller's.
pub(super) fn modern_members<'a>(parts: impl Iterator<Item = Text<'a>>) -> String {
    let of_part = |message: Text<'a>| {
        let ttl = message.path(&["result", "ttlMs"]).and_then(Text::unsigned);
        ttl.unwrap_or(0)
    };
    let ttl = parts.map(of_part).min().unwrap_or(0).min(MAX_TTL_MS);
    format!(
        r#","resultType":"complete","ttlMs":{ttl},"cacheScope":"private","_meta":{{{}:{}}}"#,
        quote(META_SERVER_INFO),
        server_info(),
    )
}

/// What a list ends with in `era`.
pub(super) fn list_members<'a>(era: Era, parts: impl Iterator<Item = Text<'a>>) -> String {
    if era == Era::Modern { modern_members(parts) } else { String::new() }
}

fn server_info() -> String {
    format!(r#"{{"name":"haechi","version":{}}}"#, quote(env!("CARGO_PKG_VERSION")))
}

/// What at least one of them can do.
fn capabilities(said: &[Said<'_>]) -> Value {
    let mut all = Value::Object(Map::new());
    for (_, message) in said {
        if let Some(own) = message.text().path(&["result", "capabilities"]) {
            unite(&mut all, own.to_value());
        }
    }
    all
}

/// Objects are united member by member, `true` wins over `false`, the first of anything else stays.
fn unite(all: &mut Value, own: Value) {
    match (all, own) {
        (Value::Object(all), Value::Object(own)) => {
            for (name, value) in own {
                match all.get_mut(&name) {
                    Some(known) => unite(known, value),
                    None => {
                        all.insert(name, value);
                    }
                }
            }
        }
        (Value::Bool(all), Value::Bool(own)) => *all |= own,
        _ => {}
    }
}

/// A member `instructions` with a comma before it; empty when nobody instructs.
fn instructions(said: &[Said<'_>]) -> String {
    let of_each = said.iter().filter_map(|(upstream, message)| {
        let text = message.text().path(&["result", "instructions"])?.string()?;
        (!text.trim().is_empty()).then(|| format!("# {upstream}\n\n{}", text.trim()))
    });
    let all: Vec<String> = of_each.collect();
    if all.is_empty() {
        return String::new();
    }
    format!(r#","instructions":{}"#, quote(&all.join("\n\n")))
}

#[cfg(test)]
mod tests {
    use haechi_core::json::Limits;

    use super::*;

    fn message(result: &str) -> Checked {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        Checked::new(text.into(), &Limits::WIRE).unwrap()
    }

    #[test]
    fn together_they_can_what_one_of_them_can() {
        let crm = message(
            r#"{"capabilities":{"tools":{"listChanged":false},"logging":{}},"instructions":"Be kind."}"#,
        );
        let files = message(
            r#"{"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"instructions":" "}"#,
        );
        let names = ["crm", "files"].map(|name| UpstreamName::parse(name).unwrap());
        let said = [(&names[0], &crm), (&names[1], &files)];
        let text = initialized(&said, "2025-06-18");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value["capabilities"],
            serde_json::json!({"tools": {"listChanged": true}, "logging": {}, "resources": {"subscribe": true}})
        );
        assert_eq!(value["protocolVersion"], "2025-06-18");
        assert_eq!(value["serverInfo"]["name"], "haechi");
        assert_eq!(value["instructions"], "# crm\n\nBe kind.");
    }

    #[test]
    fn what_was_discovered_is_modern_private_and_as_fresh_as_the_shortest() {
        let crm = message(
            r#"{"supportedVersions":["2025-11-25","2026-07-28"],"ttlMs":5000,"cacheScope":"public"}"#,
        );
        let files = message(r#"{"supportedVersions":["2026-07-28","2999-01-01"],"ttlMs":700}"#);
        let names = ["crm", "files"].map(|name| UpstreamName::parse(name).unwrap());
        let text = discovered(&[(&names[0], &crm), (&names[1], &files)]);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["supportedVersions"], serde_json::json!(["2026-07-28"]));
        assert_eq!(value["ttlMs"], 700);
        assert_eq!(value["cacheScope"], "private");
        assert_eq!(value["resultType"], "complete");
        assert_eq!(value["_meta"][META_SERVER_INFO]["name"], "haechi");
    }
}
