//! The `:authority` or `Host` header of a request: a host and maybe a port (RFC 3986 §3.2, RFC 9110 §7.2).
//!
//! Envoy passes far more on to filters than the RFCs allow: empty hosts, user information, joined duplicates, ports
//! that are no numbers. All of that is refused here, because whatever another party reads differently from us is a
//! way round the gate.

use core::fmt;
use core::net::Ipv6Addr;

use crate::hostname::{Hostname, InvalidHostname};

/// Whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host without its port.
    pub host: Host<'a>,
    /// The port, if one is named. It decides nothing: Envoy's virtual hosts ignore it as Kuma configures them.
    pub port: Option<u16>,
}

/// The host part of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name; also an IPv4 address, which is spelt like one and compares like one.
    Name(Hostname<'a>),
    /// A name with the root's dot at its end. Envoy's virtual hosts take it for another name than the one without
    /// (unless `strip_trailing_host_dot` is on, and then no filter sees the dot), and so do we: only a listener that
    /// takes any host owns it.
    Absolute(Hostname<'a>),
    /// An IPv6 address, in brackets.
    Ipv6(Ipv6Addr),
}

impl<'a> Authority<'a> {
    /// Reads the header's bytes, and puts them into lower case in place.
    pub fn parse(bytes: &'a mut [u8]) -> Result<Self, InvalidAuthority> {
        bytes.make_ascii_lowercase();
        Self::from_lower_case(bytes)
    }

    fn from_lower_case(bytes: &'a [u8]) -> Result<Self, InvalidAuthority> {
        // Before anything else: `u:p@host:80` must not be read as host `u`.
        if bytes.contains(&b'@') {
            return Err(InvalidAuthority::UserInfo);
        }
        if let [b'[', rest @ ..] = bytes {
            return Self::ipv6(rest);
        }
        let mut parts = bytes.splitn(2, |&byte| byte == b':');
        let host = Host::name(parts.next().unwrap_or_default())?;
        let port = parts.next().map(port).transpose()?;
        Ok(Self { host, port })
    }

    /// `rest` follows the opening bracket.
    fn ipv6(rest: &[u8]) -> Result<Self, InvalidAuthority> {
        let mut parts = rest.splitn(2, |&byte| byte == b']');
        let address = parts.next().unwrap_or_default();
        let after = parts.next().ok_or(InvalidAuthority::Ipv6)?;
        // Zone identifiers mean something on the sender's machine only and must not be sent (RFC 6874 §1).
        let address = core::str::from_utf8(address)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(InvalidAuthority::Ipv6)?;
        let port = match after {
            [] => None,
            [b':', digits @ ..] => Some(port(digits)?),
            _ => return Err(InvalidAuthority::Port),
        };
        Ok(Self {
            host: Host::Ipv6(address),
            port,
        })
    }
}

impl<'a> Host<'a> {
    fn name(bytes: &'a [u8]) -> Result<Self, InvalidAuthority> {
        match bytes {
            [name @ .., b'.'] if !name.is_empty() => {
                Ok(Self::Absolute(Hostname::from_lower_case(name)?))
            }
            name => Ok(Self::Name(Hostname::from_lower_case(name)?)),
        }
    }
}

fn port(digits: &[u8]) -> Result<u16, InvalidAuthority> {
    // `u16::from_str` takes a sign, a port does not have one.
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(InvalidAuthority::Port);
    }
    core::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(InvalidAuthority::Port)
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Absolute(name) => write!(f, "{name}."),
            Self::Ipv6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Why the bytes are no authority that a request may have.
///
/// The text names the mistake and not the bytes: it is sent back to whoever sent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAuthority {
    /// There is no `:authority`.
    #[error("the request has no host")]
    Missing,
    /// The part before the port is no name.
    #[error(transparent)]
    Host(#[from] InvalidHostname),
    /// `user@host`: not allowed in HTTP (RFC 9110 §4.2.4), and a known way to hide the host.
    #[error("the host has user information before it")]
    UserInfo,
    /// Brackets that hold no IPv6 address.
    #[error("the host in brackets is no IPv6 address")]
    Ipv6,
    /// The end of the host is a number, and some would read an address: see [`Destination`](crate::Destination).
    #[error("the host ends in a number and is no IPv4 address of four decimal numbers")]
    AmbiguousAddress,
    /// What follows the colon is no port.
    #[error("the port is no number from 0 to 65535")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, Option<u16>), InvalidAuthority> {
        let mut bytes = text.as_bytes().to_vec();
        Authority::parse(&mut bytes).map(|a| (a.host.to_string(), a.port))
    }

    #[test]
    fn hosts_and_ports() {
        for (text, host, port) in [
            ("foo.example.com", "foo.example.com", None),
            ("FOO.example.com:8080", "foo.example.com", Some(8080)),
            ("foo.example.com.", "foo.example.com.", None),
            ("foo.example.com.:80", "foo.example.com.", Some(80)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]", "[::1]", None),
            ("[::1]:65535", "[::1]", Some(65535)),
            ("[2001:DB8::0:1]:0", "[2001:db8::1]", Some(0)),
            ("_dmarc.example.com", "_dmarc.example.com", None),
        ] {
            assert_eq!(parse(text), Ok((host.into(), port)), "{text}");
        }
    }

    #[test]
    fn an_absolute_name_is_another_host() {
        let (mut a, mut b) = (b"a.b.".to_vec(), b"a.b".to_vec());
        let a = Authority::parse(&mut a).unwrap().host;
        let b = Authority::parse(&mut b).unwrap().host;
        assert_ne!(a, b);
    }

    #[test]
    fn refusals() {
        use InvalidAuthority as E;
        for (text, why) in [
            ("", E::Host(InvalidHostname::Empty)),
            (":80", E::Host(InvalidHostname::Empty)),
            (".", E::Host(InvalidHostname::EmptyLabel)),
            ("a..", E::Host(InvalidHostname::EmptyLabel)),
            ("..", E::Host(InvalidHostname::EmptyLabel)),
            (".example.com", E::Host(InvalidHostname::EmptyLabel)),
            ("a.b,a.b", E::Host(InvalidHostname::InvalidByte(b','))),
            ("a%2eb", E::Host(InvalidHostname::InvalidByte(b'%'))),
            ("user@a.b", E::UserInfo),
            ("u:p@a.b:80", E::UserInfo),
            ("a.b:80@evil.test", E::UserInfo),
            ("a.b:", E::Port),
            ("a.b:abc", E::Port),
            ("a.b:+80", E::Port),
            ("a.b:-1", E::Port),
            ("a.b:99999", E::Port),
            ("a.b:1:2", E::Port),
            ("a.b:80.", E::Port),
            ("::1", E::Host(InvalidHostname::Empty)),
            ("[::1", E::Ipv6),
            ("[]", E::Ipv6),
            ("[a.b]", E::Ipv6),
            ("[fe80::1%25eth0]", E::Ipv6),
            ("[::1]80", E::Port),
            ("[::1]:", E::Port),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text() {
        let mut bytes = b"a\xff.b".to_vec();
        assert_eq!(
            Authority::parse(&mut bytes),
            Err(InvalidAuthority::Host(InvalidHostname::InvalidByte(0xff)))
        );
    }
}
