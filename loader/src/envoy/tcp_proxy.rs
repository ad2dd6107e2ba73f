//! The filter that forwards connections.

use std::time::Duration;

use envoy_types::pb::envoy::config::listener::v3::{Filter, filter};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::{
    ClusterSpecifier, TunnelingConfig, WeightedCluster, weighted_cluster::ClusterWeight,
};
use envoy_types::util::pack_any;

use super::access_log::{Whose, access_logs};
use super::connection_manager::stat_name;
use super::{Options, proto, sidecar};
use crate::model::{Dialect, Listener, Port, Proxy, Role, Tunnel};

/// Forwards the connections of all these listeners, or nothing where they go nowhere: Envoy closes them then.
pub(super) fn tcp_proxy(
    proxy: &Proxy,
    port: &Port,
    listeners: &[Listener],
    options: &Options,
) -> Option<Filter> {
    let clusters = weights(listeners);
    if clusters.is_empty() {
        return None;
    }
    // Without TLS all listeners of the port have the same policies for it.
    let policy = listeners.first().map(|listener| &listener.policy);
    let idle = policy.and_then(|policy| policy.idle);
    let attempts = policy.and_then(|policy| policy.connect_attempts);
    let (idle, attempts) = match (&port.role, proxy.dialect) {
        (Role::Gateway, Dialect::Kuma) => {
            (idle.or(Some(Duration::from_mins(5))), attempts.or(Some(5)))
        }
        // Envoy's own hour.
        (Role::Gateway, Dialect::Istio) => (idle, attempts.or(Some(5))),
        (Role::Inbound(_) | Role::Outbound(_) | Role::Egress(_), _) => (idle, attempts),
    };
    let mut connections = listeners.iter().flat_map(|listener| &listener.connections);
    let tunnel = connections.find_map(|connections| connections.tunnel.as_ref());
    let config = TcpProxy {
        stat_prefix: match port.role {
            Role::Gateway => proxy.service.clone(),
            Role::Inbound(_) | Role::Outbound(_) => stat_name(sidecar::name(port)),
            Role::Egress(_) => listeners
                .first()
                .map(|listener| stat_name(&listener.name))
                .unwrap_or_default(),
        },
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters,
        })),
        idle_timeout: idle.map(proto::duration),
        max_connect_attempts: attempts.map(proto::number),
        tunneling_config: tunnel.map(tunneling),
        access_log: access_logs(policy, Whose::Filter, options),
        ..TcpProxy::default()
    };
    Some(Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(pack_any(config))),
    })
}

/// An IPv6 address stands in brackets.
fn tunneling(tunnel: &Tunnel) -> TunnelingConfig {
    let (host, port) = (&tunnel.host, tunnel.port);
    TunnelingConfig {
        hostname: if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        },
        use_post: tunnel.posts,
        ..TunnelingConfig::default()
    }
}

/// The clusters with their shares. Envoy refuses a share of 0: such a cluster gets nothing, and if all have it, they
/// share evenly, because that is what no weight at all looks like in protobuf.
fn weights(listeners: &[Listener]) -> Vec<ClusterWeight> {
    let connections = || listeners.iter().flat_map(|listener| &listener.connections);
    let clusters = || connections().flat_map(|connections| &connections.clusters);
    let none_has_weight = clusters().all(|cluster| cluster.weight == 0);
    clusters()
        .filter(|cluster| none_has_weight || cluster.weight > 0)
        .map(|cluster| ClusterWeight {
            name: cluster.cluster.clone(),
            weight: cluster.weight.max(1),
            ..ClusterWeight::default()
        })
        .collect()
}
