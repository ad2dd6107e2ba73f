//! Where connections of TCP and TLS listeners go: `MeshTCPRoute`s, or `MeshGatewayRoute`s with rules for TCP.

use policy::Tags;

use super::Input;
use super::backends::Backends;
use super::gateway_routes;
use super::http_routes::RouteTarget;
use super::policies::{Destination, Policies, Side, To};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Connections, Port, Protocol, WeightedCluster};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_tcp_route::MeshTcpRoute;
use crate::source::Path;

/// Whether any MeshTCPRoute is for a TCP or TLS listener of the gateway: then its MeshGatewayRoutes are switched off
/// for connections (Kuma `pkg/plugins/runtime/gateway/generator.go` `Generate` at 2.14.3).
pub(super) fn any_attaches(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    ports: &[Port],
) -> bool {
    let ports = ports.iter().filter(|port| takes_connections(port.protocol));
    let mut listeners = ports.flat_map(|port| &port.listeners);
    listeners.any(|listener| !of_listener(input, gateway, &listener.tags).is_empty())
}

/// The `MeshTCPRoute`s for a listener, the one that wins last.
fn of_listener<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    tags: &Tags,
) -> Vec<&'a Resource<MeshTcpRoute>> {
    let policies = Policies::new(input.resources, Side::Gateway(gateway), tags);
    policies.matched(&input.resources.mesh_tcp_routes)
}

/// Whether the port is for connections, not for requests.
pub(super) fn takes_connections(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Tcp | Protocol::Tls)
}

/// Sends the connections of each listener of the port to the backends of the policy with the greatest rank; of equal
/// ones, to those of the first by name.
pub(super) fn attach_tcp_routes(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    port: &mut Port,
    backends: &mut Backends<'_>,
    findings: &mut Vec<Diagnostic>,
) {
    for listener in &mut port.listeners {
        let routes = of_listener(input, gateway, &listener.tags).into_iter();
        let mut routes = routes.rev();
        let Some((route, to)) = routes.find_map(|route| Some((route, rule_of(&route.spec)?)))
        else {
            continue;
        };
        let connections = of_rule(input, route, to, &listener.tags, backends, findings);
        listener.connections.push(connections);
    }
}

/// The entry of `to` that counts: of several for the same, the last, as Kuma merges them.
fn rule_of(route: &MeshTcpRoute) -> Option<usize> {
    route.to.iter().rposition(|to| !to.rules.is_empty())
}

/// Whether any MeshTCPRoute is for what a sidecar sends to the service.
pub(super) fn any_is_for(input: Input<'_>, policies: &Policies<'_>, service: &Destination) -> bool {
    rule_for(input, policies, service).is_some()
}

/// The rule that counts for what a sidecar sends to a service: of several the one with the highest precedence.
fn rule_for<'a>(
    input: Input<'a>,
    policies: &Policies<'_>,
    service: &Destination,
) -> Option<(&'a Resource<MeshTcpRoute>, usize)> {
    let all = &input.resources.mesh_tcp_routes;
    let matched = policies.about(all, To::Destination(service));
    matched.into_iter().rev().find_map(|(route, entries)| {
        let mut entries = entries.into_iter().rev();
        let to = entries.find(|entry| {
            let to = route.spec.to.get(*entry);
            to.is_some_and(|to| !to.rules.is_empty() && service.is_named_by(&to.target_ref))
        })?;
        Some((route, to))
    })
}

/// Where the connections of an outbound go: to the backends of a MeshTCPRoute, or to the service itself.
pub(super) fn of_outbound(
    input: Input<'_>,
    policies: &Policies<'_>,
    to: &RouteTarget<'_>,
    backends: &mut Backends<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Connections {
    if let Some((route, index)) = rule_for(input, policies, to.service) {
        return of_rule(input, route, index, &Tags::default(), backends, findings);
    }
    Connections {
        tunnel: None,
        clusters: vec![WeightedCluster {
            cluster: to.cluster.to_owned(),
            weight: 1,
            changes: None,
        }],
        origin: to.origin.clone(),
    }
}

/// The backends of the first rule of an entry of `to`, which has one.
fn of_rule(
    input: Input<'_>,
    route: &Resource<MeshTcpRoute>,
    to: usize,
    listener: &Tags,
    backends: &mut Backends<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Connections {
    let path = Path::of("to").index(to).field("rules").index(0);
    let path = path.field("default").field("backendRefs");
    let rule = route.spec.to.get(to).and_then(|to| to.rules.first());
    let refs = rule.map_or(&[][..], |rule| &rule.conf.backend_refs);
    let clusters = refs.iter().enumerate().map(|(index, backend)| {
        let path = path.index(index).field("name");
        let destination = backends.route_destination(backend);
        if !backends.has_endpoint(&destination) {
            findings.push(missing(route, &path, &destination));
        }
        let origin = input.origin(route, &path);
        WeightedCluster {
            cluster: backends.cluster(&destination, listener, &origin),
            weight: backend.weight.unwrap_or(1),
            changes: None,
        }
    });
    Connections {
        tunnel: None,
        clusters: clusters.collect(),
        origin: input.origin(route, &path),
    }
}

/// Sends the connections of each listener of the port to the backends of all MeshGatewayRoutes that select it.
pub(super) fn attach_gateway_routes(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    port: &mut Port,
    backends: &mut Backends<'_>,
    findings: &mut Vec<Diagnostic>,
) {
    for listener in &mut port.listeners {
        for route in gateway_routes::of_listener(input, gateway, &listener.tags) {
            let conf = route.spec.conf.as_ref();
            let Some(tcp) = conf.and_then(|conf| conf.tcp.as_ref()) else {
                continue;
            };
            for (rule, entry) in tcp.rules.iter().enumerate() {
                let path = Path::of("conf.tcp.rules").index(rule);
                let clusters = entry.backends.iter().enumerate().map(|(index, backend)| {
                    let path = path.field("backends").index(index).field("destination");
                    if !backends.has_endpoint(&backend.destination) {
                        findings.push(missing(route, &path, &backend.destination));
                    }
                    let origin = input.origin(route, &path);
                    let destination = &backend.destination;
                    WeightedCluster {
                        cluster: backends.cluster(destination, &listener.tags, &origin),
                        weight: backend.weight,
                        changes: None,
                    }
                });
                listener.connections.push(Connections {
                    tunnel: None,
                    clusters: clusters.collect(),
                    origin: input.origin(route, &path),
                });
            }
        }
    }
}

fn missing<T>(route: &Resource<T>, path: &Path, destination: &Tags) -> Diagnostic {
    let message = format!("no Dataplane has the tags {destination}");
    route
        .warning(Code::MissingBackend, path, message)
        .help("connections to it are closed: add a Dataplane with an inbound that has these tags")
}
