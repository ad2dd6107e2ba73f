//! `MeshTimeout` and `Timeout`.

use crate::resources::kuma::mesh_timeout::{HttpTimeouts, MeshTimeout, MeshTimeouts, Timeout};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Shape, connection, duration, for_one_service, ignored, policy};

const SHAPE: Shape = Shape {
    to_of_gateway: &["Mesh", "MeshExternalService"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshExternalService",
        "MeshMultiZoneService",
        "MeshHTTPRoute",
    ],
    is_inbound: true,
};

impl Validate for MeshTimeout {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
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
        let path = Path::of("conf");
        duration(
            report,
            &path.field("connectTimeout"),
            self.conf.connect_timeout.as_ref(),
            true,
        );
        for (field, times) in [
            ("tcp", &self.conf.tcp),
            ("http", &self.conf.http),
            ("grpc", &self.conf.grpc),
        ] {
            let Some(times) = times else { continue };
            let path = path.field(field);
            for (field, value) in [
                ("requestTimeout", &times.request_timeout),
                ("idleTimeout", &times.idle_timeout),
                ("streamIdleTimeout", &times.stream_idle_timeout),
                ("maxStreamDuration", &times.max_stream_duration),
            ] {
                duration(report, &path.field(field), value.as_ref(), false);
            }
        }
    }
}
