//! `MeshGatewayRoute`s on the listeners of a port.

use std::collections::BTreeMap;

use policy::{HostPattern, Tags};

use super::backends::Backends;
use super::paths::{self, RulePath};
use super::{Input, of_mesh, routes_attach};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::policy::RoutePolicy;
use crate::model::{Action, Origin, PathMatch, Port, Route, VirtualHost, WeightedCluster};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_gateway_route::{
    Backend, HttpRoute, MeshGatewayRoute, PathMatchKind, Rule,
};
use crate::source::Path;

/// What Kuma answers where a listener has no route for a host.
pub(super) const NO_ROUTE: &str = "This is a Kuma MeshGateway. No routes match this MeshGateway!\n";

/// Routes with their rules, in order of name: of two that are equally specific the first one serves.
type Attached<'a> = Vec<(&'a Resource<MeshGatewayRoute>, &'a HttpRoute)>;

/// Gives each listener of the port its virtual hosts.
pub(super) fn attach<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    port: &mut Port,
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut hosts = virtual_hosts(input, gateway, port);
    for listener in &mut port.listeners {
        let own = hosts.remove(&listener.name).unwrap_or_default();
        listener.virtual_hosts = own
            .into_iter()
            .map(|(domain, routes)| {
                let mut rules = Vec::new();
                for (resource, http) in &routes {
                    let mut builder = Builder {
                        input,
                        resource,
                        listener: &listener.tags,
                        backends,
                        findings,
                    };
                    rules.extend(builder.rules(http));
                }
                VirtualHost {
                    domain,
                    routes: paths::routes(rules),
                    origin: listener.origin.clone(),
                }
            })
            .collect();
    }
    for listener in &mut port.listeners {
        for host in &mut listener.virtual_hosts {
            if host.routes.is_empty() {
                host.routes.push(no_route(&listener.origin));
            }
        }
    }
}

/// The answer for a virtual host without routes.
pub(super) fn no_route(origin: &Origin) -> Route {
    Route {
        path: PathMatch::Prefix("/".to_owned()),
        action: Action::Respond {
            status: 404,
            body: NO_ROUTE.to_owned(),
        },
        policy: RoutePolicy::default(),
        origin: origin.clone(),
    }
}

/// Which routes go to which virtual host of which listener (Kuma `MakeGatewayListener` and
/// `RedistributeWildcardRoutes` at 2.14.3).
///
/// A listener with a hostname has one virtual host, of that name. On a listener for all hosts each hostname of a route
/// makes a virtual host of its own, unless another listener of the port has that name: then the route goes there.
fn virtual_hosts<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    port: &Port,
) -> BTreeMap<String, Vec<(HostPattern, Attached<'a>)>> {
    let mut all: Vec<_> = of_mesh(&input.resources.mesh_gateway_routes, &gateway.meta.mesh)
        .filter_map(|route| Some((route, route.spec.conf.as_ref()?.http.as_ref()?)))
        .collect();
    all.sort_by_key(|(route, _)| &route.meta.name);
    let mut hosts: Vec<(&str, HostPattern, Attached<'a>)> = port
        .listeners
        .iter()
        .map(|listener| {
            let attached = all
                .iter()
                .filter(|(route, http)| {
                    routes_attach(&route.spec.selectors, &listener.tags)
                        && takes(http, &listener.hostname)
                })
                .copied()
                .collect();
            (listener.name.as_str(), listener.hostname.clone(), attached)
        })
        .collect();
    if let Some(any) = hosts
        .iter()
        .position(|(_, host, _)| *host == HostPattern::Any)
    {
        redistribute(&mut hosts, any);
    }
    let mut by_listener: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (listener, host, mut routes) in hosts {
        routes.sort_by_key(|(route, _)| &route.meta.name);
        routes.dedup_by_key(|(route, _)| std::ptr::from_ref(*route));
        by_listener
            .entry(listener.to_owned())
            .or_default()
            .push((host, routes));
    }
    by_listener
}

/// Moves the routes with hostnames from the host `any` to hosts of those names, and routes for wildcards also to the
/// hosts below them.
fn redistribute(hosts: &mut Vec<(&str, HostPattern, Attached<'_>)>, any: usize) {
    let listener = hosts[any].0;
    let routes = std::mem::take(&mut hosts[any].2);
    let named: Vec<_> = routes
        .iter()
        .flat_map(|entry| hostnames(entry.1).map(move |host| (host, *entry)))
        .collect();
    for (host, _) in &named {
        if hosts.iter().all(|(_, other, _)| other != host) {
            hosts.push((listener, host.clone(), Vec::new()));
        }
    }
    for (_, host, attached) in hosts.iter_mut() {
        for (name, entry) in &named {
            let is_for_all = *name == HostPattern::Any;
            if name == host || !is_for_all && name.contains(host) {
                attached.push(*entry);
            }
        }
    }
    let without_names = routes.iter().filter(|(_, http)| http.hostnames.is_empty());
    hosts[any].2.extend(without_names);
}

/// Whether a route is for some hosts of a listener.
fn takes(http: &HttpRoute, listener: &HostPattern) -> bool {
    http.hostnames.is_empty() || hostnames(http).any(|host| host.intersect(listener).is_some())
}

/// The hostnames that are some; validation has named the others.
fn hostnames(http: &HttpRoute) -> impl Iterator<Item = HostPattern> {
    http.hostnames.iter().filter_map(|name| name.parse().ok())
}

struct Builder<'a, 'b> {
    input: Input<'a>,
    resource: &'a Resource<MeshGatewayRoute>,
    listener: &'b Tags,
    backends: &'b mut Backends<'a>,
    findings: &'b mut Vec<Diagnostic>,
}

impl Builder<'_, '_> {
    fn rules(&mut self, http: &HttpRoute) -> Vec<(RulePath, Route)> {
        let mut rules = Vec::new();
        for (index, rule) in http.rules.iter().enumerate() {
            let path = Path::of("conf.http.rules").index(index);
            let origin = self.input.origin(self.resource, &path);
            let action = self.action(rule, &path, &origin);
            rules.extend(rule.matches.iter().map(|m| {
                let rule_path = match &m.path {
                    None => RulePath::Prefix("/".to_owned()),
                    Some(path) => match path.kind {
                        PathMatchKind::Exact => RulePath::Exact(path.value.clone()),
                        PathMatchKind::Prefix => RulePath::Prefix(path.value.clone()),
                        PathMatchKind::Regex => RulePath::Regex(path.value.clone()),
                    },
                };
                let route = Route {
                    path: PathMatch::Prefix("/".to_owned()),
                    action: action.clone(),
                    policy: RoutePolicy::default(),
                    origin: origin.clone(),
                };
                (rule_path, route)
            }));
        }
        rules
    }

    fn action(&mut self, rule: &Rule, path: &Path, origin: &Origin) -> Action {
        // The default of a protobuf number: of several backends without weights none would get a share, so they share
        // evenly, as one backend without weight gets all (Kuma leaves the sum at 0, which Envoy refuses).
        let all_without_weight = rule.backends.iter().all(|backend| backend.weight == 0);
        let backends = rule.backends.iter().enumerate();
        Action::Forward(
            backends
                .map(|(index, backend)| {
                    self.check(backend, &path.field("backends").index(index));
                    WeightedCluster {
                        cluster: self
                            .backends
                            .cluster(&backend.destination, self.listener, origin),
                        weight: if all_without_weight {
                            1
                        } else {
                            backend.weight
                        },
                    }
                })
                .collect(),
        )
    }

    fn check(&mut self, backend: &Backend, path: &Path) {
        if !self.backends.has_endpoint(&backend.destination) {
            let message = format!("no Dataplane has the tags {}", backend.destination);
            self.findings.push(
                self.resource
                    .warning(Code::MissingBackend, &path.field("destination"), message)
                    .help("requests to it get 503: add a Dataplane with an inbound that has these tags"),
            );
        }
    }
}
