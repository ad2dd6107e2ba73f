//! HTTP on a filter chain: the connection manager and its filters.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::{
    CidrRange, Http2ProtocolOptions, HttpProtocolOptions,
    http_protocol_options::HeadersWithUnderscoresAction,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, filter};
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::compression::gzip::compressor::v3::Gzip;
use envoy_types::pb::envoy::extensions::filters::http::compressor::v3::{
    Compressor, compressor::ResponseDirectionConfig,
};
use envoy_types::pb::envoy::extensions::filters::http::cors::v3::Cors;
use envoy_types::pb::envoy::extensions::filters::http::grpc_web::v3::GrpcWeb;
use envoy_types::pb::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, http_filter,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    ForwardClientCertDetails, InternalAddressConfig, PathWithEscapedSlashesAction, RouteSpecifier,
    SetCurrentClientCertDetails, UpgradeConfig,
};
use envoy_types::util::pack_any;

use super::access_log::{Whose, access_logs};
use super::filter as gateway;
use super::port_facts::PortFacts;
use super::{Options, access, policy, proto, tokens};
use crate::model::policy::ListenerPolicy;
use crate::model::{Dialect, Listener, Outside, Permission, Port, Proxy};

/// The connection manager of a port, or on TLS that of one of its filter chains.
pub(super) fn connection_manager(
    facts: &PortFacts<'_>,
    chain: Option<&Listener>,
    routes: RouteConfiguration,
    options: &Options,
) -> Filter {
    let (proxy, port) = (facts.proxy, facts.port);
    // On a port without TLS all listeners have the same policies for it.
    let policy = chain
        .or(port.listeners.first())
        .map(|listener| &listener.policy);
    let time = |of: fn(&ListenerPolicy) -> Option<Duration>, otherwise| {
        Some(proto::duration(policy.and_then(of).unwrap_or(otherwise)))
    };
    let of_dialect = match proxy.dialect {
        Dialect::Kuma => kuma(proxy),
        Dialect::Istio => istio(proxy, port),
    };
    let own = gateway::filter(facts, chain, options);
    let manager = HttpConnectionManager {
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        http_filters: match proxy.dialect {
            Dialect::Kuma => kuma_filters(own, facts),
            Dialect::Istio => istio_filters(own, facts, policy),
        },
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: time(|policy| policy.idle, Duration::from_mins(5)),
            ..of_dialect.common_http_protocol_options.unwrap_or_default()
        }),
        stream_idle_timeout: time(|policy| policy.stream_idle, Duration::from_secs(5)),
        request_headers_timeout: time(|policy| policy.request_headers, Duration::from_millis(500)),
        request_timeout: policy
            .and_then(|policy| policy.request)
            .map(proto::duration),
        access_log: access_logs(
            policy,
            Whose::of(proxy.dialect, port, chain, options),
            options,
        ),
        use_remote_address: Some(proto::boolean(true)),
        // Kuma has none (kumahq/kuma#4256). Filters here would replace the chain, and the gateway's with it.
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..UpgradeConfig::default()
        }],
        normalize_path: Some(proto::boolean(true)),
        ..of_dialect
    };
    filter(manager)
}

pub(super) fn filter(manager: HttpConnectionManager) -> Filter {
    Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(pack_any(manager))),
    }
}

/// What Kuma's gateway has and nobody can change.
fn kuma(proxy: &Proxy) -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: stat_name(&proxy.service),
        common_http_protocol_options: Some(HttpProtocolOptions {
            headers_with_underscores_action: HeadersWithUnderscoresAction::RejectRequest.into(),
            ..HttpProtocolOptions::default()
        }),
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: Some(proto::number(100)),
            initial_stream_window_size: Some(proto::number(65_536)),
            initial_connection_window_size: Some(proto::number(1_048_576)),
            allow_connect: true,
            ..Http2ProtocolOptions::default()
        }),
        server_name: "Kuma Gateway".to_owned(),
        internal_address_config: Some(internal_addresses()),
        merge_slashes: true,
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::UnescapeAndRedirect.into(),
        ..HttpConnectionManager::default()
    }
}

/// What Istio's gateway has (`buildGatewayConnectionManager` in `pilot/pkg/networking/core/gateway.go` at 1.32).
fn istio(proxy: &Proxy, port: &Port) -> HttpConnectionManager {
    HttpConnectionManager {
        early_header_mutation_extensions: tokens::early_mutation(&proxy.tokens)
            .into_iter()
            .collect(),
        stat_prefix: format!("outbound_{}", port.name),
        server_name: "istio-envoy".to_owned(),
        forward_client_cert_details: ForwardClientCertDetails::SanitizeSet.into(),
        set_current_client_cert_details: Some(SetCurrentClientCertDetails {
            subject: Some(proto::boolean(true)),
            cert: true,
            dns: true,
            uri: true,
            ..SetCurrentClientCertDetails::default()
        }),
        proxy_100_continue: true,
        ..HttpConnectionManager::default()
    }
}

/// The gateway's filter comes first here too, and of Istio's those that do something.
fn istio_filters(
    own: HttpFilter,
    facts: &PortFacts<'_>,
    policy: Option<&ListenerPolicy>,
) -> Vec<HttpFilter> {
    let mut filters = vec![own];
    filters.extend(tokens::filter(&facts.proxy.tokens));
    filters.extend(access::filters(&facts.proxy.access));
    if policy.is_some_and(|policy| policy.grpc_web) {
        filters.push(http_filter("envoy.filters.http.grpc_web", GrpcWeb {}));
    }
    filters.extend(policy::fault_filters(facts.faults));
    if facts.has_cors {
        filters.push(http_filter(policy::CORS, Cors {}));
    }
    filters.push(http_filter("envoy.filters.http.router", Router::default()));
    filters
}

/// Who may say more about a request than others: the machine itself.
pub(super) fn internal_addresses() -> InternalAddressConfig {
    InternalAddressConfig {
        cidr_ranges: vec![cidr("127.0.0.1", 32), cidr("::1", 128)],
        ..InternalAddressConfig::default()
    }
}

/// How paths are read where it depends on them who may reach what is outside: in one way only.
pub(super) fn paths(outside: Option<&Outside>) -> HttpConnectionManager {
    let mut services = outside.into_iter().flat_map(|outside| &outside.services);
    let asks = services.any(|service| {
        let permission = service.permission.as_ref();
        permission.is_some_and(Permission::is_about_paths)
    });
    if !asks {
        return HttpConnectionManager::default();
    }
    HttpConnectionManager {
        normalize_path: Some(proto::boolean(true)),
        merge_slashes: true,
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::RejectRequest.into(),
        ..HttpConnectionManager::default()
    }
}

/// The gateway's filter comes first: no other filter answers, counts or compresses for a request that it refuses. A
/// filter after it that chose another route could get round it, but the others leave requests as they are.
fn kuma_filters(own: HttpFilter, facts: &PortFacts<'_>) -> Vec<HttpFilter> {
    // Without limits, as on Kuma, whose policies give them to routes.
    let rate_limit = LocalRateLimit {
        stat_prefix: "rate_limit".to_owned(),
        ..LocalRateLimit::default()
    };
    let compressor = Compressor {
        compressor_library: Some(proto::extension("gzip", Gzip::default())),
        response_direction_config: Some(ResponseDirectionConfig {
            disable_on_etag_header: true,
            ..ResponseDirectionConfig::default()
        }),
        ..Compressor::default()
    };
    let mut filters: Vec<_> = gateway::client(facts).into_iter().collect();
    filters.extend([
        own,
        http_filter(policy::RATE_LIMIT, rate_limit),
        http_filter("gzip-compress", compressor),
    ]);
    filters.extend(policy::fault_filters(facts.faults));
    filters.push(http_filter("envoy.filters.http.router", Router::default()));
    filters
}

pub(super) fn http_filter<T>(name: &str, config: T) -> HttpFilter
where
    T: prost::Message + prost::Name,
{
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack_any(config))),
        ..HttpFilter::default()
    }
}

fn cidr(address: &str, bits: u32) -> CidrRange {
    CidrRange {
        address_prefix: address.to_owned(),
        prefix_len: Some(proto::number(bits)),
    }
}

/// With `_` for what cannot be in a statistic's name (`SanitizeMetric` in Kuma's `pkg/util/xds` at 2.14.3).
pub(super) fn stat_name(service: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    service
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}
