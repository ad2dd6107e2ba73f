//! Clusters with their endpoints.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::Http2ProtocolOptions;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;

use super::{proto, upstream_tls};
use crate::model::{self, UpstreamProtocol};

/// The key of [`protocol_options`] (Envoy looks for the type's name).
const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// A cluster without endpoints is one too: requests to it get 503, as on Kuma.
pub(super) fn cluster(cluster: &model::Cluster) -> Cluster {
    let addresses = cluster.endpoints.iter().map(|endpoint| &endpoint.address);
    let resolved = addresses
        .map(|address| address.parse::<IpAddr>())
        .all(|address| address.is_ok());
    let mut made = Cluster {
        name: cluster.name.clone(),
        connect_timeout: Some(proto::duration(Duration::from_secs(5))),
        per_connection_buffer_limit_bytes: Some(proto::number(32_768)),
        load_assignment: Some(load_assignment(cluster)),
        circuit_breakers: Some(circuit_breakers()),
        typed_extension_protocol_options: protocol_options(cluster.protocol),
        transport_socket_matches: upstream_tls::matches(cluster),
        metadata: Some(proto::metadata(&cluster.origin)),
        ..Cluster::default()
    };
    // STATIC is what Envoy takes where nothing is said.
    if !resolved {
        let kind = DiscoveryType::StrictDns.into();
        made.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind));
        // Envoy's own choice is IPv6 wherever a name has such an address, whether or not it can be reached.
        made.dns_lookup_family = DnsLookupFamily::V4Preferred.into();
    }
    made
}

fn load_assignment(cluster: &model::Cluster) -> ClusterLoadAssignment {
    let endpoints: Vec<_> = cluster
        .endpoints
        .iter()
        .map(|own| LbEndpoint {
            metadata: upstream_tls::metadata(cluster, own),
            ..endpoint(own)
        })
        .collect();
    let locality = (!endpoints.is_empty()).then(|| LocalityLbEndpoints {
        lb_endpoints: endpoints,
        ..LocalityLbEndpoints::default()
    });
    ClusterLoadAssignment {
        cluster_name: cluster.name.clone(),
        endpoints: locality.into_iter().collect(),
        ..ClusterLoadAssignment::default()
    }
}

fn endpoint(endpoint: &model::Endpoint) -> LbEndpoint {
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(proto::address(&endpoint.address, endpoint.port)),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    }
}

/// Envoy's own limits, which Kuma spells out to have them counted down in `circuit_breakers.default.remaining_*`.
fn circuit_breakers() -> CircuitBreakers {
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: Some(proto::number(1024)),
            max_pending_requests: Some(proto::number(1024)),
            max_requests: Some(proto::number(1024)),
            max_retries: Some(proto::number(3)),
            track_remaining: true,
            ..Thresholds::default()
        }],
        ..CircuitBreakers::default()
    }
}

/// HTTP/1.1 is what Envoy speaks where nothing is said. The windows are those of Kuma's `Http2FromEdge`.
fn protocol_options(protocol: UpstreamProtocol) -> HashMap<String, Any> {
    let http2 = match protocol {
        UpstreamProtocol::Http1 => return HashMap::new(),
        UpstreamProtocol::Http2 => Http2ProtocolOptions {
            initial_stream_window_size: Some(proto::number(65_536)),
            initial_connection_window_size: Some(proto::number(1_048_576)),
            ..Http2ProtocolOptions::default()
        },
    };
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(http2)),
    };
    let options = HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..HttpProtocolOptions::default()
    };
    HashMap::from([(PROTOCOL_OPTIONS.to_owned(), pack_any(options))])
}
