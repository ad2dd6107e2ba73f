//! What concerns Envoy as a whole.

use std::net::SocketAddr;
use std::time::Duration;

use ::policy::telemetry::{OUTBOUND_STATS_TAGS, STATS_TAGS};
use envoy_types::pb::envoy::config::bootstrap::v3::{
    Admin, LayeredRuntime, RuntimeLayer, runtime_layer::LayerSpecifier,
};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::metrics::v3::{
    StatsConfig, TagSpecifier, tag_specifier::TagValue,
};
use envoy_types::pb::envoy::config::overload::v3::{
    OverloadManager, ResourceMonitor, resource_monitor,
};
use envoy_types::pb::envoy::extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig;
use envoy_types::pb::google::protobuf::{Struct, value::Kind};
use envoy_types::util::pack_any;

use super::proto;
use crate::model::{Dialect, Proxy};

/// How many connections all listeners take together (`KUMA_PROXY_GATEWAY_GLOBAL_DOWNSTREAM_MAX_CONNECTIONS`).
const MAX_CONNECTIONS: i64 = 50_000;

/// The layer of the runtime that has the connection limits of the ports.
pub const CONNECTION_LIMITS: &str = "gateway.listeners";

/// Named as Kuma names its proxies, `<mesh>.<dataplane>`, with the service as the cluster.
pub(super) fn node(proxy: &Proxy) -> Node {
    Node {
        id: format!("{}.{}", proxy.mesh, proxy.name),
        cluster: proxy.service.clone(),
        metadata: (proxy.dialect == Dialect::Istio).then(of_istio),
        ..Node::default()
    }
}

/// What tells the node of an Istio gateway from others, whose `id` begins with a mesh.
fn of_istio() -> Struct {
    proto::structure([("dialect", Kind::StringValue("istio".to_owned()))])
}

/// Whether a node is an Istio gateway, so that its `id` begins with a namespace.
pub fn is_of_istio(node: &Node) -> bool {
    node.metadata == Some(of_istio())
}

/// The admin interface on an address.
pub fn admin(address: SocketAddr) -> Admin {
    Admin {
        address: Some(proto::address(&address.ip(), address.port())),
        ..Admin::default()
    }
}

/// The labels of the filters' counters, also of those that this proxy has not got yet: `run` can give it them later,
/// and Envoy keeps the labels that it was started with.
pub(super) fn stats_config() -> StatsConfig {
    let tags = STATS_TAGS.iter().chain(&OUTBOUND_STATS_TAGS);
    let tags = tags.map(|tag| TagSpecifier {
        tag_name: tag.name.to_owned(),
        tag_value: Some(TagValue::Regex(tag.regex.to_owned())),
    });
    StatsConfig {
        stats_tags: tags.collect(),
        ..StatsConfig::default()
    }
}

pub(super) fn overload_manager() -> OverloadManager {
    let connections = DownstreamConnectionsConfig {
        max_active_downstream_connections: MAX_CONNECTIONS,
    };
    OverloadManager {
        refresh_interval: Some(proto::duration(Duration::from_millis(250))),
        resource_monitors: vec![ResourceMonitor {
            name: "envoy.resource_monitors.global_downstream_max_connections".to_owned(),
            config_type: Some(resource_monitor::ConfigType::TypedConfig(pack_any(
                connections,
            ))),
        }],
        ..OverloadManager::default()
    }
}

/// The size of regular expressions as in Kuma's bootstrap (`pkg/xds/bootstrap/template_v3.go` at 2.14.3), and the
/// connection limits of the ports that have one.
pub(super) fn runtime(proxy: &Proxy) -> LayeredRuntime {
    let regex = [
        ("re2.max_program_size.error_level", u32::MAX),
        ("re2.max_program_size.warn_level", 1000),
    ];
    let mut layers = vec![layer(
        "kuma",
        regex.map(|(key, limit)| (key.to_owned(), limit)),
    )];
    let limits = proxy.ports.iter().filter_map(|port| {
        let key = format!(
            "envoy.resource_limits.listener.{}.connection_limit",
            port.name
        );
        port.connection_limit.map(|limit| (key, limit))
    });
    let limits = limits.collect::<Vec<_>>();
    if !limits.is_empty() {
        layers.push(layer(CONNECTION_LIMITS, limits));
    }
    LayeredRuntime { layers }
}

fn layer(name: &str, values: impl IntoIterator<Item = (String, u32)>) -> RuntimeLayer {
    let values = values.into_iter();
    let values =
        proto::structure(values.map(|(key, value)| (key, Kind::NumberValue(value.into()))));
    RuntimeLayer {
        name: name.to_owned(),
        layer_specifier: Some(LayerSpecifier::StaticLayer(values)),
    }
}
