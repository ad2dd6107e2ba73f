//! `Mesh` (Kuma `pkg/core/resources/apis/mesh/mesh_validator.go` at 2.14.3).

use std::collections::BTreeSet;

use crate::resources::kuma::mesh::{
    DataplaneProxy, Logging, LoggingBackend, Mesh, Metrics, MetricsBackend, Mtls, Tracing,
    TracingBackend, TracingConf,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{port, tags};

const EMPTY: &str = "cannot be empty";
const NOT_A_BACKEND: &str = "has to be set to one of the backends in the mesh";

impl Validate for Mesh {
    fn validate(&self, report: &mut Report<'_>) {
        if let Some(mesh) = &self.mtls {
            mtls(report, mesh);
        }
        logging(report, &self.logging);
        tracing(report, &self.tracing);
        metrics(report, &self.metrics);
        constraints(report, &self.constraints.dataplane_proxy);
        let has_mtls = self
            .mtls
            .as_ref()
            .is_some_and(|mtls| !mtls.enabled_backend.is_empty());
        if self.routing.zone_egress && !has_mtls {
            report.violation(&Path::of("mtls"), "has to be set when zoneEgress enabled");
        }
    }
}

fn mtls(report: &mut Report<'_>, mtls: &Mtls) {
    let path = Path::of("mtls.backends");
    if mtls.backends.len() > 1 {
        report.violation(&path, "cannot have more than 1 backends");
    }
    let names = mtls.backends.iter().map(|backend| backend.name.as_str());
    let names = unique(report, &path, names);
    for (index, backend) in mtls.backends.iter().enumerate() {
        let expiration = backend
            .dp_cert
            .as_ref()
            .map(|cert| &cert.rotation.expiration);
        if expiration.is_some_and(|expiration| !is_duration(expiration)) {
            let place = path
                .index(index)
                .join(&Path::of("dpCert.rotation.expiration"));
            let name = Path::of("mtls.dpcert.rotation.expiration");
            report.calling(&place, &name, |report| {
                report.violation(&place, "has to be a valid format");
            });
        }
    }
    let enabled = mtls.enabled_backend.as_str();
    one_of(
        report,
        "mtls.enabledBackend",
        enabled,
        &names,
        NOT_A_BACKEND,
    );
}

fn logging(report: &mut Report<'_>, logging: &Logging) {
    let path = Path::of("logging.backends");
    for (index, backend) in logging.backends.iter().enumerate() {
        let path = path.index(index);
        // Kuma's own paths say `config`.
        report.calling(&path.field("conf"), &path.field("config"), |report| {
            logging_backend(report, &path, backend);
        });
    }
    let names = logging.backends.iter().map(|backend| backend.name.as_str());
    let names = unique(report, &path, names);
    one_of(
        report,
        "logging.defaultBackend",
        &logging.default_backend,
        &names,
        "has to be set to one of the logging backend in mesh",
    );
}

fn logging_backend(report: &mut Report<'_>, path: &Path, backend: &LoggingBackend) {
    if backend.name.is_empty() {
        report.violation(&path.field("name"), EMPTY);
    }
    let conf = path.field("conf");
    match backend.kind.as_str() {
        "file" if backend.conf.path.is_empty() => report.violation(&conf.field("path"), EMPTY),
        "file" => {}
        "tcp" => {
            let address = &backend.conf.address;
            if address.is_empty() {
                report.violation(&conf.field("address"), EMPTY);
            } else if !super::host_port(address)
                .is_some_and(|(h, p)| !h.is_empty() && !p.is_empty())
            {
                report.violation(&conf.field("address"), "has to be in format of HOST:PORT");
            }
        }
        _ => report.violation(
            &path.field("type"),
            "unknown backend type. Available backends: \"tcp\", \"file\"",
        ),
    }
}

fn tracing(report: &mut Report<'_>, tracing: &Tracing) {
    let path = Path::of("tracing.backends");
    for (index, backend) in tracing.backends.iter().enumerate() {
        let path = path.index(index);
        // Kuma's own paths say `config`.
        report.calling(&path.field("conf"), &path.field("config"), |report| {
            tracing_backend(report, &path, backend);
        });
    }
    let names = tracing.backends.iter().map(|backend| backend.name.as_str());
    let names = unique(report, &path, names);
    one_of(
        report,
        "tracing.defaultBackend",
        &tracing.default_backend,
        &names,
        "has to be set to one of the tracing backend in mesh",
    );
}

fn tracing_backend(report: &mut Report<'_>, path: &Path, backend: &TracingBackend) {
    if backend.name.is_empty() {
        report.violation(&path.field("name"), EMPTY);
    }
    if !(0.0..=100.0).contains(&backend.sampling) {
        report.violation(&path.field("sampling"), "has to be in [0.0 - 100.0] range");
    }
    let conf = path.field("conf");
    match backend.kind.as_str() {
        "zipkin" => zipkin(report, &conf, &backend.conf),
        "datadog" => {
            if backend.conf.address.is_empty() {
                report.violation(&conf.field("address"), EMPTY);
            }
            port(report, &conf.field("port"), backend.conf.port);
        }
        _ => report.violation(
            &path.field("type"),
            "unknown backend type. Available backends: \"zipkin\", \"datadog\"",
        ),
    }
}

fn zipkin(report: &mut Report<'_>, path: &Path, conf: &TracingConf) {
    if !matches!(
        conf.api_version.as_str(),
        "" | "httpJsonV1" | "httpJson" | "httpProto"
    ) {
        report.violation(
            &path.field("apiVersion"),
            "has invalid value. Allowed values: httpJsonV1, httpJson, httpProto",
        );
    }
    let path = path.field("url");
    if conf.url.is_empty() {
        return report.violation(&path, EMPTY);
    }
    // Go's `url.ParseRequestURI` takes URLs with a scheme, and paths.
    let Some((_, rest)) = conf.url.split_once("://") else {
        let text = if conf.url.starts_with('/') {
            "port has to be explicitly specified"
        } else {
            "invalid URL"
        };
        return report.violation(&path, text);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host.rsplit(']').next().and_then(|end| end.rsplit_once(':'));
    match port {
        Some((_, port)) if port.bytes().any(|byte| !byte.is_ascii_digit()) => {
            report.violation(&path, "invalid URL");
        }
        Some((_, port)) if !port.is_empty() => {}
        _ => report.violation(&path, "port has to be explicitly specified"),
    }
}

fn metrics(report: &mut Report<'_>, metrics: &Metrics) {
    let path = Path::of("metrics.backends");
    for (index, backend) in metrics.backends.iter().enumerate() {
        metrics_backend(report, &path.index(index), backend);
    }
    let names = metrics.backends.iter().map(|backend| backend.name.as_str());
    let names = unique(report, &path, names);
    let enabled = metrics.enabled_backend.as_str();
    one_of(
        report,
        "metrics.enabledBackend",
        enabled,
        &names,
        NOT_A_BACKEND,
    );
}

fn metrics_backend(report: &mut Report<'_>, path: &Path, backend: &MetricsBackend) {
    if backend.kind != "prometheus" {
        return report.violation(
            &path.field("type"),
            "unknown backend type. Available backends: \"prometheus\"",
        );
    }
    let path = path.field("conf");
    if let (Some(skip), Some(tls)) = (backend.conf.skip_mtls, &backend.conf.tls) {
        let is_same = match tls.mode.as_str() {
            "" | "activeMTLSBackend" | "0" => !skip,
            "disabled" | "2" => skip,
            _ => false,
        };
        if !is_same {
            return report.violation(
                &path,
                "skipMTLS and tls configuration cannot be defined together",
            );
        }
    }
    let mut names = BTreeSet::new();
    for (index, entry) in backend.conf.aggregate.iter().enumerate() {
        if !names.insert(&entry.name) {
            let text = format!("duplicate entry: {}, values have to be unique", entry.name);
            report.violation(&path.field("aggregate").index(index).field("name"), text);
        }
    }
}

fn constraints(report: &mut Report<'_>, constraints: &DataplaneProxy) {
    let path = Path::of("constraints.dataplaneProxy");
    for (field, rules) in [
        ("requirements", &constraints.requirements),
        ("restrictions", &constraints.restrictions),
    ] {
        for (index, rule) in rules.iter().enumerate() {
            let path = path.field(field).index(index).field("tags");
            tags::at_least_one(report, &path, &rule.tags);
        }
    }
}

/// The names of backends, after those that are there twice have been named.
fn unique<'a>(
    report: &mut Report<'_>,
    path: &Path,
    names: impl Iterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            let text = format!("\"{name}\" name is already used for another backend");
            report.violation(&path.index(index).field("name"), text);
        }
    }
    seen
}

fn one_of(report: &mut Report<'_>, path: &str, name: &str, names: &BTreeSet<&str>, text: &str) {
    if !name.is_empty() && !names.contains(name) {
        report.violation(&Path::of(path), text);
    }
}

/// `ParseDuration` of `mesh_helpers.go`: a number and one unit.
fn is_duration(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    text == "0"
        || unit.len() < text.len() && matches!(unit, "y" | "w" | "d" | "h" | "m" | "s" | "ms")
}
