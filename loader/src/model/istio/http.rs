//! Virtual hosts from the VirtualServices of servers (`buildGatewayHTTPRouteConfig` in
//! `pilot/pkg/networking/core/gateway.go`, `BuildHTTPRoutesForVirtualService` in `core/route/route.go` at 1.32).

mod actions;
mod policies;

use policy::HostPattern;

use super::bindings::Binding;
use super::delegates::Match;
use super::matches;
use super::ports::Maker;
use super::servers::GatewayServer;
use crate::diagnostic::Code;
use crate::model::{Route, VirtualHost};
use crate::resources::istio::http_route::HttpRoute;
use crate::source::Path;

/// The virtual hosts of servers that share a route table.
///
/// Of one host the routes of all VirtualServices follow each other in their order; only those that take every request
/// come last.
pub(super) fn virtual_hosts<'a>(
    maker: &mut Maker<'a, '_>,
    servers: &[GatewayServer<'a>],
) -> Vec<VirtualHost> {
    let bindings = maker.bindings;
    let mut hosts: Vec<VirtualHost> = Vec::new();
    for server in servers {
        for binding in bindings.of(server) {
            let bound = binding.hosts_at(server);
            if bound.is_empty() || binding.http.is_empty() {
                continue;
            }
            let routes = routes(maker, binding, server);
            for host in bound {
                let Ok(domain) = host.parse::<HostPattern>() else {
                    maker.findings.push(unserved_host(binding, &host));
                    continue;
                };
                let known = hosts.iter().position(|other| other.domain == domain);
                let virtual_host = match known.and_then(|index| hosts.get_mut(index)) {
                    Some(known) => known,
                    None => {
                        let path = Path::of("hosts");
                        let origin = maker.input.origin(binding.service, &path);
                        hosts.push(named(server, domain, origin));
                        let Some(last) = hosts.last_mut() else {
                            continue;
                        };
                        last
                    }
                };
                virtual_host.routes.extend(routes.iter().cloned());
                virtual_host.requires_tls |= server.redirects();
            }
        }
    }
    for server in servers.iter().filter(|server| server.redirects()) {
        for (index, host) in server.hosts().iter().enumerate() {
            let Ok(domain) = host.host.parse::<HostPattern>() else {
                continue;
            };
            if !hosts.iter().any(|other| other.domain == domain) {
                let path = server.path().field("hosts").index(index);
                let origin = maker.input.origin(server.gateway, &path);
                hosts.push(VirtualHost {
                    requires_tls: true,
                    ..named(server, domain, origin)
                });
            }
        }
    }
    for host in &mut hosts {
        host.routes.sort_by_key(matches::takes_all);
    }
    hosts
}

/// `<host>:<port of the server>`, as Istio has it.
fn named(
    server: &GatewayServer<'_>,
    domain: HostPattern,
    origin: crate::model::Origin,
) -> VirtualHost {
    VirtualHost {
        name: format!("{domain}:{}", server.number),
        ..VirtualHost::new(domain, Vec::new(), origin)
    }
}

fn unserved_host(binding: &Binding<'_>, host: &str) -> crate::diagnostic::Diagnostic {
    let service = binding.service;
    let index = binding.hosts.iter().position(|own| own == host);
    let path = Path::of("hosts").index(index.unwrap_or_default());
    let message = format!("`{host}` is not served: a wildcard is `*` or `*.` and a name");
    service.error(Code::NotServedField, &path, message)
}

/// The routes of a VirtualService at a server, up to the first one that takes every request.
fn routes<'a>(
    maker: &mut Maker<'a, '_>,
    binding: &Binding<'a>,
    server: &GatewayServer<'a>,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for entry in &binding.http {
        let taken = entry.matches.iter();
        let taken = taken.filter(|own| matches::serves(own, server, maker.workload));
        let taken: Vec<_> = taken.collect();
        if !entry.matches.is_empty() && taken.is_empty() {
            continue;
        }
        let Some(base) = actions::route(maker, entry, server) else {
            continue;
        };
        if entry.matches.is_empty() {
            routes.push(base);
            return routes;
        }
        for own in taken {
            let Match {
                service,
                path,
                matched,
            } = own;
            if let Some(claim) = claim(matched.headers.keys().chain(matched.without_headers.keys()))
            {
                let message = format!("`{claim}`: claims of tokens are not served");
                let path = path.field("headers");
                maker
                    .findings
                    .push(service.error(Code::NotServedField, &path, message));
                continue;
            }
            let mut route = base.clone();
            matches::narrow(&mut route, matched);
            route.origin = maker.input.origin(service, path);
            route.name = name(&entry.route, &matched.name);
            route.stat_prefix.clone_from(&matched.stat_prefix);
            let is_last = matches::takes_all(&route);
            routes.push(route);
            if is_last {
                return routes;
            }
        }
    }
    routes
}

/// Headers of this name are claims of a token, for which Istio needs a `RequestAuthentication`.
fn claim<'k>(mut names: impl Iterator<Item = &'k String>) -> Option<&'k String> {
    names.find(|name| name.starts_with("@request.auth.claims"))
}

/// `<route>[.<match>]`.
fn name(entry: &HttpRoute, matched: &str) -> String {
    match matched {
        "" => entry.name.clone(),
        matched => format!("{}.{matched}", entry.name),
    }
}
