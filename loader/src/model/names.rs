//! Which names lead to a proxy: what `meshgate hosts` prints and what the proxy answers DNS queries with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Opening, Origin, Outbound, Port, Proxy, Role};

/// Where a name leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// A port there.
    pub port: u16,
}

/// The port where a proxy answers DNS queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Its address.
    pub address: IpAddr,
    /// Its number, of UDP.
    pub port: u16,
    /// The Dataplane that asks for it.
    pub origin: Origin,
}

impl Proxy {
    /// The names of what its outbounds reach, and where they lead: to virtual addresses where those can be reached for
    /// sure, otherwise to the addresses of other outbounds, and to virtual addresses that the machine may have if there
    /// is nothing else.
    pub fn names(&self) -> BTreeMap<String, BTreeSet<Place>> {
        let mut names: BTreeMap<String, (Certainty, BTreeSet<Place>)> = BTreeMap::new();
        for port in &self.ports {
            let (certainty, place) = (certainty(port), place(port));
            for name in names_of(port) {
                let name = name.to_ascii_lowercase();
                let known = names.entry(name).or_insert((certainty, BTreeSet::new()));
                if certainty < known.0 {
                    *known = (certainty, BTreeSet::new());
                }
                if certainty == known.0 {
                    known.1.insert(place);
                }
            }
        }
        let names = names.into_iter();
        names.map(|(name, (_, places))| (name, places)).collect()
    }
}

/// How sure it is that connections to a port get there, the surest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Certainty {
    Vip,
    Address,
    MaybeVip,
}

fn certainty(port: &Port) -> Certainty {
    match outbound(port).map(|outbound| outbound.opening) {
        Some(Opening::Caught) => Certainty::Vip,
        Some(Opening::Vip) if port.address.is_loopback() => Certainty::Vip,
        Some(Opening::Vip) => Certainty::MaybeVip,
        Some(Opening::Address) | None => Certainty::Address,
    }
}

fn place(port: &Port) -> Place {
    Place {
        address: port.address,
        port: port.number,
    }
}

fn outbound(port: &Port) -> Option<&Outbound> {
    match &port.role {
        Role::Outbound(outbound) => Some(outbound),
        _ => None,
    }
}

fn names_of(port: &Port) -> impl Iterator<Item = &str> {
    outbound(port).into_iter().flat_map(|outbound| {
        let gateways = outbound.gateways.iter().map(|gateway| &gateway.hostname);
        let outside = outbound.outside.iter();
        let services = outside.flat_map(|outside| &outside.services);
        let services = services.flat_map(|service| &service.hostnames);
        let all = outbound.hostnames.iter().chain(gateways).chain(services);
        all.map(String::as_str)
    })
}
