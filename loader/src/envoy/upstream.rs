//! How connections to a cluster begin and stay.

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::thresholds::RetryBudget;
use envoy_types::pb::envoy::config::cluster::v3::cluster::SlowStartConfig;
use envoy_types::pb::envoy::config::core::v3::{
    KeepaliveSettings, ProxyProtocolConfig, RuntimeDouble, TransportSocket,
    proxy_protocol_config::Version, transport_socket,
};
use envoy_types::pb::envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use envoy_types::pb::envoy::r#type::v3::Percent;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;

use super::proto;
use crate::model::upstream::{self as model, Pings, ProxyProtocol, Warmup};

pub(super) fn retry_budget(budget: &model::RetryBudget) -> RetryBudget {
    RetryBudget {
        budget_percent: Some(Percent {
            value: budget.percent,
        }),
        min_retry_concurrency: Some(proto::number(budget.always)),
        ..RetryBudget::default()
    }
}

pub(super) fn slow_start(warmup: &Warmup) -> SlowStartConfig {
    SlowStartConfig {
        slow_start_window: Some(proto::duration(warmup.duration)),
        // Envoy asks for the name of a runtime value that could be another one; nobody sets it.
        aggression: Some(RuntimeDouble {
            default_value: warmup.aggression,
            runtime_key: "meshgate.slow_start.aggression".to_owned(),
        }),
        min_weight_percent: Some(Percent {
            value: warmup.least,
        }),
    }
}

pub(super) fn pings(pings: &Pings) -> KeepaliveSettings {
    KeepaliveSettings {
        interval: Some(proto::duration(pings.interval)),
        timeout: Some(proto::duration(pings.timeout)),
        ..KeepaliveSettings::default()
    }
}

/// A socket that sends the client's address first, and then what `inner` does; without one, plain bytes.
pub(super) fn proxy_protocol(
    version: ProxyProtocol,
    inner: Option<TransportSocket>,
) -> TransportSocket {
    let version = match version {
        ProxyProtocol::V1 => Version::V1,
        ProxyProtocol::V2 => Version::V2,
    };
    let plain = || socket("envoy.transport_sockets.raw_buffer", pack_any(RawBuffer {}));
    let transport = ProxyProtocolUpstreamTransport {
        config: Some(ProxyProtocolConfig {
            version: version.into(),
            ..ProxyProtocolConfig::default()
        }),
        transport_socket: Some(inner.unwrap_or_else(plain)),
        ..ProxyProtocolUpstreamTransport::default()
    };
    socket(
        "envoy.transport_sockets.upstream_proxy_protocol",
        pack_any(transport),
    )
}

fn socket(name: &str, config: Any) -> TransportSocket {
    TransportSocket {
        name: name.to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(config)),
    }
}
