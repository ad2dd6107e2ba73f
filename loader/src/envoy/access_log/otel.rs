//! Records for a collector of OpenTelemetry, over gRPC.

use envoy_types::pb::envoy::config::accesslog::v3::AccessLog;
use envoy_types::pb::envoy::config::core::v3::grpc_service::{EnvoyGrpc, TargetSpecifier};
use envoy_types::pb::envoy::config::core::v3::{ApiVersion, GrpcService};
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::CommonGrpcAccessLogConfig;
use envoy_types::pb::envoy::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig;
use envoy_types::pb::opentelemetry::proto::common::v1 as otlp;
use envoy_types::pb::opentelemetry::proto::common::v1::any_value::Value;
use envoy_types::util::pack_any;

use super::named;
use crate::envoy::EnvoyRange;
use crate::model::policy::{AnyValue, OtelLog};

#[expect(
    deprecated,
    reason = "Envoy 1.36 knows no other field for the collector"
)]
pub(super) fn access_log(log: &OtelLog, range: EnvoyRange) -> AccessLog {
    let collector = EnvoyGrpc {
        cluster_name: log.cluster.clone(),
        authority: log.authority.clone(),
        ..EnvoyGrpc::default()
    };
    let service = GrpcService {
        target_specifier: Some(TargetSpecifier::EnvoyGrpc(collector)),
        ..GrpcService::default()
    };
    let name = "MeshAccessLog".to_owned();
    let collector = match range {
        EnvoyRange::From1_40 => OpenTelemetryAccessLogConfig {
            log_name: name,
            grpc_service: Some(service),
            ..OpenTelemetryAccessLogConfig::default()
        },
        EnvoyRange::From1_36 => OpenTelemetryAccessLogConfig {
            common_config: Some(CommonGrpcAccessLogConfig {
                log_name: name,
                grpc_service: Some(service),
                transport_api_version: ApiVersion::V3.into(),
                ..CommonGrpcAccessLogConfig::default()
            }),
            ..OpenTelemetryAccessLogConfig::default()
        },
    };
    let config = OpenTelemetryAccessLogConfig {
        body: Some(any_value(&log.body)),
        attributes: Some(texts(&log.attributes)),
        resource_attributes: Some(texts(&log.resource)),
        ..collector
    };
    named("envoy.access_loggers.open_telemetry", pack_any(config))
}

fn texts(pairs: &[(String, String)]) -> otlp::KeyValueList {
    let pair = |(key, value): &(String, String)| key_value(key, Value::StringValue(value.clone()));
    otlp::KeyValueList {
        values: pairs.iter().map(pair).collect(),
    }
}

fn key_value(key: &str, value: Value) -> otlp::KeyValue {
    otlp::KeyValue {
        key: key.to_owned(),
        value: Some(otlp::AnyValue { value: Some(value) }),
        ..otlp::KeyValue::default()
    }
}

fn any_value(value: &AnyValue) -> otlp::AnyValue {
    otlp::AnyValue {
        value: Some(of(value)),
    }
}

fn of(value: &AnyValue) -> Value {
    match value {
        AnyValue::String(text) => Value::StringValue(text.clone()),
        AnyValue::Bool(truth) => Value::BoolValue(*truth),
        AnyValue::Int(number) => Value::IntValue(*number),
        AnyValue::Double(number) => Value::DoubleValue(*number),
        AnyValue::Bytes(bytes) => Value::BytesValue(bytes.clone()),
        AnyValue::Array(values) => Value::ArrayValue(otlp::ArrayValue {
            values: values.iter().map(any_value).collect(),
        }),
        AnyValue::List(pairs) => Value::KvlistValue(otlp::KeyValueList {
            values: pairs
                .iter()
                .map(|(key, value)| key_value(key, of(value)))
                .collect(),
        }),
    }
}
