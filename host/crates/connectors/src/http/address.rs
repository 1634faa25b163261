//! What kind of network an address belongs to.
//!
//! Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and successors).
//! An IPv6 address that carries an IPv4 address is judged by the IPv4 address inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Kind of an address, as far as egress is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Reachable over the Internet.
    Public,
    /// This machine: `127.0.0.0/8`, `::1`.
    Loopback,
    /// A private network: RFC 1918, unique local `fc00::/7`, site-local `fec0::/10`, `64:ff9b:1::/48`.
    Private,
    /// Shared by carriers: `100.64.0.0/10`.
    Shared,
    /// One link, and the metadata services of clouds: `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// Benchmarks: `198.18.0.0/15`, `2001:2::/48`.
    Benchmark,
    /// Documentation: `192.0.2.0/24`, `198.51.100.0/24`, `203.0.113.0/24`, `2001:db8::/32`, `3fff::/20`.
    Documentation,
    /// No address: `0.0.0.0/8`, `::`.
    Unspecified,
    /// Many receivers: `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// Reserved: `240.0.0.0/4`, `192.0.0.0/24`, `192.88.99.0/24` and whatever is not global unicast.
    Reserved,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "carrier-shared",
            Self::LinkLocal => "link-local",
            Self::Benchmark => "benchmarking",
            Self::Documentation => "documentation",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

impl Class {
    /// Classifies one address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }

    /// Whether no grant, not even one for private networks, makes the address reachable.
    pub fn is_forbidden(self) -> bool {
        matches!(self, Self::Unspecified | Self::Multicast | Self::Reserved)
    }
}

fn of_v4(address: Ipv4Addr) -> Class {
    match address.octets() {
        [0, ..] => Class::Unspecified,
        [127, ..] => Class::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        [100, 64..=127, ..] => Class::Shared,
        [169, 254, ..] => Class::LinkLocal,
        [198, 18 | 19, ..] => Class::Benchmark,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        [224..=239, ..] => Class::Multicast,
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Class::Reserved,
        _ => Class::Public,
    }
}

#[expect(
    clippy::unnested_or_patterns,
    clippy::match_same_arms,
    reason = "one row for each prefix of the registry reads best"
)]
fn of_v6(address: Ipv6Addr) -> Class {
    let embedded =
        |high: u16, low: u16| of_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        // Compatible, mapped, translated (RFC 2765) and NAT64 with the well-known prefix.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] | [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Class::Private,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        [0xff00..=0xffff, ..] => Class::Multicast,
        // Teredo carries its server, and the client's address inverted.
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            worse(embedded(server_high, server_low), embedded(!high, !low))
        }
        [0x2001, 2, 0, ..] => Class::Benchmark,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Class::Documentation,
        // The rest of 2001::/23 is for protocol assignments (ORCHID and the like).
        [0x2001, 1..=0x01ff, ..] => Class::Reserved,
        [0x2002, high, low, ..] => embedded(high, low),
        // ISATAP, whatever the prefix.
        [0x2000..=0x3fff, _, _, _, 0 | 0x0200, 0x5efe, high, low] => embedded(high, low),
        [0x2000..=0x3fff, ..] => Class::Public,
        _ => Class::Reserved,
    }
}

fn worse(one: Class, other: Class) -> Class {
    if other.is_forbidden() || one == Class::Public {
        other
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_classified() {
        let table = [
            ("8.8.8.8", Class::Public),
            ("1.1.1.1", Class::Public),
            ("172.15.255.255", Class::Public),
            ("172.32.0.1", Class::Public),
            ("100.63.255.255", Class::Public),
            ("100.128.0.1", Class::Public),
            ("169.253.0.1", Class::Public),
            ("198.17.0.1", Class::Public),
            ("198.20.0.1", Class::Public),
            ("127.0.0.1", Class::Loopback),
            ("127.255.255.254", Class::Loopback),
            ("10.0.0.1", Class::Private),
            ("172.16.0.1", Class::Private),
            ("172.31.255.255", Class::Private),
            ("192.168.1.1", Class::Private),
            ("100.64.0.1", Class::Shared),
            ("100.127.255.255", Class::Shared),
            ("169.254.169.254", Class::LinkLocal),
            ("198.18.0.1", Class::Benchmark),
            ("198.19.255.255", Class::Benchmark),
            ("192.0.2.1", Class::Documentation),
            ("198.51.100.1", Class::Documentation),
            ("203.0.113.9", Class::Documentation),
            ("0.0.0.0", Class::Unspecified),
            ("0.1.2.3", Class::Unspecified),
            ("224.0.0.1", Class::Multicast),
            ("239.255.255.255", Class::Multicast),
            ("240.0.0.1", Class::Reserved),
            ("255.255.255.255", Class::Reserved),
            ("192.0.0.8", Class::Reserved),
            ("2606:4700::1111", Class::Public),
            ("2a00:1450::1", Class::Public),
            ("::", Class::Unspecified),
            ("::1", Class::Loopback),
            ("::ffff:127.0.0.1", Class::Loopback),
            ("::ffff:10.1.2.3", Class::Private),
            ("::ffff:169.254.169.254", Class::LinkLocal),
            ("::ffff:8.8.8.8", Class::Public),
            ("::7f00:1", Class::Loopback),
            ("::ffff:0:10.0.0.1", Class::Private),
            ("64:ff9b::169.254.169.254", Class::LinkLocal),
            ("64:ff9b::8.8.8.8", Class::Public),
            ("64:ff9b:1::1", Class::Private),
            ("2002:7f00:1::", Class::Loopback),
            ("2002:a00:1::5", Class::Private),
            ("2002:808:808::", Class::Public),
            ("2001:0:0a00:0001::f7f7:f7f7", Class::Private),
            ("2001:0:808:808::f5ff:fffe", Class::Private),
            ("2001:0:808:808::f7f7:f7f7", Class::Public),
            ("2001:0:0a00:0001::ffff:ffff", Class::Unspecified),
            ("2001:2::1", Class::Benchmark),
            ("2001:20::1", Class::Reserved),
            ("2001:db8::1", Class::Documentation),
            ("3fff:0:1::1", Class::Documentation),
            ("2a00::5efe:192.168.0.1", Class::Private),
            ("fc00::1", Class::Private),
            ("fd12:3456::1", Class::Private),
            ("fec0::1", Class::Private),
            ("fe80::1", Class::LinkLocal),
            ("febf::1", Class::LinkLocal),
            ("ff02::1", Class::Multicast),
            ("100::1", Class::Reserved),
            ("4000::1", Class::Reserved),
        ];
        for (text, expected) in table {
            assert_eq!(Class::of(text.parse().unwrap()), expected, "{text}");
        }
    }
}
