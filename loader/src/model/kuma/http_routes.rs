//! `MeshHTTPRoute`s on the listeners of a port.

mod build;
mod merge;
mod outbound;

use std::collections::{HashMap, HashSet};

use policy::HostPattern;

use self::build::Builder;
use self::merge::Entries;
pub(super) use self::outbound::{RouteTarget, any_is_for, routes as outbound_routes};
use super::Input;
use super::backends::Backends;
use super::gateway_routes::no_route;
use super::paths;
use super::policies::{Policies, Side};
use crate::diagnostic::Diagnostic;
use crate::model::{Listener, Port, VirtualHost, with_wider};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;

/// The policies for a listener of a gateway, the one that wins last, with all their entries.
fn of_listener<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    listener: &Listener,
) -> Vec<Entries<'a>> {
    let policies = Policies::new(input.resources, Side::Gateway(gateway), &listener.tags);
    let matched = policies
        .matched(&input.resources.mesh_http_routes)
        .into_iter();
    matched
        .map(|route| (route, (0..route.spec.to.len()).collect()))
        .collect()
}

/// Whether any policy is for any listener of the gateway.
pub(super) fn any_attaches(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    ports: &[Port],
) -> bool {
    let mut listeners = ports.iter().flat_map(|port| &port.listeners);
    listeners.any(|listener| !of_listener(input, gateway, listener).is_empty())
}

/// Gives each listener of the port its virtual hosts.
///
/// A listener has one for each hostname of its rules, narrowed to the listener's own; hosts that belong to a narrower
/// listener of the port get none (Kuma `sortRulesToHosts` at 2.14.3, but with a right comparison of hostnames).
pub(super) fn attach<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    port: &mut Port,
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut narrower: HashSet<String> = HashSet::new();
    for listener in &mut port.listeners {
        let rules = merge::rules(&of_listener(input, gateway, listener));
        let mut domains: Vec<HostPattern> = Vec::new();
        let mut seen: HashSet<&HostPattern> = HashSet::new();
        let mut by_host: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, (host, _)) in rules.iter().enumerate() {
            by_host.entry(host.to_string()).or_default().push(place);
            if let Some(domain) = host.intersect(&listener.hostname)
                && seen.insert(domain)
                && !with_wider(domain).any(|wider| narrower.contains(&wider))
            {
                domains.push(domain.clone());
            }
        }
        domains.sort_by(|a, b| a.exactness_order().cmp(&b.exactness_order()));
        let mut hosts = Vec::with_capacity(domains.len());
        for domain in &domains {
            let containing = with_wider(domain).filter_map(|wider| by_host.get(&wider));
            let mut containing: Vec<usize> = containing.flatten().copied().collect();
            containing.sort_unstable();
            let own = containing.into_iter();
            let mut own: Vec<_> = own.filter_map(|place| rules.get(place)).collect();
            own.sort_by(|(a, _), (b, _)| a.exactness_order().cmp(&b.exactness_order()));
            let routes = own
                .into_iter()
                .flat_map(|(_, rule)| {
                    let mut builder = Builder {
                        input,
                        listener: &listener.tags,
                        port: port.number,
                        backends,
                        otherwise: None,
                        findings,
                    };
                    builder.routes(rule)
                })
                .collect();
            hosts.push(VirtualHost::new(
                domain.clone(),
                paths::routes(routes),
                listener.origin.clone(),
            ));
        }
        if hosts.is_empty() {
            // Kuma makes no virtual host here, and waits for one; its older kind of routes answers like this.
            hosts.push(VirtualHost::new(
                listener.hostname.clone(),
                vec![no_route(&listener.origin)],
                listener.origin.clone(),
            ));
        }
        listener.virtual_hosts = hosts;
        narrower.insert(listener.hostname.to_string());
    }
}
