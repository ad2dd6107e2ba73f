//! `MeshCircuitBreaker` and `CircuitBreaker`.

use crate::resources::kuma::mesh_circuit_breaker::{
    CircuitBreaker, MeshBreakers, MeshCircuitBreaker,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Shape, connection, duration, percentage, policy};

const SHAPE: Shape = Shape {
    to_of_gateway: &["Mesh"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshExternalService",
        "MeshMultiZoneService",
    ],
    is_inbound: true,
};

impl Validate for MeshCircuitBreaker {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshBreakers, _: &str) {
    if conf.connection_limits.is_none() && conf.outlier_detection.is_none() {
        report.violation(
            path,
            "at least one of the 'connectionLimits', 'outlierDetection' must be specified",
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
            if limit == Some(0) {
                report.violation(&path.field(field), "must be greater than 0");
            }
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
    }
}

impl Validate for CircuitBreaker {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
        let path = Path::of("conf");
        duration(
            report,
            &path.field("interval"),
            self.conf.interval.as_ref(),
            true,
        );
        duration(
            report,
            &path.field("baseEjectionTime"),
            self.conf.base_ejection_time.as_ref(),
            true,
        );
        if self.conf.detectors.is_none() && self.conf.thresholds.is_none() {
            report.violation(
                &path,
                "must have at least one of the detector or threshold configured",
            );
        }
        if self
            .conf
            .max_ejection_percent
            .is_some_and(|percent| percent > 100)
        {
            report.violation(
                &path.field("maxEjectionPercent"),
                "has to be in [0.0 - 100.0] range",
            );
        }
    }
}
