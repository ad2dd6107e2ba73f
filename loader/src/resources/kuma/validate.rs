//! Kuma's own rules for each resource, in its words (`pkg/core/resources/apis/mesh/*_validator.go` and
//! `pkg/plugins/policies/*/api/v1alpha1/validation.go` at 2.14.3).

mod dataplane;
mod mesh_gateway;
mod mesh_gateway_route;
mod mesh_http_route;
mod policies;
mod tags;
mod target_ref;

use std::net::IpAddr;

use crate::resources::report::{Report, Validate};
use crate::source::Path;

impl Validate for super::mesh::Mesh {
    fn validate(&self, _: &mut Report<'_>) {}
}

/// `ValidatePort`.
fn port(report: &mut Report<'_>, path: &Path, port: u32) {
    if port == 0 || port > 65535 {
        report.violation(path, "port must be in the range [1, 65535]");
    }
}

/// `net.ParseIP`.
fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Labels of lower-case letters, digits and inner `-`, joined by dots.
fn is_domain(text: &str) -> bool {
    crate::resources::load::is_subdomain(text)
}
