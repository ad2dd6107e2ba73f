//! Ports for those who call the service (Kuma `pkg/xds/generator/inbound_proxy_generator.go` at 2.14.3).

use std::cell::LazyCell;
use std::collections::HashMap;
use std::net::IpAddr;

use policy::{HostPattern, Tags};

use super::{Sidecar, is_served, permissions, section};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::policies::{self, Policies, Side};
use crate::model::kuma::{PROTOCOL_TAG, SERVICE_TAG};
use crate::model::policy::{ClusterPolicy, ListenerPolicy};
use crate::model::role::Inbound as InboundRole;
use crate::model::{
    Action, Cluster, Connections, Endpoint, Forward, Listener, MeshClients, Origin, Port, Protocol,
    Role, Route, ServerTls, SpiffeIds, Trust, UpstreamProtocol, VirtualHost, WeightedCluster,
};
use crate::resources::kuma::dataplane::Inbound;
use crate::source::Path;

/// A port for each inbound, and the clusters behind them.
pub(super) fn ports(
    own: &Sidecar<'_>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let mut ports = Vec::new();
    let is_permissive = own.around.is_permissive();
    let mut names = Names::default();
    let for_logs = own.for_logs();
    let resources = own.input.resources;
    let has_older = LazyCell::new(|| permissions::has_older(resources, own.mesh(), &own.tags));
    let inbounds = own.dataplane.spec.networking.inbound.iter().enumerate();
    for (index, inbound) in inbounds.filter(|(_, inbound)| is_served(inbound)) {
        let path = Path::of("networking.inbound").index(index);
        // Validation has named addresses and ports that are none.
        let (Some(address), Ok(number)) = (address(own, inbound), u16::try_from(inbound.port))
        else {
            continue;
        };
        let Some(mut cluster) = service(own, inbound, &path, address, findings) else {
            continue;
        };
        cluster.name = names.next(cluster.name);
        let origin = own.input.origin(own.dataplane, &path);
        let mut listener = listener(inbound, cluster.name.clone(), origin);
        let sections = [section(inbound)];
        let side = Side::Sidecar(own.dataplane, &sections);
        let policies = Policies::of_any(resources, side, std::slice::from_ref(&inbound.tags));
        policies::name_partial(&policies, findings);
        policies::inbound(&policies, &for_logs, &mut listener, &mut cluster, clusters);
        clusters.push(cluster);
        let mesh = own.mesh();
        ports.push(Port {
            name: format!("inbound:{address}:{number}"),
            role: Role::Inbound(InboundRole {
                is_permissive: is_permissive.is_some_and(|is_permissive| {
                    policies::is_permissive(&policies).unwrap_or(is_permissive)
                }),
                permission: is_permissive.is_some().then(|| {
                    let has_older = || *has_older;
                    permissions::of_inbound(resources, mesh, &inbound.tags, has_older, &policies)
                }),
            }),
            address,
            socket: None,
            number,
            protocol: protocol(inbound),
            listeners: vec![listener],
            connection_limit: None,
            clients: is_permissive.is_some().then(|| MeshClients {
                trust: Trust::Mesh(mesh.to_owned()),
                peers: vec![SpiffeIds::mesh(mesh)],
                params: policies::tls_params(&policies),
            }),
            origin: own.input.origin(own.dataplane, &path),
        });
    }
    ports
}

fn address(own: &Sidecar<'_>, inbound: &Inbound) -> Option<IpAddr> {
    if inbound.address.is_empty() {
        return Some(own.address);
    }
    inbound.address.parse().ok()
}

fn said_protocol(inbound: &Inbound) -> &str {
    if inbound.protocol.is_empty() {
        return inbound.tags.get(PROTOCOL_TAG).unwrap_or_default();
    }
    &inbound.protocol
}

fn protocol(inbound: &Inbound) -> Protocol {
    match said_protocol(inbound) {
        "http" | "http2" | "grpc" => Protocol::Http,
        _ => Protocol::Tcp,
    }
}

/// The service itself: at the address of the inbound unless another one is written (Kuma `ToInboundInterface` in
/// `api/mesh/v1alpha1/dataplane_helpers.go` at 2.14.3).
fn service(
    own: &Sidecar<'_>,
    inbound: &Inbound,
    path: &Path,
    address: IpAddr,
    findings: &mut Vec<Diagnostic>,
) -> Option<Cluster> {
    let port = match inbound.service_port {
        0 => inbound.port,
        port => port,
    };
    let service_address = match inbound.service_address.as_str() {
        "" => address,
        other => other.parse().ok()?,
    };
    // What the proxy sends there is not redirected to it again.
    let is_caught = own.dataplane.spec.networking.transparent_proxying.as_ref();
    let is_caught = is_caught.is_some_and(|said| said.redirect_port_inbound != 0);
    if (service_address, port) == (address, inbound.port) && !is_caught {
        let message = format!(
            "the inbound leads to itself: proxy and service are both at {address}:{port}, so the proxy next to it does not serve it"
        );
        findings.push(
            own.dataplane
                .warning(Code::InboundLoop, path, message)
                .help("give the service a `servicePort` or a `serviceAddress` of its own"),
        );
        return None;
    }
    let origin = own.input.origin(own.dataplane, path);
    Some(Cluster {
        name: format!("localhost:{port}"),
        protocol: match said_protocol(inbound) {
            "http2" | "grpc" => UpstreamProtocol::Http2,
            _ => UpstreamProtocol::Http1,
        },
        endpoints: vec![Endpoint {
            address: service_address.to_string(),
            port: u16::try_from(port).ok()?,
            priority: 0,
            tls: None,
            weight: None,
            locality: None,
        }],
        tls: None,
        origination: None,
        destination: inbound.tags.clone(),
        source: Tags::default(),
        policy: ClusterPolicy::default(),
        origin,
    })
}

/// The names of the clusters behind inbounds so far, and how often each has been asked for.
#[derive(Default)]
struct Names {
    taken: HashMap<String, usize>,
}

impl Names {
    /// Kuma's name, unless another inbound's cluster has it and leads elsewhere or has other policies: Kuma lets the last
    /// one win. No name of Kuma's ends as those of the others do.
    fn next(&mut self, name: String) -> String {
        let number = self.taken.entry(name.clone()).or_insert(0);
        *number += 1;
        match *number {
            1 => name,
            number => format!("{name}:{number}"),
        }
    }
}

fn listener(inbound: &Inbound, cluster: String, origin: Origin) -> Listener {
    let clusters = vec![WeightedCluster {
        cluster,
        weight: 1,
        changes: None,
    }];
    let mut listener = Listener {
        name: inbound.tags.get(SERVICE_TAG).unwrap_or_default().to_owned(),
        hostname: HostPattern::Any,
        other_hostnames: Vec::new(),
        tags: inbound.tags.clone(),
        permission: None,
        certificates: Vec::new(),
        passes_tls: false,
        tls: ServerTls::default(),
        virtual_hosts: Vec::new(),
        connections: Vec::new(),
        policy: ListenerPolicy::default(),
        origin: origin.clone(),
    };
    if protocol(inbound) == Protocol::Tcp {
        listener.connections = vec![Connections {
            tunnel: None,
            clusters,
            origin,
        }];
        return listener;
    }
    let forward = Action::Forward(Forward {
        clusters,
        ..Forward::default()
    });
    listener.virtual_hosts = vec![VirtualHost::new(
        HostPattern::Any,
        vec![Route::new(forward, origin.clone())],
        origin,
    )];
    listener
}
