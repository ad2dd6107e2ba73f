//! Services outside of the mesh, as the service next to the proxy reaches them: by an outbound, or by hostname.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use policy::{HostPattern, Tags};

use super::{Sidecar, other_hosts};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::SERVICE_TAG;
use crate::model::kuma::backends::Backends;
use crate::model::kuma::http_routes::{self, RouteTarget};
use crate::model::kuma::lookup::OutsideService as Known;
use crate::model::kuma::mesh_external_services::nameless;
use crate::model::kuma::policies::{self, Destination, Policies};
use crate::model::policy::ListenerPolicy;
use crate::model::role::{Opening, Outbound, Outside, OutsideService};
use crate::model::{
    Cluster, Identity, Listener, Origin, Port, Protocol, Role, ServerTls, VirtualHost,
};
use crate::source::Path;

/// The label of a Dataplane with the port on 127.0.0.1 where its service reaches all HTTP services outside of the mesh
/// by hostname.
pub(super) const PORT_LABEL: &str = "meshgate.io/external-service-port";

/// Names the services that have no hostname, to somebody who asks for a port where hostnames count.
pub(super) fn check_hostnames(own: &Sidecar<'_>, findings: &mut Vec<Diagnostic>) {
    let labels = &own.dataplane.meta.labels;
    if ![PORT_LABEL, super::DNS_LABEL]
        .iter()
        .any(|label| labels.contains_key(*label))
    {
        return;
    }
    own.around.nameless.get_or_init(|| {
        for service in nameless(own.around) {
            let message = "no HostnameGenerator is for this service: no name leads to it";
            let finding = service.warning(Code::NoHostname, &Path::root(), message);
            findings.push(finding.help(
                "compare `spec.selector.meshExternalService` of the HostnameGenerators with its labels",
            ));
        }
    });
}

/// Who may reach a service by an outbound of its own; nothing where nobody is kept from it.
pub(super) fn of_outbound(own: &Sidecar<'_>, service: &Known<'_>) -> Option<Outside> {
    let outside = Outside {
        services: vec![described(service, Vec::new())],
        is_alone: true,
        ..all(own)
    };
    let is_gated = outside.is_forbidden || outside.services.iter().any(|s| s.permission.is_some());
    is_gated.then_some(outside)
}

fn all(own: &Sidecar<'_>) -> Outside {
    Outside {
        services: Vec::new(),
        is_forbidden: own.around.forbids_outside(),
        client: own
            .identity
            .as_ref()
            .map(Identity::uris)
            .unwrap_or_default(),
        is_alone: false,
        others: Vec::new(),
    }
}

fn described(service: &Known<'_>, hostnames: Vec<String>) -> OutsideService {
    OutsideService {
        name: service.resource.meta.name.clone(),
        hostnames,
        permission: service.permission.clone(),
    }
}

/// The port where the service reaches services outside of the mesh by hostname, if the Dataplane asks for it. It may be
/// the one for gateways of other meshes, which are added to then.
pub(super) fn by_hostname(
    own: &Sidecar<'_>,
    ports: &mut Vec<Port>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(number) = own.port_of_label(PORT_LABEL, Code::ExternalServicePort, findings) else {
        return;
    };
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let origin = own.input.origin(own.dataplane, &Path::root());
    let shared = ports.iter_mut().find(|port| {
        let is_for_meshes = matches!(&port.role, Role::Outbound(role) if !role.gateways.is_empty());
        is_for_meshes && (port.address, port.number) == (address, number)
    });
    let mut taken = HashSet::new();
    if let Some(Role::Outbound(role)) = shared.as_ref().map(|port| &port.role) {
        taken.extend(role.gateways.iter().map(|gateway| gateway.hostname.clone()));
    }
    let (mut hosts, mut outside) = hosts(own, number, &taken, clusters, findings);
    // Also of services that are not on this port.
    let names = own.around.hostnames(findings).values().flatten();
    taken.extend(names.cloned());
    let others = other_hosts::others(own, &taken, findings);
    hosts.extend(others.virtual_hosts);
    clusters.extend(others.clusters);
    outside.others = others.hosts;
    if let Some(port) = shared {
        if let Some(listener) = port.listeners.first_mut() {
            listener.virtual_hosts.extend(hosts);
        }
        if let Role::Outbound(role) = &mut port.role {
            role.outside = Some(outside);
        }
        return;
    }
    let mut listener = listener(format!("external-services/{number}"), origin.clone());
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    policies::outbound(
        &policies,
        &own.for_logs(),
        &Destination::default(),
        false,
        &mut listener,
        clusters,
    );
    listener.virtual_hosts = hosts;
    ports.push(Port {
        socket: None,
        name: format!("external-services:{address}:{number}"),
        address,
        number,
        protocol: Protocol::Http,
        listeners: vec![listener],
        connection_limit: None,
        clients: None,
        role: Role::Outbound(Outbound {
            caller: own.tags.clone(),
            gateways: Vec::new(),
            outside: Some(outside),
            hostnames: Vec::new(),
            is_outside: false,
            opening: Opening::Address,
        }),
        origin,
    });
}

/// A virtual host for each hostname of each HTTP service, with the routes of its own. No host is in two places, and
/// none is here that the filter does not know.
fn hosts(
    own: &Sidecar<'_>,
    number: u16,
    taken: &HashSet<String>,
    clusters: &mut Vec<Cluster>,
    findings: &mut Vec<Diagnostic>,
) -> (Vec<VirtualHost>, Outside) {
    let mut hosts = Vec::new();
    let mut outside = all(own);
    let mut backends = Backends::new(own.around, own.identity.as_ref(), findings);
    let mut services = HashMap::new();
    let hostnames = own.around.hostnames(findings);
    let mut seen = HashSet::new();
    for known in own.around.outside().all() {
        let service = known.resource;
        // Of several with one name, the first has the hostnames.
        let is_first = seen.insert(&service.meta.name);
        let names = hostnames.get(&service.meta.name).filter(|_| is_first);
        let mut names = names.cloned().unwrap_or_default();
        names.retain(|name| !taken.contains(name));
        if service.spec.matching.protocol == "tcp" || names.is_empty() {
            continue;
        }
        let origin = own.input.origin(service, &Path::root());
        let destination = &known.destination;
        let tags: Tags = [(SERVICE_TAG, &destination.kuma_service)]
            .into_iter()
            .collect();
        let cluster = backends.cluster(&tags, &Tags::default(), &origin);
        let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
        let route = RouteTarget {
            service: destination,
            cluster: &cluster,
            port: number,
            origin: &origin,
        };
        let routes =
            http_routes::outbound_routes(own.input, &policies, &route, &mut backends, findings);
        let mut listener = listener(service.meta.name.clone(), origin.clone());
        let domains = names.iter().filter_map(|name| name.parse().ok());
        listener.virtual_hosts = domains
            .map(|domain| VirtualHost::new(domain, routes.clone(), origin.clone()))
            .collect();
        let is_grpc = service.spec.matching.protocol == "grpc";
        let for_logs = own.for_logs();
        policies::outbound(
            &policies,
            &for_logs,
            destination,
            is_grpc,
            &mut listener,
            clusters,
        );
        hosts.extend(listener.virtual_hosts);
        outside.services.push(described(known, names));
        services
            .entry(&destination.kuma_service)
            .or_insert(destination);
    }
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    for mut cluster in backends.into_clusters() {
        let service = Destination::of_tags(&cluster.destination);
        let known = services.get(&service.kuma_service).copied();
        policies::upstream(&policies, known.unwrap_or(&service), &mut cluster);
        clusters.push(cluster);
    }
    (hosts, outside)
}

fn listener(name: String, origin: Origin) -> Listener {
    Listener {
        other_hostnames: Vec::new(),
        tls: ServerTls::default(),
        name,
        hostname: HostPattern::Any,
        tags: Tags::default(),
        permission: None,
        certificates: Vec::new(),
        passes_tls: false,
        virtual_hosts: Vec::new(),
        connections: Vec::new(),
        policy: ListenerPolicy::default(),
        origin,
    }
}
