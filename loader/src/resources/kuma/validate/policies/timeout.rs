//! `MeshTimeout` and `Timeout`.

use crate::resources::kuma::mesh_timeout::{HttpTimeouts, MeshTimeout, MeshTimeouts, Timeout};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::connection::{above_zero, connection, has_conf};
use super::{
    Gateways, Shape, TOP_OR_ROUTES, conditioned, duration, for_one_service, ignored, policy,
    positive_for_envoy,
};

const SHAPE: Shape = Shape {
    top: &TOP_OR_ROUTES,
    to_of_gateway: &["Mesh", "MeshExternalService"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshExternalService",
        "MeshMultiZoneService",
        "MeshHTTPRoute",
    ],
    from: &["Mesh"],
    gateways: Gateways::NoFrom,
    is_never_empty: true,
    mixes_rules_and_to: false,
    has_strict_matches: true,
};

impl Validate for MeshTimeout {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
        conditioned(report, self, |conf| {
            let http = conf.http.clone().unwrap_or_default();
            let fields = [
                ("connectionTimeout", conf.connection_timeout.is_some()),
                ("idleTimeout", conf.idle_timeout.is_some()),
                (
                    "http.requestHeadersTimeout",
                    http.request_headers_timeout.is_some(),
                ),
                ("http.maxStreamDuration", http.max_stream_duration.is_some()),
                (
                    "http.maxConnectionDuration",
                    http.max_connection_duration.is_some(),
                ),
            ];
            let set = fields.into_iter().filter(|(_, is_set)| *is_set);
            set.map(|(field, _)| field).collect()
        });
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        ignored(report, self);
        for_one_service(report, self, |conf| {
            let http = conf.http.as_ref();
            let is_of_route = http.is_some_and(|http| {
                http.request_timeout.is_some() || http.stream_idle_timeout.is_some()
            });
            if is_of_route {
                "the times of requests"
            } else {
                ""
            }
        });
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshTimeouts, top: &str) {
    if conf.connection_timeout.is_none() && conf.idle_timeout.is_none() && conf.http.is_none() {
        return report.violation(path, "at least one timeout should be configured");
    }
    let http = conf.http.clone().unwrap_or_default();
    if top == "MeshHTTPRoute" {
        for (field, is_set) in [
            ("connectionTimeout", conf.connection_timeout.is_some()),
            ("idleTimeout", conf.idle_timeout.is_some()),
            ("http.maxStreamDuration", http.max_stream_duration.is_some()),
            (
                "http.maxConnectionDuration",
                http.max_connection_duration.is_some(),
            ),
        ] {
            if is_set {
                report.violation(
                    &path.join(&Path::of(field)),
                    "can't be specified when top-level TargetRef is referencing MeshHTTPRoute",
                );
            }
        }
    }
    duration(
        report,
        &path.field("connectionTimeout"),
        conf.connection_timeout.as_ref(),
        true,
    );
    duration(
        report,
        &path.field("idleTimeout"),
        conf.idle_timeout.as_ref(),
        false,
    );
    if conf.http.is_some() {
        requests(report, &path.field("http"), &http);
    }
}

fn requests(report: &mut Report<'_>, path: &Path, http: &HttpTimeouts) {
    let fields = [
        ("requestTimeout", &http.request_timeout),
        ("streamIdleTimeout", &http.stream_idle_timeout),
        ("maxStreamDuration", &http.max_stream_duration),
        ("maxConnectionDuration", &http.max_connection_duration),
    ];
    if fields.iter().all(|(_, value)| value.is_none()) {
        report.violation(
            path,
            "at least one timeout in this section should be configured",
        );
    }
    let headers = ("requestHeadersTimeout", &http.request_headers_timeout);
    for (field, value) in fields.into_iter().chain([headers]) {
        duration(report, &path.field(field), value.as_ref(), false);
    }
}

impl Validate for Timeout {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
        if !has_conf(report, "has to be defined") {
            return;
        }
        let path = Path::of("conf");
        let connect = self.conf.connect_timeout.as_ref();
        positive_for_envoy(report, &path.field("connectTimeout"), connect);
        for (protocol, times, fields) in [
            ("tcp", &self.conf.tcp, &["idleTimeout"][..]),
            ("http", &self.conf.http, &["requestTimeout", "idleTimeout"]),
            (
                "grpc",
                &self.conf.grpc,
                &["streamIdleTimeout", "maxStreamDuration"],
            ),
        ] {
            let Some(times) = times else { continue };
            let path = path.field(protocol);
            let all = [
                ("requestTimeout", &times.request_timeout),
                ("idleTimeout", &times.idle_timeout),
                ("streamIdleTimeout", &times.stream_idle_timeout),
                ("maxStreamDuration", &times.max_stream_duration),
            ];
            let is_own = |field: &str| fields.contains(&field);
            let mut own = all.iter().filter(|(field, _)| is_own(field));
            if own.all(|(_, value)| value.is_none()) {
                report.violation(&path, "at least one timeout in section has to be defined");
                continue;
            }
            for (field, value) in all {
                let path = path.field(field);
                if is_own(field) {
                    above_zero(report, &path, value.as_ref());
                } else {
                    duration(report, &path, value.as_ref(), false);
                }
            }
        }
    }
}
