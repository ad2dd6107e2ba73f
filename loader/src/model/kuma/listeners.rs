//! The ports of a gateway: listeners that share a port become one Envoy listener.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use policy::{HostPattern, Tags};

use super::backends::Backends;
use super::cross_mesh_clients::CrossMeshClients;
use super::lookup::Lookup;
use super::{Input, certificates, connections, gateway_routes, http_routes};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::identity::TlsParams;
use crate::model::policy::ListenerPolicy;
use crate::model::{Action, Listener, MeshClients, Port, Protocol, Role, ServerTls, Trust};
use crate::resources::Resource;
use crate::resources::kuma::mesh_gateway::{self, MeshGateway};
use crate::source::Path;

/// The ports, by number; each with its listeners and their routes.
pub(super) fn ports<'a>(
    lookup: &Lookup<'a>,
    address: IpAddr,
    dataplane_tags: &Tags,
    gateway: &'a Resource<MeshGateway>,
    backends: &mut Backends<'a>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Port> {
    let input = lookup.input;
    let tags = dataplane_tags.clone().overlaid(&gateway.spec.tags);
    let conf = gateway.spec.conf.as_ref();
    let listeners = conf.map_or(&[][..], |conf| &conf.listeners);
    let clients = CrossMeshClients::of(lookup, gateway, findings);
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
            role: Role::Gateway,
            address,
            socket: None,
            number,
            protocol,
            listeners: Vec::new(),
            connection_limit: None,
            clients: None,
            origin: input.origin(gateway, &path),
        });
        // One of them suffices: what is between meshes is never open to others. Both on a port are an error.
        if spec.cross_mesh {
            port.clients = Some(MeshClients {
                trust: Trust::AnyMesh,
                peers: Vec::new(),
                params: TlsParams::default(),
            });
        }
        let limit = spec.resources.as_ref().map(|r| r.connection_limit);
        port.connection_limit = port.connection_limit.or(limit.filter(|&limit| limit > 0));
        let tags = tags.clone().overlaid(&spec.tags);
        let clients = clients.as_ref().filter(|_| spec.cross_mesh);
        port.listeners.push(Listener {
            name: format!("{}/{number}/{hostname}", gateway.meta.name),
            permission: clients.map(|clients| clients.of_listener(&tags)),
            tags,
            certificates: match protocol {
                Protocol::Https | Protocol::Tls if !passes_tls(spec) => {
                    certificates::of_listener(input, gateway, &path, spec, findings)
                }
                _ => Vec::new(),
            },
            passes_tls: protocol == Protocol::Tls && passes_tls(spec),
            other_hostnames: Vec::new(),
            tls: ServerTls::default(),
            virtual_hosts: Vec::new(),
            connections: Vec::new(),
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
    let by_tcp_route = connections::any_attaches(input, gateway, ports);
    let places = LazyCell::new(|| places(gateway));
    for port in ports {
        if connections::takes_connections(port.protocol) {
            if by_tcp_route {
                connections::attach_tcp_routes(input, gateway, port, backends, findings);
            } else {
                connections::attach_gateway_routes(input, gateway, port, backends, findings);
            }
            let idle = port.listeners.iter().filter(|l| l.connections.is_empty());
            findings.extend(idle.map(|listener| without_route(gateway, &places, listener, true)));
            continue;
        }
        if by_http_route {
            http_routes::attach(input, gateway, port, backends, findings);
        } else {
            gateway_routes::attach(input, gateway, port, backends, findings);
        }
        for listener in &port.listeners {
            let mut routes = listener.virtual_hosts.iter().flat_map(|host| &host.routes);
            if !routes.any(|route| !matches!(route.action, Action::Respond { status: 404, .. })) {
                findings.push(without_route(gateway, &places, listener, false));
            }
        }
    }
}

/// Where the listeners stand in their MeshGateway, by name.
fn places(gateway: &Resource<MeshGateway>) -> HashMap<String, usize> {
    let conf = gateway.spec.conf.as_ref();
    let listeners = conf.map_or(&[][..], |conf| &conf.listeners);
    let mut places = HashMap::with_capacity(listeners.len());
    for (index, spec) in listeners.iter().enumerate() {
        if let Ok(hostname) = spec.hostname.parse::<HostPattern>() {
            let name = format!("{}/{}/{hostname}", gateway.meta.name, spec.port);
            places.entry(name).or_insert(index);
        }
    }
    places
}

fn without_route(
    gateway: &Resource<MeshGateway>,
    places: &HashMap<String, usize>,
    listener: &Listener,
    takes_connections: bool,
) -> Diagnostic {
    let index = places.get(&listener.name).copied();
    let path = Path::of("conf.listeners").index(index.unwrap_or(0));
    let (kind, what) = if takes_connections {
        ("MeshTCPRoute", "every connection to it is closed")
    } else {
        ("MeshHTTPRoute", "every request to it gets 404")
    };
    let message = format!("listener `{}` has no route: {what}", listener.name);
    gateway
        .warning(Code::ListenerWithoutRoute, &path, message)
        .help(format!(
            "aim a {kind} at it: targetRef {{kind: MeshGateway, name: {}}}",
            gateway.meta.name
        ))
}

fn protocol(spec: &mesh_gateway::Listener) -> Option<Protocol> {
    match spec.protocol {
        mesh_gateway::Protocol::Http => Some(Protocol::Http),
        mesh_gateway::Protocol::Https => Some(Protocol::Https),
        mesh_gateway::Protocol::Tcp => Some(Protocol::Tcp),
        // Without `tls` it is an error, and served by nobody.
        mesh_gateway::Protocol::Tls => spec.tls.as_ref().map(|_| Protocol::Tls),
        mesh_gateway::Protocol::None => None,
    }
}

fn passes_tls(spec: &mesh_gateway::Listener) -> bool {
    let mode = spec.tls.as_ref().map(|tls| tls.mode);
    mode == Some(mesh_gateway::TlsMode::Passthrough)
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "HTTP",
        Protocol::Https => "HTTPS",
        Protocol::Tcp => "TCP",
        Protocol::Tls => "TLS",
    }
}
