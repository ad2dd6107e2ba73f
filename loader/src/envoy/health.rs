//! How endpoints are probed.

use std::fmt::Write as _;

use envoy_types::pb::envoy::config::core::v3::HealthCheck;
use envoy_types::pb::envoy::config::core::v3::health_check::{
    GrpcHealthCheck, HealthChecker, HttpHealthCheck, Payload, TcpHealthCheck, payload,
};
use envoy_types::pb::envoy::r#type::v3::{CodecClientType, Int64Range};

use super::{policy, proto};
use crate::model::UpstreamProtocol;
use crate::model::policy::{self as model, Probe};

#[expect(
    deprecated,
    reason = "Envoy 1.36 knows no other field for the event log without an extension"
)]
pub(super) fn health_check(check: &model::HealthCheck, protocol: UpstreamProtocol) -> HealthCheck {
    HealthCheck {
        timeout: Some(proto::duration(check.timeout)),
        interval: Some(proto::duration(check.interval)),
        initial_jitter: check.initial_jitter.map(proto::duration),
        interval_jitter: check.interval_jitter.map(proto::duration),
        interval_jitter_percent: check.jitter_percent,
        unhealthy_threshold: Some(proto::number(check.unhealthy)),
        healthy_threshold: Some(proto::number(check.healthy)),
        no_traffic_interval: check.no_traffic_interval.map(proto::duration),
        reuse_connection: check.reuses_connections.map(proto::boolean),
        always_log_health_check_failures: check.logs_failures,
        event_log_path: check.event_log.clone().unwrap_or_default(),
        health_checker: Some(match &check.probe {
            Probe::Http {
                path,
                headers,
                statuses,
            } => HealthChecker::HttpHealthCheck(HttpHealthCheck {
                path: path.clone(),
                request_headers_to_add: headers.iter().map(policy::header_option).collect(),
                expected_statuses: statuses.iter().map(|&status| range(status)).collect(),
                codec_client_type: match protocol {
                    UpstreamProtocol::Http1 | UpstreamProtocol::AsClient => {
                        CodecClientType::Http1.into()
                    }
                    UpstreamProtocol::Http2 | UpstreamProtocol::Grpc => {
                        CodecClientType::Http2.into()
                    }
                },
                ..HttpHealthCheck::default()
            }),
            Probe::Grpc { service, authority } => HealthChecker::GrpcHealthCheck(GrpcHealthCheck {
                service_name: service.clone(),
                authority: authority.clone(),
                ..GrpcHealthCheck::default()
            }),
            Probe::Tcp { send, receive } => HealthChecker::TcpHealthCheck(TcpHealthCheck {
                send: send.as_deref().map(hex),
                receive: receive.iter().map(|bytes| hex(bytes)).collect(),
                ..TcpHealthCheck::default()
            }),
        }),
        ..HealthCheck::default()
    }
}

fn range(status: u32) -> Int64Range {
    Int64Range {
        start: status.into(),
        end: i64::from(status) + 1,
    }
}

fn hex(bytes: &[u8]) -> Payload {
    let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a text does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    });
    Payload {
        payload: Some(payload::Payload::Text(digits)),
    }
}
