//! `MeshRateLimit` and `RateLimit`.

use crate::resources::kuma::mesh_rate_limit::{MeshRateLimit, MeshRates, Rate, RateLimit};
use crate::resources::kuma::policy::Duration;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::super::tags;
use super::connection::has_conf;
use super::{
    Gateways, Shape, TOP_OR_ROUTES, conditioned, duration, ignored, policy, refused_by_envoy,
};

const SHAPE: Shape = Shape {
    top: &TOP_OR_ROUTES,
    to_of_gateway: &["Mesh"],
    to: &["Mesh"],
    from: &["Mesh"],
    gateways: Gateways::OnlyToWithoutRules,
    is_never_empty: false,
    mixes_rules_and_to: false,
    has_strict_matches: true,
};

impl Validate for MeshRateLimit {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
        conditioned(report, self, |conf| {
            let tcp = conf.local.as_ref().and_then(|local| local.tcp.as_ref());
            tcp.map(|_| "local.tcp").into_iter().collect()
        });
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
        let path = path.field("onRateLimit").field("status");
        match answer.and_then(|answer| answer.status) {
            Some(0) => report.violation(&path, "must be greater than 0"),
            Some(1..100 | 600..) => {
                refused_by_envoy(report, &path, "must be in inclusive range [100, 599]");
            }
            _ => {}
        }
    }
    if let Some(tcp) = &local.tcp {
        if tcp.disabled.is_none() && tcp.connection_rate.is_none() {
            report.violation(
                &path.field("tcp"),
                "must have at least one defined: disabled, connectionRate",
            );
        }
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
        // Without one it is 0, for Kuma.
        Some(_) | None => report.violation(path, "must be greater than: 50ms"),
    }
}

impl Validate for RateLimit {
    fn validate(&self, report: &mut Report<'_>) {
        tags::any_selectors(report, &Path::of("sources"), &self.sources);
        tags::any_selectors(report, &Path::of("destinations"), &self.destinations);
        if !has_conf(report, "must have conf") {
            return;
        }
        let Some(http) = &self.conf.http else { return };
        let path = Path::of("conf.http");
        if http.requests == 0 {
            report.violation(&path.field("requests"), "requests must be set");
        }
        let time = path.field("interval");
        match &http.interval {
            None => report.violation(&time, "interval must be set"),
            Some(malformed @ Duration::Malformed(_)) => {
                duration(report, &time, Some(malformed), true);
            }
            Some(Duration::Of(interval)) if interval.as_millis() >= 50 => {}
            Some(_) => refused_by_envoy(report, &time, "must be 50ms or more"),
        }
        let headers = http.on_rate_limit.iter().flat_map(|answer| &answer.headers);
        let path = path.field("onRateLimit");
        for (index, header) in headers.enumerate() {
            // Kuma's own paths call the list `header`.
            let place = path.field("headers").index(index);
            let name = path.field("header").key(&index.to_string());
            for (field, value) in [("key", &header.key), ("value", &header.value)] {
                let place = place.field(field);
                if value.is_empty() {
                    report.calling(&place, &name, |report| {
                        report.violation(&place, format!("{field} must be set"));
                    });
                }
            }
        }
    }
}
