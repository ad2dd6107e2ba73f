//! Virtual hosts from the VirtualServices of servers (`buildGatewayHTTPRouteConfig` in
//! `pilot/pkg/networking/core/gateway.go`, `BuildHTTPRoutesForVirtualService` in `core/route/route.go` at 1.32).

mod actions;
mod policies;
mod shadowed;

use std::collections::HashMap;

use policy::HostPattern;

pub(super) use self::shadowed::Shadows;

use super::bindings::Binding;
use super::delegates::Match;
use super::matches;
use super::ports::Maker;
use super::server_hosts::ServerHosts;
use super::servers::GatewayServer;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Route, VirtualHost};
use crate::resources::istio::claim;
use crate::resources::istio::http_route::{HttpMatch, HttpRoute};
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
    let mut known: HashMap<(HostPattern, Option<String>), usize> = HashMap::new();
    for server in servers {
        let at_server = ServerHosts::new(server.hosts());
        for binding in bindings.of(server) {
            let bound = binding.hosts_at(&at_server);
            if bound.is_empty() || binding.http.is_empty() {
                continue;
            }
            let routes = routes(maker, binding, server);
            for host in bound {
                let Some((domain, ending)) = domain_of(&host) else {
                    maker.findings.push(unserved_host(binding, &host));
                    continue;
                };
                let place = known
                    .entry((domain, ending))
                    .or_insert_with_key(|(domain, ending)| {
                        let origin = maker.input.origin(binding.service, &Path::of("hosts"));
                        hosts.push(named(server, domain.clone(), ending.clone(), origin));
                        hosts.len() - 1
                    });
                if let Some(virtual_host) = hosts.get_mut(*place) {
                    virtual_host.routes.extend(routes.iter().cloned());
                    virtual_host.requires_tls |= server.redirects();
                }
            }
        }
    }
    for server in servers.iter().filter(|server| server.redirects()) {
        for (index, host) in server.hosts().iter().enumerate() {
            let Ok(domain) = host.host.parse::<HostPattern>() else {
                continue;
            };
            // Whichever server the routes are from: there is one virtual host for the host.
            let place = known
                .entry((domain, None))
                .or_insert_with_key(|(domain, _)| {
                    let path = server.path().field("hosts").index(index);
                    let origin = maker.input.origin(server.gateway, &path);
                    hosts.push(named(server, domain.clone(), None, origin));
                    hosts.len() - 1
                });
            if let Some(virtual_host) = hosts.get_mut(*place) {
                virtual_host.requires_tls = true;
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
    ending: Option<String>,
    origin: crate::model::Origin,
) -> VirtualHost {
    let host = VirtualHost {
        ending,
        ..VirtualHost::new(domain, Vec::new(), origin)
    };
    VirtualHost {
        name: format!("{}:{}", host.hosts(), server.number),
        ..host
    }
}

/// The hosts of a VirtualService, which may be those with some end: `*-foo.example.com` is a part of `*.example.com`,
/// and `*com` of all. Whose they are is asked of the whole, so that no listener gets hosts that a narrower one owns.
fn domain_of(host: &str) -> Option<(HostPattern, Option<String>)> {
    if let Ok(domain) = host.parse() {
        return Some((domain, None));
    }
    let ending = host.strip_prefix('*')?.to_ascii_lowercase();
    let Ok(HostPattern::Exact(_)) = format!("x{ending}").parse() else {
        return None;
    };
    let around = match ending.split_once('.') {
        Some((_, around)) => format!("*.{around}"),
        None => "*".to_owned(),
    };
    Some((around.parse().ok()?, Some(ending)))
}

fn unserved_host(binding: &Binding<'_>, host: &str) -> Diagnostic {
    let service = binding.service;
    let index = binding.hosts.all.iter().position(|own| own == host);
    let path = Path::of("hosts").index(index.unwrap_or_default());
    let message = format!("`{host}` is no host name, so no request has it");
    let finding = service.error(Code::NotServedField, &path, message);
    finding
        .help("write a name of letters, digits, `-` and `.`, with `*` at its beginning or without")
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
        let Some(service) = maker.shadows.service(maker.input, one.route) else {
            continue;
        };
        let mut finding = service.warning(Code::UnreachableRule, &Path::root(), one.message(host));
        finding.span = maker.input.sources.line(&one.route.file, one.route.line);
        // One host is enough to see it.
        if maker.shadows.is_said(&finding, maker.findings) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_names_are_parts_of_wildcards() {
        for (host, domain, ending) in [
            ("a.example.com", "a.example.com", None),
            ("*.example.com", "*.example.com", None),
            ("*", "*", None),
            (
                "*-foo.example.com",
                "*.example.com",
                Some("-foo.example.com"),
            ),
            ("*foo.example.com", "*.example.com", Some("foo.example.com")),
            ("*Foo.com", "*.com", Some("foo.com")),
            ("*com", "*", Some("com")),
        ] {
            let expected = (domain.parse().expect(domain), ending.map(str::to_owned));
            assert_eq!(domain_of(host), Some(expected), "{host}");
        }
        for host in [
            "**", "*a*", "**.com", "*a..b", "a*", "*/a", "*a:80", "*a.", "*\u{e4}",
        ] {
            assert_eq!(domain_of(host), None, "{host}");
        }
    }
}
