//! Which addresses a call may go to (RFC 6890 and the registries it made).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a [`crate::Fetcher`] may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Addresses that are globally reachable, over https.
    #[default]
    Public,
    /// Those, and this machine itself, where http is allowed too.
    Loopback,
    /// Those, and private networks over https. Link-local and other special ranges stay closed.
    DangerousPrivate,
}

impl Reach {
    /// Whether a call over https may go to `address`.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Loopback => is_public(address) || address.is_loopback(),
            Self::DangerousPrivate => {
                is_public(address) || address.is_loopback() || is_private(address)
            }
        }
    }

    /// Whether a call over http may go to `address`.
    #[must_use]
    pub fn allows_plain(self, address: IpAddr) -> bool {
        self != Self::Public && address.is_loopback()
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        // This network, private use, loopback, multicast, reserved and broadcast.
        (0 | 10 | 127 | 224..=255, _, _)
            // Shared by carriers (RFC 6598), link-local (RFC 3927), private use (RFC 1918).
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            // Protocol assignments, documentation, 6to4 relays, benchmarks, documentation.
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Only 2000::/3 is handed out for global use; what carries an IPv4 address inside (mapped, NAT64)
/// lies outside of it, or (6to4, Teredo) is taken out here.
const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocol assignments and Teredo (2001::/23), documentation (2001:db8::/32).
        [0x2001, 0..=0x01ff | 0x0db8, ..] => false,
        // 6to4 (2002::/16), documentation (3fff::/20).
        [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_globally_reachable_addresses_are_public() {
        let public = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111"];
        for address in public {
            assert!(Reach::Public.allows(address.parse().unwrap()), "{address}");
        }
        let special = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:1.1.1.1",
            "::ffff:127.0.0.1",
            "64:ff9b::1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in special {
            assert!(!Reach::Public.allows(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn loopback_and_private_networks_open_one_by_one() {
        let [loopback, private, metadata, public] =
            ["127.0.0.1", "10.0.0.1", "169.254.169.254", "1.1.1.1"].map(|a| a.parse().unwrap());
        assert!(Reach::Loopback.allows(loopback) && !Reach::Loopback.allows(private));
        assert!(Reach::DangerousPrivate.allows(private));
        assert!(!Reach::DangerousPrivate.allows(metadata));
        assert!(Reach::Loopback.allows_plain(loopback) && !Reach::Loopback.allows_plain(public));
        assert!(!Reach::Public.allows_plain(loopback));
    }
}
