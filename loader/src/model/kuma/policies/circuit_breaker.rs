//! `CircuitBreaker` and `MeshCircuitBreaker`.

use ::policy::Tags;

use super::select::{Policies, To};
use crate::model::policy::{ClusterPolicy, FailurePercentage, Limits, Outliers, SuccessRate};
use crate::resources::kuma::mesh_circuit_breaker::{
    self as api, Breakers, ConnectionLimits, MeshBreakers, OutlierDetection,
};
use crate::resources::kuma::policy::{Duration, Fraction};

pub(super) fn cluster(
    policies: &Policies<'_>,
    to: To<'_>,
    destination: &Tags,
    policy: &mut ClusterPolicy,
) {
    if let Some(older) = policies.connection(&policies.resources.circuit_breakers, destination) {
        let conf = &older.spec.conf;
        limit(conf.thresholds.as_ref(), &mut policy.limits);
        policy.outliers = Some(legacy(conf));
    }
    let newer = policies.outbound(&policies.resources.mesh_circuit_breakers, to);
    if let Some(conf) = newer {
        apply(conf, policy);
    }
}

/// What holds for everybody who calls an inbound.
pub(super) fn inbound(policies: &Policies<'_>, policy: &mut ClusterPolicy) {
    if let Some(conf) = policies.inbound(&policies.resources.mesh_circuit_breakers) {
        apply(conf, policy);
    }
}

fn apply(conf: MeshBreakers, policy: &mut ClusterPolicy) {
    limit(conf.connection_limits.as_ref(), &mut policy.limits);
    if let Some(detection) = conf.outlier_detection.filter(|o| o.disabled != Some(true)) {
        policy.outliers = Some(outliers(&detection));
        policy.panic_threshold = detection
            .healthy_panic_threshold
            .as_ref()
            .and_then(Fraction::get);
    }
}

/// Limits that a policy leaves out stay as they are.
fn limit(conf: Option<&ConnectionLimits>, limits: &mut Limits) {
    let Some(conf) = conf else {
        return;
    };
    *limits = Limits {
        connections: conf.max_connections.or(limits.connections),
        connection_pools: conf.max_connection_pools.or(limits.connection_pools),
        pending_requests: conf.max_pending_requests.or(limits.pending_requests),
        requests: conf.max_requests.or(limits.requests),
        retries: conf.max_retries.or(limits.retries),
    };
}

fn outliers(conf: &OutlierDetection) -> Outliers {
    let detectors = conf.detectors.clone().unwrap_or_default();
    let in_a_row = |detector: Option<api::Consecutive>| detector?.consecutive.map(Some);
    Outliers {
        interval: conf.interval.as_ref().and_then(Duration::get),
        base_ejection: conf.base_ejection_time.as_ref().and_then(Duration::get),
        max_percent: conf.max_ejection_percent,
        split_local: conf.split_external_and_local_errors == Some(true),
        total: in_a_row(detectors.total_failures),
        gateway: in_a_row(detectors.gateway_failures),
        local: in_a_row(detectors.local_origin_failures),
        success_rate: detectors.success_rate.map(|rate| SuccessRate {
            hosts: rate.minimum_hosts,
            requests: rate.request_volume,
            deviation: rate
                .standard_deviation_factor
                .as_ref()
                .and_then(thousandths),
        }),
        failures: detectors.failure_percentage.as_ref().map(failures),
    }
}

fn legacy(conf: &Breakers) -> Outliers {
    let detectors = conf.detectors.clone().unwrap_or_default();
    let in_a_row = |detector: Option<api::Consecutive>| detector.map(|d| d.consecutive);
    Outliers {
        interval: conf.interval.as_ref().and_then(Duration::get),
        base_ejection: conf.base_ejection_time.as_ref().and_then(Duration::get),
        max_percent: conf.max_ejection_percent,
        split_local: conf.split_external_and_local_errors,
        total: in_a_row(detectors.total_errors),
        gateway: in_a_row(detectors.gateway_errors),
        local: in_a_row(detectors.local_errors),
        success_rate: detectors.standard_deviation.map(|rate| SuccessRate {
            hosts: rate.minimum_hosts,
            requests: rate.request_volume,
            deviation: rate.factor.as_ref().and_then(thousandths),
        }),
        failures: detectors.failure.as_ref().map(failures),
    }
}

fn failures(conf: &api::FailurePercentage) -> FailurePercentage {
    FailurePercentage {
        hosts: conf.minimum_hosts,
        requests: conf.request_volume,
        threshold: conf.threshold,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` ends at the bounds of u32"
)]
fn thousandths(factor: &Fraction) -> Option<u32> {
    factor.get().map(|factor| (factor * 1000.0) as u32)
}
