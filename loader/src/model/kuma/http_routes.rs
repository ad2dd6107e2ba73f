//! `MeshHTTPRoute`s on the listeners of a port.

mod build;
mod merge;
mod outbound;
mod policies;

use std::collections::{HashMap, HashSet};

use policy::HostPattern;

use self::build::Builder;
pub(super) use self::outbound::{RouteTarget, any_is_for, routes as outbound_routes};
pub(super) use self::policies::Policies;
use super::backends::Backends;
use super::gateway_routes::no_route;
use super::paths;
use super::select::precedence;
use super::{Input, SERVICE_TAG};
use crate::diagnostic::Diagnostic;
use crate::model::{Listener, Port, VirtualHost, with_wider};
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::{Meta, Resource};

/// How a policy's `targetRef` reaches a listener, with the number of its tags.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rank {
    Mesh,
    MeshSubset(usize),
    MeshGateway(usize),
    MeshService,
}

/// The order of two policies that reach a listener; the greater one wins.
pub(super) fn order(rank: Rank, meta: &Meta) -> impl Ord + use<'_> {
    let (kind, tags) = match rank {
        Rank::Mesh => (0, 0),
        Rank::MeshSubset(tags) => (1, tags),
        Rank::MeshGateway(tags) => (2, tags),
        Rank::MeshService => (3, 0),
    };
    (kind, precedence(meta, tags))
}

/// Policies for sidecars only do not reach gateways.
pub(super) fn rank(
    target: Option<&TargetRef>,
    gateway: &Resource<MeshGateway>,
    listener: &Listener,
) -> Option<Rank> {
    let Some(target) = target else {
        return Some(Rank::Mesh);
    };
    let is_for_others = |types: &Vec<String>| !types.iter().any(|kind| kind == "Gateway");
    if target.proxy_types.as_ref().is_some_and(is_for_others) {
        return None;
    }
    let tags = target.tags.iter().len();
    let fits = listener.tags.matched_by(&target.tags);
    match target.kind.as_str() {
        "Mesh" => Some(Rank::Mesh),
        "MeshSubset" if fits => Some(Rank::MeshSubset(tags)),
        "MeshGateway" if fits && target.name == gateway.meta.name => Some(Rank::MeshGateway(tags)),
        "MeshService" if listener.tags.get(SERVICE_TAG) == Some(&target.name) => {
            Some(Rank::MeshService)
        }
        _ => None,
    }
}

/// Gives each listener of the port its virtual hosts.
///
/// A listener has one for each hostname of its rules, narrowed to the listener's own; hosts that belong to a narrower
/// listener of the port get none (Kuma `sortRulesToHosts` at 2.14.3, but with a right comparison of hostnames).
pub(super) fn attach<'a>(
    input: Input<'a>,
    policies: &Policies<'a, '_>,
    port: &mut Port,
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut narrower: HashSet<String> = HashSet::new();
    for listener in &mut port.listeners {
        let rules = merge::rules(&policies.of(listener), |_| true);
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
