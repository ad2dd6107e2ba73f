//! IP addresses as hosts, however they are spelt.

use core::net::{IpAddr, Ipv4Addr};
use core::str::FromStr;

use crate::authority::Host;
use crate::hostname::Hostname;

/// A host as a destination: names without the root's dot, IPv4 addresses also where they come as IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination<N> {
    /// A name.
    Name(N),
    /// An address.
    Address(IpAddr),
}

impl<'a> Destination<Hostname<'a>> {
    /// The destination that a host leads to. The name with the root's dot is the same as the one without: resolvers
    /// lead both to one place.
    pub fn of(host: Host<'a>) -> Result<Self, AmbiguousAddress> {
        match host {
            Host::Name(name) | Host::Absolute(name) => Self::of_name(name),
            Host::Ipv6(address) => Ok(Self::Address(IpAddr::V6(address).to_canonical())),
        }
    }

    /// The destination of a name, which may be an IPv4 address.
    ///
    /// Resolvers take more than four decimal numbers for an address: `127.1`, `2130706433`, `0x7f.0.0.1`, `0177.0.0.1`
    /// (`inet_aton`). All of these end in a number, and no name does (URL Standard, "ends in a number").
    pub fn of_name(name: Hostname<'a>) -> Result<Self, AmbiguousAddress> {
        let last = name.as_str().rsplit('.').next().unwrap_or_default();
        if !is_number(last) {
            return Ok(Self::Name(name));
        }
        // Of all spellings only this one has no other reading; it takes no leading zeros.
        let address = Ipv4Addr::from_str(name.as_str()).map_err(|_| AmbiguousAddress)?;
        Ok(Self::Address(address.into()))
    }
}

fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// A host that is no name, and an address only to some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host ends in a number and is no IPv4 address of four decimal numbers")]
pub struct AmbiguousAddress;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u32,
}

impl Cidr {
    /// The range of one address.
    pub fn of(address: IpAddr) -> Self {
        let network = address.to_canonical();
        let bits = if network.is_ipv4() { 32 } else { 128 };
        Self { network, bits }
    }

    /// Whether the address is in the range.
    pub fn holds(&self, address: IpAddr) -> bool {
        let differs = match (self.network, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        differs.leading_zeros() >= self.bits
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let (network, bits) = text.split_once('/').ok_or(InvalidCidr)?;
        let network: IpAddr = network.parse().map_err(|_| InvalidCidr)?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().map_err(|_| InvalidCidr)?;
        if bits > most {
            return Err(InvalidCidr);
        }
        Ok(Self { network, bits })
    }
}

/// A text that is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no range of addresses like 10.0.0.0/8")]
pub struct InvalidCidr;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;

    fn destination(host: &str) -> Result<String, AmbiguousAddress> {
        let mut bytes = host.as_bytes().to_vec();
        let authority = Authority::parse(&mut bytes).unwrap();
        Destination::of(authority.host).map(|destination| match destination {
            Destination::Name(name) => name.to_string(),
            Destination::Address(address) => format!("address {address}"),
        })
    }

    #[test]
    fn names_and_addresses() {
        for (host, expected) in [
            ("A.example.com", "a.example.com"),
            ("a.example.com.", "a.example.com"),
            ("127.0.0.1.example.com", "127.0.0.1.example.com"),
            ("1a", "1a"),
            ("0xg", "0xg"),
            ("127.0.0.1", "address 127.0.0.1"),
            ("127.0.0.1.", "address 127.0.0.1"),
            ("[::1]", "address ::1"),
            ("[0:0:0::1]:80", "address ::1"),
            ("[::ffff:127.0.0.1]", "address 127.0.0.1"),
            ("[::FFFF:7f00:1]", "address 127.0.0.1"),
        ] {
            assert_eq!(destination(host).as_deref(), Ok(expected), "{host}");
        }
    }

    #[test]
    fn other_spellings_of_an_address_are_refused() {
        for host in [
            "2130706433",
            "017700000001",
            "0x7f000001",
            "0X7F.1",
            "127.1",
            "127.0.1",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.0x1",
            "256.0.0.1",
            "1.2.3.4.5",
            "a.1",
            "0x",
            "1.2.3.4.0x",
            "2130706433.",
        ] {
            assert_eq!(destination(host), Err(AmbiguousAddress), "{host}");
        }
    }

    #[test]
    fn ranges() {
        for (range, address, holds) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("0.0.0.0/0", "255.1.1.1", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "1.1.1.1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::1/128", "::1", true),
        ] {
            let range: Cidr = range.parse().unwrap();
            assert_eq!(
                range.holds(address.parse().unwrap()),
                holds,
                "{range:?} {address}"
            );
        }
        for text in [
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "a/8",
            "10.0.0.0/-1",
            "10.0.0.0/",
            "010.0.0.0/8",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
