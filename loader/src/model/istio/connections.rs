//! Where connections go: routes for TLS that is passed through, and for everything else.
//!
//! Of all VirtualServices for a server without SNI the first one with a route serves, alone (`buildGatewayNetworkFilters`
//! in `pilot/pkg/networking/core/gateway.go` at 1.32).

use std::collections::HashSet;
use std::time::Duration;

use policy::HostPattern;

use super::auto_passthrough;
use super::bindings::Binding;
use super::ports::Maker;
use super::server_hosts::ServerHosts;
use super::servers::{GatewayServer, Slot};
use crate::diagnostic::Code;
use crate::model::{Connections, Listener, WeightedCluster};
use crate::resources::istio::gateway::TlsMode;
use crate::resources::istio::virtual_service::{RouteDestination, TlsMatch};
use crate::source::Path;

/// Where connections go, and how long they may be silent (`buildOutboundNetworkFilters` in
/// `pilot/pkg/networking/core/networkfilter.go` at 1.32).
pub(super) struct To {
    pub(super) connections: Connections,
    pub(super) idle: Option<Duration>,
}

/// The listeners of a server that takes TLS connections: one for each match where they are passed through, one for all
/// where TLS ends here. A SNI that is taken already is left to the first; more are taken then.
pub(super) fn by_sni<'a>(
    maker: &mut Maker<'a, '_>,
    slot: &Slot<'a>,
    server: &GatewayServer<'a>,
    taken: &mut HashSet<HostPattern>,
) -> Vec<Listener> {
    if server.mode().terminates() {
        let made = terminated(maker, slot, server);
        taken.extend(made.iter().flat_map(Listener::hostnames).cloned());
        return made.into_iter().collect();
    }
    if server.mode() == TlsMode::AutoPassthrough {
        return auto_passthrough::listeners(maker, server, taken);
    }
    let (bindings, hosts) = (maker.bindings, ServerHosts::new(server.hosts()));
    let mut made: Vec<Listener> = Vec::new();
    for binding in bindings.of(server).filter(|binding| binding.meets(&hosts)) {
        for (index, route) in binding.service.spec.tls.iter().enumerate() {
            let path = Path::of("tls").index(index);
            for (at, matched) in route.matches.iter().enumerate() {
                if !serves(binding, matched, server) {
                    continue;
                }
                let path_of_match = path.field("match").index(at);
                let hostnames = sni_hosts(maker, binding, matched, &path_of_match, taken);
                if hostnames.is_empty() {
                    continue;
                }
                let to = destinations(maker, binding, &route.route, &path, server);
                let name = format!(
                    "{}/{}",
                    server.gateway.meta.name,
                    matched.sni_hosts.join(",")
                );
                taken.extend(hostnames.iter().cloned());
                let listener = maker.connections(name, server, hostnames, to);
                made.extend(listener.map(|listener| Listener {
                    passes_tls: true,
                    origin: maker.input.origin(binding.service, &path_of_match),
                    ..listener
                }));
            }
        }
    }
    made
}

fn sni_hosts(
    maker: &mut Maker<'_, '_>,
    binding: &Binding<'_>,
    entry: &TlsMatch,
    path: &Path,
    taken: &HashSet<HostPattern>,
) -> Vec<HostPattern> {
    let mut hostnames = Vec::new();
    let mut seen = HashSet::new();
    for (index, host) in entry.sni_hosts.iter().enumerate() {
        let path = path.field("sniHosts").index(index);
        let pattern = host.parse::<HostPattern>();
        let message = match pattern {
            Ok(pattern) if !taken.contains(&pattern) => {
                if seen.insert(pattern.clone()) {
                    hostnames.push(pattern);
                }
                continue;
            }
            Ok(_) => format!("connections for {host} on this port go elsewhere already"),
            Err(why) => format!("`{host}` is not served: Envoy takes no such SNI: {why}"),
        };
        let finding = binding.service.warning(Code::Sidelined, &path, message);
        maker.findings.push(finding);
    }
    hostnames
}

fn terminated<'a>(
    maker: &mut Maker<'a, '_>,
    slot: &Slot<'a>,
    server: &GatewayServer<'a>,
) -> Option<Listener> {
    let connections = of_tcp(maker, server)?;
    let hostnames: Vec<HostPattern> = server
        .host_names()
        .iter()
        .filter_map(|host| host.parse().ok())
        .collect();
    let mut listener =
        maker.connections(slot.route_table(server), server, hostnames, connections)?;
    maker.terminate(server, &mut listener);
    Some(listener)
}

/// Where the connections of a server go, if anywhere.
pub(super) fn of_tcp<'a>(maker: &mut Maker<'a, '_>, server: &GatewayServer<'a>) -> Option<To> {
    let (bindings, hosts) = (maker.bindings, ServerHosts::new(server.hosts()));
    for (binding, index, route) in bindings.tcp(server) {
        let is_meant = route.matches.is_empty()
            || route.matches.iter().any(|entry| {
                is_port(entry.port, server)
                    && (entry.gateways.is_empty() || binding.entry_serves(&entry.gateways, server))
            });
        if is_meant && !route.route.is_empty() && binding.meets(&hosts) {
            let path = Path::of("tcp").index(index);
            return Some(destinations(maker, binding, &route.route, &path, server));
        }
    }
    None
}

fn serves(binding: &Binding<'_>, matched: &TlsMatch, server: &GatewayServer<'_>) -> bool {
    is_port(matched.port, server)
        && (matched.gateways.is_empty() || binding.entry_serves(&matched.gateways, server))
}

/// Ports of matches are those of servers; none is any.
fn is_port(port: u32, server: &GatewayServer<'_>) -> bool {
    port == 0 || port == u32::from(server.number)
}

fn destinations<'a>(
    maker: &mut Maker<'a, '_>,
    binding: &Binding<'a>,
    route: &'a [RouteDestination],
    path: &Path,
    server: &GatewayServer<'a>,
) -> To {
    let only = route.len() == 1;
    let mut clusters = Vec::new();
    let mut idle = None;
    let mut tunnel = None;
    for (index, entry) in route.iter().enumerate() {
        let Some(destination) = &entry.destination else {
            continue;
        };
        let weight = u32::try_from(entry.weight).unwrap_or_default();
        if weight == 0 && !only {
            continue;
        }
        let path = path.field("route").index(index).field("destination");
        let cluster = maker.clusters.of(
            destination,
            binding.service,
            &path,
            server.number,
            maker.findings,
        );
        // Of several destinations the first one's rules hold for all, as in Istio.
        let tunnels = cluster.calls.tunnels;
        if index == 0 {
            idle = cluster.calls.idle;
            tunnel = if only {
                tunnels.alone
            } else {
                tunnels.among_others
            };
        } else if tunnels.among_others != tunnel {
            let message = "of several destinations the first one's tunnel is for all";
            let finding = binding
                .service
                .warning(Code::TunnelWithoutEffect, &path, message);
            maker.findings.push(finding);
        }
        clusters.push(WeightedCluster {
            cluster: cluster.name,
            weight: if only { 1 } else { weight },
            changes: None,
        });
    }
    let connections = Connections {
        tunnel,
        clusters,
        origin: maker.input.origin(binding.service, path),
    };
    To { connections, idle }
}
