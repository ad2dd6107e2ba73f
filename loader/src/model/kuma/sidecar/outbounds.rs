//! Ports for the service, to what it calls (Kuma `pkg/xds/generator/outbound_proxy_generator.go` and
//! `pkg/plugins/policies/meshhttproute/plugin/v1alpha1/listeners.go` at 2.14.3).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use policy::{HostPattern, Tags};

use super::{Sidecar, cross_mesh, external_services, vips};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::backends::Backends;
use crate::model::kuma::http_routes::{self, RouteTarget};
use crate::model::kuma::lookup::Outside;
use crate::model::kuma::policies::{self, Destination, Policies};
use crate::model::kuma::{MESH_TAG, SERVICE_TAG, connections};
use crate::model::policy::ListenerPolicy;
use crate::model::role::{Opening, Outbound as OutboundRole};
use crate::model::{
    Cluster, Listener, Origin, Port, Protocol, Role, ServerTls, UpstreamProtocol, VirtualHost,
};
use crate::resources::kuma::dataplane::{BackendRef, Outbound};
use crate::resources::kuma::mesh_http_route;
use crate::source::Path;

/// The kind of services outside of the mesh.
const OUTSIDE: &str = "MeshExternalService";

/// What an outbound reaches.
struct Target {
    service: Destination,
    cluster: String,
    protocol: Protocol,
    is_grpc: bool,
}

/// Where an outbound is.
struct Place {
    address: IpAddr,
    number: u16,
    tags: Tags,
    opening: Opening,
    origin: Origin,
}

/// What ports are made with.
struct Maker<'a, 'b> {
    own: &'b Sidecar<'a>,
    outside: &'a Outside<'a>,
    hostnames: &'a BTreeMap<String, Vec<String>>,
    backends: Backends<'a>,
}

/// A port for each outbound and each service outside of the mesh that has an address of its own, and the clusters behind
/// them.
pub(super) fn ports(
    own: &Sidecar<'_>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let mut ports = Vec::new();
    let mut made = Vec::new();
    let mut maker = Maker {
        own,
        outside: own.around.outside(),
        hostnames: own.around.hostnames(findings),
        backends: Backends::new(own.around, own.identity.as_ref(), findings),
    };
    let mut services: BTreeMap<String, Destination> = BTreeMap::new();
    for (index, outbound) in own.dataplane.spec.networking.outbound.iter().enumerate() {
        let path = Path::of("networking.outbound").index(index);
        // Validation has named addresses and ports that are none.
        let (Some(address), Ok(number)) = (address(outbound), u16::try_from(outbound.port)) else {
            continue;
        };
        let Some(target) = maker.target(outbound, &path, &mut made, findings) else {
            continue;
        };
        let service = &target.service;
        services
            .entry(service.kuma_service.clone())
            .or_insert_with(|| service.clone());
        let place = Place {
            address,
            number,
            tags: outbound.tags.clone(),
            opening: Opening::Address,
            origin: own.input.origin(own.dataplane, &path),
        };
        ports.push(maker.port(place, &target, clusters, findings));
    }
    let (reached, opening) = vips::reached(own);
    for vip in reached {
        let origin = own.input.origin(vip.service, &Path::root());
        let service = Destination::outside(vip.service);
        let destination = service.tags();
        let place = Place {
            address: vip.address,
            number: vip.port,
            tags: Tags::default(),
            opening,
            origin: origin.clone(),
        };
        let target = maker.target_of(service, &destination, &origin);
        ports.push(maker.port(place, &target, clusters, findings));
    }
    let Maker {
        backends, outside, ..
    } = maker;
    made.extend(backends.into_clusters());
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    for cluster in &mut made {
        let service = Destination::of_tags(&cluster.destination);
        let known = outside.get(&service.kuma_service);
        let known = known.map(|service| &service.destination);
        let known = known.or_else(|| services.get(&service.kuma_service));
        let service = known.unwrap_or(&service);
        if service.kind != OUTSIDE {
            between_sidecars(cluster);
        }
        policies::upstream(&policies, service, cluster);
    }
    clusters.extend(made);
    ports
}

impl Maker<'_, '_> {
    fn port(
        &mut self,
        place: Place,
        target: &Target,
        clusters: &mut Vec<Cluster>,
        findings: &mut Vec<Diagnostic>,
    ) -> Port {
        let Place {
            address,
            number,
            tags,
            opening,
            origin,
        } = place;
        let own = self.own;
        let mut listener = Listener {
            name: target.service.kuma_service.clone(),
            hostname: HostPattern::Any,
            other_hostnames: Vec::new(),
            tags,
            permission: None,
            certificates: Vec::new(),
            passes_tls: false,
            tls: ServerTls::default(),
            virtual_hosts: Vec::new(),
            connections: Vec::new(),
            policy: ListenerPolicy::default(),
            origin: origin.clone(),
        };
        let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
        let route = RouteTarget {
            service: &target.service,
            cluster: &target.cluster,
            port: number,
            origin: &origin,
        };
        let (input, backends) = (own.input, &mut self.backends);
        if target.protocol == Protocol::Http {
            let routes = http_routes::outbound_routes(input, &policies, &route, backends, findings);
            let host = VirtualHost::new(HostPattern::Any, routes, origin.clone());
            listener.virtual_hosts.push(host);
        } else {
            let to = connections::of_outbound(input, &policies, &route, backends, findings);
            listener.connections.push(to);
        }
        let for_logs = own.for_logs();
        policies::outbound(
            &policies,
            &for_logs,
            &target.service,
            target.is_grpc,
            &mut listener,
            clusters,
        );
        let outside = self.outside.get(&target.service.kuma_service);
        let hostnames = outside.and_then(|outside| self.hostnames.get(&outside.resource.meta.name));
        Port {
            name: format!("outbound:{address}:{number}"),
            role: Role::Outbound(OutboundRole {
                caller: own.tags.clone(),
                gateways: Vec::new(),
                hostnames: hostnames.cloned().unwrap_or_default(),
                outside: outside.and_then(|service| external_services::of_outbound(own, service)),
                is_outside: outside.is_some(),
                opening,
            }),
            address,
            socket: None,
            number,
            protocol: target.protocol,
            listeners: vec![listener],
            connection_limit: None,
            clients: None,
            origin,
        }
    }

    fn target(
        &mut self,
        outbound: &Outbound,
        path: &Path,
        clusters: &mut Vec<Cluster>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Target> {
        let own = self.own;
        if outbound.tags.get(MESH_TAG).is_some() {
            let cluster = cross_mesh::cluster(own, &outbound.tags, path, findings)?;
            let target = Target {
                service: Destination::of_tags(&cluster.destination),
                cluster: cluster.name.clone(),
                protocol: Protocol::Http,
                is_grpc: false,
            };
            clusters.push(cluster);
            return Some(target);
        }
        let (service, destination) = match &outbound.backend_ref {
            None => (Destination::of_tags(&outbound.tags), outbound.tags.clone()),
            Some(backend) => self.of_resource(backend),
        };
        if let Some((message, _)) = self.backends.missing(&destination) {
            let finding = own.dataplane.warning(Code::MissingBackend, path, message);
            findings.push(finding.help("nothing that is sent to this port arrives: compare it with the inbounds of the mesh's Dataplanes"));
        }
        let origin = own.input.origin(own.dataplane, path);
        Some(self.target_of(service, &destination, &origin))
    }

    fn target_of(&mut self, service: Destination, destination: &Tags, origin: &Origin) -> Target {
        let (own, backends) = (self.own, &mut self.backends);
        let cluster = backends.cluster(destination, &Tags::default(), origin);
        let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
        let by_tcp = connections::any_is_for(own.input, &policies, &service)
            && !http_routes::any_is_for(own.input, &policies, &service);
        let speaks_http = backends.speaks_http(destination);
        Target {
            service,
            cluster,
            protocol: if speaks_http && !by_tcp {
                Protocol::Http
            } else {
                Protocol::Tcp
            },
            is_grpc: backends.speaks_grpc(destination),
        }
    }

    /// What a reference of an outbound means.
    fn of_resource(&self, backend: &BackendRef) -> (Destination, Tags) {
        let reference = mesh_http_route::BackendRef {
            kind: backend.kind.clone(),
            name: backend.name.clone(),
            namespace: backend.namespace.clone(),
            labels: backend.labels.clone(),
            port: Some(backend.port),
            ..mesh_http_route::BackendRef::default()
        };
        let destination = self.backends.destination(&reference);
        let kuma_service = destination.get(SERVICE_TAG).unwrap_or_default();
        let service = match self.outside.get(kuma_service) {
            Some(service) => service.destination.clone(),
            None => Destination {
                kind: backend.kind.clone(),
                name: backend.name.clone(),
                kuma_service: kuma_service.to_owned(),
                ..Destination::default()
            },
        };
        (service, destination)
    }
}

/// Proxies speak HTTP/2 with each other, whatever the services behind them speak.
fn between_sidecars(cluster: &mut Cluster) {
    if cluster.tls.is_some() && cluster.protocol == UpstreamProtocol::Http1 {
        cluster.protocol = UpstreamProtocol::Http2;
    }
}

fn address(outbound: &Outbound) -> Option<IpAddr> {
    if outbound.address.is_empty() {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    outbound.address.parse().ok()
}
