//! What is served where, and a line to try it: the first screen of `meshgate run`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::SocketAddr;

use policy::HostPattern;
use serde::{Deserialize, Serialize};

use crate::model::{Action, Dialect, Listener, Port, Protocol, Proxy, Role};

/// A listener of the resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// `http://192.0.2.1:8080`
    pub place: String,
    /// The hosts that it takes.
    pub hostname: String,
    /// The services that its requests go to.
    pub backends: Vec<String>,
    /// Its name in logs and counters.
    pub name: String,
    /// Whether it can be served; not without a certificate.
    pub served: bool,
    /// The resource that it is of.
    pub resource: String,
    /// The file that it stands in.
    pub file: String,
    /// The line there.
    pub line: usize,
}

/// All listeners of a proxy.
pub(super) fn served(proxy: &Proxy) -> Vec<Served> {
    let mut all = Vec::new();
    for port in &proxy.ports {
        let scheme = match port.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Tcp => "tcp",
            Protocol::Tls => "tls",
        };
        let is_tls = matches!(port.protocol, Protocol::Https | Protocol::Tls);
        let place = format!("{scheme}://{}", place(port));
        all.extend(port.listeners.iter().map(|listener| Served {
            place: place.clone(),
            hostname: hostnames(port, listener),
            backends: backends(proxy, listener),
            name: listener.name.clone(),
            served: !is_tls
                || listener.passes_tls
                || listener.has_certificate()
                || matches!(port.role, Role::Egress(_)),
            resource: listener.origin.resource.clone(),
            file: listener.origin.file.clone(),
            line: listener.origin.line,
        }));
    }
    all
}

/// Where clients find a port.
fn place(port: &Port) -> String {
    match &port.socket {
        Some(path) => format!("unix:{path}"),
        None => SocketAddr::new(port.address, port.number).to_string(),
    }
}

/// The hosts of a listener; at an egress the names that it is asked for.
fn hostnames(port: &Port, listener: &Listener) -> String {
    if let Role::Egress(egress) = &port.role {
        let way = egress.ways.get(&listener.name);
        return way.map_or_else(String::new, |way| way.server_names.join(", "));
    }
    let names: Vec<_> = listener.hostnames().map(ToString::to_string).collect();
    names.join(", ")
}

fn backends(proxy: &Proxy, listener: &Listener) -> Vec<String> {
    let routes = listener.virtual_hosts.iter().flat_map(|v| &v.routes);
    let of_routes = routes.filter_map(|route| match &route.action {
        Action::Forward(forward) => Some(&forward.clusters),
        Action::ForwardAsDecided | Action::Redirect(_) | Action::Respond { .. } => None,
    });
    let of_connections = listener.connections.iter().map(|c| &c.clusters);
    let names: BTreeSet<_> = of_routes
        .chain(of_connections)
        .flatten()
        .map(|weighted| weighted.cluster.as_str())
        .collect();
    let clusters = proxy.clusters.iter();
    let services: BTreeSet<_> = clusters
        .filter(|cluster| names.contains(cluster.name.as_str()))
        .map(|cluster| {
            cluster
                .destination
                .get("kuma.io/service")
                .unwrap_or(&cluster.name)
        })
        .collect();
    services.into_iter().map(str::to_owned).collect()
}

/// The first screen.
pub(super) fn overview(proxy: &Proxy) -> String {
    let within = match proxy.dialect {
        Dialect::Kuma => "mesh",
        Dialect::Istio => "namespace",
    };
    let mut text = if proxy.mesh.is_empty() {
        let meshes: Vec<_> = proxy.identities().map(|own| own.mesh.as_str()).collect();
        let meshes = meshes.join(", ");
        format!("meshgate: zone egress {} (meshes {meshes})\n", proxy.name)
    } else {
        format!(
            "meshgate: gateway {} ({within} {})\n",
            proxy.name, proxy.mesh
        )
    };
    let mut before = String::new();
    let all = served(proxy);
    let width = all.iter().map(|one| one.place.len()).max().unwrap_or(0);
    for one in all {
        let place = if one.place == before { "" } else { &one.place };
        let whereto = match (one.served, one.backends.as_slice()) {
            (false, _) => "not served: it has no usable certificate".to_owned(),
            (true, []) => "no backend".to_owned(),
            (true, backends) => format!("-> {}", backends.join(", ")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {place:width$}   {:<32} {whereto:<24} listener {}",
            one.hostname, one.name
        );
        before = one.place;
    }
    if let Some(line) = try_it(proxy) {
        let _ = write!(text, "try: {line}");
    }
    text.trim_end().to_owned()
}

/// A request that the first HTTP listener answers.
fn try_it(proxy: &Proxy) -> Option<String> {
    let is_http = |port: &&Port| port.protocol == Protocol::Http && port.socket.is_none();
    let port = proxy.ports.iter().find(is_http)?;
    let listener = port.listeners.first()?;
    let place = SocketAddr::new(port.address, port.number);
    Some(match &listener.hostname {
        HostPattern::Any => format!("curl http://{place}/"),
        HostPattern::Exact(name) => format!("curl -H 'Host: {}' http://{place}/", name.as_str()),
        HostPattern::Suffix(name) => {
            format!("curl -H 'Host: any.{}' http://{place}/", name.as_str())
        }
    })
}
