//! Redirects to HTTPS that lead nowhere.

use policy::istio::matches;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Resources;
use crate::resources::istio::gateway::{Protocol, Server};
use crate::source::Path;

/// Names hosts with `httpsRedirect` for which no server speaks TLS: where something in front ends TLS, Envoy sees every
/// request without it and redirects for ever (issues 16778 and 23674 of Istio).
pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let secure: Vec<_> = resources
        .istio
        .gateways
        .iter()
        .flat_map(|gateway| {
            let servers = gateway.spec.servers.iter().filter(|server| is_tls(server));
            servers
                .flat_map(|server| &server.hosts)
                .map(|host| name(host))
        })
        .collect();
    for gateway in &resources.istio.gateways {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            let is_secure = |host: &String| secure.iter().any(|other| matches(other, name(host)));
            let lost = server.hosts.iter().position(|host| !is_secure(host));
            let Some(at) = lost.filter(|_| redirects(server)) else {
                continue;
            };
            let path = Path::of("servers").index(index).field("hosts").index(at);
            let text = "requests are redirected to https, and no server of a gateway has this host with TLS: behind a load \
                        balancer that ends TLS they are redirected for ever";
            let finding = gateway.warning(Code::RedirectLoop, &path, text);
            findings
                .push(finding.help("add an HTTPS server for the host, or remove `httpsRedirect`"));
        }
    }
}

/// A host without the namespace before it.
fn name(host: &str) -> &str {
    host.split_once('/').map_or(host, |(_, name)| name)
}

fn protocol(server: &Server) -> Option<Protocol> {
    server
        .port
        .as_ref()
        .and_then(|port| Protocol::parse(&port.protocol))
}

fn redirects(server: &Server) -> bool {
    let is_asked = server.tls.as_ref().is_some_and(|tls| tls.https_redirect);
    is_asked && protocol(server).is_some_and(Protocol::is_http)
}

fn is_tls(server: &Server) -> bool {
    protocol(server).is_some_and(Protocol::is_tls)
}
