//! Kuma's own rules for each resource, in its words (`pkg/core/resources/apis/mesh/*_validator.go` and
//! `pkg/plugins/policies/*/api/v1alpha1/validation.go` at 2.14.3).

mod dataplane;
mod envoy;
mod external_services;
mod matches;
mod mesh;
mod mesh_gateway;
mod mesh_gateway_route;
mod mesh_http_route;
mod mesh_open_telemetry_backend;
mod mesh_passthrough;
mod mesh_service;
mod mesh_tcp_route;
mod permissions;
mod policies;
mod tags;
mod target_ref;
mod templates;
mod traffic_route;
mod zone_egress;
mod zone_ingress;

use std::net::IpAddr;

use crate::resources::report::Report;
use crate::source::Path;

/// `IsDNS1123Subdomain`.
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

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

/// `net.SplitHostPort`.
fn host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(host) => Some((host.strip_suffix(']')?, port)),
        None if host.contains([':', '[', ']']) => None,
        None => Some((host, port)),
    }
}

/// `govalidator.IsDNSName`: in both cases, with underscores, and with a dot at the end or without.
fn is_dns_name(text: &str) -> bool {
    let name = text.to_ascii_lowercase().replace('_', "a");
    name.len() <= 253 && !is_ip(text) && is_domain(name.strip_suffix('.').unwrap_or(&name))
}

/// `MakeFieldMustBeOneOfErr`.
fn must_be_one_of(report: &mut Report<'_>, path: &Path, word: &str, words: &[&str]) {
    if !words.contains(&word) {
        let said = path.to_string();
        let field = said.rsplit('.').next().unwrap_or_default();
        let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let text = format!("\"{field}\" must be one of [{}]", words.join(", "));
        report.violation(path, text);
    }
}
