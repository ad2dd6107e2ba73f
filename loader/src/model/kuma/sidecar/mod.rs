//! From Kuma's resources to what the proxy next to a service has to do, without transparent proxying.
//!
//! ```text
//! Dataplane ─┬─inbounds─▶ ports for those who call the service ── permissions: who may
//!            └─outbounds─▶ ports for the service, to what it calls ── cross_mesh: gateways of other meshes
//! ```

mod cross_mesh;
mod inbounds;
mod outbounds;
mod permissions;
mod routes;

use std::net::IpAddr;

use policy::Tags;

use super::backends::Backends;
use super::policies::{self, Side};
use super::{Input, SERVICE_TAG, meshes};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Cluster, Port, Proxy};
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, Inbound, State};
use crate::source::Path;

/// A Dataplane, and what is looked up about it again and again.
struct Sidecar<'a> {
    input: Input<'a>,
    dataplane: &'a Resource<Dataplane>,
    address: IpAddr,
    /// The tags of its inbounds, and of the gateway that it is next to.
    tags: Vec<Tags>,
    /// The names of its inbounds.
    sections: Vec<String>,
    /// Whether its mesh has mTLS.
    has_mtls: bool,
}

impl Sidecar<'_> {
    fn mesh(&self) -> &str {
        &self.dataplane.meta.mesh
    }

    fn service(&self) -> &str {
        let mut services = self.tags.iter().filter_map(|tags| tags.get(SERVICE_TAG));
        services.next().unwrap_or(&self.dataplane.meta.name)
    }

    fn side(&self) -> Side<'_> {
        Side::Sidecar(self.dataplane, &self.sections)
    }

    fn for_logs(&self) -> policies::Proxy<'_> {
        let mut zones = self.tags.iter().filter_map(|tags| tags.get("kuma.io/zone"));
        policies::Proxy {
            mesh: self.mesh(),
            service: self.service(),
            address: self.address,
            zone: zones.next().unwrap_or_default(),
        }
    }
}

/// What the proxy next to a service has to do. Whatever is wrong is added to `findings`.
pub(super) fn sidecar(
    input: Input<'_>,
    dataplane: &Resource<Dataplane>,
    address: IpAddr,
    cross_mesh_port: Option<u16>,
    findings: &mut Vec<Diagnostic>,
) -> Proxy {
    let networking = &dataplane.spec.networking;
    let mesh = dataplane.meta.mesh.as_str();
    let mode = meshes::mode(input.resources, mesh);
    let own = Sidecar {
        input,
        dataplane,
        address,
        tags: meshes::tags(dataplane),
        sections: networking.inbound.iter().map(section).collect(),
        has_mtls: mode.is_some(),
    };
    if networking.transparent_proxying.is_some() {
        let path = Path::of("networking.transparentProxying");
        let message = "not served: connections are not caught, only those to the ports of `outbound` and `inbound` pass the proxy";
        findings.push(dataplane.warning(Code::NotServedField, &path, message));
    }
    let mut clusters = Vec::new();
    let mut ports = inbounds::ports(&own, mode, &mut clusters, findings);
    let mut backends = Backends::new(input, mesh, findings);
    ports.extend(outbounds::ports(&own, &mut backends, &mut clusters, findings));
    ports.extend(cross_mesh_port.and_then(|number| {
        cross_mesh::by_hostname(&own, number, &mut clusters, findings)
    }));
    one_of_each(&own, &mut ports, findings);
    clusters.extend(backends.into_clusters());
    policies::apply_to_sidecar(input, own.side(), &own.tags, &mut ports, &mut clusters, &own.for_logs());
    clusters.sort_by(|a: &Cluster, b| a.name.cmp(&b.name));
    clusters.dedup_by(|a, b| a.name == b.name);
    Proxy {
        name: dataplane.meta.name.clone(),
        mesh: mesh.to_owned(),
        service: own.service().to_owned(),
        address,
        identity: own.has_mtls.then(|| meshes::identity(dataplane)),
        ports,
        clusters,
    }
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
            findings.push(finding.help("give each inbound and outbound an address and port of its own"));
        }
        is_first
    });
}

/// Whether it is a part of the mesh.
fn is_served(inbound: &Inbound) -> bool {
    inbound.state != State::Ignored
}
