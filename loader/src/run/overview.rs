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
    /// Whose requests it takes.
    #[serde(default)]
    pub clients: Whose,
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

/// Whose requests a listener takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Those of everybody, unless its routes or policies say otherwise.
    #[default]
    Anybodys,
    /// Those of proxies with a certificate of a mesh that it believes.
    Meshes,
}

/// Whether only proxies of meshes get a connection.
fn is_for_meshes(port: &Port) -> bool {
    match &port.role {
        Role::Egress(_) => true,
        Role::Inbound(inbound) => port.clients.is_some() && !inbound.is_permissive,
        Role::Gateway | Role::Outbound(_) => port.clients.is_some(),
    }
}

/// All listeners of a proxy.
pub(super) fn served(proxy: &Proxy) -> Vec<Served> {
    let mut all = Vec::new();
    for port in &proxy.ports {
        let scheme = match (port.protocol, is_for_meshes(port)) {
            (Protocol::Http, false) => "http",
            (Protocol::Http, true) | (Protocol::Https, _) => "https",
            (Protocol::Tcp, false) => "tcp",
            (Protocol::Tcp, true) | (Protocol::Tls, _) => "tls",
        };
        let is_tls = matches!(port.protocol, Protocol::Https | Protocol::Tls);
        let place = format!("{scheme}://{}", place(port));
        all.extend(port.listeners.iter().map(|listener| Served {
            place: place.clone(),
            hostname: hostnames(port, listener),
            backends: backends(proxy, port, listener),
            clients: if is_for_meshes(port) {
                Whose::Meshes
            } else {
                Whose::Anybodys
            },
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

fn backends(proxy: &Proxy, port: &Port, listener: &Listener) -> Vec<String> {
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
    let services = services.into_iter().map(str::to_owned);
    services.chain(decided(port)).collect()
}

/// Where requests go that the filter chooses the destination of.
fn decided(port: &Port) -> Vec<String> {
    let Role::Outbound(outbound) = &port.role else {
        return Vec::new();
    };
    let gateways = outbound.gateways.iter();
    let gateways = gateways.map(|to| format!("{} (mesh {})", to.service, to.mesh));
    let outside = outbound.outside.iter().filter(|outside| !outside.is_alone);
    let outside = outside.flat_map(|outside| &outside.services);
    let outside = outside.map(|service| format!("{} (outside)", service.name));
    gateways.chain(outside).collect()
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
        let only = match one.clients {
            Whose::Anybodys => "",
            Whose::Meshes => ", for proxies of meshes",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {place:width$}   {:<32} {whereto:<24} listener {}{only}",
            one.hostname, one.name
        );
        before = one.place;
    }
    if let Some(line) = try_it(proxy) {
        let _ = write!(text, "try: {line}");
    }
    text.trim_end().to_owned()
}

/// A request that somebody without a certificate gets an answer to.
fn try_it(proxy: &Proxy) -> Option<String> {
    let is_tried = |port: &&Port| {
        let is_http = matches!(port.protocol, Protocol::Http | Protocol::Https);
        is_http && port.socket.is_none() && port.is_open() && !is_for_meshes(port)
    };
    let mut ports: Vec<_> = proxy.ports.iter().filter(is_tried).collect();
    ports.sort_by_key(|port| port.protocol == Protocol::Https);
    let port = *ports.first()?;
    let place = SocketAddr::new(port.address, port.number);
    if port.protocol == Protocol::Http {
        return Some(match host(port, port.listeners.first()?) {
            Some(host) => format!("curl -H 'Host: {host}' http://{place}/"),
            None => format!("curl http://{place}/"),
        });
    }
    let listener = port.with_certificate().find(|l| !l.passes_tls)?;
    let (number, address) = (port.number, port.address);
    Some(match host(port, listener) {
        Some(host) => {
            format!(
                "curl --insecure --resolve '{host}:{number}:{address}' https://{host}:{number}/"
            )
        }
        None => format!("curl --insecure https://{place}/"),
    })
}

/// A host that the listener takes; nothing where any does.
fn host(port: &Port, listener: &Listener) -> Option<String> {
    if let Role::Outbound(outbound) = &port.role
        && let Some(gateway) = outbound.gateways.first()
    {
        return Some(gateway.hostname.clone());
    }
    match &listener.hostname {
        HostPattern::Any => None,
        HostPattern::Exact(name) => Some(name.as_str().to_owned()),
        HostPattern::Suffix(name) => Some(format!("any.{}", name.as_str())),
    }
}
