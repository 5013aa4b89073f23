//! `[audit.witnesses]`: who must see the log, and what it means when they do not.

use std::time::Duration;

use haechi_audit::note::{KeyKind, VerifierKey};
use haechi_audit::witness::{Missing, Peer, WitnessPolicy};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings::problem::Problems;
use crate::settings::value::{duration, http_url, is_loopback, number};

/// Each is asked about every checkpoint.
const MOST_WITNESSES: usize = 16;
const STANDARD_GRACE: Duration = Duration::from_secs(300);
const LEAST_GRACE: Duration = Duration::from_secs(1);
const LONGEST_GRACE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Witnesses see every checkpoint of the gateway's log, and cosign it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawWitnesses {
    /// The witnesses, at most 16.
    ask: Vec<RawWitness>,
    /// How many of them must cosign; all by default.
    wanted: Option<usize>,
    /// How long fewer may have; `5m` by default.
    grace: Option<String>,
    /// What happens after that: `warn` (the default) says so in the program's log and its metrics,
    /// `refuse` refuses calls until they have cosigned, and at once when one has seen another history.
    missing: Option<RawMissing>,
}

/// One witness.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawWitness {
    /// Where it takes requests; `/add-checkpoint` is added.
    url: String,
    /// Its verifier keys, as it prints them.
    keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum RawMissing {
    #[default]
    Warn,
    Refuse,
}

impl RawWitnesses {
    pub(crate) fn check(self, problems: &mut Problems) -> Option<WitnessPolicy> {
        let at = |name: &str| format!("audit.witnesses.{name}");
        if self.ask.is_empty() {
            if self.wanted.is_some() || self.missing.is_some() || self.grace.is_some() {
                problems.add(at("ask"), "must name at least one witness");
            }
            return None;
        }
        let count = self.ask.len();
        if count > MOST_WITNESSES {
            problems.add(at("ask"), format!("must name at most {MOST_WITNESSES} witnesses"));
            return None;
        }
        let mut witnesses: Vec<Peer> = Vec::new();
        for (place, raw) in self.ask.into_iter().enumerate() {
            let key = format!("audit.witnesses.ask[{place}]");
            let Some(peer) = raw.check(&key, problems) else { continue };
            // One witness under two names, or two under one, would count for more than it says.
            let shares = |other: &Peer| {
                let same = |one: &VerifierKey, two: &VerifierKey| one.public() == two.public();
                let known = |one: &VerifierKey| other.keys.iter().any(|two| same(one, two));
                other.name() == peer.name() || peer.keys.iter().any(known)
            };
            if witnesses.iter().any(shares) {
                problems.add(format!("{key}.keys"), "must not be those of another witness");
                continue;
            }
            witnesses.push(peer);
        }
        let wanted = problems.read(&at("wanted"), self.wanted, count, |it| number(it, 1, count));
        let grace = problems.read(&at("grace"), self.grace, STANDARD_GRACE, |text| {
            duration(&text, LEAST_GRACE, LONGEST_GRACE)
        });
        let missing = match self.missing.unwrap_or_default() {
            RawMissing::Warn => Missing::Warn,
            RawMissing::Refuse => Missing::Refuse,
        };
        Some(WitnessPolicy { witnesses, wanted, grace, missing })
    }
}

impl RawWitness {
    fn check(self, key: &str, problems: &mut Problems) -> Option<Peer> {
        let url = problems.read(&format!("{key}.url"), Some(self.url), None, |text| {
            let url = http_url(&text)?;
            if url.scheme() == "http" && !is_loopback(&url) {
                return Err("must start with `https://`, except on this machine".to_owned());
            }
            if url.query().is_some() || url.fragment().is_some() {
                return Err("must end with a path".to_owned());
            }
            Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
        });
        let keys = problems.read(&format!("{key}.keys"), Some(self.keys), None, |texts| {
            let keys: Vec<VerifierKey> =
                texts.iter().map(|text| cosigning_key(text)).collect::<Result<_, _>>()?;
            let name = keys.first().map(VerifierKey::name).ok_or("must name at least one key")?;
            if keys.iter().any(|key| key.name() != name) {
                return Err("must all have the name of the one witness".to_owned());
            }
            Ok(Some(keys))
        });
        Some(Peer { url: url?, keys: keys? })
    }
}

fn cosigning_key(text: &str) -> Result<VerifierKey, String> {
    let key: VerifierKey = text
        .trim()
        .parse()
        .map_err(|error: haechi_audit::note::KeyError| format!("{error}; {}", error.help()))?;
    match key.kind() {
        KeyKind::Cosignature | KeyKind::MlDsa44 => Ok(key),
        KeyKind::Ed25519 => {
            Err(format!("`{}` is a log's key; a witness's states the time too", key.name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use haechi_audit::note::Signer;
    use haechi_core::Secret;

    use super::*;

    fn key(name: &str, kind: KeyKind, seed: u8) -> String {
        let signer = Signer::from_seed(name, kind, &Secret::new(vec![seed; 32])).unwrap();
        signer.verifier_key().to_string()
    }

    fn read(text: &str) -> (Option<WitnessPolicy>, String) {
        let mut problems = Problems::default();
        let raw: RawWitnesses = toml::from_str(text).unwrap();
        let checked = raw.check(&mut problems);
        (checked, problems.to_string())
    }

    #[test]
    fn witnesses_are_named_by_address_and_keys() {
        let (one, two) = (key("w1", KeyKind::Cosignature, 1), key("w1", KeyKind::MlDsa44, 2));
        let other = key("w2", KeyKind::Cosignature, 3);
        let text = format!(
            "ask = [{{ url = \"https://w1.example.com/\", keys = [\"{one}\", \"{two}\"] }},
                    {{ url = \"http://127.0.0.1:8788\", keys = [\"{other}\"] }}]
             wanted = 1\ngrace = \"30s\"\nmissing = \"refuse\""
        );
        let (policy, problems) = read(&text);
        assert_eq!(problems, "");
        let policy = policy.unwrap();
        assert_eq!((policy.wanted, policy.missing), (1, Missing::Refuse));
        assert_eq!(policy.grace, Duration::from_secs(30));
        let names: Vec<_> = policy.witnesses.iter().map(Peer::name).collect();
        assert_eq!(names, ["w1", "w2"]);
        assert_eq!(policy.witnesses[0].url, "https://w1.example.com");
        let (standard, _) = read(text.split('\n').take(2).collect::<String>().as_str());
        let standard = standard.unwrap();
        assert_eq!((standard.wanted, standard.missing), (2, Missing::Warn));
        assert_eq!(read(""), (None, String::new()));
    }

    #[test]
    fn what_would_not_be_watched_by_two_is_told() {
        let good = key("w1", KeyKind::Cosignature, 1);
        let renamed = key("w2", KeyKind::Cosignature, 1);
        let of_a_log = key("w1", KeyKind::Ed25519, 1);
        let ask = |url: &str, keys: &str| format!("{{ url = \"{url}\", keys = [{keys}] }}");
        let one = |url: &str, key: &str| format!("ask = [{}]", ask(url, &format!("\"{key}\"")));
        let twice = |key: &str| {
            let (one, two) = (format!("\"{good}\""), format!("\"{key}\""));
            format!("ask = [{}, {}]", ask("https://a", &one), ask("https://b", &two))
        };
        let cases = [
            ("wanted = 1".to_owned(), "at least one witness"),
            (one("http://w1.example.com", &good), "https://"),
            (one("https://w1?a", &good), "end with a path"),
            (one("", &good), "is no URL"),
            (one("https://w1", "w1+00000000+AAAA"), "not known"),
            (one("https://w1", &of_a_log), "is a log's key"),
            (format!("ask = [{}]", ask("https://w1", "")), "at least one key"),
            (
                format!("ask = [{}]", ask("https://w1", &format!("\"{good}\", \"{renamed}\""))),
                "name of the one",
            ),
            (twice(&good), "another witness"),
            (twice(&renamed), "another witness"),
            (format!("{}\nwanted = 2", one("https://w1", &good)), "from 1 to 1"),
            (format!("{}\nwanted = 0", one("https://w1", &good)), "from 1 to 1"),
            (format!("{}\ngrace = \"0s\"", one("https://w1", &good)), "must be from 1s"),
        ];
        for (text, expected) in cases {
            let (_, problems) = read(&text);
            assert!(problems.contains(expected), "{text}: {problems}");
        }
    }
}
