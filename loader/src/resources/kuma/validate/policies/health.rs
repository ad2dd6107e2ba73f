//! `HealthCheck` and `MeshHealthCheck`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::resources::kuma::health_check::{HealthCheck, Http};
use crate::resources::kuma::mesh_health_check::{MeshChecks, MeshHealthCheck};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::connection::{connection, has_conf};
use super::{Gateways, Shape, TOP, duration, percentage, policy};

const SERVICES: [&str; 4] = [
    "Mesh",
    "MeshService",
    "MeshMultiZoneService",
    "MeshExternalService",
];

const SHAPE: Shape = Shape {
    top: &TOP,
    to_of_gateway: &SERVICES,
    to: &SERVICES,
    from: &[],
    gateways: Gateways::All,
    is_never_empty: false,
    mixes_rules_and_to: false,
    has_strict_matches: false,
};

impl Validate for MeshHealthCheck {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshChecks, _: &str) {
    if conf.tcp.is_none() && conf.http.is_none() && conf.grpc.is_none() {
        report.violation(path, "must have at least one defined: http, tcp, grpc");
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
            report.violation(&path.field(field), "must be greater than zero when defined");
        }
    }
    if conf
        .interval_jitter_percent
        .is_some_and(|percent| percent > 100)
    {
        report.violation(
            &path.field("intervalJitterPercent"),
            "must be in inclusive range [0, 100]",
        );
    }
    percentage(
        report,
        &path.field("healthyPanicThreshold"),
        conf.healthy_panic_threshold.as_ref(),
    );
    let log = conf.event_log_path.as_deref();
    if log.is_some_and(|log| !log.starts_with('/')) {
        let path = path.field("eventLogPath");
        report.violation(&path, "must be a valid path when defined");
    }
    let http = conf.http.as_ref();
    if http.is_some_and(|http| http.path.as_deref() == Some("")) {
        report.violation(&path.field("http").field("path"), "must be defined");
    }
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

impl Validate for HealthCheck {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
        if !has_conf(report, "has to be defined") {
            return;
        }
        let path = Path::of("conf");
        let conf = &self.conf;
        for (field, value, is_required) in [
            ("interval", &conf.interval, true),
            ("timeout", &conf.timeout, true),
            ("initialJitter", &conf.initial_jitter, false),
            ("intervalJitter", &conf.interval_jitter, false),
            ("noTrafficInterval", &conf.no_traffic_interval, false),
        ] {
            let path = path.field(field);
            match value {
                None if is_required => report.violation(&path, "must have a positive value"),
                None => {}
                Some(value) if value.get().is_some_and(|duration| duration.is_zero()) => {
                    report.violation(&path, "must have a positive value");
                }
                Some(value) => duration(report, &path, Some(value), true),
            }
        }
        for (field, value) in [
            ("unhealthyThreshold", conf.unhealthy_threshold),
            ("healthyThreshold", conf.healthy_threshold),
        ] {
            if value == 0 {
                report.violation(&path.field(field), "must have a positive value");
            }
        }
        let threshold = conf.healthy_panic_threshold.unwrap_or_default();
        if !(0.0..=100.0).contains(&threshold) {
            let path = path.field("healthyPanicThreshold");
            report.violation(&path, "must be in range [0.0 - 100.0]");
        }
        if let Some(http) = &conf.http {
            legacy_http(report, &path.field("http"), http);
        }
        if conf.tcp.is_some() && conf.http.is_some() {
            report.violation(&path, "http and tcp cannot be defined at the same time");
        }
        if let Some(tcp) = &conf.tcp {
            let path = path.field("tcp");
            base64(report, &path.field("send"), tcp.send.as_ref());
            for (index, bytes) in tcp.receive.iter().enumerate() {
                base64(report, &path.field("receive").index(index), Some(bytes));
            }
        }
    }
}

fn legacy_http(report: &mut Report<'_>, path: &Path, http: &Http) {
    if http.path.is_empty() {
        report.violation(&path.field("path"), "has to be defined and cannot be empty");
    }
    for (index, status) in http.expected_statuses.iter().enumerate() {
        if !(100..600).contains(status) {
            let path = path.field("expectedStatuses").index(index);
            report.violation(&path, "must be in range [100, 600)");
        }
    }
    for (index, option) in http.request_headers_to_add.iter().enumerate() {
        let path = path.field("requestHeadersToAdd").index(index);
        let path = path.field("header");
        match &option.header {
            None => report.violation(&path, "has to be defined"),
            Some(header) if header.key.is_empty() => {
                report.violation(&path.field("key"), "cannot be empty");
            }
            Some(_) => {}
        }
    }
}

fn base64(report: &mut Report<'_>, path: &Path, text: Option<&String>) {
    if text.is_some_and(|text| STANDARD.decode(text).is_err()) {
        report.advise(path, "illegal base64 data", "write the bytes in base64");
    }
}
