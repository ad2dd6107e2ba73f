//! `MeshCircuitBreaker` and `CircuitBreaker`.

use crate::resources::kuma::mesh_circuit_breaker::{
    CircuitBreaker, Detectors, MeshBreakers, MeshCircuitBreaker,
};
use crate::resources::kuma::policy::Fraction;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::connection::{connection, has_conf};
use super::{Gateways, Shape, TOP, duration, percentage, policy, positive_for_envoy};

const SERVICES: [&str; 4] = [
    "Mesh",
    "MeshService",
    "MeshExternalService",
    "MeshMultiZoneService",
];

const SHAPE: Shape = Shape {
    top: &TOP,
    to_of_gateway: &SERVICES,
    to: &SERVICES,
    from: &["Mesh"],
    gateways: Gateways::All,
    is_never_empty: true,
    mixes_rules_and_to: false,
    has_strict_matches: false,
};

impl Validate for MeshCircuitBreaker {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshBreakers, _: &str) {
    if conf.connection_limits.is_none() && conf.outlier_detection.is_none() {
        return report.violation(
            path,
            "at least one of: 'connectionLimits' or 'outlierDetection' should be configured",
        );
    }
    if let Some(limits) = &conf.connection_limits {
        let path = path.field("connectionLimits");
        for (field, limit) in [
            ("maxConnections", limits.max_connections),
            ("maxConnectionPools", limits.max_connection_pools),
            ("maxPendingRequests", limits.max_pending_requests),
            ("maxRetries", limits.max_retries),
            ("maxRequests", limits.max_requests),
        ] {
            not_zero(report, &path.field(field), limit);
        }
    }
    if let Some(outliers) = &conf.outlier_detection {
        let path = path.field("outlierDetection");
        duration(
            report,
            &path.field("interval"),
            outliers.interval.as_ref(),
            true,
        );
        duration(
            report,
            &path.field("baseEjectionTime"),
            outliers.base_ejection_time.as_ref(),
            true,
        );
        if outliers
            .max_ejection_percent
            .is_some_and(|percent| percent > 100)
        {
            report.violation(
                &path.field("maxEjectionPercent"),
                "must be in inclusive range [0, 100]",
            );
        }
        percentage(
            report,
            &path.field("healthyPanicThreshold"),
            outliers.healthy_panic_threshold.as_ref(),
        );
        detectors(
            report,
            &path.field("detectors"),
            outliers.detectors.as_ref(),
        );
    }
}

fn detectors(report: &mut Report<'_>, path: &Path, detectors: Option<&Detectors>) {
    let Some(detectors) = detectors else {
        return report.violation(path, "must be defined");
    };
    let Detectors {
        total_failures,
        gateway_failures,
        local_origin_failures,
        success_rate,
        failure_percentage,
    } = detectors;
    let rows = [
        ("totalFailures", total_failures),
        ("gatewayFailures", gateway_failures),
        ("localOriginFailures", local_origin_failures),
    ];
    let has_rows = rows.iter().any(|(_, row)| row.is_some());
    if !has_rows && success_rate.is_none() && failure_percentage.is_none() {
        return report.violation(
            path,
            "must have at least one defined: totalFailures, gatewayFailures, localOriginFailures, successRate, failurePercentage",
        );
    }
    for (field, row) in rows {
        let count = row.as_ref().and_then(|row| row.consecutive);
        not_zero(report, &path.field(field).field("consecutive"), count);
    }
    if let Some(rate) = success_rate {
        let path = path.field("successRate");
        not_zero(report, &path.field("minimumHosts"), rate.minimum_hosts);
        not_zero(report, &path.field("requestVolume"), rate.request_volume);
        let path = path.field("standardDeviationFactor");
        match &rate.standard_deviation_factor {
            Some(Fraction::Malformed(_)) => report.violation(&path, "invalid number"),
            Some(Fraction::Of(number)) if *number <= 0.0 => {
                report.violation(&path, "must be greater than 0");
            }
            _ => {}
        }
    }
    if let Some(share) = failure_percentage {
        let path = path.field("failurePercentage");
        not_zero(report, &path.field("minimumHosts"), share.minimum_hosts);
        not_zero(report, &path.field("requestVolume"), share.request_volume);
        if share.threshold.is_some_and(|percent| percent > 100) {
            let path = path.field("threshold");
            report.violation(&path, "must be in inclusive range [0, 100]");
        }
    }
}

fn not_zero(report: &mut Report<'_>, path: &Path, number: Option<u32>) {
    if number == Some(0) {
        report.violation(path, "must be greater than 0");
    }
}

impl Validate for CircuitBreaker {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
        let path = Path::of("conf");
        let conf = &self.conf;
        let nothing = "must have at least one of the detector or threshold configured";
        if !has_conf(report, nothing) {
            return;
        }
        for (field, value) in [
            ("interval", &conf.interval),
            ("baseEjectionTime", &conf.base_ejection_time),
        ] {
            positive_for_envoy(report, &path.field(field), value.as_ref());
        }
        let has_detectors = conf.detectors.as_ref().is_some_and(|detectors| {
            detectors.total_errors.is_some()
                || detectors.gateway_errors.is_some()
                || detectors.local_errors.is_some()
                || detectors.standard_deviation.is_some()
                || detectors.failure.is_some()
        });
        let has_thresholds = conf.thresholds.as_ref().is_some_and(|limits| {
            limits.max_connections.is_some()
                || limits.max_pending_requests.is_some()
                || limits.max_retries.is_some()
                || limits.max_requests.is_some()
        });
        if !has_detectors && !has_thresholds {
            return report.violation(&path, nothing);
        }
        if conf.detectors.is_some() && !has_detectors {
            report.violation(&path.field("detectors"), "can't be empty");
        }
        if conf.thresholds.is_some() && !has_thresholds {
            report.violation(&path.field("thresholds"), "can't be empty");
        }
        let failure = conf.detectors.as_ref().and_then(|d| d.failure.as_ref());
        for (field, percent) in [
            ("maxEjectionPercent", conf.max_ejection_percent),
            (
                "detectors.failure.threshold",
                failure.and_then(|f| f.threshold),
            ),
        ] {
            if percent.is_some_and(|percent| percent > 100) {
                let path = path.join(&Path::of(field));
                report.violation(&path, "has to be in [0.0 - 100.0] range");
            }
        }
    }
}
