//! `MeshGatewayRoute`s on the listeners of a port.

use std::collections::{BTreeMap, HashMap, HashSet};

use policy::{HostPattern, Tags};

use super::Input;
use super::backends::Backends;
use super::effects::{Effects, shares};
use super::paths::{self, RulePath};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Action, HeaderChanges, HeaderMatch, HeaderTest, HostRewrite, Mirror, Origin, PathRewrite, Port,
    QueryMatch, QueryTest, Redirect, Route, VirtualHost, with_wider,
};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::MeshGateway;
use crate::resources::kuma::mesh_gateway_route::{
    self, Backend, Filter, Header, HeaderFilter, HeaderMatchKind, HttpRoute, Match,
    MeshGatewayRoute, PathMatchKind, QueryMatchKind, Rewrite, Rule,
};
use crate::resources::list::sought;
use crate::source::Path;

/// What Kuma answers where a listener has no route for a host.
pub(super) const NO_ROUTE: &str = "This is a Kuma MeshGateway. No routes match this MeshGateway!\n";

/// Routes with their rules, in order of name: of two that are equally specific the first one serves.
type Attached<'a> = Vec<(&'a Resource<MeshGatewayRoute>, &'a HttpRoute)>;

/// The routes that attach to a listener of the gateway with these merged tags, in order of name.
pub(super) fn of_listener<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    tags: &Tags,
) -> Vec<&'a Resource<MeshGatewayRoute>> {
    let all = &input.resources.mesh_gateway_routes;
    let mesh = gateway.meta.mesh.as_str();
    let places = all.of(&sought(mesh, tags)).into_iter();
    let routes = places.filter_map(|place| all.get(place));
    let selects = |route: &Resource<MeshGatewayRoute>| {
        let mut selectors = route.spec.selectors.iter();
        selectors.any(|selector| tags.matched_by(&selector.tags))
    };
    let mut routes: Vec<_> = routes
        .filter(|route| route.meta.mesh == mesh && selects(route))
        .collect();
    routes.sort_by_key(|route| &route.meta.name);
    routes
}

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
                        port: port.number,
                        backends,
                        findings,
                    };
                    rules.extend(builder.rules(http));
                }
                VirtualHost::new(domain, paths::routes(rules), listener.origin.clone())
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
    let answer = Action::Respond {
        status: 404,
        body: NO_ROUTE.into(),
    };
    Route::new(answer, origin.clone())
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
    let mut hosts: Vec<(&str, HostPattern, Attached<'a>)> = port
        .listeners
        .iter()
        .map(|listener| {
            let routes = of_listener(input, gateway, &listener.tags).into_iter();
            let attached = routes
                .filter_map(|route| Some((route, route.spec.conf.as_ref()?.http.as_ref()?)))
                .filter(|(_, http)| takes(http, &listener.hostname));
            (
                listener.name.as_str(),
                listener.hostname.clone(),
                attached.collect(),
            )
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
    let mut seen: HashSet<HostPattern> = hosts.iter().map(|(_, host, _)| host.clone()).collect();
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, (host, _)) in named.iter().enumerate() {
        by_name.entry(host.to_string()).or_default().push(place);
        if seen.insert(host.clone()) {
            hosts.push((listener, host.clone(), Vec::new()));
        }
    }
    for (_, host, attached) in hosts.iter_mut() {
        let wider = with_wider(host).filter(|wider| wider != "*" || *host == HostPattern::Any);
        let mut places: Vec<_> = wider
            .filter_map(|name| by_name.get(&name))
            .flatten()
            .collect();
        places.sort_unstable();
        let entries = places.into_iter().filter_map(|place| named.get(*place));
        attached.extend(entries.map(|(_, entry)| *entry));
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
    port: u16,
    backends: &'b mut Backends<'a>,
    findings: &'b mut Vec<Diagnostic>,
}

impl Builder<'_, '_> {
    fn rules(&mut self, http: &HttpRoute) -> Vec<(RulePath, Route)> {
        let mut rules = Vec::new();
        for (index, rule) in http.rules.iter().enumerate() {
            let path = Path::of("conf.http.rules").index(index);
            let origin = self.input.origin(self.resource, &path);
            let route = self.effects(rule, &path, &origin).into_route(origin);
            rules.extend(rule.matches.iter().map(|m| matched(m, route.clone())));
        }
        rules
    }

    fn effects(&mut self, rule: &Rule, path: &Path, origin: &Origin) -> Effects {
        let mut clusters = Vec::with_capacity(rule.backends.len());
        for (index, backend) in rule.backends.iter().enumerate() {
            let path = path.field("backends").index(index);
            clusters.push((self.cluster(backend, &path, origin), backend.weight));
        }
        let mut effects = Effects {
            clusters: shares(clusters, true),
            ..Effects::default()
        };
        for (index, filter) in rule.filters.iter().enumerate() {
            let path = path.field("filters").index(index);
            self.filter(filter, &path, origin, &mut effects);
        }
        effects
    }

    /// One of the fields of a filter, in Kuma's order of them.
    fn filter(&mut self, filter: &Filter, path: &Path, origin: &Origin, effects: &mut Effects) {
        if let Some(redirect) = &filter.redirect {
            effects.redirect = Some(Redirect {
                status: u16::try_from(redirect.status_code).unwrap_or_default(),
                scheme: some(&redirect.scheme),
                host: some(&redirect.hostname),
                port: match u16::try_from(redirect.port) {
                    Ok(port) if port > 0 => port,
                    _ => self.port,
                },
                path: redirect.path.as_ref().and_then(path_rewrite),
                keeps_query: false,
            });
        } else if let Some(mirror) = &filter.mirror {
            let percent = mirror.percentage.unwrap_or_default();
            effects.mirror = mirror
                .backend
                .as_ref()
                .filter(|_| percent > 0.0)
                .map(|backend| Mirror {
                    cluster: self.cluster(backend, &path.field("mirror").field("backend"), origin),
                    percent,
                });
        } else if let Some(changes) = &filter.request_header {
            change(&mut effects.request_headers, changes);
        } else if let Some(changes) = &filter.response_header {
            change(&mut effects.response_headers, changes);
        } else if let Some(rewrite) = &filter.rewrite {
            effects.path = path_rewrite(rewrite);
            effects.host = rewrite
                .host_to_backend_hostname
                .then_some(HostRewrite::ToBackend);
        }
    }

    fn cluster(&mut self, backend: &Backend, path: &Path, origin: &Origin) -> String {
        let destination = &backend.destination;
        if let Some((message, help)) = self.backends.missing(destination) {
            self.findings.push(
                self.resource
                    .warning(Code::MissingBackend, &path.field("destination"), message)
                    .help(help),
            );
        }
        self.backends.cluster(destination, self.listener, origin)
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn path_rewrite(rewrite: &Rewrite) -> Option<PathRewrite> {
    let full = rewrite.replace_full.clone().map(PathRewrite::Full);
    full.or_else(|| {
        rewrite
            .replace_prefix_match
            .clone()
            .map(PathRewrite::Prefix)
    })
}

fn change(changes: &mut HeaderChanges, filter: &HeaderFilter) {
    let pairs = |headers: &[Header]| -> Vec<_> {
        let pairs = headers.iter();
        pairs.map(|h| (h.name.clone(), h.value.clone())).collect()
    };
    changes.set.extend(pairs(&filter.set));
    changes.add.extend(pairs(&filter.add));
    changes.remove.extend(filter.remove.iter().cloned());
}

/// The route for the requests of one match.
fn matched(m: &Match, route: Route) -> (RulePath, Route) {
    let path = match &m.path {
        None => RulePath::Prefix("/".to_owned()),
        Some(path) => match path.kind {
            PathMatchKind::Exact => RulePath::Exact(path.value.clone()),
            PathMatchKind::Prefix => RulePath::Prefix(path.value.clone()),
            PathMatchKind::Regex => RulePath::Regex(path.value.clone()),
        },
    };
    let header = |header: &mesh_gateway_route::HeaderMatch| {
        let value = header.value.clone();
        HeaderMatch {
            name: header.name.clone(),
            test: match header.kind {
                HeaderMatchKind::Exact => HeaderTest::Exact(value),
                HeaderMatchKind::Regex => HeaderTest::Regex(value),
                HeaderMatchKind::Present => HeaderTest::Present,
                HeaderMatchKind::Absent => HeaderTest::Absent,
            },
        }
    };
    let query = |query: &mesh_gateway_route::QueryMatch| QueryMatch {
        name: query.name.clone(),
        test: match query.kind {
            QueryMatchKind::Exact => QueryTest::Exact(query.value.clone()),
            QueryMatchKind::Regex => QueryTest::Regex(query.value.clone()),
        },
    };
    let route = Route {
        method: m.method.name().map(ToOwned::to_owned),
        headers: m.headers.iter().map(header).collect(),
        query: m.query_parameters.iter().map(query).collect(),
        ..route
    };
    (path, route)
}
