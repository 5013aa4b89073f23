//! What this server says of itself (RFC 8414 §2, OpenID Connect Discovery §3).

use std::collections::BTreeSet;

use bytes::Bytes;
use haechi_face::KEYS_PATH;
use haechi_identity::DPOP_ALGORITHMS;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::scope::{OPENID, STANDARD};
use crate::clients::{ClientMethod, GrantType};
use crate::{AuthorizationServer, Dynamic, Visit};

/// What an identity assertion is exchanged by (enterprise-managed authorization of MCP).
const ASSERTION_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";
/// What client assertions may be signed with.
const ASSERTION_ALGORITHMS: [&str; 11] = DPOP_ALGORITHMS;

impl AuthorizationServer {
    /// The document, at every address where clients look for it. It holds nothing that is not so.
    pub(crate) fn metadata(&self, _visit: &Visit<'_>) -> Response<Bytes> {
        let mut document = self.oauth_metadata();
        document.extend(self.openid_metadata());
        super::answer::json(StatusCode::OK, &Value::Object(document))
    }

    fn oauth_metadata(&self) -> Map<String, Value> {
        let proved: Vec<&str> = methods(|method| method != ClientMethod::None);
        let mut document = object(json!({
            "issuer": self.config.issuer,
            "authorization_endpoint": self.endpoint("authorize"),
            "token_endpoint": self.endpoint("token"),
            "revocation_endpoint": self.endpoint("revoke"),
            "introspection_endpoint": self.endpoint("introspect"),
            "jwks_uri": format!("{}{KEYS_PATH}", self.config.issuer),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": self.grant_types(),
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": self.all_scopes(),
            "token_endpoint_auth_methods_supported": methods(|_| true),
            "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "revocation_endpoint_auth_methods_supported": methods(|_| true),
            "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "introspection_endpoint_auth_methods_supported": proved,
            "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": self.config.metadata_documents,
            "dpop_signing_alg_values_supported": DPOP_ALGORITHMS,
            "ui_locales_supported": ["en", "ko"],
        }));
        if self.config.dynamic_registration == Dynamic::Open {
            let endpoint = json!(self.endpoint("register"));
            document.insert("registration_endpoint".to_owned(), endpoint);
        }
        if !self.config.assertion_issuers.is_empty() {
            let profiles = json!([ASSERTION_PROFILE]);
            document.insert("authorization_grant_profiles_supported".to_owned(), profiles);
        }
        document
    }

    /// Nothing where ID tokens cannot be signed so that clients can verify them.
    fn openid_metadata(&self) -> Map<String, Value> {
        let Some(algorithm) = self.rooms.identity.id_token_algorithm() else { return Map::new() };
        object(json!({
            "userinfo_endpoint": self.endpoint("userinfo"),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [algorithm],
            "claims_supported": [
                "sub", "iss", "aud", "azp", "exp", "iat", "auth_time", "amr", "nonce", "at_hash",
                "preferred_username", "name", "email"
            ],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        }))
    }

    fn grant_types(&self) -> Vec<&'static str> {
        let assertions = !self.config.assertion_issuers.is_empty();
        let offered = |grant: &GrantType| *grant != GrantType::JwtBearer || assertions;
        GrantType::ALL.into_iter().filter(offered).map(GrantType::as_str).collect()
    }

    fn all_scopes(&self) -> BTreeSet<String> {
        let standard = STANDARD.into_iter().filter(|scope| self.offers(scope)).map(str::to_owned);
        let described = self.config.scopes.iter().map(|scope| scope.name.clone());
        let resources = self.resources();
        let of_resources = resources.iter().flat_map(|it| it.scopes.iter().cloned());
        standard.chain(described).chain(of_resources).collect()
    }

    /// Whether ID tokens can be had.
    pub(crate) fn speaks_openid(&self, scope: &str) -> bool {
        scope != OPENID || self.rooms.identity.id_token_algorithm().is_some()
    }
}

fn methods(wanted: impl Fn(ClientMethod) -> bool) -> Vec<&'static str> {
    ClientMethod::ALL.into_iter().filter(|it| wanted(*it)).map(ClientMethod::as_str).collect()
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}
