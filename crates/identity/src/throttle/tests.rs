use super::*;

const VICTIM: &str = "victim";

fn throttle() -> Throttle {
    Throttle::new(Lockout::default())
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

fn home() -> Option<IpAddr> {
    Some("192.0.2.7".parse().unwrap())
}

fn elsewhere(network: u8) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::new(198, 51, network, 1)))
}

/// Tries as often as it may until `end`, a second apart, and fails each time.
fn attack(throttle: &Throttle, from: Option<IpAddr>, start: u64, end: u64) -> usize {
    (start..end).filter(|&second| throttle.begin(VICTIM, from, at(second)).is_ok()).count()
}

#[test]
fn delays_from_one_prefix_grow_and_end() {
    let throttle = throttle();
    for attempt in 0..5 {
        assert!(throttle.begin(VICTIM, home(), at(0)).is_ok(), "free attempt {attempt}");
    }
    for (second, wait) in [(0, 1), (1, 2), (3, 4), (7, 8)] {
        assert!(throttle.begin(VICTIM, home(), at(second)).is_ok(), "at {second}");
        let waited = throttle.begin(VICTIM, home(), at(second)).unwrap_err();
        assert_eq!(waited, Duration::from_secs(wait), "at {second}");
    }
    let tried = attack(&throttle, home(), 100, 100 + 24 * 3600);
    assert!((90..=110).contains(&tried), "{tried} a day: one each 15 minutes");
    assert!(throttle.begin("somebody else", home(), at(50)).is_ok());
}

#[test]
fn a_success_clears_what_one_prefix_failed() {
    let throttle = throttle();
    let mut last = None;
    for _ in 0..5 {
        last = throttle.begin(VICTIM, home(), at(0)).ok();
    }
    throttle.succeeded(&last.unwrap(), at(0));
    for attempt in 0..5 {
        assert!(throttle.begin(VICTIM, home(), at(1)).is_ok(), "free attempt {attempt}");
    }
}

#[test]
fn an_attack_from_everywhere_does_not_lock_the_user_out() {
    let throttle = throttle();
    let first = throttle.begin(VICTIM, home(), at(0)).unwrap();
    throttle.succeeded(&first, at(0));
    for network in 0..200 {
        attack(&throttle, elsewhere(network), 10, 300);
    }
    assert!(throttle.begin(VICTIM, home(), at(300)).is_ok(), "where the user is known");
    let new_place = Some("203.0.113.9".parse().unwrap());
    let wait = throttle.begin(VICTIM, new_place, at(300)).unwrap_err();
    assert_eq!(wait, Duration::from_secs(60), "a strange place waits once, and not for ever");
    attack(&throttle, elsewhere(7), 300, 360);
    assert!(throttle.begin(VICTIM, new_place, at(360)).is_ok(), "whatever others do meanwhile");
}

#[test]
fn an_attack_from_many_places_is_slow_in_each() {
    let throttle = throttle();
    for network in 0..10 {
        attack(&throttle, elsewhere(network), 0, 60);
    }
    let tried = attack(&throttle, elsewhere(200), 60, 60 + 3600);
    assert!(tried <= 20, "{tried} in an hour");
}

#[test]
fn what_was_not_tried_does_not_count() {
    let throttle = throttle();
    for _ in 0..100 {
        let attempt = throttle.begin(VICTIM, home(), at(0)).unwrap();
        throttle.abandoned(&attempt);
    }
    assert!(throttle.begin(VICTIM, home(), at(0)).is_ok());
}

#[test]
fn failures_are_forgotten_after_an_hour() {
    let throttle = throttle();
    attack(&throttle, home(), 0, 600);
    assert!(throttle.begin(VICTIM, home(), at(600)).is_err());
    for attempt in 0..5 {
        assert!(throttle.begin(VICTIM, home(), at(600 + 3600)).is_ok(), "free attempt {attempt}");
    }
}

#[test]
fn one_household_shares_one_prefix() {
    let same = [
        ("192.0.2.1", "192.0.2.254"),
        ("2001:db8:1::1", "2001:db8:1:ffff::2"),
        ("::ffff:192.0.2.1", "192.0.2.9"),
    ];
    for (one, other) in same {
        assert_eq!(prefix(one.parse().ok()), prefix(other.parse().ok()), "{one} {other}");
    }
    let apart = [("192.0.2.1", "192.0.3.1"), ("2001:db8:1::1", "2001:db8:2::1")];
    for (one, other) in apart {
        assert_ne!(prefix(one.parse().ok()), prefix(other.parse().ok()), "{one} {other}");
    }
    assert_eq!(prefix(None), None);
}
