//! What is served where, and a line to try it: the first screen of `meshgate run`.

mod services;

use std::fmt::Write;
use std::net::SocketAddr;

use policy::HostPattern;
use serde::{Deserialize, Serialize};

use self::services::{Services, backends};
use crate::model::{Dialect, Listener, Port, Protocol, Proxy, Role};

/// So many listeners are on the first screen.
const MOST: usize = 40;
/// Names in one column, if there are several.
const WIDEST: usize = 40;

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
    /// Which way they go.
    #[serde(default)]
    pub way: Way,
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

/// Which way the requests of a listener go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Through the proxy, to services of its mesh or from there out of it.
    #[default]
    Through,
    /// To the service next to the proxy.
    In,
    /// From the service next to the proxy.
    Out,
}

impl Way {
    fn of(role: &Role) -> Self {
        match role {
            Role::Gateway | Role::Egress(_) => Self::Through,
            Role::Inbound(_) => Self::In,
            Role::Outbound(_) => Self::Out,
        }
    }

    /// What Kuma calls such a port.
    fn noun(self) -> &'static str {
        match self {
            Self::Through => "listener",
            Self::In => "inbound",
            Self::Out => "outbound",
        }
    }
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
    let services = Services::of(proxy);
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
            backends: backends(&services, port, listener),
            clients: if is_for_meshes(port) {
                Whose::Meshes
            } else {
                Whose::Anybodys
            },
            way: Way::of(&port.role),
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
    let asked: Vec<_> = asked_for(port).collect();
    if !asked.is_empty() {
        return asked.join(", ");
    }
    let names: Vec<_> = listener.hostnames().map(ToString::to_string).collect();
    names.join(", ")
}

/// The hosts by which an outbound tells its destinations apart; it answers 403 for all others.
fn asked_for(port: &Port) -> impl Iterator<Item = &str> {
    let by_hostname = match &port.role {
        Role::Outbound(outbound) if outbound.is_by_hostname() => Some(outbound),
        _ => None,
    };
    by_hostname.into_iter().flat_map(|outbound| {
        let gateways = outbound.gateways.iter().map(|to| &to.hostname);
        let outside = outbound.outside.iter().flat_map(|outside| {
            let services = outside.services.iter().flat_map(|own| &own.hostnames);
            services.chain(outside.others.iter().map(|other| &other.name))
        });
        gateways.chain(outside).map(String::as_str)
    })
}

/// The first screen.
pub(super) fn overview(proxy: &Proxy) -> String {
    let (name, within) = (&proxy.name, &proxy.mesh);
    let kind = kind(proxy);
    let mut text = match proxy.dialect {
        Dialect::Kuma => format!("meshgate: {kind} {name} (mesh {within})\n"),
        Dialect::Istio => format!("meshgate: {kind} {within}/{name}\n"),
    };
    if proxy.mesh.is_empty() {
        let meshes: Vec<_> = proxy.identities().map(|own| own.mesh.as_str()).collect();
        let meshes = meshes.join(", ");
        text = format!("meshgate: {kind} {name} (meshes {meshes})\n");
    }
    let lines = table(&served(proxy), |one| {
        format!("{} {}", one.way.noun(), one.name)
    });
    for line in lines.iter().take(MOST) {
        text += line;
    }
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  … and {more} more, which `meshgate status` shows");
    }
    if let Some(line) = try_it(proxy) {
        let _ = write!(text, "try: {line}");
    }
    text.trim_end().to_owned()
}

/// What a proxy is for.
pub(super) fn kind(proxy: &Proxy) -> &'static str {
    if proxy.mesh.is_empty() {
        return "zone egress";
    }
    let is_sidecar = |port: &Port| matches!(port.role, Role::Inbound(_) | Role::Outbound(_));
    if proxy.ports.iter().any(is_sidecar) {
        "sidecar"
    } else {
        "gateway"
    }
}

/// A line for each listener, with its place if the one before has another, and `last` at the end.
pub(super) fn table(all: &[Served], last: impl Fn(&Served) -> String) -> Vec<String> {
    let whereto = |one: &Served| match (one.served, one.backends.as_slice()) {
        (false, _) => "NOT SERVED: it has no usable certificate".to_owned(),
        (true, []) => "no backend".to_owned(),
        (true, backends) => format!("-> {}", short(backends.iter().map(String::as_str))),
    };
    let widest = |text: &dyn Fn(&Served) -> usize| all.iter().map(text).max().unwrap_or(0);
    let places = widest(&|one| one.place.len());
    let hosts = widest(&|one| short(one.hostname.split(", ")).len());
    let backends = widest(&|one| whereto(one).len());
    let mut before = "";
    let mut lines = Vec::with_capacity(all.len());
    for one in all {
        let place = if one.place == before { "" } else { &one.place };
        let only = match one.clients {
            Whose::Anybodys => "",
            Whose::Meshes => ", for proxies of meshes",
        };
        lines.push(format!(
            "  {place:places$}   {:hosts$}   {:backends$}   {}{only}\n",
            short(one.hostname.split(", ")),
            whereto(one),
            last(one)
        ));
        before = &one.place;
    }
    lines
}

/// As many names as are wide enough for a column, and how many more there are.
fn short<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut more = 0;
    for name in names {
        if text.is_empty() {
            name.clone_into(&mut text);
        } else if more == 0 && text.len() + name.len() < WIDEST {
            text = text + ", " + name;
        } else {
            more += 1;
        }
    }
    if more > 0 {
        text = format!("{text} and {more} more");
    }
    text
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
    if let Some(asked) = asked_for(port).next() {
        return Some(asked.to_owned());
    }
    match &listener.hostname {
        HostPattern::Any => None,
        HostPattern::Exact(name) => Some(name.as_str().to_owned()),
        HostPattern::Suffix(name) => Some(format!("any.{}", name.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let long = "x".repeat(WIDEST + 1);
        for (names, expected) in [
            (vec!["*"], "*".to_owned()),
            (vec!["a.test", "b.test"], "a.test, b.test".to_owned()),
            (vec![long.as_str()], long.clone()),
            (vec!["a", &long, "b"], "a and 2 more".to_owned()),
        ] {
            assert_eq!(short(names.into_iter()), expected);
        }
    }
}
