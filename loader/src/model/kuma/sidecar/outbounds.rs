//! Ports for the service, to what it calls (Kuma `pkg/xds/generator/outbound_proxy_generator.go` and
//! `pkg/plugins/policies/meshhttproute/plugin/v1alpha1/listeners.go` at 2.14.3).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use policy::{HostPattern, Tags};

use super::{Sidecar, cross_mesh};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::backends::Backends;
use crate::model::kuma::http_routes::{self, RouteTarget};
use crate::model::kuma::policies::{self, Destination, Policies};
use crate::model::kuma::{MESH_TAG, SERVICE_TAG, connections};
use crate::model::policy::ListenerPolicy;
use crate::model::role::Outbound as OutboundRole;
use crate::model::{
    Cluster, Listener, Port, Protocol, Role, ServerTls, UpstreamProtocol, VirtualHost,
};
use crate::resources::kuma::dataplane::{BackendRef, Outbound};
use crate::resources::kuma::mesh_http_route;
use crate::source::Path;

/// What an outbound reaches.
struct Target {
    service: Destination,
    cluster: String,
    protocol: Protocol,
    is_grpc: bool,
}

/// A port for each outbound, and the clusters behind them.
pub(super) fn ports(
    own: &Sidecar<'_>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let mut ports = Vec::new();
    let mut made = Vec::new();
    let mut backends = Backends::new(own.input, &own.dataplane.meta.mesh, findings);
    let mut services: BTreeMap<String, Destination> = BTreeMap::new();
    for (index, outbound) in own.dataplane.spec.networking.outbound.iter().enumerate() {
        let path = Path::of("networking.outbound").index(index);
        // Validation has named addresses and ports that are none.
        let (Some(address), Ok(number)) = (address(outbound), u16::try_from(outbound.port)) else {
            continue;
        };
        let Some(target) = target(own, outbound, &path, &mut backends, &mut made, findings) else {
            continue;
        };
        let service = target.service.clone();
        services.insert(service.kuma_service.clone(), service);
        let origin = own.input.origin(own.dataplane, &path);
        let mut listener = Listener {
            name: target.service.kuma_service.clone(),
            hostname: HostPattern::Any,
            other_hostnames: Vec::new(),
            tags: outbound.tags.clone(),
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
        if target.protocol == Protocol::Http {
            let routes =
                http_routes::outbound_routes(own.input, &policies, &route, &mut backends, findings);
            let host = VirtualHost::new(HostPattern::Any, routes, origin.clone());
            listener.virtual_hosts.push(host);
        } else {
            listener.connections.push(connections::of_outbound(
                own.input,
                &policies,
                &route,
                &mut backends,
                findings,
            ));
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
        ports.push(Port {
            name: format!("outbound:{address}:{number}"),
            role: Role::Outbound(OutboundRole {
                caller: own.tags.clone(),
                gateways: Vec::new(),
            }),
            address,
            socket: None,
            number,
            protocol: target.protocol,
            listeners: vec![listener],
            connection_limit: None,
            clients: None,
            origin,
        });
    }
    made.extend(backends.into_clusters().into_iter().map(between_sidecars));
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    for cluster in &mut made {
        let service = Destination::of_tags(&cluster.destination);
        let service = services.get(&service.kuma_service).unwrap_or(&service);
        policies::upstream(&policies, service, cluster);
    }
    clusters.extend(made);
    ports
}

/// Proxies speak HTTP/2 with each other, whatever the services behind them speak.
fn between_sidecars(cluster: Cluster) -> Cluster {
    Cluster {
        protocol: match (&cluster.tls, cluster.protocol) {
            (Some(_), UpstreamProtocol::Http1) => UpstreamProtocol::Http2,
            (_, other) => other,
        },
        ..cluster
    }
}

fn address(outbound: &Outbound) -> Option<IpAddr> {
    if outbound.address.is_empty() {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    outbound.address.parse().ok()
}

fn target(
    own: &Sidecar<'_>,
    outbound: &Outbound,
    path: &Path,
    backends: &mut Backends<'_>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Target> {
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
        Some(backend) => of_resource(own, backend, &path.field("backendRef"), backends, findings)?,
    };
    if let Some((message, _)) = backends.missing(&destination) {
        let finding = own.dataplane.warning(Code::MissingBackend, path, message);
        findings.push(finding.help("nothing that is sent to this port arrives: compare it with the inbounds of the mesh's Dataplanes"));
    }
    let origin = own.input.origin(own.dataplane, path);
    let cluster = backends.cluster(&destination, &Tags::default(), &origin);
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    let by_tcp = connections::any_is_for(own.input, &policies, &service)
        && !http_routes::any_is_for(own.input, &policies, &service);
    let speaks_http = backends.speaks_http(&destination);
    Some(Target {
        service,
        cluster,
        protocol: if speaks_http && !by_tcp {
            Protocol::Http
        } else {
            Protocol::Tcp
        },
        is_grpc: backends.speaks_grpc(&destination),
    })
}

/// What a reference of an outbound means. External services are not among them.
fn of_resource(
    own: &Sidecar<'_>,
    backend: &BackendRef,
    path: &Path,
    backends: &Backends<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Option<(Destination, Tags)> {
    if backend.kind == "MeshExternalService" {
        let message = "not served: nothing listens on this port, because MeshExternalServices are not reached";
        findings.push(own.dataplane.warning(Code::NotServedField, path, message));
        return None;
    }
    let reference = mesh_http_route::BackendRef {
        kind: backend.kind.clone(),
        name: backend.name.clone(),
        namespace: backend.namespace.clone(),
        labels: backend.labels.clone(),
        port: Some(backend.port),
        ..mesh_http_route::BackendRef::default()
    };
    let destination = backends.destination(&reference);
    let service = Destination {
        kind: backend.kind.clone(),
        name: backend.name.clone(),
        kuma_service: destination.get(SERVICE_TAG).unwrap_or_default().to_owned(),
    };
    Some((service, destination))
}
