//! `MeshPassthrough`: which connections leave the mesh without being for a service of it (Kuma
//! `pkg/plugins/policies/meshpassthrough/plugin` at 2.14.3).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use super::Sidecar;
use super::external_services::PORT_LABEL;
use crate::model::Origin;
use crate::model::kuma::is_builtin_gateway;
use crate::model::kuma::policies::{Policies, Side};
use crate::model::transparent::{Content, Host, Original, Passage};
use crate::resources::kuma::mesh_passthrough::{Match, MeshPassthrough};
use crate::resources::{Resource, Resources};
use crate::source::Path;

/// What may leave.
#[derive(Clone, Debug)]
pub(super) enum Mode {
    /// Everything.
    All,
    /// What is for one of these.
    Matched(Vec<Destination>),
    /// Nothing.
    None,
}

/// An entry of `appendMatch`.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) host: DestinationHost,
    /// The value as it is written.
    pub(super) value: String,
    /// The port; any if absent.
    pub(super) port: Option<u16>,
    /// `tcp`, `tls`, `http`, `http2`, `grpc` or `mysql`.
    pub(super) protocol: String,
    pub(super) origin: Origin,
}

/// Whom an entry means.
#[derive(Clone, Debug)]
pub(super) enum DestinationHost {
    /// A name, in lower case; `*.` at its beginning stands for any below, `*` for all.
    Name(String),
    /// An address of a range, and the length of the prefix.
    Range(IpAddr, u8),
}

impl Destination {
    pub(super) fn read(entry: &Match, origin: Origin) -> Option<Self> {
        let host = match entry.kind.as_str() {
            "Domain" => DestinationHost::Name(entry.value.to_ascii_lowercase()),
            "IP" => {
                let address: IpAddr = entry.value.parse().ok()?;
                DestinationHost::Range(address, if address.is_ipv4() { 32 } else { 128 })
            }
            "CIDR" => {
                let (address, bits) = entry.value.split_once('/')?;
                let bits = bits.parse().ok()?;
                DestinationHost::Range(network(address.parse().ok()?, bits), bits)
            }
            _ => return None,
        };
        Some(Self {
            host,
            value: entry.value.clone(),
            port: match entry.port {
                None => None,
                Some(port) => Some(u16::try_from(port).ok()?),
            },
            protocol: entry.protocol.clone(),
            origin,
        })
    }

    /// Whether requests are matched, and not connections.
    pub(super) fn is_http(&self) -> bool {
        matches!(self.protocol.as_str(), "http" | "http2" | "grpc")
    }

    /// Whether it concerns connections to addresses of this family.
    fn is_of(&self, is_ipv6: bool) -> bool {
        match self.host {
            DestinationHost::Name(_) => true,
            DestinationHost::Range(address, _) => address.is_ipv6() == is_ipv6,
        }
    }

    /// Kuma's order: by protocol, then addresses before ranges before names, narrow ones first.
    fn place(&self) -> impl Ord + use<> {
        let protocols = ["tls", "mysql", "tcp", "http", "http2", "grpc"];
        let protocol = protocols.iter().position(|name| *name == self.protocol);
        let width = match &self.host {
            DestinationHost::Range(_, bits) => (0, Reverse(usize::from(*bits))),
            DestinationHost::Name(name) => {
                let labels = Reverse(name.split('.').count());
                (1 + usize::from(name.starts_with('*')), labels)
            }
        };
        (protocol, width, Reverse(self.port), self.value.clone())
    }

    fn cluster(&self, port: Option<u16>) -> Original {
        // A server of `mysql` is reached as any other.
        let protocol = match self.protocol.as_str() {
            "mysql" => "tcp",
            other => other,
        };
        Original {
            cluster: name(protocol, Some(&self.value), port),
            is_http2: matches!(protocol, "http2" | "grpc"),
            source: None,
        }
    }
}

/// What policies and the Mesh say.
pub(super) fn mode(own: &Sidecar<'_>) -> Mode {
    let said = said(own);
    let of_mesh = || {
        let mesh = own.around.mesh();
        let passes = mesh.and_then(|mesh| mesh.spec.networking.outbound.passthrough);
        if passes.unwrap_or(true) {
            Mode::All
        } else {
            Mode::None
        }
    };
    said.unwrap_or_else(of_mesh)
}

/// What policies say; nothing if none is for the proxy. What they append is put together, and of the modes the one of
/// the narrowest policy counts.
pub(super) fn said(own: &Sidecar<'_>) -> Option<Mode> {
    let matched = matched(own);
    let mut modes = matched
        .iter()
        .map(|policy| policy.spec.conf.passthrough_mode.as_str());
    let mode = modes.rfind(|mode| !mode.is_empty());
    if matched.is_empty() {
        return None;
    }
    Some(match mode {
        Some("All") => Mode::All,
        Some("None") => Mode::None,
        _ => {
            let mut destinations = Vec::new();
            for policy in matched {
                for (index, entry) in policy.spec.conf.append_match.iter().enumerate() {
                    let path = Path::of("default.appendMatch").index(index);
                    let origin = own.input.origin(policy, &path);
                    destinations.extend(Destination::read(entry, origin));
                }
            }
            Mode::Matched(destinations)
        }
    })
}

/// The policies for the proxy, the narrowest last.
pub(super) fn matched<'a>(own: &Sidecar<'a>) -> Vec<&'a Resource<MeshPassthrough>> {
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    let all = &own.input.resources.mesh_passthroughs;
    policies.matched(all)
}

/// The policies that are for any proxy that connections are redirected to, or that has a port for hostnames; told apart
/// by where they are in memory, since names may be given twice.
pub(crate) fn used(resources: &Resources) -> HashSet<*const Resource<MeshPassthrough>> {
    let all = &resources.mesh_passthroughs;
    let mut used = HashSet::new();
    for dataplane in resources.dataplanes.iter().filter(|_| !all.is_empty()) {
        let networking = &dataplane.spec.networking;
        let transparent = networking.transparent_proxying.as_ref();
        let is_caught = transparent.is_some_and(|said| said.redirect_port_outbound > 0)
            || dataplane.meta.labels.contains_key(PORT_LABEL);
        if !is_caught || is_builtin_gateway(dataplane) {
            continue;
        }
        let sections: Vec<_> = networking.inbound.iter().map(super::section).collect();
        let tags = super::tags(dataplane);
        let policies = Policies::of_any(resources, Side::Sidecar(dataplane, &sections), &tags);
        let matched = policies.matched(all);
        used.extend(matched.into_iter().map(std::ptr::from_ref));
    }
    used
}

/// The passages of a listener. Envoy looks at the port first and never goes back, so what is for every port is
/// there for each port that any destination names, too.
pub(super) fn passages(destinations: &[Destination], is_ipv6: bool) -> Vec<Passage> {
    let mut destinations: Vec<_> = destinations.iter().collect();
    destinations.sort_by_cached_key(|destination| destination.place());
    let ports: BTreeSet<u16> = destinations.iter().filter_map(|d| d.port).collect();
    // A listener in which nothing is said about its own family closes everything, as on Kuma.
    let mut passages = Vec::new();
    let mut names: BTreeMap<Option<u16>, Passage> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut domains = HashSet::new();
    for destination in destinations.into_iter().filter(|d| d.is_of(is_ipv6)) {
        let own = [destination.port];
        let others = ports.iter().copied().map(Some);
        let others = others.filter(|_| destination.port.is_none());
        for port in own.into_iter().chain(others) {
            match &destination.host {
                DestinationHost::Name(name) if destination.is_http() => {
                    let passage = names
                        .entry(port)
                        .or_insert_with(|| requests(destination, port));
                    if let Content::Requests(hosts) = &mut passage.content
                        && !domains.contains(&(port, name.clone()))
                    {
                        let host = host(destination, name, port);
                        domains.extend(host.domains.iter().map(|name| (port, name.clone())));
                        hosts.push(host);
                    }
                }
                _ => {
                    let passage = passage(destination, port);
                    // Envoy refuses two passages for the same connections. The first one counts.
                    if seen.insert(key(&passage)) {
                        passages.push(passage);
                    }
                }
            }
        }
    }
    passages.extend(names.into_values().rev());
    passages
}

fn passage(destination: &Destination, port: Option<u16>) -> Passage {
    let to = destination.cluster(port);
    let (range, server_name) = match &destination.host {
        DestinationHost::Range(address, bits) => (Some((*address, *bits)), None),
        DestinationHost::Name(name) => (None, (name != "*").then(|| name.clone())),
    };
    let protocol = destination.protocol.as_str();
    Passage {
        name: to.cluster.clone(),
        port,
        range,
        content: match protocol {
            "tls" => Content::Tls(server_name, to),
            "mysql" => Content::ServerFirst(to),
            "http" | "http2" | "grpc" => Content::Requests(vec![Host {
                name: destination.value.clone(),
                domains: vec!["*".to_owned()],
                to,
            }]),
            _ => Content::Plain(to),
        },
        origin: destination.origin.clone(),
    }
}

/// Requests by host, whichever address they are for.
fn requests(first: &Destination, port: Option<u16>) -> Passage {
    Passage {
        name: name(&first.protocol, None, port),
        port,
        range: None,
        content: Content::Requests(Vec::new()),
        origin: first.origin.clone(),
    }
}

fn host(destination: &Destination, name: &str, port: Option<u16>) -> Host {
    let mut domains = vec![name.to_owned()];
    match port {
        _ if name == "*" => {}
        // The header may have the port (RFC 9110 §7.2).
        Some(port) => domains.push(format!("{name}:{port}")),
        None => domains.push(format!("{name}:*")),
    }
    Host {
        name: destination.value.clone(),
        domains,
        to: destination.cluster(port),
    }
}

/// What Envoy tells passages apart by.
fn key(passage: &Passage) -> impl Ord + use<> {
    let content = match &passage.content {
        Content::Tls(name, _) => (1, name.clone()),
        Content::Requests(_) => (2, None),
        _ => (0, None),
    };
    (passage.port, passage.range, content)
}

/// `meshpassthrough_<protocol>_<value>_<port>`, as Kuma names chains and clusters.
fn name(protocol: &str, value: Option<&str>, port: Option<u16>) -> String {
    let port = port.map_or("*".to_owned(), |port| port.to_string());
    match value {
        Some(value) => format!("meshpassthrough_{protocol}_{value}_{port}"),
        None => format!("meshpassthrough_{protocol}_{port}"),
    }
}

/// The first address of the range.
fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32)));
            IpAddr::V4((address.to_bits() & mask.unwrap_or(0)).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128)));
            IpAddr::V6((address.to_bits() & mask.unwrap_or(0)).into())
        }
    }
}
