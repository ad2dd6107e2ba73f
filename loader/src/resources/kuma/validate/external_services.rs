//! `ExternalService` and `MeshExternalService` (Kuma `pkg/core/resources/apis/mesh/external_service_validator.go` and
//! `pkg/core/resources/apis/meshexternalservice/api/v1alpha1/validator.go` at 2.14.3).

use crate::resources::kuma::external_service::ExternalService;
use crate::resources::kuma::mesh_external_service::{MeshExternalService, Tls, Verification};
use crate::resources::kuma::mesh_gateway::DataSource;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{host_port, is_dns_name, is_ip, must_be_one_of, port, tags};

const PROTOCOLS: [&str; 7] = ["grpc", "http", "http2", "kafka", "mysql", "tcp", "tls"];
const PORT: &str = "port must be a valid (1-65535)";
const VERSIONS: [&str; 5] = ["TLSAuto", "TLS10", "TLS11", "TLS12", "TLS13"];

impl Validate for ExternalService {
    fn validate(&self, report: &mut Report<'_>) {
        let path = Path::of("networking");
        match &self.networking {
            None => report.violation(&path, "should have networking"),
            Some(networking) => {
                address(report, &path.field("address"), &networking.address);
                let path = path.field("tls");
                let tls = &networking.tls;
                if tls.server_name.as_deref() == Some("") {
                    report.violation(&path.field("serverName"), "cannot be empty");
                }
                for (field, source) in [
                    ("caCert", &tls.ca_cert),
                    ("clientCert", &tls.client_cert),
                    ("clientKey", &tls.client_key),
                ] {
                    data_source(report, &path.field(field), source.as_ref());
                }
            }
        }
        let path = Path::of("tags");
        tags::own_with_service(report, &path, &self.tags);
        if let Some(protocol) = self.tags.get(tags::PROTOCOL)
            && !PROTOCOLS.contains(&protocol)
        {
            let text = format!(
                "tag \"kuma.io/protocol\" has an invalid value \"{protocol}\". Allowed values: grpc, http, http2, kafka, tcp"
            );
            report.violation(&path.key(tags::PROTOCOL), text);
        }
        let networking = self.networking.as_ref();
        let host = networking.and_then(|networking| host_port(&networking.address));
        let service = self.tags.get(tags::SERVICE);
        if service.is_some_and(|s| !s.is_empty() && host.is_some_and(|(host, _)| host == s)) {
            let text = "cannot be the same as networking.address";
            report.violation(&path.key(tags::SERVICE), text);
        }
    }
}

fn address(report: &mut Report<'_>, path: &Path, address: &str) {
    if address.is_empty() {
        return report.violation(path, "address can't be empty");
    }
    let parts = host_port(address);
    if parts.is_none() {
        report.violation(path, "unable to parse address");
    }
    let (host, number) = parts.unwrap_or_default();
    if !is_ip(host) && !is_dns_name(host) {
        let text = "address has to be a valid IP address or a domain name";
        report.violation(path, text);
    }
    let number = number.parse::<u32>();
    if number.is_err() {
        report.violation(path, "unable to parse port in address");
    }
    port(report, path, number.unwrap_or(0));
}

fn data_source(report: &mut Report<'_>, path: &Path, source: Option<&DataSource>) {
    let is_empty = |source: &DataSource| {
        [
            &source.inline,
            &source.inline_string,
            &source.secret,
            &source.file,
        ]
        .into_iter()
        .all(|field| field.as_deref().unwrap_or_default().is_empty())
    };
    if source.is_some_and(is_empty) {
        report.violation(path, "data source cannot be empty");
    }
}

impl Validate for MeshExternalService {
    fn validate(&self, report: &mut Report<'_>) {
        let path = Path::of("match");
        let matching = &self.matching;
        if !matches!(matching.kind.as_str(), "" | "HostnameGenerator") {
            let text = format!(
                "unrecognized type '{}' - only 'HostnameGenerator' is supported",
                matching.kind
            );
            report.violation(&path.field("type"), text);
        }
        valid_port(report, &path.field("port"), matching.port);
        must_be_one_of(
            report,
            &path.field("protocol"),
            &matching.protocol,
            &["tcp", "grpc", "http", "http2"],
        );
        if let Some(extension) = &self.extension {
            // The rest is for the extension to judge.
            if extension.kind.is_empty() {
                report.violation(&Path::of("extension.type"), "must not be empty");
            }
            return;
        }
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let path = Path::of("endpoints").index(index);
            if is_ip(&endpoint.address) || is_dns_name(&endpoint.address) {
                valid_port(report, &path.field("port"), endpoint.port);
            } else if !is_socket(&endpoint.address) {
                let text = "address has to be a valid IP or hostname";
                report.violation(&path.field("address"), text);
            }
        }
        if let Some(conf) = &self.tls {
            tls(report, &Path::of("tls"), conf);
        }
    }
}

/// Kuma's documentation has sockets, its validator has not.
fn is_socket(address: &str) -> bool {
    let path = address.strip_prefix("unix://");
    // The length of Linux' `sun_path`.
    path.is_some_and(|path| path.starts_with('/') && path.len() < 108 && !path.contains('\0'))
}

fn valid_port(report: &mut Report<'_>, path: &Path, port: u32) {
    if port == 0 || port > 65535 {
        report.violation(path, PORT);
    }
}

fn tls(report: &mut Report<'_>, path: &Path, tls: &Tls) {
    if let Some(version) = &tls.version {
        let path = path.field("version");
        let mut order = Vec::new();
        for (field, value) in [("min", &version.min), ("max", &version.max)] {
            if value.is_empty() {
                continue;
            }
            must_be_one_of(report, &path.field(field), value, &VERSIONS);
            // `TLSAuto` has no place in the order.
            let place = VERSIONS.iter().position(|version| version == value);
            order.extend(place.filter(|&place| place > 0));
        }
        if let [min, max] = order.as_slice()
            && min > max
        {
            report.violation(&path.field("min"), "min version must be lower than max");
        }
    }
    if let Some(conf) = &tls.verification {
        verification(report, &path.field("verification"), conf);
    }
}

fn verification(report: &mut Report<'_>, path: &Path, conf: &Verification) {
    if conf
        .server_name
        .as_deref()
        .is_some_and(|name| !is_dns_name(name))
    {
        report.violation(&path.field("serverName"), "must be a valid DNS name");
    }
    if !conf.mode.is_empty() {
        let modes = ["SkipSAN", "SkipCA", "SkipAll", "Secured"];
        must_be_one_of(report, &path.field("mode"), &conf.mode, &modes);
    }
    for (index, san) in conf.subject_alt_names.iter().enumerate() {
        if san.kind.is_empty() {
            continue;
        }
        let path = path.field("subjectAltNames").index(index).field("type");
        must_be_one_of(report, &path, &san.kind, &["Prefix", "Exact"]);
    }
    match (&conf.client_cert, &conf.client_key) {
        (Some(_), None) => report.violation(
            &path.field("clientKey"),
            "must be defined when clientCert is defined",
        ),
        (None, Some(_)) => report.violation(
            &path.field("clientCert"),
            "must be defined when clientKey is defined",
        ),
        _ => {}
    }
}
