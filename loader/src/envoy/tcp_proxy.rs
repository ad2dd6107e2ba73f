//! The filter that forwards connections.

use std::time::Duration;

use envoy_types::pb::envoy::config::listener::v3::{Filter, filter};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::{
    ClusterSpecifier, WeightedCluster, weighted_cluster::ClusterWeight,
};
use envoy_types::util::pack_any;

use super::access_log::access_log;
use super::{Options, proto};
use crate::model::{Dialect, Listener, Proxy};

/// Forwards the connections of all these listeners, or nothing where they go nowhere: Envoy closes them then.
pub(super) fn tcp_proxy(
    proxy: &Proxy,
    listeners: &[Listener],
    options: &Options,
) -> Option<Filter> {
    let clusters = weights(listeners);
    if clusters.is_empty() {
        return None;
    }
    let config = TcpProxy {
        stat_prefix: proxy.service.clone(),
        cluster_specifier: Some(ClusterSpecifier::WeightedClusters(WeightedCluster {
            clusters,
        })),
        // On Istio Envoy's own hour.
        idle_timeout: (proxy.dialect == Dialect::Kuma)
            .then(|| proto::duration(Duration::from_mins(5))),
        max_connect_attempts: Some(proto::number(5)),
        access_log: options.access_log.iter().map(access_log).collect(),
        ..TcpProxy::default()
    };
    Some(Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(pack_any(config))),
    })
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
