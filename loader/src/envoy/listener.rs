//! One Envoy listener for each port, and its filter chains.

use std::time::Duration as StdDuration;

use ::policy::HostPattern;
use envoy_types::pb::envoy::config::core::v3::{Address, TrafficDirection};
use envoy_types::pb::envoy::config::listener::v3 as envoy;
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, FilterChainMatch, ListenerFilter};
use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use envoy_types::pb::google::protobuf::Duration;
use envoy_types::util::pack_any;

use super::access_log::Whose;
use super::connection_manager::connection_manager;
use super::port_facts::PortFacts;
use super::tcp_proxy::tcp_proxy;
use super::{Options, egress, mesh_tls, proto, route, sidecar, tls};
use crate::model::transparent::Direction;
use crate::model::{Dialect, Listener, Opening, Port, Protocol, Proxy, Role};

/// A port with all its listeners.
pub(super) fn listener(proxy: &Proxy, port: &Port, options: &Options) -> envoy::Listener {
    let listener = envoy::Listener {
        name: port.name.clone(),
        address: Some(address(port)),
        metadata: Some(proto::metadata(&port.origin)),
        traffic_direction: TrafficDirection::Inbound.into(),
        bind_to_port: is_caught(proxy, port).then(|| proto::boolean(false)),
        ..envoy::Listener::default()
    };
    match &port.role {
        Role::Gateway => gateway(proxy, port, options, listener),
        Role::Inbound(inbound) => envoy::Listener {
            filter_chains: sidecar::inbound(proxy, port, inbound, options),
            listener_filters: sidecar::inspects_tls(inbound)
                .then(tls_inspector)
                .into_iter()
                .collect(),
            ..listener
        },
        Role::Outbound(outbound) => envoy::Listener {
            filter_chains: sidecar::outbound(proxy, port, options),
            traffic_direction: TrafficDirection::Outbound.into(),
            // An address that the machine does not have would keep Envoy from starting.
            freebind: (outbound.opening == Opening::Vip && !port.address.is_loopback())
                .then(|| proto::boolean(true)),
            ..listener
        },
        Role::Egress(own) => envoy::Listener {
            filter_chains: egress::chains(proxy, port, own, options),
            listener_filters: vec![tls_inspector()],
            ..listener
        },
    }
}

/// Whether connections come to the port by way of a listener that they are redirected to. The ports that lead to many
/// destinations by hostname are called by their own address.
fn is_caught(proxy: &Proxy, port: &Port) -> bool {
    let direction = match &port.role {
        Role::Inbound(_) => Direction::Inbound,
        Role::Outbound(outbound) if !outbound.is_by_hostname() => Direction::Outbound,
        Role::Gateway | Role::Outbound(_) | Role::Egress(_) => return false,
    };
    let transparent = proxy.transparent.as_ref();
    transparent.is_some_and(|transparent| transparent.is_caught(direction, port.address))
}

fn gateway(
    proxy: &Proxy,
    port: &Port,
    options: &Options,
    listener: envoy::Listener,
) -> envoy::Listener {
    let begins_with_tls = matches!(port.protocol, Protocol::Https | Protocol::Tls);
    let listener = envoy::Listener {
        filter_chains: filter_chains(proxy, port, options),
        enable_reuse_port: port.socket.is_none().then(|| proto::boolean(true)),
        ..listener
    };
    match proxy.dialect {
        Dialect::Kuma => envoy::Listener {
            per_connection_buffer_limit_bytes: Some(proto::number(32_768)),
            listener_filters: vec![tls_inspector()],
            ..listener
        },
        // None where the server may speak first: it would wait for the client.
        Dialect::Istio => envoy::Listener {
            listener_filters: begins_with_tls.then(tls_inspector).into_iter().collect(),
            traffic_direction: TrafficDirection::Outbound.into(),
            ..listener
        },
    }
}

fn address(port: &Port) -> Address {
    match &port.socket {
        Some(path) => proto::pipe(path),
        None => proto::address(&port.address, port.number),
    }
}

fn filter_chains(proxy: &Proxy, port: &Port, options: &Options) -> Vec<FilterChain> {
    let facts = PortFacts::new(proxy, port);
    let hosts = &facts.hosts;
    match port.protocol {
        Protocol::Http => {
            let whose = Whose::of(proxy.dialect, port, None, options);
            let routes = route::shared(proxy.dialect, port, hosts, whose);
            vec![FilterChain {
                filters: vec![connection_manager(&facts, None, routes, options)],
                ..client_chain(proxy, port, options)
            }]
        }
        Protocol::Https => {
            let chain = |listener: &Listener| {
                if !port.takes_requests(listener) {
                    return tls_chain(proxy, port, listener, options);
                }
                let routes = route::of_chain(proxy.dialect, port, listener, hosts);
                let manager = connection_manager(&facts, Some(listener), routes, options);
                FilterChain {
                    name: listener.name.clone(),
                    filter_chain_match: Some(chain_match(listener)),
                    filters: vec![manager],
                    transport_socket: Some(tls::terminate(proxy, listener, &tls::HTTP, options)),
                    transport_socket_connect_timeout: handshake_timeout(proxy),
                    metadata: Some(proto::metadata(&listener.origin)),
                    ..FilterChain::default()
                }
            };
            port.with_certificate().map(chain).collect()
        }
        // Without any filter Envoy accepts and closes, as on Kuma. A connection names no host, so all listeners of the
        // port share all of them.
        Protocol::Tcp => vec![FilterChain {
            filters: tcp_proxy(proxy, port, &port.listeners, options)
                .into_iter()
                .collect(),
            ..FilterChain::default()
        }],
        Protocol::Tls => {
            let listeners = port.listeners.iter();
            listeners
                .map(|listener| tls_chain(proxy, port, listener, options))
                .collect()
        }
    }
}

/// The connections of a listener by SNI.
fn tls_chain(proxy: &Proxy, port: &Port, listener: &Listener, options: &Options) -> FilterChain {
    FilterChain {
        name: listener.name.clone(),
        filter_chain_match: Some(chain_match(listener)),
        metadata: Some(proto::metadata(&listener.origin)),
        ..connection_chain(proxy, port, listener, options)
    }
}

/// How long a handshake may take: as long as Istio lets it (`PILOT_GATEWAY_TRANSPORT_SOCKET_CONNECT_TIMEOUT`).
fn handshake_timeout(proxy: &Proxy) -> Option<Duration> {
    let limit = StdDuration::from_secs(15);
    (proxy.dialect == Dialect::Istio).then(|| proto::duration(limit))
}

/// A chain for the port's clients: with mTLS if they are proxies of meshes, who negotiate a protocol of their own.
fn client_chain(proxy: &Proxy, port: &Port, options: &Options) -> FilterChain {
    let Some(clients) = &port.clients else {
        return FilterChain::default();
    };
    FilterChain {
        filter_chain_match: Some(FilterChainMatch {
            transport_protocol: "tls".to_owned(),
            application_protocols: vec![mesh_tls::ALPN.to_owned()],
            ..FilterChainMatch::default()
        }),
        transport_socket: Some(mesh_tls::downstream(proxy, clients, options)),
        ..FilterChain::default()
    }
}

/// What happens to the TLS connections of a listener. One whose certificate is missing closes them: without a chain
/// of its own, a wider listener would get them.
fn connection_chain(
    proxy: &Proxy,
    port: &Port,
    listener: &Listener,
    options: &Options,
) -> FilterChain {
    if !listener.has_certificate() && !listener.passes_tls {
        return FilterChain::default();
    }
    let filter = tcp_proxy(proxy, port, std::slice::from_ref(listener), options);
    // Istio offers the versions of HTTP to every client.
    let alpn: &[&str] = match proxy.dialect {
        Dialect::Kuma => &[],
        Dialect::Istio => &tls::HTTP,
    };
    let terminates = !listener.passes_tls;
    FilterChain {
        filters: filter.into_iter().collect(),
        transport_socket: terminates.then(|| tls::terminate(proxy, listener, alpn, options)),
        transport_socket_connect_timeout: handshake_timeout(proxy).filter(|_| terminates),
        ..FilterChain::default()
    }
}

/// TLS with an SNI that the listener takes; every SNI and none if it takes all.
fn chain_match(listener: &Listener) -> FilterChainMatch {
    let takes_all = listener.hostnames().any(|name| *name == HostPattern::Any);
    let mut server_names: Vec<_> = listener
        .hostnames()
        .filter(|_| !takes_all)
        .map(ToString::to_string)
        .collect();
    server_names.sort();
    let accepted = listener.tls.accepted.iter();
    FilterChainMatch {
        server_names,
        application_protocols: accepted.map(|&name| name.to_owned()).collect(),
        transport_protocol: "tls".to_owned(),
        ..FilterChainMatch::default()
    }
}

fn tls_inspector() -> ListenerFilter {
    ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".to_owned(),
        config_type: Some(envoy::listener_filter::ConfigType::TypedConfig(pack_any(
            TlsInspector::default(),
        ))),
        ..ListenerFilter::default()
    }
}
