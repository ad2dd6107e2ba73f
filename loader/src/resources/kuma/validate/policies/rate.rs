//! `MeshRateLimit` and `RateLimit`.

use crate::resources::kuma::mesh_rate_limit::{MeshRateLimit, MeshRates, Rate, RateLimit};
use crate::resources::kuma::policy::Duration;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Shape, connection, duration, ignored, policy};

const SHAPE: Shape = Shape {
    to_of_gateway: &["Mesh"],
    to: &["Mesh"],
    is_inbound: true,
};

impl Validate for MeshRateLimit {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        ignored(report, self);
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshRates, _: &str) {
    let path = path.field("local");
    let Some(local) = &conf.local else {
        return report.violation(&path, "must be defined");
    };
    if local.http.is_none() && local.tcp.is_none() {
        report.violation(&path, "must have at least one defined: tcp, http");
    }
    if let Some(http) = &local.http {
        let path = path.field("http");
        if http.disabled.is_none() && http.request_rate.is_none() && http.on_rate_limit.is_none() {
            report.violation(
                &path,
                "must have at least one defined: disabled, requestRate, onRateLimit",
            );
        }
        rate(
            report,
            &path.field("requestRate"),
            http.request_rate.as_ref(),
        );
        let answer = http.on_rate_limit.as_ref();
        if answer
            .and_then(|answer| answer.status)
            .is_some_and(|s| !(100..600).contains(&s))
        {
            let path = path.field("onRateLimit").field("status");
            report.violation(&path, "must be in inclusive range [100, 599]");
        }
    }
    if let Some(tcp) = &local.tcp {
        rate(
            report,
            &path.field("tcp").field("connectionRate"),
            tcp.connection_rate.as_ref(),
        );
    }
}

fn rate(report: &mut Report<'_>, path: &Path, rate: Option<&Rate>) {
    let Some(rate) = rate else { return };
    if rate.num.unwrap_or_default() == 0 {
        report.violation(&path.field("num"), "must be greater than 0");
    }
    interval(report, &path.field("interval"), rate.interval.as_ref());
}

/// Envoy fills its buckets every 50 ms at most.
fn interval(report: &mut Report<'_>, path: &Path, interval: Option<&Duration>) {
    match interval {
        Some(Duration::Of(time)) if time.as_millis() > 50 => {}
        Some(malformed @ Duration::Malformed(_)) => duration(report, path, Some(malformed), true),
        Some(_) => report.violation(path, "must be greater than: 50ms"),
        None => report.violation(path, "must be defined"),
    }
}

impl Validate for RateLimit {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
        let path = Path::of("conf.http");
        let Some(http) = &self.conf.http else {
            return report.violation(&Path::of("conf"), "must have conf");
        };
        if http.requests == 0 {
            report.violation(&path.field("requests"), "requests must be set");
        }
        interval(report, &path.field("interval"), http.interval.as_ref());
    }
}
