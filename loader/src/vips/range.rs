//! A range of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses: a CIDR, whose host bits do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    last: IpAddr,
    prefix: u32,
}

/// Why a text is no range that addresses can be given out of.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// It is not of that form.
    #[error("it is no CIDR such as `242.0.0.0/8`")]
    NotACidr,
    /// It has addresses of another kind.
    #[error("it holds addresses that services cannot have, such as multicast ones")]
    NotForServices,
}

impl Range {
    /// Whether `address` is one of it.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }

    /// All addresses, beginning with that of the network, as Kuma gives them out.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let is_v4 = self.first.is_ipv4();
        (bits(self.first)..=bits(self.last)).map(move |bits| address(bits, is_v4))
    }
}

impl FromStr for Range {
    type Err = InvalidRange;

    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let parts = text.split_once('/').ok_or(InvalidRange::NotACidr)?;
        let named: IpAddr = parts.0.parse().map_err(|_| InvalidRange::NotACidr)?;
        let is_number = parts.1.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = parts.1.parse().ok().filter(|_| is_number);
        let width = if named.is_ipv4() { 32 } else { 128 };
        let prefix: u32 = prefix
            .filter(|prefix| *prefix <= width)
            .ok_or(InvalidRange::NotACidr)?;
        let hosts = match width - prefix {
            128 => u128::MAX,
            free => (1 << free) - 1,
        };
        let edge = |bits| address(bits, named.is_ipv4());
        let (first, last) = (edge(bits(named) & !hosts), edge(bits(named) | hosts));
        // Whatever is wider than an eighth of all holds some of the others.
        if prefix < 3 || first.is_unspecified() || first.is_multicast() || last.is_multicast() {
            return Err(InvalidRange::NotForServices);
        }
        Ok(Self {
            first,
            last,
            prefix,
        })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(bits: u128, is_v4: bool) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if is_v4 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(bits).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written() {
        for (text, expected) in [
            ("242.0.0.0/8", Ok("242.0.0.0/8")),
            ("242.1.2.3/8", Ok("242.0.0.0/8")),
            ("10.0.0.1/32", Ok("10.0.0.1/32")),
            ("240.0.0.0/4", Ok("240.0.0.0/4")),
            ("127.242.0.0/16", Ok("127.242.0.0/16")),
            ("fd00:1::/64", Ok("fd00:1::/64")),
            ("", Err(InvalidRange::NotACidr)),
            ("242.0.0.0", Err(InvalidRange::NotACidr)),
            ("242.0.0.0/33", Err(InvalidRange::NotACidr)),
            ("242.0.0.0/+8", Err(InvalidRange::NotACidr)),
            ("242.0.0.0/-1", Err(InvalidRange::NotACidr)),
            ("242.0.0.0/", Err(InvalidRange::NotACidr)),
            ("242.0.0.0/8/8", Err(InvalidRange::NotACidr)),
            ("242/8", Err(InvalidRange::NotACidr)),
            (" 242.0.0.0/8", Err(InvalidRange::NotACidr)),
            ("localhost/8", Err(InvalidRange::NotACidr)),
            ("::/129", Err(InvalidRange::NotACidr)),
            ("0.0.0.0/8", Err(InvalidRange::NotForServices)),
            ("0.0.0.0/0", Err(InvalidRange::NotForServices)),
            ("128.0.0.0/1", Err(InvalidRange::NotForServices)),
            ("224.0.0.0/4", Err(InvalidRange::NotForServices)),
            ("::/0", Err(InvalidRange::NotForServices)),
            ("ff02::/16", Err(InvalidRange::NotForServices)),
        ] {
            let range: Result<Range, _> = text.parse();
            let written = range.map(|range| range.to_string());
            assert_eq!(written.as_deref(), expected.as_ref().copied(), "{text:?}");
        }
    }

    #[test]
    fn addresses_begin_with_that_of_the_network() {
        for (range, first) in [
            ("242.0.0.0/8", &["242.0.0.0", "242.0.0.1"][..]),
            ("10.0.0.6/31", &["10.0.0.6", "10.0.0.7"]),
            ("fd00::/126", &["fd00::", "fd00::1"]),
            ("10.0.0.9/32", &["10.0.0.9"]),
        ] {
            let range: Range = range.parse().unwrap();
            let all: Vec<_> = range.addresses().take(2).collect();
            let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
            assert_eq!(texts, first);
            assert!(all.into_iter().all(|address| range.contains(address)));
        }
        let range: Range = "242.0.0.0/8".parse().unwrap();
        for other in ["241.255.255.255", "243.0.0.0", "::f200:0"] {
            assert!(!range.contains(other.parse().unwrap()), "{other}");
        }
    }
}
