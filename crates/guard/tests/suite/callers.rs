//! Callers of a gateway in front: what one hall signs, the next one accepts, once.

use std::time::Duration;

use haechi_core::{Era, Means, UpstreamName};
use haechi_guard::{
    CALLER_HEADER, Call, CallerMode, GuardConfig, Outgoing, Refusal, UpstreamRules,
};
use haechi_identity::{AuthenticationError, CallerError, GatewayCallers, KeyLocation, KeyRefresh};

use crate::hall::{Hall, call, checked, tool_call};

/// A hall in front that signs its callers, and one behind it that trusts its keys.
async fn two_halls() -> (Hall, Hall) {
    let mut config = GuardConfig::default();
    let rules = UpstreamRules { caller: CallerMode::Signed, ..UpstreamRules::default() };
    config.upstreams.insert(UpstreamName::parse("crm").unwrap(), rules);
    let front = Hall::with(config).await;
    let gateway = GatewayCallers {
        issuer: Some("https://guard.example".to_owned()),
        audience: "crm".to_owned(),
        keys: KeyLocation::Given(front.identity.jwks().to_string()),
        refresh: KeyRefresh::default(),
    };
    (front, Hall::behind(GuardConfig::default(), Some(gateway)).await)
}

/// What arrived from the hall in front, as the one behind it reads it.
async fn arrived(front: &Hall, sent: Call) -> (Call, Outgoing) {
    let ann = front.person("ann", &["user"]).await;
    front.call(&ann, sent).await.unwrap();
    let outgoing = front.upstream.seen.lock().unwrap().last().unwrap().clone();
    let mut call = call(outgoing.era, std::str::from_utf8(&outgoing.body).unwrap());
    call.headers.clone_from(&outgoing.headers);
    (call, outgoing)
}

#[tokio::test]
async fn a_signed_caller_walks_on_as_who_it_is() {
    let (front, behind) = two_halls().await;
    let (call, _) = arrived(&front, tool_call(Era::Modern, "read_card", r#"{"card":"1"}"#)).await;
    let ann = behind.guard.authenticate_caller(&call).await.unwrap().unwrap();
    assert_eq!((&*ann.subject, ann.means), ("ann", Means::Gateway));
    behind.call(&ann, call.clone()).await.unwrap();
    assert!(!behind.upstream.last_body().contains("haechi/caller"), "it goes no further");
    let again = behind.guard.authenticate_caller(&call).await.unwrap_err();
    let Refusal::Unauthenticated(AuthenticationError::Caller(why)) = again else {
        panic!("{again:?}")
    };
    assert_eq!(why, CallerError::Replayed);
}

#[tokio::test]
async fn header_or_member_will_do_and_two_that_differ_will_not() {
    let (front, behind) = two_halls().await;
    let read = || tool_call(Era::Modern, "read_card", "{}");
    let (mut call, _) = arrived(&front, read()).await;
    call.headers.clear();
    assert!(behind.guard.authenticate_caller(&call).await.unwrap().is_some(), "the member alone");

    let (other, outgoing) = arrived(&front, read()).await;
    let bare = Call { headers: outgoing.headers.clone(), ..read() };
    assert!(behind.guard.authenticate_caller(&bare).await.unwrap().is_some(), "the header alone");

    let differing = Call { headers: vec![(CALLER_HEADER.to_lowercase(), "x.y.z".into())], ..other };
    let refused = behind.guard.authenticate_caller(&differing).await;
    assert!(matches!(refused, Err(Refusal::Malformed(_))), "{refused:?}");
    let number = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_card","_meta":{"haechi/caller":7}}}"#;
    let number = Call { body: checked(number), ..read() };
    let refused = behind.guard.authenticate_caller(&number).await;
    assert!(matches!(refused, Err(Refusal::Malformed(_))), "{refused:?}");
    assert!(behind.guard.authenticate_caller(&read()).await.unwrap().is_none(), "nothing to judge");
}

#[tokio::test]
async fn an_assertion_put_before_another_call_is_refused() {
    let (front, behind) = two_halls().await;
    let (_, outgoing) = arrived(&front, tool_call(Era::Modern, "read_card", "{}")).await;
    let stolen = |body: Call| Call { headers: outgoing.headers.clone(), ..body };
    let other_id =
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read_card"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let cases = [
        (tool_call(Era::Modern, "delete", "{}"), CallerError::WrongTool),
        (call(Era::Modern, other_id), CallerError::WrongRequest),
        (call(Era::Modern, list), CallerError::WrongMethod),
    ];
    for (body, expected) in cases {
        let refused = behind.guard.authenticate_caller(&stolen(body)).await.unwrap_err();
        let Refusal::Unauthenticated(AuthenticationError::Caller(why)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(why, expected);
    }
    behind.clock.advance(Duration::from_secs(65));
    let late = stolen(tool_call(Era::Modern, "read_card", "{}"));
    assert!(behind.guard.authenticate_caller(&late).await.is_err(), "a minute has passed");
    let nobody = Hall::new().await;
    assert!(nobody.guard.authenticate_caller(&late).await.is_err(), "no gateway is trusted");
}
