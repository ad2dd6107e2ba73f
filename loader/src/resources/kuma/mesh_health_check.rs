//! `MeshHealthCheck` (Kuma `pkg/plugins/policies/meshhealthcheck/api/v1alpha1`).

use serde::Deserialize;

use super::mesh_rate_limit::Headers;
use super::policy::{Duration, Fraction, Policy, overlay};

/// `MeshHealthCheck`.
pub type MeshHealthCheck = Policy<MeshChecks>;

/// How endpoints are probed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshChecks {
    /// How often; 1 min if absent.
    pub interval: Option<Duration>,
    /// How long an answer may take; 15 s if absent.
    pub timeout: Option<Duration>,
    /// After so many failures an endpoint gets no requests; 5 if absent.
    pub unhealthy_threshold: Option<u32>,
    /// After so many successes it gets some again; 1 if absent.
    pub healthy_threshold: Option<u32>,
    /// The first probe comes so much later at most.
    pub initial_jitter: Option<Duration>,
    /// Every probe comes so much later at most.
    pub interval_jitter: Option<Duration>,
    /// The same as a share of the interval.
    pub interval_jitter_percent: Option<u32>,
    /// The percentage of healthy endpoints below which all get requests.
    pub healthy_panic_threshold: Option<Fraction>,
    /// Whether requests fail where they would go to all.
    pub fail_traffic_on_panic: Option<bool>,
    /// A file for changes of health.
    pub event_log_path: Option<String>,
    /// Whether every failure is logged.
    pub always_log_health_check_failures: Option<bool>,
    /// How often before the first request.
    pub no_traffic_interval: Option<Duration>,
    /// By connections.
    pub tcp: Option<TcpCheck>,
    /// By requests.
    pub http: Option<HttpCheck>,
    /// By calls of gRPC's health service, where all endpoints speak gRPC.
    pub grpc: Option<GrpcCheck>,
    /// Whether a connection is used for more than one probe.
    pub reuse_connection: Option<bool>,
}

/// By connections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpCheck {
    /// Whether not.
    pub disabled: Option<bool>,
    /// What is sent.
    pub send: Option<String>,
    /// What has to come back.
    pub receive: Option<Vec<String>>,
}

/// By requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpCheck {
    /// Whether not.
    pub disabled: Option<bool>,
    /// The path; `/` if absent.
    pub path: Option<String>,
    /// Headers of the requests.
    pub request_headers_to_add: Option<Headers>,
    /// The statuses of healthy endpoints; 200 if absent.
    pub expected_statuses: Option<Vec<u32>>,
}

/// By calls of gRPC's health service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GrpcCheck {
    /// Whether not.
    pub disabled: Option<bool>,
    /// The service that is asked about.
    pub service_name: Option<String>,
    /// The `:authority` of the calls.
    pub authority: Option<String>,
}

overlay! {
    MeshChecks {
        interval, timeout, unhealthy_threshold, healthy_threshold, initial_jitter, interval_jitter,
        interval_jitter_percent, healthy_panic_threshold, fail_traffic_on_panic, event_log_path,
        always_log_health_check_failures, no_traffic_interval, tcp, http, grpc, reuse_connection,
    }
    GrpcCheck { disabled, service_name, authority }
    TcpCheck { disabled, send, receive }
    HttpCheck { disabled, path, request_headers_to_add, expected_statuses }
}
