//! `[vault]`: where the root key comes from, and how long what is sealed is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_core::Secret;
use haechi_vault::provider::{AwsCredentials, KmsConfig, Pkcs11Config, TransitConfig};
use schemars::JsonSchema;
use serde::Deserialize;

use super::problem::Problems;
use super::value::{duration, named_secret, path};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Where the root key comes from, and how long what is sealed is kept.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// Where the root key comes from.
    pub root: RootSettings,
    /// How long tokens open, by kind; `*` for all others. Empty: for ever.
    pub retention: BTreeMap<String, Duration>,
    /// The same for single tenants.
    pub tenants: BTreeMap<String, BTreeMap<String, Duration>>,
}

/// Where the root key comes from.
#[derive(Clone, Debug)]
pub enum RootSettings {
    /// The file `key` in the data directory.
    File,
    /// A secret that somebody else hands in.
    Environment(Secret),
    /// The file `root.age` in the data directory, under a passphrase.
    Passphrase(Secret),
    /// Wrapped by a security module.
    Pkcs11(Pkcs11Config, Secret),
    /// Wrapped by HashiCorp Vault or OpenBao.
    Transit(TransitConfig, Secret),
    /// Wrapped by AWS KMS.
    AwsKms(KmsConfig, AwsCredentials),
}

/// Where the root key comes from, and how long what is sealed is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawVault {
    /// The file `key` in the data directory by default; one of the tables below otherwise.
    root: RawRoot,
    /// How long tokens open, by kind, `*` for all others; for ever by default.
    retention: BTreeMap<String, String>,
    /// The same for single tenants.
    tenants: BTreeMap<String, RawTenant>,
}

/// What holds for one tenant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTenant {
    /// How long tokens open, by kind, `*` for all others.
    retention: BTreeMap<String, String>,
}

/// Where the root key comes from: one of these at most.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRoot {
    /// A named secret (`env:NAME`, `file:PATH`) that holds the root: 32 bytes in hexadecimal or
    /// Base64.
    secret: Option<String>,
    /// A named secret that holds the passphrase of `root.age`.
    passphrase: Option<String>,
    pkcs11: Option<RawPkcs11>,
    transit: Option<RawTransit>,
    aws_kms: Option<RawKms>,
}

/// A key in a security module wraps the root.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPkcs11 {
    /// The library of the module.
    module: String,
    /// The label of the token.
    token: String,
    /// The label of the AES key.
    key: String,
    /// A named secret: the user's PIN.
    pin: String,
}

/// A key of HashiCorp Vault's or OpenBao's transit engine wraps the root.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTransit {
    /// `https://vault.example:8200`.
    address: String,
    /// Where the engine is mounted; `transit` by default.
    mount: Option<String>,
    /// The name of the key.
    key: String,
    /// A named secret: the token.
    token: String,
    /// The namespace, where there are several.
    namespace: Option<String>,
    /// The context of a derived key.
    context: Option<String>,
}

/// A key of AWS KMS wraps the root.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKms {
    /// `eu-central-1`.
    region: String,
    /// ARN, id or alias of the key.
    key: String,
    /// Another address than the region's own.
    endpoint: Option<String>,
    /// A named secret: the access key id.
    access_key_id: String,
    /// A named secret.
    secret_access_key: String,
    /// A named secret, for temporary credentials.
    session_token: Option<String>,
    /// More of the encryption context.
    #[serde(default)]
    context: BTreeMap<String, String>,
}

impl RawVault {
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> VaultSettings {
        let tenants = self.tenants.into_iter().map(|(name, raw)| {
            let times =
                retention(&format!("vault.tenants.{name}.retention"), raw.retention, problems);
            (name, times)
        });
        VaultSettings {
            tenants: tenants.collect(),
            retention: retention("vault.retention", self.retention, problems),
            root: self.root.check(base, problems),
        }
    }
}

impl RawRoot {
    fn check(self, base: &Path, problems: &mut Problems) -> RootSettings {
        let stated = [
            self.secret.is_some(),
            self.passphrase.is_some(),
            self.pkcs11.is_some(),
            self.transit.is_some(),
            self.aws_kms.is_some(),
        ];
        if stated.into_iter().filter(|stated| *stated).count() > 1 {
            problems.add("vault.root", "names more than one place; the root key has one");
        }
        let mut secret = |key: &str, text: &str| secret(base, key, text, problems);
        if let Some(text) = &self.secret {
            return RootSettings::Environment(secret("vault.root.secret", text));
        }
        if let Some(text) = &self.passphrase {
            return RootSettings::Passphrase(secret("vault.root.passphrase", text));
        }
        if let Some(raw) = self.transit {
            let token = secret("vault.root.transit.token", &raw.token);
            return RootSettings::Transit(raw.config(), token);
        }
        if let Some(raw) = self.aws_kms {
            let id = secret("vault.root.aws_kms.access_key_id", &raw.access_key_id);
            let key = secret("vault.root.aws_kms.secret_access_key", &raw.secret_access_key);
            let session = raw.session_token.as_deref();
            let session = session.map(|text| secret("vault.root.aws_kms.session_token", text));
            return RootSettings::AwsKms(
                raw.config(),
                AwsCredentials {
                    access_key_id: id.expose_str().unwrap_or_default().trim().to_owned(),
                    secret_access_key: key,
                    session_token: session,
                },
            );
        }
        let Some(raw) = self.pkcs11 else { return RootSettings::File };
        let pin = secret("vault.root.pkcs11.pin", &raw.pin);
        let standard = PathBuf::from(&raw.module);
        let module =
            problems.read("vault.root.pkcs11.module", Some(raw.module), standard, |text| {
                path(base, &text)
            });
        RootSettings::Pkcs11(Pkcs11Config { module, token: raw.token, key: raw.key }, pin)
    }
}

impl RawTransit {
    fn config(self) -> TransitConfig {
        TransitConfig {
            address: self.address,
            mount: self.mount.unwrap_or_else(|| "transit".to_owned()),
            key: self.key,
            namespace: self.namespace,
            context: self.context,
        }
    }
}

impl RawKms {
    fn config(self) -> KmsConfig {
        KmsConfig {
            region: self.region,
            key: self.key,
            endpoint: self.endpoint,
            context: self.context,
        }
    }
}

/// An empty secret stands in for one that cannot be read; the problem keeps it from being used.
fn secret(base: &Path, key: &str, text: &str, problems: &mut Problems) -> Secret {
    let named = named_secret(base, text)
        .unwrap_or_else(|| Err("must be named, not written: `file:PATH` or `env:NAME`".to_owned()));
    named.unwrap_or_else(|what| {
        problems.add(key, what);
        Secret::new(Vec::new())
    })
}

fn retention(
    key: &str,
    raw: BTreeMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, Duration> {
    let (least, most) = (Duration::from_secs(60), DAY * 36_500);
    let mut times = BTreeMap::new();
    for (kind, text) in raw {
        match duration(&text, least, most) {
            Ok(time) => drop(times.insert(kind, time)),
            Err(what) => problems.add(format!("{key}.{kind}"), what),
        }
    }
    times
}
