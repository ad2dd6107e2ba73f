//! The ports of the proxy next to a service. The values are those of Kuma's sidecars (`pkg/xds/generator` and
//! `pkg/xds/envoy/listeners/v3` at 2.14.3).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use ::policy::Tags;
use envoy_types::pb::envoy::config::core::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, FilterChainMatch};
use envoy_types::pb::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter,
    http_connection_manager::{
        ForwardClientCertDetails, RouteSpecifier, SetCurrentClientCertDetails,
    },
};

use super::access_log::{Whose, access_logs};
use super::connection_manager::{self, http_filter, internal_addresses, stat_name};
use super::port_facts::PortFacts;
use super::tcp_proxy::tcp_proxy;
use super::{Options, filter, mesh_tls, policy, proto, rbac, route};
use crate::model::{
    Action, Inbound, Listener, Outbound, PathMatch, Permission, Port, Protocol, Proxy, Refusal,
    Role,
};

/// The chains of an inbound. Where clients are let in that do not prove who they are, those that do have a chain of
/// their own; the TLS of others is the service's.
pub(super) fn inbound(
    proxy: &Proxy,
    port: &Port,
    inbound: &Inbound,
    options: &Options,
) -> Vec<FilterChain> {
    let chain = |permission, transport: &str, alpn: Option<&str>| FilterChain {
        filter_chain_match: (!transport.is_empty()).then(|| FilterChainMatch {
            transport_protocol: transport.to_owned(),
            application_protocols: alpn.into_iter().map(str::to_owned).collect(),
            ..FilterChainMatch::default()
        }),
        filters: filters(proxy, port, permission, options),
        ..FilterChain::default()
    };
    let Some(clients) = &port.clients else {
        return vec![chain(None, "", None)];
    };
    let permission = inbound.permission.as_ref();
    let socket = Some(mesh_tls::downstream(proxy, clients, options));
    if !inbound.is_permissive {
        return vec![FilterChain {
            transport_socket: socket,
            ..chain(permission, "", None)
        }];
    }
    vec![
        chain(None, "raw_buffer", None),
        chain(None, "tls", None),
        FilterChain {
            transport_socket: socket,
            ..chain(permission, "tls", Some(mesh_tls::ALPN))
        },
    ]
}

/// The chain of an outbound.
pub(super) fn outbound(proxy: &Proxy, port: &Port, options: &Options) -> Vec<FilterChain> {
    vec![FilterChain {
        filters: filters(proxy, port, None, options),
        ..FilterChain::default()
    }]
}

/// Whether anything depends on what a TLS client says first.
pub(super) fn inspects_tls(inbound: &Inbound) -> bool {
    let permission = inbound.permission.iter();
    let mut clients = permission.flat_map(|p| p.denied.iter().chain(&p.allowed));
    inbound.is_permissive || clients.any(|clients| clients.sni.is_some())
}

fn filters(
    proxy: &Proxy,
    port: &Port,
    permission: Option<&Permission>,
    options: &Options,
) -> Vec<Filter> {
    let is_http = port.protocol == Protocol::Http;
    let facts = PortFacts::new(proxy, port);
    let (connections, requests) = match permission {
        None => (Vec::new(), Vec::new()),
        Some(permission) if is_http && permission.refusal == Refusal::Answer => {
            (Vec::new(), rbac::for_requests(permission))
        }
        Some(permission) => (rbac::for_connections(&port.name, permission), Vec::new()),
    };
    let decided = match &port.role {
        Role::Outbound(outbound) if !is_http && filter::is_decided(outbound) => {
            Some(filter::of_connections(&facts, options))
        }
        _ => None,
    };
    let last = if is_http {
        Some(manager(&facts, requests, options))
    } else {
        tcp_proxy(proxy, port, &port.listeners, options)
    };
    connections.into_iter().chain(decided).chain(last).collect()
}

fn manager(facts: &PortFacts<'_>, permission: Vec<HttpFilter>, options: &Options) -> Filter {
    let port = facts.port;
    let policy = port.listeners.first().map(|listener| &listener.policy);
    let time = |duration: Option<Duration>| Some(proto::duration(duration.unwrap_or_default()));
    let is_inbound = matches!(port.role, Role::Inbound(_));
    let outside = match &port.role {
        Role::Outbound(outbound) => outbound.outside.as_ref(),
        _ => None,
    };
    let paths = connection_manager::paths(outside);
    connection_manager::filter(HttpConnectionManager {
        stat_prefix: stat_name(name(port)),
        route_specifier: Some(RouteSpecifier::RouteConfig(route::of_sidecar(
            port,
            &facts.hosts,
        ))),
        http_filters: http_filters(facts, permission, options),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: time(policy.and_then(|policy| policy.idle)),
            ..HttpProtocolOptions::default()
        }),
        stream_idle_timeout: time(policy.and_then(|policy| policy.stream_idle)),
        request_headers_timeout: policy
            .and_then(|policy| policy.request_headers)
            .map(proto::duration),
        access_log: access_logs(policy, Whose::Filter, options),
        internal_address_config: Some(internal_addresses()),
        // Rules about paths are about what the service makes of them.
        normalize_path: if chooses_by_path(port) || leaves_the_mesh(port) {
            Some(proto::boolean(true))
        } else {
            paths.normalize_path
        },
        forward_client_cert_details: if is_inbound {
            ForwardClientCertDetails::SanitizeSet.into()
        } else {
            ForwardClientCertDetails::Sanitize.into()
        },
        set_current_client_cert_details: is_inbound.then(|| SetCurrentClientCertDetails {
            uri: true,
            ..SetCurrentClientCertDetails::default()
        }),
        ..paths
    })
}

/// What statistics are named by: the service behind an inbound as Kuma names it, and the one that an outbound reaches.
pub(super) fn name(port: &Port) -> &str {
    let listener = port.listeners.first();
    let is_inbound = matches!(port.role, Role::Inbound(_));
    let cluster = listener.filter(|_| is_inbound).and_then(cluster);
    cluster
        .or(listener.map(|listener| listener.name.as_str()))
        .unwrap_or(&port.name)
}

fn cluster(listener: &Listener) -> Option<&str> {
    let connections = listener.connections.iter();
    let connections = connections.flat_map(|connections| &connections.clusters);
    let routes = listener.virtual_hosts.iter().flat_map(|host| &host.routes);
    let routes = routes.filter_map(|route| match &route.action {
        Action::Forward(forward) => forward.clusters.first(),
        _ => None,
    });
    let cluster = connections.chain(routes).next();
    cluster.map(|cluster| cluster.cluster.as_str())
}

fn chooses_by_path(port: &Port) -> bool {
    let hosts = port.listeners.iter().flat_map(|l| &l.virtual_hosts);
    let mut routes = hosts.flat_map(|host| &host.routes);
    routes.any(|route| !matches!(&route.path, PathMatch::Prefix(path) if path == "/"))
}

/// Whether anybody outside of the mesh gets its requests; permissions for them may name paths.
fn leaves_the_mesh(port: &Port) -> bool {
    matches!(&port.role, Role::Outbound(outbound) if outbound.is_outside || outbound.outside.is_some())
}

/// Permissions come first; requests to gateways of other meshes are meshgate's to decide about.
fn http_filters(
    facts: &PortFacts<'_>,
    permission: Vec<HttpFilter>,
    options: &Options,
) -> Vec<HttpFilter> {
    let port = facts.port;
    let mut filters = permission;
    if matches!(&port.role, Role::Outbound(outbound) if filter::is_decided(outbound)) {
        filters.push(filter::filter(facts, None, options));
    }
    let hosts = port.listeners.iter().flat_map(|l| &l.virtual_hosts);
    let mut routes = hosts.flat_map(|host| &host.routes);
    if routes.any(|route| route.policy.rate_limit.is_some()) {
        let rate_limit = LocalRateLimit {
            stat_prefix: "rate_limit".to_owned(),
            ..LocalRateLimit::default()
        };
        filters.push(http_filter(policy::RATE_LIMIT, rate_limit));
    }
    filters.extend(policy::fault_filters(facts.faults));
    filters.push(http_filter("envoy.filters.http.router", Router::default()));
    filters
}

/// The header `x-kuma-tags` of a caller (Kuma `Serialize` in `pkg/xds/envoy/tags/match.go` at 2.14.3):
/// `&<tag>=<value>,<value>&` for each tag.
pub(super) fn tags_header(outbound: &Outbound) -> String {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (tag, value) in outbound.caller.iter().flat_map(Tags::iter) {
        values.entry(tag).or_default().insert(value);
    }
    let mut header = String::new();
    for (tag, values) in values {
        let values: Vec<_> = values.into_iter().collect();
        // Writing to a text does not fail.
        let _ = write!(header, "&{tag}={}&", values.join(","));
    }
    // Envoy takes one `%` for the beginning of a command.
    header.replace('%', "%%")
}
