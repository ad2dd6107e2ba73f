//! Clusters with their endpoints.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::common_lb_config::{
    LocalityConfigSpecifier, LocalityWeightedLbConfig, ZoneAwareLbConfig,
};
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CommonLbConfig, DiscoveryType, DnsLookupFamily, LbConfig, LbPolicy,
    LeastRequestLbConfig, MaglevLbConfig, RingHashLbConfig, RoundRobinLbConfig,
};
use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, UpstreamConnectionOptions,
};
use envoy_types::pb::envoy::config::core::v3::{
    BindConfig, HealthCheck, Http1ProtocolOptions, Http2ProtocolOptions,
    HttpProtocolOptions as CommonOptions, SocketAddress, TcpKeepalive, UpstreamHttpProtocolOptions,
    socket_address::PortSpecifier,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
    explicit_http_config::ProtocolConfig,
};
use envoy_types::pb::envoy::r#type::v3::Percent;
use envoy_types::pb::google::protobuf::{Any, UInt64Value};
use envoy_types::util::pack_any;

use super::health::health_check;
use super::outliers::outlier_detection;
use super::{Options, mesh_tls, proto, sidecar, tls, upstream, upstream_tls};
use crate::model::policy::{Balancing, ClusterPolicy, Keepalive};
use crate::model::{self, Locality, Role, UpstreamProtocol};

/// The key of [`protocol_options`] (Envoy looks for the type's name).
const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A cluster without endpoints is one too: requests to it get 503, as on Kuma.
pub(super) fn cluster(
    proxy: &model::Proxy,
    cluster: &model::Cluster,
    options: &Options,
) -> Cluster {
    let mut addresses = cluster.endpoints.iter().map(|endpoint| &endpoint.address);
    let resolved = addresses
        .all(|address| address.parse::<IpAddr>().is_ok() || address.starts_with(proto::UNIX));
    let policy = &cluster.policy;
    let mut made = Cluster {
        name: cluster.name.clone(),
        connect_timeout: Some(proto::duration(
            policy.connect.unwrap_or(Duration::from_secs(5)),
        )),
        per_connection_buffer_limit_bytes: Some(proto::number(32_768)),
        load_assignment: Some(load_assignment(cluster)),
        circuit_breakers: Some(circuit_breakers(policy)),
        outlier_detection: policy.outliers.as_ref().map(outlier_detection),
        common_lb_config: common_lb_config(policy),
        health_checks: health_checks(cluster),
        typed_extension_protocol_options: protocol_options(cluster),
        transport_socket: cluster
            .tls
            .as_ref()
            .map(|tls| mesh_tls::upstream(proxy, tls, cluster.protocol, options))
            .or_else(|| cluster.origination.as_ref().map(tls::originate)),
        lb_policy: lb_policy(policy),
        lb_config: lb_config(policy),
        upstream_connection_options: policy.keepalive.as_ref().map(keepalive),
        transport_socket_matches: upstream_tls::matches(cluster),
        upstream_bind_config: source(proxy, cluster).as_ref().map(bind),
        metadata: Some(proto::metadata(&cluster.origin)),
        ..Cluster::default()
    };
    if let Some(version) = policy.upstream.proxy_protocol {
        let inner = made.transport_socket.take();
        made.transport_socket = Some(upstream::proxy_protocol(version, inner));
    }
    // STATIC is what Envoy takes where nothing is said.
    if !resolved {
        let kind = DiscoveryType::StrictDns.into();
        made.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind));
        // Envoy's own choice is IPv6 wherever a name has such an address, whether or not it can be reached.
        made.dns_lookup_family = DnsLookupFamily::V4Preferred.into();
    }
    made
}

/// Where a proxy connects to its own service from: what is redirected would come back to it.
fn source(proxy: &model::Proxy, cluster: &model::Cluster) -> Option<IpAddr> {
    let transparent = proxy.transparent.as_ref()?;
    let mut inbounds = proxy.ports.iter();
    let is_service = inbounds
        .any(|port| matches!(port.role, Role::Inbound(_)) && sidecar::name(port) == cluster.name);
    let endpoint = cluster.endpoints.first().filter(|_| is_service)?;
    transparent.source(endpoint.address.parse().ok()?)
}

/// Connections from this address.
pub(super) fn bind(address: &IpAddr) -> BindConfig {
    BindConfig {
        source_address: Some(SocketAddress {
            address: address.to_string(),
            port_specifier: Some(PortSpecifier::PortValue(0)),
            ..SocketAddress::default()
        }),
        ..BindConfig::default()
    }
}

fn load_assignment(cluster: &model::Cluster) -> ClusterLoadAssignment {
    let mut priorities: BTreeMap<u32, BTreeMap<&Option<Locality>, Group>> = BTreeMap::new();
    for own in &cluster.endpoints {
        let localities = priorities.entry(own.priority).or_default();
        let group = localities.entry(&own.locality).or_default();
        group.weight = group.weight.saturating_add(own.weight.unwrap_or(1));
        group.endpoints.push(LbEndpoint {
            metadata: upstream_tls::metadata(cluster, own),
            ..endpoint(own)
        });
    }
    let shares = cluster.policy.upstream.shares.as_ref();
    // Envoy refuses gaps.
    let localities = (0..).zip(priorities.into_values());
    let localities = localities.flat_map(|(priority, localities)| {
        localities.into_iter().map(move |(locality, group)| {
            let share = |shares: &BTreeMap<_, _>| {
                let place = locality.clone().unwrap_or_default();
                proto::number(shares.get(&place).copied().unwrap_or(group.weight))
            };
            LocalityLbEndpoints {
                locality: locality.as_ref().map(proto::locality),
                lb_endpoints: group.endpoints,
                load_balancing_weight: shares.map(share),
                priority,
                ..LocalityLbEndpoints::default()
            }
        })
    });
    ClusterLoadAssignment {
        cluster_name: cluster.name.clone(),
        endpoints: localities.collect(),
        ..ClusterLoadAssignment::default()
    }
}

/// Endpoints of one locality.
#[derive(Default)]
struct Group {
    endpoints: Vec<LbEndpoint>,
    /// The sum of theirs.
    weight: u32,
}

fn endpoint(endpoint: &model::Endpoint) -> LbEndpoint {
    LbEndpoint {
        load_balancing_weight: endpoint.weight.map(proto::number),
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(proto::address(&endpoint.address, endpoint.port)),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    }
}

/// Envoy's own limits, which Kuma spells out to have them counted down in `circuit_breakers.default.remaining_*`.
fn circuit_breakers(policy: &ClusterPolicy) -> CircuitBreakers {
    let limits = &policy.limits;
    let budget = policy.upstream.retry_budget.as_ref();
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: Some(proto::number(limits.connections.unwrap_or(1024))),
            max_pending_requests: Some(proto::number(limits.pending_requests.unwrap_or(1024))),
            max_requests: Some(proto::number(limits.requests.unwrap_or(1024))),
            max_retries: Some(proto::number(limits.retries.unwrap_or(3))),
            max_connection_pools: limits.connection_pools.map(proto::number),
            retry_budget: budget.map(upstream::retry_budget),
            track_remaining: true,
            ..Thresholds::default()
        }],
        ..CircuitBreakers::default()
    }
}

fn lb_policy(policy: &ClusterPolicy) -> i32 {
    match policy.balancing {
        None | Some(Balancing::RoundRobin) => LbPolicy::RoundRobin,
        Some(Balancing::LeastRequest) => LbPolicy::LeastRequest,
        Some(Balancing::Random) => LbPolicy::Random,
        Some(Balancing::RingHash(_)) => LbPolicy::RingHash,
        Some(Balancing::Maglev(_)) => LbPolicy::Maglev,
    }
    .into()
}

fn lb_config(policy: &ClusterPolicy) -> Option<LbConfig> {
    let size = |value| UInt64Value { value };
    let slow_start = policy.upstream.warmup.as_ref().map(upstream::slow_start);
    match policy.balancing {
        Some(Balancing::RingHash(Some(least))) => {
            Some(LbConfig::RingHashLbConfig(RingHashLbConfig {
                minimum_ring_size: Some(size(least)),
                ..RingHashLbConfig::default()
            }))
        }
        Some(Balancing::Maglev(Some(entries))) => Some(LbConfig::MaglevLbConfig(MaglevLbConfig {
            table_size: Some(size(entries)),
        })),
        Some(Balancing::LeastRequest) if slow_start.is_some() => {
            Some(LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                slow_start_config: slow_start,
                ..LeastRequestLbConfig::default()
            }))
        }
        None | Some(Balancing::RoundRobin) if slow_start.is_some() => {
            Some(LbConfig::RoundRobinLbConfig(RoundRobinLbConfig {
                slow_start_config: slow_start,
            }))
        }
        _ => None,
    }
}

fn keepalive(keepalive: &Keepalive) -> UpstreamConnectionOptions {
    let seconds = |time: Option<Duration>| {
        time.map(|time| proto::number(u32::try_from(time.as_secs()).unwrap_or(u32::MAX)))
    };
    UpstreamConnectionOptions {
        tcp_keepalive: Some(TcpKeepalive {
            keepalive_probes: keepalive.probes.map(proto::number),
            keepalive_time: seconds(keepalive.time),
            keepalive_interval: seconds(keepalive.interval),
        }),
        ..UpstreamConnectionOptions::default()
    }
}

fn health_checks(cluster: &model::Cluster) -> Vec<HealthCheck> {
    let check = cluster.policy.health_check.as_ref();
    check
        .map(|check| health_check(check, cluster.protocol))
        .into_iter()
        .collect()
}

fn common_lb_config(policy: &ClusterPolicy) -> Option<CommonLbConfig> {
    let fails = policy.fails_on_panic.then(|| {
        LocalityConfigSpecifier::ZoneAwareLbConfig(ZoneAwareLbConfig {
            fail_traffic_on_panic: true,
            ..ZoneAwareLbConfig::default()
        })
    });
    let shares = policy.upstream.shares.as_ref().map(|_| {
        LocalityConfigSpecifier::LocalityWeightedLbConfig(LocalityWeightedLbConfig::default())
    });
    let by_locality = fails.or(shares);
    (by_locality.is_some() || policy.panic_threshold.is_some()).then(|| CommonLbConfig {
        healthy_panic_threshold: policy.panic_threshold.map(|value| Percent { value }),
        locality_config_specifier: by_locality,
        ..CommonLbConfig::default()
    })
}

/// HTTP/2 without negotiation, with Envoy's own windows.
pub(super) fn http2() -> HashMap<String, Any> {
    let protocol = ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default());
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(protocol),
    };
    let options = HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..HttpProtocolOptions::default()
    };
    HashMap::from([(PROTOCOL_OPTIONS.to_owned(), pack_any(options))])
}

/// HTTP/1.1 is what Envoy speaks where nothing is said. The windows are those of Kuma's `Http2FromEdge`.
fn protocol_options(cluster: &model::Cluster) -> HashMap<String, Any> {
    let times = cluster.policy.http.as_ref();
    let policy = &cluster.policy;
    // The name that is asked for is the host of the request.
    let auto_sni = cluster.origination.as_ref().filter(|tls| tls.sni.is_none());
    let has_limits = policy.requests_per_connection.is_some() || auto_sni.is_some();
    let http2 = Http2ProtocolOptions {
        initial_stream_window_size: Some(proto::number(65_536)),
        initial_connection_window_size: Some(proto::number(1_048_576)),
        max_concurrent_streams: policy.streams_per_connection.map(proto::number),
        connection_keepalive: policy.upstream.pings.as_ref().map(upstream::pings),
        ..Http2ProtocolOptions::default()
    };
    let explicit = |protocol| {
        UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
            protocol_config: Some(protocol),
        })
    };
    let protocol = match cluster.protocol {
        UpstreamProtocol::Http1 if times.is_none() && !has_limits => return HashMap::new(),
        UpstreamProtocol::Http1 => explicit(ProtocolConfig::HttpProtocolOptions(
            Http1ProtocolOptions::default(),
        )),
        UpstreamProtocol::Http2 | UpstreamProtocol::Grpc => {
            explicit(ProtocolConfig::Http2ProtocolOptions(http2))
        }
        UpstreamProtocol::AsClient => {
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http2_protocol_options: Some(http2),
                ..UseDownstreamHttpConfig::default()
            })
        }
    };
    let options = HttpProtocolOptions {
        common_http_protocol_options: (times.is_some() || has_limits).then(|| CommonOptions {
            idle_timeout: times.map(|times| proto::duration(times.idle)),
            max_stream_duration: times.and_then(|t| t.max_stream).map(proto::duration),
            max_connection_duration: times.and_then(|t| t.max_connection).map(proto::duration),
            max_requests_per_connection: policy.requests_per_connection.map(proto::number),
            ..CommonOptions::default()
        }),
        upstream_http_protocol_options: auto_sni.map(|tls| UpstreamHttpProtocolOptions {
            auto_sni: true,
            auto_san_validation: tls.authority.is_some() && tls.names.is_empty(),
            ..UpstreamHttpProtocolOptions::default()
        }),
        upstream_protocol_options: Some(protocol),
        ..HttpProtocolOptions::default()
    };
    HashMap::from([(PROTOCOL_OPTIONS.to_owned(), pack_any(options))])
}
