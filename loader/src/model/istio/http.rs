//! Virtual hosts from the VirtualServices of servers (`buildGatewayHTTPRouteConfig` in
//! `pilot/pkg/networking/core/gateway.go`, `BuildHTTPRoutesForVirtualService` in `core/route/route.go` at 1.32).

mod actions;
mod policies;
mod shadowed;

use policy::HostPattern;

use super::bindings::Binding;
use super::delegates::Match;
use super::matches;
use super::ports::Maker;
use super::servers::GatewayServer;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Route, VirtualHost};
use crate::resources::Resource;
use crate::resources::istio::claim;
use crate::resources::istio::http_route::{HttpMatch, HttpRoute};
use crate::resources::istio::virtual_service::VirtualService;
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
            // Whichever server the routes are from: there is one virtual host for the host.
            let known = hosts.iter_mut().find(|other| other.domain == domain);
            if let Some(known) = known {
                known.requires_tls = true;
            } else {
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
        shadows(maker, host);
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

fn unserved_host(binding: &Binding<'_>, host: &str) -> Diagnostic {
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
            if let Some(finding) = unserved_claim(maker, server, own) {
                maker.findings.push(finding);
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

/// Says which routes of other VirtualServices nothing gets to.
fn shadows(maker: &mut Maker<'_, '_>, host: &VirtualHost) {
    for one in shadowed::of(host) {
        let mut services = maker.input.resources.istio.virtual_services.iter();
        let is_one =
            |service: &&Resource<VirtualService>| service.meta.to_string() == one.route.resource;
        let Some(service) = services.find(is_one) else {
            continue;
        };
        let mut finding = service.warning(Code::UnreachableRule, &Path::root(), one.message(host));
        finding.span = maker.input.sources.line(&one.route.file, one.route.line);
        // One host is enough to see it.
        let mut said = maker.findings.iter();
        if said.any(|other| other.code == finding.code && other.span == finding.span) {
            continue;
        }
        if let Some(span) = maker.input.sources.line(&one.by.file, one.by.line) {
            finding = finding.also(span, "this one");
        }
        let help = "Istio puts the older VirtualService first, then the first by name: write both into one, in the order \
                    that is meant";
        maker.findings.push(finding.help(help));
    }
}

/// What keeps a match of claims from being served: without it the route would take other requests.
fn unserved_claim(
    maker: &Maker<'_, '_>,
    server: &GatewayServer<'_>,
    own: &Match<'_>,
) -> Option<Diagnostic> {
    for (field, name) in claims(&own.matched) {
        let path = own.path.field(field).key(name);
        if !maker.knows_claims {
            let message = format!(
                "The virtual service uses the JWT claim based routing (key: {name}) but found no request authentication \
                 for the gateway ({}/{}) pod ({}). The request authentication must first be applied for the gateway pods \
                 to validate the JWT token and make the claims available for routing. [IST0149]",
                server.gateway.meta.namespace(),
                server.gateway.meta.name,
                maker.workload.name,
            );
            return Some(
                own.service
                    .error(Code::ClaimWithoutAuthentication, &path, message),
            );
        }
        if claim(name).is_some_and(|way| way.iter().any(String::is_empty)) {
            let message = format!("{name}: a name on the way to the claim is empty");
            let finding = own.service.error(Code::UnnamedClaim, &path, message);
            return Some(finding.help("write `@request.auth.claims[group][id]`"));
        }
    }
    None
}

/// The headers of a match that are claims of a token, with their fields.
fn claims(matched: &HttpMatch) -> impl Iterator<Item = (&'static str, &String)> {
    let headers = matched.headers.keys().map(|name| ("headers", name));
    let without = matched.without_headers.keys();
    let all = headers.chain(without.map(|name| ("withoutHeaders", name)));
    all.filter(|(_, name)| claim(name).is_some())
}

/// `<route>[.<match>]`.
fn name(entry: &HttpRoute, matched: &str) -> String {
    match matched {
        "" => entry.name.clone(),
        matched => format!("{}.{matched}", entry.name),
    }
}
