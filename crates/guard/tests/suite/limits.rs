//! Safe execution: pace, places, time, the breaker and the kill switch.

use std::time::Duration;

use haechi_core::{Era, UpstreamName};
use haechi_guard::{BreakerRule, CallLimits, GuardConfig, Limits, Rate, Refusal, UpstreamRules};
use haechi_identity::StopTarget;

use crate::hall::{Hall, Script, tool_call};

async fn hall_with(limits: CallLimits, breaker: BreakerRule) -> Hall {
    let mut config = GuardConfig::default();
    let limits = Limits { default: limits, tools: Vec::new() };
    let rules = UpstreamRules { limits, breaker, ..UpstreamRules::default() };
    config.upstreams.insert(UpstreamName::parse("crm").unwrap(), rules);
    Hall::with(config).await
}

#[tokio::test]
async fn too_many_calls_a_minute_are_refused_until_time_has_passed() {
    let limits = CallLimits { rate: Some(Rate::per_minute(2)), ..CallLimits::default() };
    let hall = hall_with(limits, BreakerRule::default()).await;
    let (ann, bob) = (hall.person("ann", &["user"]).await, hall.person("bob", &["user"]).await);
    for _ in 0..2 {
        hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap();
    }
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap_err();
    let Refusal::TooMany { retry_after, .. } = refusal else { panic!("{refusal:?}") };
    assert!(hall.call(&bob, tool_call(Era::Modern, "read_card", "{}")).await.is_ok());
    hall.clock.advance(retry_after);
    assert!(hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.is_ok());
}

#[tokio::test]
async fn a_tool_without_a_free_place_refuses_and_a_hung_call_times_out() {
    let timeout = Duration::from_millis(300);
    let limits = CallLimits { concurrency: 1, timeout, rate: None };
    let hall = hall_with(limits, BreakerRule::default()).await;
    let ann = hall.person("ann", &["user"]).await;
    hall.upstream.plays(Script::Hang);
    let first = hall.call(&ann, tool_call(Era::Legacy, "read_card", "{}"));
    let second = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        hall.call(&ann, tool_call(Era::Legacy, "read_card", "{}")).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(matches!(second, Err(Refusal::TooMany { .. })));
    let first = first.unwrap_err();
    assert_eq!(first.code(), 50_400, "{first:?}");
    assert_eq!(hall.story(), ["permit", "deny by concurrency", "Refused", "TimedOut"]);
    hall.upstream.plays(Script::Result("{}"));
    assert!(hall.call(&ann, tool_call(Era::Legacy, "read_card", "{}")).await.is_ok());
}

#[tokio::test]
async fn an_upstream_that_keeps_failing_is_left_alone() {
    let breaker = BreakerRule { failures: 2, pause: Duration::from_secs(10) };
    let hall = hall_with(CallLimits::default(), breaker).await;
    let ann = hall.person("ann", &["user"]).await;
    hall.upstream.plays(Script::Fail);
    for _ in 0..2 {
        let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await;
        assert!(matches!(refusal, Err(Refusal::Upstream { .. })));
    }
    settle().await;
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await;
    assert!(matches!(refusal, Err(Refusal::CircuitOpen { .. })), "{refusal:?}");
    assert_eq!(hall.upstream.seen(), 2);
    hall.upstream.plays(Script::Result("{}"));
    hall.clock.advance(Duration::from_secs(10));
    assert!(hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.is_ok());
    settle().await;
    assert!(hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.is_ok());
}

/// The breaker is told just after the caller is.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn a_stopped_tool_refuses_the_next_call() {
    let hall = Hall::new().await;
    let ann = hall.person("ann", &["user"]).await;
    assert!(hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.is_ok());
    let target = StopTarget::Tool { upstream: "crm".into(), tool: "read_card".into() };
    hall.identity.stop(&target).await.unwrap();
    hall.identity.refresh().await.unwrap();
    let refusal = hall.call(&ann, tool_call(Era::Modern, "read_card", "{}")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Stopped { what: "tool", .. }), "{refusal:?}");
    assert!(hall.call(&ann, tool_call(Era::Modern, "read_other", "{}")).await.is_ok());
}
