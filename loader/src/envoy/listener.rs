//! One Envoy listener for each port, and its filter chains.

use ::policy::HostPattern;
use envoy_types::pb::envoy::config::core::v3::TrafficDirection;
use envoy_types::pb::envoy::config::listener::v3 as envoy;
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, FilterChainMatch, ListenerFilter};
use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use envoy_types::util::pack_any;

use super::connection_manager::connection_manager;
use super::hosts::Hosts;
use super::{Options, proto, route, tls};
use crate::model::{Listener, Port, Protocol, Proxy};

/// A port with all its listeners.
pub(super) fn listener(proxy: &Proxy, port: &Port, options: &Options) -> envoy::Listener {
    envoy::Listener {
        name: port.name.clone(),
        address: Some(proto::address(&proxy.address, port.number)),
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
                ..FilterChain::default()
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
                    transport_socket: Some(tls::terminate(listener)),
                    metadata: Some(proto::metadata(&listener.origin)),
                    ..FilterChain::default()
                }
            };
            port.with_certificate().map(chain).collect()
        }
        // Nowhere to forward to: Envoy accepts and closes, as on Kuma.
        Protocol::Tcp => vec![FilterChain::default()],
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
