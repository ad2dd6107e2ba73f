//! `MeshOpenTelemetryBackend` (Kuma `pkg/core/resources/apis/meshopentelemetrybackend/api/v1alpha1/validator.go` at
//! 2.14.3).

use crate::resources::kuma::mesh_open_telemetry_backend::{Endpoint, MeshOpenTelemetryBackend};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{is_dns_name, is_ip, must_be_one_of};

impl Validate for MeshOpenTelemetryBackend {
    fn validate(&self, report: &mut Report<'_>) {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        if let Some(endpoint) = &self.endpoint {
            validate(report, endpoint, protocol == "http");
        }
        let env = self.env.clone().unwrap_or_default();
        for (path, word, words) in [
            ("protocol", protocol, &["grpc", "http"][..]),
            (
                "env.mode",
                &*env.mode,
                &["Disabled", "Optional", "Required"],
            ),
            (
                "env.precedence",
                &*env.precedence,
                &["ExplicitFirst", "EnvFirst"],
            ),
        ] {
            if !word.is_empty() {
                must_be_one_of(report, &Path::of(path), word, words);
            }
        }
    }
}

fn validate(report: &mut Report<'_>, endpoint: &Endpoint, is_http: bool) {
    let path = Path::of("endpoint");
    match endpoint.address.as_deref() {
        Some("") => report.violation(&path.field("address"), "must not be empty"),
        Some(address) if !is_ip(address) && !is_dns_name(address) => report.violation(
            &path.field("address"),
            "address has to be a valid IP or hostname",
        ),
        _ => {}
    }
    if endpoint
        .port
        .is_some_and(|port| !(1..=65535).contains(&port))
    {
        report.violation(&path.field("port"), "port must be a valid (1-65535)");
    }
    let base = endpoint.path.as_deref().unwrap_or_default();
    let path = path.field("path");
    if base.is_empty() {
    } else if !is_http {
        report.violation(&path, "must not be set when protocol is grpc");
    } else if !base.starts_with('/') {
        report.violation(&path, "must start with /");
    } else if base.contains(['?', '#']) {
        report.violation(&path, "must not contain query or fragment");
    }
}
