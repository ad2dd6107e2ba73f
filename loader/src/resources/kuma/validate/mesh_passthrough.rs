//! `MeshPassthrough` (Kuma `pkg/plugins/policies/meshpassthrough/api/v1alpha1/validator.go` at 2.14.3).

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::kuma::mesh_passthrough::{Match, MeshPassthrough};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::target_ref::target_ref;
use super::{is_dns_name, is_ip, must_be_one_of};

/// Protocols of requests: they share no port with another one.
const REQUESTS: [&str; 3] = ["grpc", "http", "http2"];

impl Validate for MeshPassthrough {
    fn validate(&self, report: &mut Report<'_>) {
        if let Some(target) = &self.target_ref {
            let kinds = ["Mesh", "MeshSubset", "Dataplane"];
            target_ref(report, &Path::of("targetRef"), target, &kinds);
        }
        if !self.conf.passthrough_mode.is_empty() {
            let modes = ["All", "Matched", "None"];
            let path = Path::of("default.passthroughMode");
            must_be_one_of(report, &path, &self.conf.passthrough_mode, &modes);
        }
        let mut protocols = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (index, entry) in self.conf.append_match.iter().enumerate() {
            let path = Path::of("default.appendMatch").index(index);
            if let Some(port) = entry.port {
                let protocol = entry.protocol.as_str();
                match protocols.get(&port) {
                    Some(other) if *other != protocol && REQUESTS.contains(&protocol) => report
                        .violation(
                            &path.field("port"),
                            "using the same port in multiple matches requires the same protocol for the following \
                             protocols: [grpc http http2]",
                        ),
                    _ => {
                        protocols.insert(port, protocol);
                    }
                }
                if !seen.insert((port, protocol, entry.value.as_str())) {
                    let text = format!(
                        "value {} is already defiend for this port and protocol",
                        entry.value
                    );
                    report.violation(&path.field("value"), text);
                }
            }
            destination(report, &path, entry);
        }
    }
}

fn destination(report: &mut Report<'_>, path: &Path, entry: &Match) {
    if entry.protocol == "mysql" && entry.port.is_none() {
        let text = "port must be defined for Mysql protocol";
        report.violation(&path.field("port"), text);
    }
    if entry.port.is_some_and(|port| port == 0 || port > 65535) {
        report.violation(&path.field("port"), "port must be a valid (1-65535)");
    }
    let protocols = ["tcp", "tls", "grpc", "http", "http2", "mysql"];
    must_be_one_of(report, &path.field("protocol"), &entry.protocol, &protocols);
    let value = path.field("value");
    match entry.kind.as_str() {
        "CIDR" if !is_cidr(&entry.value) => {
            report.violation(&value, "provided CIDR has incorrect value");
        }
        "IP" if !is_ip(&entry.value) => {
            report.violation(&value, "provided IP has incorrect value");
        }
        "CIDR" | "IP" => {}
        "Domain" => domain(report, path, entry),
        kind => {
            let text = format!(
                "provided type {kind} is not supported, one of Domain, IP, or CIDR is supported"
            );
            report.violation(&path.field("type"), text);
        }
    }
}

fn domain(report: &mut Report<'_>, path: &Path, entry: &Match) {
    let protocol = entry.protocol.as_str();
    if matches!(protocol, "tcp" | "mysql") {
        let text = format!("protocol {protocol} is not supported for a domain");
        report.violation(&path.field("protocol"), text);
    }
    let after_star = entry.value.strip_prefix('*');
    if after_star.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('.')) {
        report.violation(
            &path.field("value"),
            "provided DNS has incorrect value, partial wildcard is currently not supported",
        );
    }
    if entry.port.is_none() && after_star.is_some() && REQUESTS.contains(&protocol) {
        report.violation(
            &path.field("port"),
            "wildcard domains doesn't work for all ports and layer 7 protocol",
        );
    }
    let name = entry.value.strip_prefix("*.").unwrap_or(&entry.value);
    if !name.starts_with('*') && !is_dns_name(name) {
        report.violation(&path.field("value"), "provided DNS has incorrect value");
    }
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let max = if address.contains(':') { 128 } else { 32 };
        is_ip(address) && bits.parse::<u8>().is_ok_and(|bits| bits <= max)
    })
}
