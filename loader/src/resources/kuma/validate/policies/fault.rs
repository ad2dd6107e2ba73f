//! `MeshFaultInjection`.

use crate::model::kuma::bandwidth;
use crate::resources::kuma::mesh_fault_injection::{HttpFault, MeshFaultInjection, MeshFaults};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Gateways, Shape, TOP, duration, ignored, percentage, policy, refused_by_envoy};

const SHAPE: Shape = Shape {
    top: &TOP,
    to_of_gateway: &["Mesh"],
    to: &["Mesh"],
    from: &["Mesh", "MeshSubset", "MeshService", "MeshServiceSubset"],
    gateways: Gateways::OnlyTo,
    is_never_empty: false,
    mixes_rules_and_to: true,
    has_strict_matches: false,
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
    let path = path.field("http");
    for (index, entry) in conf.http.iter().flatten().enumerate() {
        for field in ["abort", "delay", "responseBandwidth"] {
            // Kuma's own paths have the two the other way round.
            let place = path.index(index).field(field);
            let name = path.field(field).index(index);
            report.calling(&place, &name, |report| fault(report, &place, entry, field));
        }
    }
}

fn fault(report: &mut Report<'_>, path: &Path, fault: &HttpFault, field: &str) {
    let share = path.field("percentage");
    if let Some(abort) = fault.abort.as_ref().filter(|_| field == "abort") {
        let path = path.field("httpStatus");
        match abort.http_status {
            100..200 => refused_by_envoy(report, &path, "must be in inclusive range [200, 599]"),
            200..600 => {}
            _ => report.violation(&path, "must be in inclusive range [100, 599]"),
        }
        percentage(report, &share, Some(&abort.percentage));
    }
    if let Some(delay) = fault.delay.as_ref().filter(|_| field == "delay") {
        let path = path.field("value");
        match &delay.value {
            None => refused_by_envoy(report, &path, "must be defined"),
            value => duration(report, &path, value.as_ref(), false),
        }
        percentage(report, &share, Some(&delay.percentage));
    }
    let limit = fault.response_bandwidth.as_ref();
    if let Some(limit) = limit.filter(|_| field == "responseBandwidth") {
        let path = path.field("limit");
        if limit.limit.is_empty() {
            report.violation(&path, "must be defined");
        } else if !has_unit(&limit.limit) {
            report.violation(&path, "must be in kbps/Mbps/Gbps units");
        } else if bandwidth(&limit.limit).is_none_or(|limit| limit == 0) {
            refused_by_envoy(
                report,
                &path,
                "must be a number of kbps, Mbps or Gbps, as in `50 Mbps`",
            );
        }
        percentage(report, &share, Some(&limit.percentage));
    }
}

/// `BandwidthRegex`, `^(\d*)\s?([GMk]+bps)$`.
fn has_unit(limit: &str) -> bool {
    let rest = limit.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest
        .strip_prefix([' ', '\t', '\n', '\r', '\x0c'])
        .unwrap_or(rest);
    rest.strip_suffix("bps")
        .is_some_and(|factors| !factors.is_empty() && factors.bytes().all(|b| b"GMk".contains(&b)))
}
