//! The ports of a gateway: listeners that share a port become one Envoy listener.

use std::collections::BTreeMap;

use policy::{HostPattern, Tags};

use super::backends::Backends;
use super::{Input, certificates, gateway_routes, http_routes};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::policy::ListenerPolicy;
use crate::model::{Action, Listener, Port, Protocol};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::{self, MeshGateway};
use crate::source::Path;

/// The ports, by number; each with its listeners and their routes.
pub(super) fn ports<'a>(
    input: Input<'a>,
    dataplane_tags: &Tags,
    gateway: &Resource<MeshGateway>,
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let tags = dataplane_tags.clone().overlaid(&gateway.spec.tags);
    let conf = gateway.spec.conf.as_ref();
    let listeners = conf.map_or(&[][..], |conf| &conf.listeners);
    let mut by_port: BTreeMap<u16, Port> = BTreeMap::new();
    for (index, spec) in listeners.iter().enumerate() {
        let path = Path::of("conf.listeners").index(index);
        // Validation has named what is left out here: other protocols, ports and hostnames that are none.
        let (Some(protocol), Ok(number), Ok(hostname)) = (
            protocol(spec),
            u16::try_from(spec.port),
            spec.hostname.parse::<HostPattern>(),
        ) else {
            continue;
        };
        let port = by_port.entry(number).or_insert_with(|| Port {
            name: format!("{}:{}:{number}", gateway.meta.name, protocol_name(protocol)),
            number,
            protocol,
            listeners: Vec::new(),
            connection_limit: None,
            origin: input.origin(gateway, &path),
        });
        let limit = spec.resources.as_ref().map(|r| r.connection_limit);
        port.connection_limit = port.connection_limit.or(limit.filter(|&limit| limit > 0));
        port.listeners.push(Listener {
            name: format!("{}/{number}/{hostname}", gateway.meta.name),
            tags: tags.clone().overlaid(&spec.tags),
            certificates: match protocol {
                Protocol::Https => certificates::of_listener(input, gateway, &path, spec, findings),
                Protocol::Http | Protocol::Tcp => Vec::new(),
            },
            virtual_hosts: Vec::new(),
            policy: ListenerPolicy::default(),
            origin: input.origin(gateway, &path),
            hostname,
        });
    }
    let mut ports: Vec<Port> = by_port.into_values().collect();
    for port in &mut ports {
        port.listeners.sort_by(|a, b| {
            a.hostname
                .exactness_order()
                .cmp(&b.hostname.exactness_order())
        });
    }
    attach_routes(input, gateway, &mut ports, backends, findings);
    ports
}

/// Gives the listeners their virtual hosts.
///
/// Any MeshHTTPRoute for the gateway switches all its MeshGatewayRoutes off (Kuma
/// `pkg/plugins/runtime/gateway/generator.go` `Generate` at 2.14.3).
fn attach_routes<'a>(
    input: Input<'a>,
    gateway: &Resource<MeshGateway>,
    ports: &mut [Port],
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) {
    let by_http_route = http_routes::any_attaches(input, gateway, ports);
    for port in ports
        .iter_mut()
        .filter(|port| port.protocol != Protocol::Tcp)
    {
        if by_http_route {
            http_routes::attach(input, gateway, port, backends, findings);
        } else {
            gateway_routes::attach(input, gateway, port, backends, findings);
        }
        for listener in &port.listeners {
            let mut routes = listener.virtual_hosts.iter().flat_map(|host| &host.routes);
            if !routes.any(|route| matches!(route.action, Action::Forward(_))) {
                findings.push(without_route(gateway, listener));
            }
        }
    }
}

fn without_route(gateway: &Resource<MeshGateway>, listener: &Listener) -> Diagnostic {
    let conf = gateway.spec.conf.as_ref();
    let index = conf.and_then(|conf| {
        conf.listeners.iter().position(|spec| {
            let hostname = spec.hostname.parse::<HostPattern>();
            hostname
                .is_ok_and(|h| listener.name == format!("{}/{}/{h}", gateway.meta.name, spec.port))
        })
    });
    let path = Path::of("conf.listeners").index(index.unwrap_or(0));
    let message = format!(
        "listener `{}` has no route: every request to it gets 404",
        listener.name
    );
    gateway
        .warning(Code::ListenerWithoutRoute, &path, message)
        .help(format!(
            "aim a MeshHTTPRoute at it: targetRef {{kind: MeshGateway, name: {}}}",
            gateway.meta.name
        ))
}

fn protocol(spec: &mesh_gateway::Listener) -> Option<Protocol> {
    match spec.protocol {
        mesh_gateway::Protocol::Http => Some(Protocol::Http),
        mesh_gateway::Protocol::Https => Some(Protocol::Https),
        mesh_gateway::Protocol::Tcp => Some(Protocol::Tcp),
        mesh_gateway::Protocol::Tls | mesh_gateway::Protocol::None => None,
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "HTTP",
        Protocol::Https => "HTTPS",
        Protocol::Tcp => "TCP",
    }
}
