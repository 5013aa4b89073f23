//! A strict OpenID provider, on the wire as far as `Fetch` and `Exchange` show it, and a network of
//! several.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use haechi_core::{
    Answered, Clock, Exchange, Fetch, FetchError, Fetched, ManualClock, Post, Secret, SeededEntropy,
};
use haechi_identity::jose::{Algorithm, SigningKey};
use haechi_identity::sha256;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

pub(crate) const CLIENT: &str = "haechi";
pub(crate) const CLIENT_SECRET: &str = "a client secret of more than 32 bytes";

/// What a provider does otherwise than it should, or than others do.
#[derive(Clone)]
pub(crate) struct Manner {
    /// Says in its metadata that it names itself in answers.
    pub(crate) announces_issuer: bool,
    /// Names itself in answers.
    pub(crate) names_issuer: bool,
    /// Changes the claims of ID tokens before they are signed.
    pub(crate) claims: fn(&mut Value),
    /// Signs ID tokens.
    pub(crate) sign: fn(&FakeProvider, &Value) -> String,
    /// Changes what userinfo says.
    pub(crate) userinfo: fn(&mut Value),
    /// Gives refresh tokens.
    pub(crate) refreshes: bool,
    /// Gives an ID token at a refresh too.
    pub(crate) id_token_again: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            announces_issuer: true,
            names_issuer: true,
            claims: |_| {},
            sign: |provider, claims| provider.key.sign("JWT", claims).unwrap(),
            userinfo: |_| {},
            refreshes: true,
            id_token_again: true,
        }
    }
}

/// Somebody at the provider.
#[derive(Clone)]
pub(crate) struct Someone {
    pub(crate) subject: &'static str,
    /// Goes into the ID token.
    pub(crate) claims: Value,
    /// Is told by userinfo only.
    pub(crate) told: Value,
    /// Whether the provider still knows the person.
    pub(crate) known: bool,
}

pub(crate) fn jane() -> Someone {
    Someone {
        subject: "u-1",
        claims: json!({
            "preferred_username": "jane", "name": "Jane Doe",
            "email": "jane@example.com", "email_verified": true,
        }),
        told: json!({ "groups": ["staff", "ops"] }),
        known: true,
    }
}

/// A provider with one person before its sign-in page.
pub(crate) struct FakeProvider {
    pub(crate) issuer: String,
    pub(crate) key: SigningKey,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) redirect_uri: String,
    state: Mutex<State>,
}

struct State {
    manner: Manner,
    someone: Someone,
    codes: HashMap<String, Asked>,
    refresh_tokens: HashMap<String, String>,
    access_tokens: HashMap<String, String>,
    numbers: u64,
    down: bool,
    /// Questions to the token endpoint.
    asked: u64,
}

#[derive(Clone)]
struct Asked {
    challenge: String,
    nonce: String,
    redirect_uri: String,
    max_age: bool,
}

impl FakeProvider {
    pub(crate) fn new(host: &str, redirect_uri: &str, clock: &Arc<ManualClock>) -> Arc<Self> {
        let seed = host.bytes().map(u64::from).sum();
        let private = SigningKey::generate(Algorithm::Es256, &SeededEntropy::new(seed)).unwrap();
        Arc::new(Self {
            issuer: format!("https://{host}"),
            key: SigningKey::from_private("k1", Algorithm::Es256, &private).unwrap(),
            clock: Arc::clone(clock),
            redirect_uri: redirect_uri.to_owned(),
            state: Mutex::new(State {
                manner: Manner::default(),
                someone: jane(),
                codes: HashMap::new(),
                refresh_tokens: HashMap::new(),
                access_tokens: HashMap::new(),
                numbers: 0,
                down: false,
                asked: 0,
            }),
        })
    }

    pub(crate) fn behave(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.state.lock().unwrap().manner);
    }

    pub(crate) fn seat(&self, someone: Someone) {
        self.state.lock().unwrap().someone = someone;
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Someone)) {
        change(&mut self.state.lock().unwrap().someone);
    }

    pub(crate) fn go_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    pub(crate) fn asked(&self) -> u64 {
        self.state.lock().unwrap().asked
    }

    /// The person signs in at the address the browser was sent to; the query it comes back with.
    pub(crate) fn visit(&self, url: &str) -> String {
        let parameters = self.parameters(url);
        let of = |name: &str| parameters.get(name).cloned().unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        state.numbers += 1;
        let code = format!("code-{}-{}", self.issuer.len(), state.numbers);
        let asked = Asked {
            challenge: of("code_challenge"),
            nonce: of("nonce"),
            redirect_uri: of("redirect_uri"),
            max_age: parameters.contains_key("max_age"),
        };
        state.codes.insert(code.clone(), asked);
        let issuer = state.manner.names_issuer.then_some(("iss", self.issuer.clone()));
        query([("code", code), ("state", of("state"))].into_iter().chain(issuer))
    }

    /// The person says no.
    pub(crate) fn refuse(&self, url: &str) -> String {
        let state = self.parameters(url).remove("state").unwrap_or_default();
        let names = self.state.lock().unwrap().manner.names_issuer;
        let issuer = names.then_some(("iss", self.issuer.clone()));
        let error = ("error", "access_denied".to_owned());
        query([error, ("state", state)].into_iter().chain(issuer))
    }

    /// What a strict provider demands of a request.
    pub(crate) fn parameters(&self, url: &str) -> BTreeMap<String, String> {
        let url = Url::parse(url).unwrap();
        assert_eq!(url.as_str().split('?').next(), Some(&*format!("{}/authorize", self.issuer)));
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let parameters: BTreeMap<String, String> = pairs.iter().cloned().collect();
        assert_eq!(parameters.len(), pairs.len(), "a parameter stands twice");
        assert_eq!(parameters["response_type"], "code");
        assert_eq!(parameters["client_id"], CLIENT);
        assert_eq!(parameters["redirect_uri"], self.redirect_uri);
        assert_eq!(parameters["code_challenge_method"], "S256");
        assert_eq!(parameters["code_challenge"].len(), 43);
        assert!(parameters["scope"].split(' ').any(|scope| scope == "openid"));
        assert!(parameters["state"].len() >= 22 && parameters["nonce"].len() >= 22);
        parameters
    }

    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}/{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("authorize"),
            "token_endpoint": at("token"),
            "userinfo_endpoint": at("userinfo"),
            "jwks_uri": at("jwks"),
            "end_session_endpoint": at("end"),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported":
                self.state.lock().unwrap().manner.announces_issuer,
        })
    }

    fn token(&self, post: &Post) -> (u16, Value) {
        let form: BTreeMap<String, String> =
            form_urlencoded::parse(post.body.expose()).into_owned().collect();
        let header = post.headers.iter().find(|(name, _)| *name == "authorization");
        let given = header.and_then(|(_, value)| value.expose_str()).unwrap_or_default();
        let coded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{CLIENT}:{}", coded(CLIENT_SECRET)));
        let mut state = self.state.lock().unwrap();
        state.asked += 1;
        if state.down {
            return (503, json!({}));
        }
        if given != format!("Basic {basic}") {
            return (401, json!({ "error": "invalid_client" }));
        }
        match form.get("grant_type").map(String::as_str) {
            Some("authorization_code") => self.redeem(&mut state, &form),
            Some("refresh_token") => self.refresh(&mut state, &form),
            _ => (400, json!({ "error": "unsupported_grant_type" })),
        }
    }

    fn redeem(&self, state: &mut State, form: &BTreeMap<String, String>) -> (u16, Value) {
        let refused = (400, json!({ "error": "invalid_grant" }));
        let Some(asked) = form.get("code").and_then(|code| state.codes.remove(code)) else {
            return refused;
        };
        let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        if challenge != asked.challenge || form.get("redirect_uri") != Some(&asked.redirect_uri) {
            return refused;
        }
        let auth_time = asked.max_age.then(|| self.clock.now().as_secs());
        (200, self.tokens(state, Some(&asked.nonce), auth_time))
    }

    fn refresh(&self, state: &mut State, form: &BTreeMap<String, String>) -> (u16, Value) {
        let token = form.get("refresh_token").cloned().unwrap_or_default();
        let subject = state.refresh_tokens.remove(&token);
        if subject.as_deref() != Some(state.someone.subject) || !state.someone.known {
            return (400, json!({ "error": "invalid_grant" }));
        }
        (200, self.tokens(state, None, None))
    }

    fn tokens(&self, state: &mut State, nonce: Option<&str>, auth_time: Option<u64>) -> Value {
        state.numbers += 1;
        let access_token = format!("access-{}", state.numbers);
        let refresh_token = format!("refresh-{}", state.numbers);
        let someone = state.someone.clone();
        state.access_tokens.insert(access_token.clone(), someone.subject.to_owned());
        let mut answer = json!({
            "access_token": access_token, "token_type": "Bearer", "expires_in": 300,
        });
        if nonce.is_some() || state.manner.id_token_again {
            let mut claims = someone.claims.clone();
            let now = self.clock.now().as_secs();
            let hash = sha256(access_token.as_bytes());
            claims["iss"] = json!(self.issuer);
            claims["sub"] = json!(someone.subject);
            claims["aud"] = json!(CLIENT);
            claims["iat"] = json!(now);
            claims["exp"] = json!(now + 300);
            claims["sid"] = json!("session-1");
            claims["amr"] = json!(["pwd", "otp"]);
            claims["at_hash"] = json!(URL_SAFE_NO_PAD.encode(&hash[..16]));
            if let Some(nonce) = nonce {
                claims["nonce"] = json!(nonce);
            }
            if let Some(auth_time) = auth_time {
                claims["auth_time"] = json!(auth_time);
            }
            (state.manner.claims)(&mut claims);
            answer["id_token"] = json!((state.manner.sign)(self, &claims));
        }
        if state.manner.refreshes {
            state.refresh_tokens.insert(refresh_token.clone(), someone.subject.to_owned());
            answer["refresh_token"] = json!(refresh_token);
        }
        answer
    }

    fn userinfo(&self, headers: &[(&'static str, Secret)]) -> (u16, Value) {
        let header = headers.iter().find(|(name, _)| *name == "authorization");
        let given = header.and_then(|(_, value)| value.expose_str()).unwrap_or_default();
        let state = self.state.lock().unwrap();
        let known = given.strip_prefix("Bearer ").and_then(|token| state.access_tokens.get(token));
        let Some(subject) = known else { return (401, json!({})) };
        let mut told = state.someone.told.clone();
        told["sub"] = json!(subject);
        (state.manner.userinfo)(&mut told);
        (200, told)
    }
}

pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Providers by host.
#[derive(Default)]
pub(crate) struct Network(pub(crate) Mutex<Vec<Arc<FakeProvider>>>);

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}

impl Network {
    fn at(&self, url: &str) -> Option<(Arc<FakeProvider>, String)> {
        let all = self.0.lock().unwrap();
        all.iter().find_map(|provider| {
            let path = url.strip_prefix(provider.issuer.as_str())?;
            path.starts_with('/').then(|| (Arc::clone(provider), path.to_owned()))
        })
    }
}

fn answered((status, body): (u16, Value)) -> Answered {
    Answered { status, body: body.to_string().into() }
}

#[async_trait]
impl Fetch for Network {
    async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let nowhere = || FetchError::Unreachable("nowhere".to_owned());
        let (provider, path) = self.at(url).ok_or_else(nowhere)?;
        if provider.state.lock().unwrap().down {
            return Err(nowhere());
        }
        let body = match path.as_str() {
            "/.well-known/openid-configuration" => provider.metadata(),
            "/jwks" => json!({ "keys": [provider.key.public_jwk().unwrap()] }),
            _ => return Err(FetchError::Status { host: "provider".to_owned(), status: 404 }),
        };
        Ok(Fetched {
            status: 200,
            content_type: "application/json".to_owned(),
            body: body.to_string().into(),
            max_age_secs: None,
        })
    }
}

#[async_trait]
impl Exchange for Network {
    async fn post(&self, post: Post) -> Result<Answered, FetchError> {
        let (provider, path) =
            self.at(&post.url).ok_or_else(|| FetchError::Unreachable("nowhere".to_owned()))?;
        assert_eq!(path, "/token");
        Ok(answered(provider.token(&post)))
    }

    async fn get(
        &self,
        url: &str,
        headers: Vec<(&'static str, Secret)>,
    ) -> Result<Answered, FetchError> {
        let (provider, path) =
            self.at(url).ok_or_else(|| FetchError::Unreachable("nowhere".to_owned()))?;
        assert_eq!(path, "/userinfo");
        Ok(answered(provider.userinfo(&headers)))
    }
}
