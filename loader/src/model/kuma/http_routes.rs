//! `MeshHTTPRoute`s on the listeners of a port.

use std::cmp::Reverse;

use policy::{HostPattern, Tags};

use super::backends::Backends;
use super::gateway_routes::no_route;
use super::paths::{self, RulePath};
use super::{Input, SERVICE_TAG, of_mesh};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::policy::RoutePolicy;
use crate::model::{
    Action, Listener, Origin, PathMatch, Port, Route, VirtualHost, WeightedCluster,
};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_http_route::{BackendRef, Match, MeshHttpRoute, Rule};
use crate::source::Path;

/// Whether any MeshHTTPRoute is for any listener of the gateway.
pub(super) fn any_attaches(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    ports: &[Port],
) -> bool {
    let listeners = || ports.iter().flat_map(|port| &port.listeners);
    of_mesh(&input.resources.mesh_http_routes, &gateway.meta.mesh)
        .any(|route| listeners().any(|listener| rank(route, gateway, listener).is_some()))
}

/// How a policy's `targetRef` reaches a listener; the greater rank wins where two policies say different things.
///
/// First by kind, then by the number of tags (Kuma `pkg/plugins/policies/core/rules` at 2.14.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Mesh,
    MeshSubset(usize),
    MeshGateway(usize),
    MeshService,
}

fn rank(
    route: &Resource<MeshHttpRoute>,
    gateway: &Resource<MeshGateway>,
    listener: &Listener,
) -> Option<Rank> {
    let Some(target) = &route.spec.target_ref else {
        return Some(Rank::Mesh);
    };
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

/// A rule with the host that it is for.
#[derive(Clone, Copy)]
struct HostRule<'a> {
    resource: &'a Resource<MeshHttpRoute>,
    to: usize,
    index: usize,
    rule: &'a Rule,
}

/// Gives each listener of the port its virtual hosts.
///
/// A listener has one for each hostname of its rules, narrowed to the listener's own; hosts that belong to a narrower
/// listener of the port get none (Kuma `sortRulesToHosts` at 2.14.3, but with a right comparison of hostnames).
pub(super) fn attach(
    input: Input<'_>,
    gateway: &Resource<MeshGateway>,
    port: &mut Port,
    backends: &mut Backends<'_>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut narrower: Vec<HostPattern> = Vec::new();
    for listener in &mut port.listeners {
        let rules = rules_of(input, gateway, listener);
        let mut domains: Vec<HostPattern> = Vec::new();
        for (host, _) in &rules {
            if let Some(domain) = host.intersect(&listener.hostname)
                && !domains.contains(domain)
                && !narrower.iter().any(|other| other.contains(domain))
            {
                domains.push(domain.clone());
            }
        }
        domains.sort_by(|a, b| a.exactness_order().cmp(&b.exactness_order()));
        let mut hosts = Vec::with_capacity(domains.len());
        for domain in &domains {
            let mut own: Vec<_> = rules
                .iter()
                .filter(|(host, _)| host.contains(domain))
                .collect();
            own.sort_by(|(a, _), (b, _)| a.exactness_order().cmp(&b.exactness_order()));
            let routes = own
                .into_iter()
                .flat_map(|(_, rule)| build(input, *rule, &listener.tags, backends, findings))
                .collect();
            hosts.push(VirtualHost {
                domain: domain.clone(),
                routes: paths::routes(routes),
                origin: listener.origin.clone(),
            });
        }
        if hosts.is_empty() {
            // Kuma makes no virtual host here, and waits for one; its older kind of routes answers like this.
            hosts.push(VirtualHost {
                domain: listener.hostname.clone(),
                routes: vec![no_route(&listener.origin)],
                origin: listener.origin.clone(),
            });
        }
        listener.virtual_hosts = hosts;
        narrower.push(listener.hostname.clone());
    }
}

/// The rules for a listener with their hosts. Rules for the same requests of the same host are merged: the
/// policy with the greater rank wins, of equal ones the first by name.
fn rules_of<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    listener: &Listener,
) -> Vec<(HostPattern, HostRule<'a>)> {
    let mut policies: Vec<_> = of_mesh(&input.resources.mesh_http_routes, &gateway.meta.mesh)
        .filter_map(|route| Some((rank(route, gateway, listener)?, route)))
        .collect();
    policies.sort_by_key(|(rank, route)| (*rank, Reverse(&route.meta.name)));
    let mut rules: Vec<(HostPattern, HostRule<'a>)> = Vec::new();
    for (_, resource) in policies {
        for (to, entry) in resource.spec.to.iter().enumerate() {
            let any = [String::new()];
            let hostnames = if entry.hostnames.is_empty() {
                &any[..]
            } else {
                &entry.hostnames
            };
            for host in hostnames.iter().filter_map(|name| name.parse().ok()) {
                for (index, rule) in entry.rules.iter().enumerate() {
                    let new = HostRule {
                        resource,
                        to,
                        index,
                        rule,
                    };
                    let same = |(other, old): &&mut (HostPattern, HostRule<'a>)| {
                        *other == host && old.rule.matches == rule.matches
                    };
                    match rules.iter_mut().find(same) {
                        Some((_, old)) => *old = new,
                        None => rules.push((host.clone(), new)),
                    }
                }
            }
        }
    }
    rules
}

fn build(
    input: Input<'_>,
    rule: HostRule<'_>,
    listener: &Tags,
    backends: &mut Backends<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<(RulePath, Route)> {
    let path = Path::of("to")
        .index(rule.to)
        .field("rules")
        .index(rule.index);
    let origin = input.origin(rule.resource, &path);
    let refs = rule.rule.conf.backend_refs.as_deref().unwrap_or_default();
    let clusters = refs.iter().enumerate().map(|(index, backend)| {
        let destination = destination(backend);
        if !backends.has_endpoint(&destination) {
            let path = path.field("default").field("backendRefs").index(index);
            let message = format!("no Dataplane has the tags {destination}");
            findings.push(
                rule.resource
                    .warning(Code::MissingBackend, &path.field("name"), message)
                    .help("requests to it get 503: add a Dataplane with an inbound that has these tags"),
            );
        }
        WeightedCluster {
            cluster: backends.cluster(&destination, listener, &origin),
            weight: backend.weight.unwrap_or(1),
        }
    });
    let action = Action::Forward(clusters.collect());
    let route = |m: &Match| (rule_path(m), route(&action, &origin));
    rule.rule.matches.iter().map(route).collect()
}

fn route(action: &Action, origin: &Origin) -> Route {
    Route {
        path: PathMatch::Prefix("/".to_owned()),
        action: action.clone(),
        policy: RoutePolicy::default(),
        origin: origin.clone(),
    }
}

/// The tags that a reference to a legacy service means: its name, and more for `MeshServiceSubset`.
fn destination(backend: &BackendRef) -> Tags {
    let mut tags = backend.tags.clone();
    tags.insert(SERVICE_TAG, &backend.name);
    tags
}

fn rule_path(m: &Match) -> RulePath {
    match &m.path {
        None => RulePath::Prefix("/".to_owned()),
        Some(path) => match path.kind.as_str() {
            "Exact" => RulePath::Exact(path.value.clone()),
            "RegularExpression" => RulePath::Regex(path.value.clone()),
            _ => RulePath::Prefix(path.value.clone()),
        },
    }
}
