//! Refusals before anybody was known: counted, not listed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use haechi_core::Event;

/// At most this many entries a second, so that nobody fills the disk from outside.
const BUCKETS: usize = 16;
const OTHER: &str = "other";
const ROUTE_BYTES: usize = 64;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bucket {
    prefix: Option<IpAddr>,
    route: String,
    reason: &'static str,
}

/// What was counted since it was last taken.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    buckets: HashMap<Bucket, u64>,
    second: u64,
}

impl Counts {
    /// Counts one refusal at `second`. Once the buckets are used up, one of them takes the rest.
    pub(crate) fn add(
        &mut self,
        address: Option<IpAddr>,
        route: &str,
        reason: &'static str,
        second: u64,
    ) {
        let bucket = Bucket { prefix: address.map(prefix), route: cut(route), reason };
        self.add_to(bucket, 1, second);
    }

    /// Counts again what could not be recorded.
    pub(crate) fn give_back(&mut self, unrecorded: Self) {
        let second = unrecorded.second;
        for (bucket, count) in unrecorded.buckets {
            self.add_to(bucket, count, second);
        }
        self.second = second;
    }

    fn add_to(&mut self, bucket: Bucket, more: u64, second: u64) {
        if self.buckets.is_empty() {
            self.second = second;
        }
        let full = self.buckets.len() + 1 >= BUCKETS && !self.buckets.contains_key(&bucket);
        let other = || Bucket { prefix: None, route: OTHER.to_owned(), reason: OTHER };
        let bucket = if full { other() } else { bucket };
        let count = self.buckets.entry(bucket).or_default();
        *count = count.saturating_add(more);
    }

    /// Whether there is nothing to record.
    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The counts as events, at most 16.
    pub(crate) fn events(&self) -> Vec<Event> {
        let event = |(bucket, count): (&Bucket, &u64)| Event::RefusalCount {
            prefix: bucket.prefix,
            route: bucket.route.clone(),
            reason: bucket.reason.to_owned(),
            count: *count,
            second: self.second,
        };
        self.buckets.iter().map(event).collect()
    }
}

/// The /24 of an IPv4 address, the /48 of an IPv6 address.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into()
        }
    }
}

fn cut(route: &str) -> String {
    let end = (0..=ROUTE_BYTES).rev().find(|end| route.is_char_boundary(*end)).unwrap_or(0);
    route.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(counts: &Counts) -> u64 {
        let count = |event: Event| match event {
            Event::RefusalCount { count, .. } => count,
            other => panic!("{other:?}"),
        };
        counts.events().into_iter().map(count).sum()
    }

    #[test]
    fn however_many_strangers_come_the_entries_are_few_and_every_refusal_is_counted() {
        let mut counts = Counts::default();
        for n in 0..100_000_u32 {
            let address = IpAddr::from(Ipv4Addr::from(n.wrapping_mul(2_654_435_761)));
            counts.add(Some(address), &format!("/route{n}"), "no-credentials", 7);
        }
        assert_eq!(counts.events().len(), BUCKETS);
        assert_eq!(total(&counts), 100_000);
        let unrecorded = std::mem::take(&mut counts);
        counts.add(None, "/mcp", "expired", 8);
        counts.give_back(unrecorded);
        assert!(counts.events().len() <= BUCKETS);
        assert_eq!(total(&counts), 100_001);
    }

    #[test]
    fn neighbours_share_a_bucket() {
        let mut counts = Counts::default();
        for address in ["192.0.2.1", "192.0.2.200", "::ffff:192.0.2.9"] {
            counts.add(Some(address.parse().unwrap()), "/mcp", "expired", 7);
        }
        let prefix = Some("192.0.2.0".parse().unwrap());
        let (route, reason) = ("/mcp".to_owned(), "expired".to_owned());
        let expected = Event::RefusalCount { prefix, route, reason, count: 3, second: 7 };
        assert_eq!(counts.events(), [expected]);
    }

    #[test]
    fn a_route_is_cut_between_characters() {
        assert_eq!(cut(&"한".repeat(40)).len(), 63);
    }
}
