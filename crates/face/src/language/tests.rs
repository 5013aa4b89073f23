use std::collections::HashSet;
use std::time::Duration;

use haechi_core::UpstreamName;
use haechi_core::json::JsonError;
use haechi_core::rpc::RpcError;
use haechi_core::{SealError, Sid, StoreError};
use haechi_guard::{Refusal, UpstreamFailure};
use haechi_identity::jose::{Flaw, KeyError, TokenError};
use haechi_identity::{
    ApiKeyError, AskError, AuthenticationError, CallerError, DpopError, SenderConstraint,
    SenderError, SignInError,
};

use super::*;
use crate::headers::{HeaderError, HeaderProblem, METHOD};
use crate::problem::TransportError;

const TWO_SECONDS: Duration = Duration::from_secs(2);

#[test]
fn the_known_language_with_the_highest_weight_is_taken() {
    use Language::{English, Korean};
    let cases = [
        ("ko", Some(Korean)),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", Some(Korean)),
        ("en-US,en;q=0.5,ko;q=0.7", Some(English)),
        ("ko;q=0.3, EN-gb;q=0.4", Some(English)),
        ("fr, ko;q=0.1", Some(Korean)),
        ("ko;q=0", None),
        ("ko;q=1.001", None),
        ("fr,de;q=0.5", None),
        ("korean", None),
        ("", None),
        ("*", None),
    ];
    for (header, expected) in cases {
        assert_eq!(Language::of_accept(header), expected, "{header}");
    }
}

#[test]
fn a_locale_names_a_language() {
    assert_eq!(Language::of_locale("ko_KR.UTF-8"), Some(Language::Korean));
    assert_eq!(Language::of_locale("en_GB@euro"), Some(Language::English));
    assert_eq!(Language::of_locale("ko"), Some(Language::Korean));
    assert_eq!(Language::of_locale("C.UTF-8"), None);
    assert_eq!(Language::of_locale(""), None);
}

fn token_errors() -> Vec<TokenError> {
    vec![
        TokenError::TooLong,
        TokenError::Malformed(Flaw::Parts),
        TokenError::AlgorithmNotAccepted,
        TokenError::WrongType,
        TokenError::CriticalExtension,
        TokenError::Wrapped,
        TokenError::WrongIssuer,
        TokenError::UnknownKey,
        TokenError::KeysUnavailable,
        TokenError::BadSignature,
        TokenError::Expired(TWO_SECONDS),
        TokenError::NotYetValid(TWO_SECONDS),
        TokenError::IssuedInFuture,
        TokenError::WrongAudience,
        TokenError::IdToken,
        TokenError::Revoked,
        TokenError::Inactive,
    ]
}

fn authentication_errors() -> Vec<AuthenticationError> {
    let keys =
        [ApiKeyError::Malformed, ApiKeyError::Unknown, ApiKeyError::Expired, ApiKeyError::Revoked];
    let mut all = vec![
        AuthenticationError::Missing,
        AuthenticationError::NotAccepted,
        AuthenticationError::UserRemoved,
        AuthenticationError::UserDisabled,
        AuthenticationError::RolesChanged,
        AuthenticationError::Unavailable(StoreError::Missing("x".to_owned())),
        AuthenticationError::IssuerUnavailable(AskError::NoWay),
        AuthenticationError::Unnamed(SealError::NoKey(Sid("s".into()))),
    ];
    all.extend(token_errors().into_iter().map(AuthenticationError::Token));
    all.extend(keys.into_iter().map(AuthenticationError::ApiKey));
    let callers = [
        CallerError::NoGateway,
        CallerError::WrongType,
        CallerError::WrongIssuer,
        CallerError::WrongAudience,
        CallerError::WrongLifetime,
        CallerError::BeforeStart,
        CallerError::WrongMethod,
        CallerError::WrongTool,
        CallerError::WrongRequest,
        CallerError::Replayed,
        CallerError::TooMany,
        CallerError::Anonymous,
    ];
    let callers = callers.into_iter().chain(token_errors().into_iter().map(CallerError::Token));
    all.extend(callers.map(AuthenticationError::Caller));
    all.extend(sender_errors().into_iter().map(AuthenticationError::Sender));
    all
}

fn sender_errors() -> Vec<SenderError> {
    let proofs = [
        DpopError::Token(TokenError::BadSignature),
        DpopError::WrongType,
        DpopError::Key(KeyError::PrivatePart),
        DpopError::NoIdentifier,
        DpopError::WrongMethod,
        DpopError::WrongUrl,
        DpopError::TooOld,
        DpopError::FromFuture,
        DpopError::WrongToken,
        DpopError::NonceNeeded("n".to_owned()),
        DpopError::Replayed,
        DpopError::TooMany,
        DpopError::Unavailable(StoreError::Missing("x".to_owned())),
    ];
    let demands = [
        SenderConstraint::Dpop,
        SenderConstraint::Mtls,
        SenderConstraint::Either,
        SenderConstraint::Both,
    ];
    let mut all = vec![
        SenderError::UnknownConfirmation,
        SenderError::ProofMissing,
        SenderError::NotBound,
        SenderError::WrongKey,
        SenderError::CertificateMissing,
        SenderError::WrongCertificate,
    ];
    all.extend(demands.map(SenderError::Demanded));
    all.extend(proofs.map(SenderError::Proof));
    all
}

fn sign_in_errors() -> Vec<SignInError> {
    vec![
        SignInError::WrongCredentials { user_id: None },
        SignInError::UserDisabled { user_id: "u".into() },
        SignInError::Throttled { retry_after: TWO_SECONDS },
        SignInError::Busy { retry_after: TWO_SECONDS },
        SignInError::NoAudience,
        SignInError::Unavailable(StoreError::Missing("x".to_owned())),
        SignInError::Failed,
    ]
}

/// One of each; a variant without a line here is a compile error in `language::refusal`.
pub(crate) fn refusals() -> Vec<Refusal> {
    let upstream = || UpstreamName("files".into());
    let entry = Some("n-7".to_owned());
    let failed = |failure| Refusal::Upstream { failure, entry: None };
    let mut all = vec![
        Refusal::Malformed("the message is not JSON-RPC"),
        Refusal::StaleSignIn { max_age: TWO_SECONDS, entry: entry.clone() },
        Refusal::ScopeMissing { scopes: vec!["a:b".to_owned()], entry: entry.clone() },
        Refusal::Denied { public_reason: None, entry: entry.clone() },
        Refusal::Denied { public_reason: Some("why".to_owned()), entry: entry.clone() },
        Refusal::Intercepted { stage: "stage", reason: "reason", entry: entry.clone() },
        Refusal::Personal {
            found: vec!["EMAIL_ADDRESS in /to".to_owned()],
            findings: Vec::new(),
            entry: entry.clone(),
        },
        Refusal::Personal { found: Vec::new(), findings: Vec::new(), entry: entry.clone() },
        Refusal::Stopped { what: "tool", entry: entry.clone() },
        Refusal::Stopped { what: "person", entry: None },
        Refusal::Stopped { what: "upstream", entry: None },
        Refusal::TooMany { retry_after: TWO_SECONDS, entry: entry.clone() },
        Refusal::UnknownHandle("session"),
        Refusal::UnknownHandle("task"),
        failed(UpstreamFailure::Unreachable {
            upstream: upstream(),
            source: "secret inside".into(),
        }),
        failed(UpstreamFailure::Ended(upstream())),
        failed(UpstreamFailure::Nonsense { upstream: upstream(), what: "x" }),
        failed(UpstreamFailure::TimedOut { upstream: upstream(), limit: TWO_SECONDS }),
        failed(UpstreamFailure::SessionEnded(upstream())),
        failed(UpstreamFailure::Busy(upstream())),
        failed(UpstreamFailure::NotLinked {
            upstream: upstream(),
            scopes: vec!["files:read".to_owned()],
        }),
        failed(UpstreamFailure::NoCredentials {
            upstream: upstream(),
            source: "secret inside".into(),
        }),
        Refusal::CircuitOpen { upstream: upstream(), retry_after: TWO_SECONDS, entry },
        Refusal::NotRecorded(Some("secret inside".into())),
        Refusal::Unavailable(Some("secret inside".into())),
    ];
    all.extend(authentication_errors().into_iter().map(Refusal::Unauthenticated));
    all
}

/// One of each; see [`refusals`].
pub(crate) fn transport_errors() -> Vec<TransportError> {
    let headers = HeaderError { header: METHOD, problem: HeaderProblem::Mismatch };
    vec![
        TransportError::Host,
        TransportError::Origin,
        TransportError::NotFound,
        TransportError::Method { allow: "POST" },
        TransportError::NotAcceptable("`text/event-stream`"),
        TransportError::MediaType,
        TransportError::TooLarge { limit: 4_194_304 },
        TransportError::SlowBody,
        TransportError::BrokenBody,
        TransportError::NotJson(JsonError::Trailing { at: 3 }),
        TransportError::NotAMessage { error: RpcError::BadId, id: None },
        TransportError::MissingMeta { member: "member", id: None },
        TransportError::Headers { error: headers, id: None },
        TransportError::RemovedMethod { id: None },
        TransportError::BadHeader("Mcp-Session-Id"),
        TransportError::BadAuthorization("it stands twice"),
        TransportError::QueryToken,
        TransportError::UnsupportedVersion,
        TransportError::SessionMissing,
        TransportError::Batch,
        TransportError::SignInForm,
        TransportError::RevealForm,
    ]
}

fn is_korean(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '가'..='힣'))
}

fn check_pair(name: &str, english: &str, korean: &str) {
    assert!(!english.is_empty() && !is_korean(english), "{name}: {english}");
    assert!(is_korean(korean), "{name}: {korean}");
    for text in [english, korean] {
        assert!(!text.contains("secret inside"), "{name} shows its cause");
    }
}

#[test]
fn every_refusal_has_a_sentence_in_both_languages() {
    for case in refusals() {
        let [english, korean] =
            [Language::English, Language::Korean].map(|language| refusal(&case, language));
        check_pair(case.word(), &english, &korean);
    }
    for case in transport_errors() {
        let [english, korean] =
            [Language::English, Language::Korean].map(|language| transport(&case, language));
        check_pair(case.word(), &english, &korean);
    }
    for case in sign_in_errors() {
        let [english, korean] =
            [Language::English, Language::Korean].map(|language| sign_in(&case, language));
        check_pair("sign-in", &english, &korean);
    }
}

#[test]
fn expired_invalid_revoked_and_misdirected_are_different_words() {
    let different = [
        TokenError::Expired(TWO_SECONDS),
        TokenError::BadSignature,
        TokenError::Malformed(Flaw::Parts),
        TokenError::Revoked,
        TokenError::WrongAudience,
        TokenError::WrongIssuer,
        TokenError::NotYetValid(TWO_SECONDS),
    ];
    for language in [Language::English, Language::Korean] {
        let sentences: HashSet<String> = different
            .iter()
            .map(|error| authentication(&AuthenticationError::Token(*error), language))
            .collect();
        assert_eq!(sentences.len(), different.len(), "{sentences:?}");
    }
}

#[test]
fn an_unknown_user_and_a_wrong_password_are_one_sentence() {
    let unknown = SignInError::WrongCredentials { user_id: None };
    let wrong = SignInError::WrongCredentials { user_id: Some("u".into()) };
    for language in [Language::English, Language::Korean] {
        assert_eq!(sign_in(&unknown, language), sign_in(&wrong, language));
    }
}
