//! From Kuma's resources to what the proxy next to a service has to do.
//!
//! ```text
//! Dataplane ─┬─inbounds─▶ ports for those who call the service ── permissions: who may
//!            ├─outbounds─▶ ports for the service, to what it calls ── cross_mesh: gateways of other meshes
//!            │                                                      └─ vips, external_services: what is outside
//!            └─transparent─▶ what the network redirects to it and is for none of these ── passthrough: what may leave
//! ```

mod cross_mesh;
mod entrances;
mod external_services;
mod inbounds;
mod other_hosts;
mod outbounds;
pub(super) mod passthrough;
pub(super) mod permissions;
mod transparent;
mod vips;

use std::net::{IpAddr, Ipv4Addr};

use policy::Tags;

use super::lookup::{InMesh, Lookup};
use super::policies::{self, Side};
use super::{Input, ZONE_TAG, service_of, workload, zone, zone_egress};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::access::Access;
use crate::model::{Dialect, Dns, Identity, Port, Proxy};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, Inbound, State};
use crate::source::Path;

pub(super) use self::entrances::{Entrances, Named};

/// The label of a Dataplane with the port on 127.0.0.1 where its proxy answers DNS queries.
const DNS_LABEL: &str = "meshgate.io/dns-port";

/// A Dataplane, and what is looked up about it again and again.
struct Sidecar<'a> {
    input: Input<'a>,
    lookup: &'a Lookup<'a>,
    around: &'a InMesh<'a>,
    dataplane: &'a Resource<Dataplane>,
    address: IpAddr,
    /// The tags of its inbounds, and of the gateway that it is next to.
    tags: Vec<Tags>,
    /// The names of its inbounds.
    sections: Vec<String>,
    /// Whether its mesh has mTLS.
    has_mtls: bool,
    /// Who it is, if it has.
    identity: Option<Identity>,
}

impl Sidecar<'_> {
    fn mesh(&self) -> &str {
        &self.dataplane.meta.mesh
    }

    fn service(&self) -> &str {
        service_of(self.dataplane)
    }

    fn side(&self) -> Side<'_> {
        Side::Sidecar(self.dataplane, &self.sections)
    }

    /// The port that a label of the Dataplane names, if it has the label.
    fn port_of_label(
        &self,
        label: &str,
        code: Code,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<u16> {
        let written = self.dataplane.meta.labels.get(label)?;
        let number = written.parse::<u16>().ok().filter(|&number| number > 0);
        if number.is_none() {
            let message = format!("label `{label}`: `{written}` is no port");
            let finding = self.dataplane.error(code, &Path::root(), message);
            findings.push(finding.help("write a number from 1 to 65535, in quotes"));
        }
        number
    }

    fn for_logs(&self) -> policies::Proxy<'_> {
        let meta = &self.dataplane.meta;
        let zones = self.tags.iter().filter_map(|tags| tags.get(ZONE_TAG));
        policies::Proxy {
            input: self.input,
            mesh: self.mesh(),
            service: self.service(),
            address: self.address,
            zone: zone(meta)
                .into_iter()
                .chain(zones)
                .next()
                .unwrap_or_default(),
            workload: workload(meta),
        }
    }
}

/// What the proxy next to a service has to do. Whatever is wrong is added to `findings`.
pub(super) fn sidecar<'a>(
    lookup: &'a Lookup<'a>,
    dataplane: &'a Resource<Dataplane>,
    address: IpAddr,
    findings: &mut Vec<Diagnostic>,
) -> Option<Proxy> {
    let networking = &dataplane.spec.networking;
    let mesh = dataplane.meta.mesh.as_str();
    let identity = lookup.identity(dataplane, findings).ok()?;
    let own = Sidecar {
        input: lookup.input,
        lookup,
        around: lookup.mesh(mesh),
        dataplane,
        address,
        tags: tags(dataplane),
        sections: networking.inbound.iter().map(section).collect(),
        has_mtls: identity.is_some(),
        identity,
    };
    let mut clusters = Vec::new();
    let transparent = transparent::transparent(&own, &mut clusters);
    let mut ports = inbounds::ports(&own, &mut clusters, findings);
    ports.extend(outbounds::ports(&own, &mut clusters, findings));
    ports.extend(cross_mesh::by_hostname(&own, &mut clusters, findings));
    external_services::check_hostnames(&own, findings);
    external_services::by_hostname(&own, &mut ports, &mut clusters, findings);
    let egresses = zone_egress::ports_of_dataplane(lookup, dataplane, &mut clusters, findings);
    ports.extend(egresses);
    one_of_each(&own, &mut ports, findings);
    clusters.sort_by(|a, b| a.name.cmp(&b.name));
    clusters.dedup_by(|a, b| a.name == b.name);
    Some(Proxy {
        dialect: Dialect::Kuma,
        name: dataplane.meta.core_name(),
        mesh: mesh.to_owned(),
        service: own.service().to_owned(),
        address,
        dns: dns(&own, findings),
        identity: own.identity,
        ports,
        clusters,
        transparent,
        tokens: Vec::new(),
        access: Access::default(),
    })
}

/// Where the service asks for the addresses of names, if the Dataplane wants that.
fn dns(own: &Sidecar<'_>, findings: &mut Vec<Diagnostic>) -> Option<Dns> {
    Some(Dns {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port: own.port_of_label(DNS_LABEL, Code::DnsPort, findings)?,
        origin: own.input.origin(own.dataplane, &Path::root()),
    })
}

/// The tags of the gateway that it is next to, and of its inbounds.
fn tags(dataplane: &Resource<Dataplane>) -> Vec<Tags> {
    let networking = &dataplane.spec.networking;
    let gateway = networking.gateway.iter().map(|gateway| &gateway.tags);
    let inbounds = networking.inbound.iter();
    let inbounds = inbounds.filter(|inbound| is_served(inbound));
    gateway
        .chain(inbounds.map(|inbound| &inbound.tags))
        .cloned()
        .collect()
}

/// The name of an inbound for policies: its own, or its port.
fn section(inbound: &Inbound) -> String {
    if inbound.name.is_empty() {
        return inbound.port.to_string();
    }
    inbound.name.clone()
}

/// Envoy does not start with two listeners on one address.
fn one_of_each(own: &Sidecar<'_>, ports: &mut Vec<Port>, findings: &mut Vec<Diagnostic>) {
    let mut seen = std::collections::HashSet::new();
    ports.retain(|port| {
        let is_first = seen.insert((port.address, port.number));
        if !is_first {
            let message = format!(
                "{}:{} is taken by another inbound or outbound, so `{}` is left out",
                port.address, port.number, port.name
            );
            let path = Path::of("networking");
            let finding = own.dataplane.error(Code::AddressTaken, &path, message);
            findings.push(
                finding.help("give each inbound and outbound an address and port of its own"),
            );
        }
        is_first
    });
}

/// Whether it is a part of the mesh.
fn is_served(inbound: &Inbound) -> bool {
    inbound.state != State::Ignored
}
