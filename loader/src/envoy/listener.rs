//! One Envoy listener for each port, and its filter chains.

use ::policy::HostPattern;
use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3 as envoy;
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, FilterChainMatch, ListenerFilter};
use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use envoy_types::util::pack_any;

use super::connection_manager::connection_manager;
use super::hosts::Hosts;
use super::tcp_proxy::tcp_proxy;
use super::{Options, mesh_tls, proto, route, tls};
use crate::model::{Listener, Port, Protocol, Proxy};

/// A port with all its listeners.
pub(super) fn listener(proxy: &Proxy, port: &Port, options: &Options) -> envoy::Listener {
    envoy::Listener {
        name: port.name.clone(),
        address: Some(proto::address(&port.address, port.number)),
        filter_chains: filter_chains(proxy, port, options),
        per_connection_buffer_limit_bytes: Some(proto::number(32_768)),
        metadata: Some(proto::metadata(&port.origin)),
        listener_filters: vec![tls_inspector()],
        traffic_direction: TrafficDirection::Inbound.into(),
        enable_reuse_port: Some(proto::boolean(true)),
        ..envoy::Listener::default()
    }
}

fn filter_chains(proxy: &Proxy, port: &Port, options: &Options) -> Vec<FilterChain> {
    let hosts = Hosts::new(port);
    match port.protocol {
        Protocol::Http => {
            let routes = route::shared(port, &hosts);
            vec![FilterChain {
                filters: vec![connection_manager(proxy, port, None, routes, options)],
                ..client_chain(proxy, port, options)
            }]
        }
        Protocol::Https => {
            let chain = |listener: &Listener| {
                let routes = route::of_chain(port, listener, &hosts);
                let manager = connection_manager(proxy, port, Some(listener), routes, options);
                FilterChain {
                    name: listener.name.clone(),
                    filter_chain_match: Some(chain_match(&listener.hostname)),
                    filters: vec![manager],
                    transport_socket: Some(tls::terminate(listener, &["h2", "http/1.1"])),
                    metadata: Some(proto::metadata(&listener.origin)),
                    ..FilterChain::default()
                }
            };
            port.with_certificate().map(chain).collect()
        }
        // Without any filter Envoy accepts and closes, as on Kuma. A connection names no host, so all listeners of the
        // port share all of them.
        Protocol::Tcp => vec![FilterChain {
            filters: tcp_proxy(proxy, &port.listeners, options)
                .into_iter()
                .collect(),
            ..FilterChain::default()
        }],
        Protocol::Tls => {
            let chain = |listener: &Listener| FilterChain {
                name: listener.name.clone(),
                filter_chain_match: Some(chain_match(&listener.hostname)),
                metadata: Some(proto::metadata(&listener.origin)),
                ..connection_chain(proxy, listener, options)
            };
            port.listeners.iter().map(chain).collect()
        }
    }
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
fn connection_chain(proxy: &Proxy, listener: &Listener, options: &Options) -> FilterChain {
    if listener.certificates.is_empty() && !listener.passes_tls {
        return FilterChain::default();
    }
    let filter = tcp_proxy(proxy, std::slice::from_ref(listener), options);
    FilterChain {
        filters: filter.into_iter().collect(),
        transport_socket: (!listener.passes_tls).then(|| tls::terminate(listener, &[])),
        ..FilterChain::default()
    }
}

/// TLS with an SNI in `hostname`; every SNI and none for `*`.
fn chain_match(hostname: &HostPattern) -> FilterChainMatch {
    let server_name = match hostname {
        HostPattern::Any => None,
        HostPattern::Exact(_) | HostPattern::Suffix(_) => Some(hostname.to_string()),
    };
    FilterChainMatch {
        server_names: server_name.into_iter().collect(),
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
