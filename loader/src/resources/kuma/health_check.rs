//! `HealthCheck` (Kuma `api/mesh/v1alpha1/health_check.proto`).

use serde::Deserialize;

use super::policy::{Connection, Duration};

/// `HealthCheck`.
pub type HealthCheck = Connection<Checks>;

/// How endpoints are probed: by requests, or by connections where `http` is absent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checks {
    /// How often.
    pub interval: Option<Duration>,
    /// How long an answer may take.
    pub timeout: Option<Duration>,
    /// After so many failures an endpoint gets no requests.
    #[serde(rename = "unhealthyThreshold", alias = "unhealthy_threshold")]
    pub unhealthy_threshold: u32,
    /// After so many successes it gets some again.
    #[serde(rename = "healthyThreshold", alias = "healthy_threshold")]
    pub healthy_threshold: u32,
    /// The first probe comes so much later at most.
    #[serde(rename = "initialJitter", alias = "initial_jitter")]
    pub initial_jitter: Option<Duration>,
    /// Every probe comes so much later at most.
    #[serde(rename = "intervalJitter", alias = "interval_jitter")]
    pub interval_jitter: Option<Duration>,
    /// The same in percent of the interval.
    #[serde(rename = "intervalJitterPercent", alias = "interval_jitter_percent")]
    pub interval_jitter_percent: u32,
    /// The percentage of healthy endpoints below which all get requests.
    #[serde(rename = "healthyPanicThreshold", alias = "healthy_panic_threshold")]
    pub healthy_panic_threshold: Option<f64>,
    /// Whether requests fail where they would go to all.
    #[serde(rename = "failTrafficOnPanic", alias = "fail_traffic_on_panic")]
    pub fail_traffic_on_panic: bool,
    /// A file for changes of health.
    #[serde(rename = "eventLogPath", alias = "event_log_path")]
    pub event_log_path: String,
    /// Whether every failure is logged.
    #[serde(
        rename = "alwaysLogHealthCheckFailures",
        alias = "always_log_health_check_failures"
    )]
    pub always_log_health_check_failures: bool,
    /// How often before the first request.
    #[serde(rename = "noTrafficInterval", alias = "no_traffic_interval")]
    pub no_traffic_interval: Option<Duration>,
    /// By connections.
    pub tcp: Option<Tcp>,
    /// By requests.
    pub http: Option<Http>,
    /// Whether a connection is used for more than one probe.
    #[serde(rename = "reuseConnection", alias = "reuse_connection")]
    pub reuse_connection: Option<bool>,
}

/// By connections; bytes are written in base64.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tcp {
    /// What is sent.
    pub send: Option<String>,
    /// What has to come back.
    pub receive: Vec<String>,
}

/// By requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// The path.
    pub path: String,
    /// Headers of the requests.
    #[serde(rename = "requestHeadersToAdd", alias = "request_headers_to_add")]
    pub request_headers_to_add: Vec<LegacyHeader>,
    /// The statuses of healthy endpoints; 200 if there are none.
    #[serde(rename = "expectedStatuses", alias = "expected_statuses")]
    pub expected_statuses: Vec<u32>,
}

/// A header.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyHeader {
    /// Name and value.
    pub header: Option<Pair>,
    /// Whether it comes beside one that is there; it does if absent.
    pub append: Option<bool>,
}

/// Name and value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pair {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
}
