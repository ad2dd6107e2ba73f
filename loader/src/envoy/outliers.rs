//! When an endpoint gets no requests for a while.

use envoy_types::pb::envoy::config::cluster::v3::OutlierDetection;
use envoy_types::pb::google::protobuf::UInt32Value;

use super::proto;
use crate::model::policy::Outliers;

/// What a policy does not ask for is switched off: some of it is on in Envoy by itself.
pub(super) fn outlier_detection(outliers: &Outliers) -> OutlierDetection {
    let number = |value: Option<u32>| value.map(proto::number);
    let rate = outliers.success_rate.clone().unwrap_or_default();
    let failures = outliers.failures.clone().unwrap_or_default();
    OutlierDetection {
        interval: outliers.interval.map(proto::duration),
        base_ejection_time: outliers.base_ejection.map(proto::duration),
        max_ejection_percent: number(outliers.max_percent),
        split_external_local_origin_errors: outliers.split_local,
        consecutive_5xx: number(outliers.total.flatten()),
        enforcing_consecutive_5xx: Some(enforced(outliers.total.is_some())),
        consecutive_gateway_failure: number(outliers.gateway.flatten()),
        enforcing_consecutive_gateway_failure: Some(enforced(outliers.gateway.is_some())),
        consecutive_local_origin_failure: number(outliers.local.flatten()),
        enforcing_consecutive_local_origin_failure: Some(enforced(outliers.local.is_some())),
        success_rate_minimum_hosts: number(rate.hosts),
        success_rate_request_volume: number(rate.requests),
        success_rate_stdev_factor: number(rate.deviation),
        enforcing_success_rate: Some(enforced(outliers.success_rate.is_some())),
        enforcing_local_origin_success_rate: Some(enforced(outliers.success_rate.is_some())),
        failure_percentage_minimum_hosts: number(failures.hosts),
        failure_percentage_request_volume: number(failures.requests),
        failure_percentage_threshold: number(failures.threshold),
        enforcing_failure_percentage: Some(enforced(outliers.failures.is_some())),
        enforcing_failure_percentage_local_origin: Some(enforced(outliers.failures.is_some())),
        ..OutlierDetection::default()
    }
}

fn enforced(is: bool) -> UInt32Value {
    proto::number(if is { 100 } else { 0 })
}
