//! Redirects to HTTPS that lead nowhere.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::host_index::HostIndex;
use crate::resources::Resources;
use crate::resources::istio::gateway::{Protocol, Server};
use crate::source::Path;

/// Names hosts with `httpsRedirect` for which no server speaks TLS: where something in front ends TLS, Envoy sees every
/// request without it and redirects for ever (issues 16778 and 23674 of Istio).
pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let mut secure = HostIndex::default();
    let servers = resources.istio.gateways.iter();
    let servers = servers.flat_map(|gateway| &gateway.spec.servers);
    for (place, server) in servers.enumerate().filter(|(_, server)| is_tls(server)) {
        for host in &server.hosts {
            secure.add(name(host), place);
        }
    }
    for gateway in &resources.istio.gateways {
        for (index, server) in gateway.spec.servers.iter().enumerate() {
            if !redirects(server) {
                continue;
            }
            let is_lost = |host: &String| secure.meeting(name(host)).is_empty();
            let Some(at) = server.hosts.iter().position(is_lost) else {
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
