//! `MeshHealthCheck`.

use crate::resources::kuma::mesh_health_check::{MeshChecks, MeshHealthCheck};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Shape, duration, percentage, policy};

const SHAPE: Shape = Shape {
    to_of_gateway: &["Mesh"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshMultiZoneService",
        "MeshExternalService",
    ],
    is_inbound: false,
};

impl Validate for MeshHealthCheck {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshChecks, _: &str) {
    if conf.tcp.is_none() && conf.http.is_none() && conf.grpc.is_none() {
        report.violation(path, "must have at least one defined: tcp, http, grpc");
    }
    for (field, value) in [
        ("interval", &conf.interval),
        ("timeout", &conf.timeout),
        ("initialJitter", &conf.initial_jitter),
        ("intervalJitter", &conf.interval_jitter),
        ("noTrafficInterval", &conf.no_traffic_interval),
    ] {
        duration(report, &path.field(field), value.as_ref(), true);
    }
    for (field, value) in [
        ("unhealthyThreshold", conf.unhealthy_threshold),
        ("healthyThreshold", conf.healthy_threshold),
    ] {
        if value == Some(0) {
            report.violation(&path.field(field), "must be greater than 0");
        }
    }
    percentage(
        report,
        &path.field("healthyPanicThreshold"),
        conf.healthy_panic_threshold.as_ref(),
    );
    let statuses = conf
        .http
        .iter()
        .flat_map(|http| http.expected_statuses.iter().flatten());
    for (index, status) in statuses.enumerate() {
        if !(100..600).contains(status) {
            let path = path.field("http").field("expectedStatuses").index(index);
            report.violation(&path, "must be in inclusive range [100, 599]");
        }
    }
}
