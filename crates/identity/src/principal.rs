//! From claims and stored users to the one shape everything later works with.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use haechi_core::{Means, Principal, Restriction, Sid, Timestamp};
use serde_json::Value;

/// Everything a principal is made of but its digest.
#[derive(Debug)]
pub(crate) struct Proved {
    pub(crate) sid: Sid,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) username: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) roles: BTreeSet<String>,
    pub(crate) groups: BTreeSet<String>,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) claims: Arc<Value>,
    pub(crate) client_id: Option<String>,
    pub(crate) means: Means,
    pub(crate) authenticated_at: Option<Timestamp>,
    pub(crate) credential_id: Option<String>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) restriction: Option<Restriction>,
}

impl Proved {
    /// A caller of whom nothing is known but who vouches, the subject and the means.
    pub(crate) fn bare(sid: Sid, issuer: &str, subject: &str, means: Means) -> Self {
        Self {
            sid,
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            username: None,
            name: None,
            email: None,
            roles: BTreeSet::new(),
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            tenant: None,
            claims: Arc::new(Value::Null),
            client_id: None,
            means,
            authenticated_at: None,
            credential_id: None,
            expires_at: None,
            restriction: None,
        }
    }

    /// The principal, with the digest of everything policy can read.
    pub(crate) fn principal(self) -> Principal {
        let shared = |text: Option<String>| text.map(Arc::<str>::from);
        let digest = self.digest();
        Principal {
            sid: self.sid,
            issuer: self.issuer.into(),
            subject: self.subject.into(),
            username: shared(self.username),
            name: shared(self.name),
            email: shared(self.email),
            roles: Arc::new(self.roles),
            groups: Arc::new(self.groups),
            scopes: Arc::new(self.scopes),
            tenant: shared(self.tenant),
            claims: self.claims,
            client_id: shared(self.client_id),
            means: self.means,
            authenticated_at: self.authenticated_at,
            credential_id: shared(self.credential_id),
            expires_at: self.expires_at,
            restriction: self.restriction.map(Arc::new),
            digest,
        }
    }

    /// SHA-256 over every attribute, each with its length before it, so that no two different
    /// principals are written alike.
    fn digest(&self) -> [u8; 32] {
        let mut writing = Writing(Context::new(&SHA256));
        writing.text(&self.issuer);
        writing.text(&self.subject);
        let optional = [
            &self.username,
            &self.name,
            &self.email,
            &self.tenant,
            &self.client_id,
            &self.credential_id,
        ];
        optional.into_iter().for_each(|text| writing.optional(text.as_deref()));
        [&self.roles, &self.groups, &self.scopes].into_iter().for_each(|names| writing.all(names));
        writing.text(&self.claims.to_string());
        writing.text(self.means.as_str());
        let millis = |at: Option<Timestamp>| at.map(|at| at.as_millis().to_string());
        writing.optional(millis(self.authenticated_at).as_deref());
        writing.optional(millis(self.expires_at).as_deref());
        if let Some(restriction) = &self.restriction {
            writing.all(&restriction.upstreams);
            writing.all(&restriction.tools);
        }
        writing.finish()
    }
}

struct Writing(Context);

impl Writing {
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.update(&[u8::from(text.is_some())]);
        text.into_iter().for_each(|text| self.text(text));
    }

    fn all<'a>(&mut self, texts: impl IntoIterator<Item = &'a String>) {
        let texts: Vec<&String> = texts.into_iter().collect();
        self.0.update(&(texts.len() as u64).to_le_bytes());
        texts.into_iter().for_each(|text| self.text(text));
    }

    fn finish(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.iter_mut().zip(self.0.finish().as_ref()).for_each(|(to, from)| *to = *from);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved() -> Proved {
        Proved::bare(Sid("s".into()), "issuer", "subject", Means::OwnToken)
    }

    #[test]
    fn principals_that_differ_in_anything_policy_reads_differ_in_their_digest() {
        let roles = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let text = |text: &str| Some(text.to_owned());
        let variants = [
            proved(),
            Proved { subject: "subjec".to_owned(), ..proved() },
            Proved { issuer: "issuers".to_owned(), subject: "ubject".to_owned(), ..proved() },
            Proved { username: text("u"), ..proved() },
            Proved { name: text("u"), ..proved() },
            Proved { email: text("u"), ..proved() },
            Proved { username: text(""), ..proved() },
            Proved { roles: roles(&["a", "b"]), ..proved() },
            Proved { roles: roles(&["ab"]), ..proved() },
            Proved { groups: roles(&["a", "b"]), ..proved() },
            Proved { scopes: roles(&["a", "b"]), ..proved() },
            Proved { tenant: text("u"), ..proved() },
            Proved { client_id: text("u"), ..proved() },
            Proved { claims: Arc::new(serde_json::json!({ "a": 1 })), ..proved() },
            Proved { means: Means::ApiKey, ..proved() },
            Proved { authenticated_at: Some(Timestamp(1)), ..proved() },
            Proved { expires_at: Some(Timestamp(1)), ..proved() },
            Proved { restriction: Some(Restriction::default()), ..proved() },
        ];
        let digests: BTreeSet<[u8; 32]> = variants.iter().map(Proved::digest).collect();
        assert_eq!(digests.len(), variants.len());
        assert_eq!(proved().digest(), proved().digest());
    }
}
