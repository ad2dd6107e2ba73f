//! `MeshFaultInjection`.

use crate::model::kuma::bandwidth;
use crate::resources::kuma::mesh_fault_injection::{HttpFault, MeshFaultInjection, MeshFaults};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Shape, duration, ignored, percentage, policy};

const SHAPE: Shape = Shape {
    to_of_gateway: &["Mesh"],
    to: &["Mesh"],
    is_inbound: true,
};

impl Validate for MeshFaultInjection {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        ignored(report, self);
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshFaults, _: &str) {
    for (index, entry) in conf.http.iter().flatten().enumerate() {
        fault(report, &path.field("http").index(index), entry);
    }
}

fn fault(report: &mut Report<'_>, path: &Path, fault: &HttpFault) {
    if let Some(abort) = &fault.abort {
        let path = path.field("abort");
        if !(200..600).contains(&abort.http_status) {
            report.violation(
                &path.field("httpStatus"),
                "must be in inclusive range [200, 599]",
            );
        }
        percentage(report, &path.field("percentage"), Some(&abort.percentage));
    }
    if let Some(delay) = &fault.delay {
        let path = path.field("delay");
        if delay.value.is_none() {
            report.violation(&path.field("value"), "must be defined");
        }
        duration(report, &path.field("value"), delay.value.as_ref(), false);
        percentage(report, &path.field("percentage"), Some(&delay.percentage));
    }
    if let Some(limit) = &fault.response_bandwidth {
        let path = path.field("responseBandwidth");
        if bandwidth(&limit.limit).is_none() {
            report.violation(&path.field("limit"), "must be in kbps/Mbps/Gbps units");
        }
        percentage(report, &path.field("percentage"), Some(&limit.percentage));
    }
}
