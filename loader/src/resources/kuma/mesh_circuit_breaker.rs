//! `MeshCircuitBreaker` (Kuma `pkg/plugins/policies/meshcircuitbreaker/api/v1alpha1`) and `CircuitBreaker`
//! (`api/mesh/v1alpha1`).

use serde::Deserialize;

use super::policy::{Connection, Duration, Fraction, Policy, overlay};

/// `MeshCircuitBreaker`.
pub type MeshCircuitBreaker = Policy<MeshBreakers>;
/// `CircuitBreaker`.
pub type CircuitBreaker = Connection<Breakers>;

/// Limits of a service, and when an endpoint gets no requests for a while.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshBreakers {
    /// Limits.
    pub connection_limits: Option<ConnectionLimits>,
    /// When an endpoint is left out.
    pub outlier_detection: Option<OutlierDetection>,
}

/// How much at a time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "named as what they limit")]
pub struct ConnectionLimits {
    pub max_connections: Option<u32>,
    pub max_connection_pools: Option<u32>,
    pub max_pending_requests: Option<u32>,
    pub max_retries: Option<u32>,
    pub max_requests: Option<u32>,
}

/// When an endpoint is left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OutlierDetection {
    /// Whether none ever is.
    pub disabled: Option<bool>,
    /// How often this is looked at.
    pub interval: Option<Duration>,
    /// For how long, times the number of times.
    pub base_ejection_time: Option<Duration>,
    /// How many at most.
    pub max_ejection_percent: Option<u32>,
    /// Whether failures to connect count apart.
    pub split_external_and_local_errors: Option<bool>,
    /// Why.
    pub detectors: Option<Detectors>,
    /// The percentage of healthy endpoints below which all get requests.
    pub healthy_panic_threshold: Option<Fraction>,
}

/// Why an endpoint is left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Detectors {
    /// Any failures.
    pub total_failures: Option<Consecutive>,
    /// 502, 503, 504.
    pub gateway_failures: Option<Consecutive>,
    /// Failures to connect.
    pub local_origin_failures: Option<Consecutive>,
    /// Fewer successes than others.
    pub success_rate: Option<SuccessRate>,
    /// Too many failures.
    pub failure_percentage: Option<FailurePercentage>,
}

/// Failures in a row.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Consecutive {
    /// How many.
    pub consecutive: Option<u32>,
}

/// Fewer successes than others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SuccessRate {
    /// Among at least so many endpoints.
    pub minimum_hosts: Option<u32>,
    /// With at least so many requests each.
    pub request_volume: Option<u32>,
    /// By so many standard deviations.
    pub standard_deviation_factor: Option<Fraction>,
}

/// Too many failures.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct FailurePercentage {
    /// Among at least so many endpoints.
    pub minimum_hosts: Option<u32>,
    /// With at least so many requests each.
    pub request_volume: Option<u32>,
    /// So many percent.
    pub threshold: Option<u32>,
}

overlay! {
    MeshBreakers { connection_limits, outlier_detection }
    ConnectionLimits { max_connections, max_connection_pools, max_pending_requests, max_retries, max_requests }
    OutlierDetection {
        disabled, interval, base_ejection_time, max_ejection_percent, split_external_and_local_errors, detectors,
        healthy_panic_threshold,
    }
    Detectors { total_failures, gateway_failures, local_origin_failures, success_rate, failure_percentage }
    Consecutive { consecutive }
    SuccessRate { minimum_hosts, request_volume, standard_deviation_factor }
    FailurePercentage { minimum_hosts, request_volume, threshold }
}

/// Limits of a service, and when an endpoint gets no requests for a while.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    missing_docs,
    reason = "the fields of `OutlierDetection` and of `ConnectionLimits`"
)]
pub struct Breakers {
    pub interval: Option<Duration>,
    #[serde(alias = "base_ejection_time")]
    pub base_ejection_time: Option<Duration>,
    pub max_ejection_percent: Option<u32>,
    pub split_external_and_local_errors: bool,
    pub detectors: Option<LegacyDetectors>,
    pub thresholds: Option<ConnectionLimits>,
}

/// Why an endpoint is left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields of `Detectors` under older names")]
pub struct LegacyDetectors {
    pub total_errors: Option<Consecutive>,
    pub gateway_errors: Option<Consecutive>,
    pub local_errors: Option<Consecutive>,
    pub standard_deviation: Option<StandardDeviation>,
    pub failure: Option<FailurePercentage>,
}

/// Fewer successes than others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields of `SuccessRate`")]
pub struct StandardDeviation {
    pub request_volume: Option<u32>,
    pub minimum_hosts: Option<u32>,
    pub factor: Option<Fraction>,
}
