//! Connections that the network redirects to a proxy, whatever they are for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Origin;
use super::policy::ListenerPolicy;

/// Connections from here are not redirected (Kuma `TransparentInPassThroughIPv4` and `IPv6` in
/// `pkg/xds/generator/metadata` at 2.14.3).
pub const SOURCES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6)),
    IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)),
];

/// What a proxy does with redirected connections that are for none of its ports.
#[derive(Clone, Debug, Default)]
pub struct Transparent {
    /// Where they are redirected to: a listener for each address family, of each direction that is redirected.
    pub catches: Vec<Catch>,
}

impl Transparent {
    /// Whether connections to a port at `address` come by way of a listener of that direction.
    pub fn is_caught(&self, direction: Direction, address: IpAddr) -> bool {
        let mut catches = self.catches.iter();
        catches.any(|catch| {
            catch.direction == direction && catch.address.is_ipv4() == address.is_ipv4()
        })
    }

    /// Where the proxy connects from to reach its own service at `address`; the system's choice if absent.
    pub fn source(&self, address: IpAddr) -> Option<IpAddr> {
        let is_family = |source: &&IpAddr| source.is_ipv4() == address.is_ipv4();
        let source = SOURCES.iter().find(is_family).copied();
        // What is for the machine itself is not redirected.
        source.filter(|_| !address.is_loopback() && self.is_caught(Direction::Inbound, address))
    }
}

/// Whose connections they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Others' with the service.
    Inbound,
    /// The service's with others.
    Outbound,
}

/// A listener that connections are redirected to.
#[derive(Clone, Debug)]
pub struct Catch {
    /// `outbound:passthrough:ipv4`.
    pub name: String,
    /// Whose connections.
    pub direction: Direction,
    /// All addresses of the family.
    pub address: IpAddr,
    /// The port that they are redirected to.
    pub port: u16,
    /// Where they may go. What is for none of these is closed.
    pub passages: Vec<Passage>,
    /// What policies say about connections.
    pub connections: ListenerPolicy,
    /// What policies say about requests.
    pub requests: ListenerPolicy,
    /// What asks for it.
    pub origin: Origin,
}

/// Connections that go on to where they were going.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The name in logs and statistics.
    pub name: String,
    /// The port that they are for; any if absent.
    pub port: Option<u16>,
    /// The range of addresses that they are for: an address of it and the length of the prefix; any if absent.
    pub range: Option<(IpAddr, u8)>,
    /// What they carry.
    pub content: Content,
    /// What asks for it.
    pub origin: Origin,
}

/// What connections carry.
#[derive(Clone, Debug)]
pub enum Content {
    /// Anything; nobody looks.
    Any(Original),
    /// Anything but TLS.
    Plain(Original),
    /// TLS, with this server name or one that `*.` stands for; with any or none if absent.
    Tls(Option<String>, Original),
    /// HTTP requests for these hosts.
    Requests(Vec<Host>),
    /// A protocol in which the server speaks first, so that nobody may wait for the client.
    ServerFirst(Original),
}

/// A host that requests may be for.
#[derive(Clone, Debug)]
pub struct Host {
    /// The name in statistics.
    pub name: String,
    /// The hosts as virtual hosts have them: `name`, `name:80`, `name:*`, `*.name`, `*`.
    pub domains: Vec<String>,
    /// Where the requests go on.
    pub to: Original,
}

/// The original destination of a connection, as a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The cluster's name.
    pub cluster: String,
    /// Whether HTTP/2 is spoken.
    pub is_http2: bool,
    /// The own address that it is connected from; the system's choice if absent. What redirects connections leaves those
    /// from it alone.
    pub source: Option<IpAddr>,
}

impl Content {
    /// All the clusters.
    pub fn originals(&self) -> Vec<&Original> {
        match self {
            Self::Any(to) | Self::Plain(to) | Self::Tls(_, to) | Self::ServerFirst(to) => vec![to],
            Self::Requests(hosts) => hosts.iter().map(|host| &host.to).collect(),
        }
    }
}
