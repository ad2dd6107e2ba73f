//! A running Envoy.

mod envoy;
mod find;

use std::fmt::Write;

pub use envoy::Envoy;
pub use find::{find_envoy, version_range};

use crate::model::{Protocol, Proxy};
use policy::HostPattern;

/// What is served where, and a line to try it: the first screen of `meshgate run`.
pub fn overview(proxy: &Proxy) -> String {
    let mut text = format!("meshgate: gateway {} (mesh {})\n", proxy.name, proxy.mesh);
    for port in &proxy.ports {
        let scheme = match port.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Tcp => "tcp",
            Protocol::Tls => "tls",
        };
        let mut place = format!(
            "{scheme}://{}",
            std::net::SocketAddr::new(port.address, port.number)
        );
        let width = place.len();
        for listener in &port.listeners {
            let is_tls = matches!(port.protocol, Protocol::Https | Protocol::Tls);
            let served = !is_tls || listener.passes_tls || !listener.certificates.is_empty();
            let left_out = if served {
                ""
            } else {
                "   not served: it has no usable certificate"
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {place:width$}   {:<32} listener {}{left_out}",
                listener.hostname.to_string(),
                listener.name
            );
            place.clear();
        }
    }
    if let Some(line) = try_it(proxy) {
        let _ = write!(text, "try: {line}");
    }
    text.trim_end().to_owned()
}

/// A request that the first HTTP listener answers.
fn try_it(proxy: &Proxy) -> Option<String> {
    let port = proxy
        .ports
        .iter()
        .find(|port| port.protocol == Protocol::Http)?;
    let listener = port.listeners.first()?;
    let place = std::net::SocketAddr::new(port.address, port.number);
    Some(match &listener.hostname {
        HostPattern::Any => format!("curl http://{place}/"),
        HostPattern::Exact(name) => format!("curl -H 'Host: {}' http://{place}/", name.as_str()),
        HostPattern::Suffix(name) => {
            format!("curl -H 'Host: any.{}' http://{place}/", name.as_str())
        }
    })
}
