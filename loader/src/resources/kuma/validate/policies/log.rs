//! `MeshAccessLog` and `TrafficLog`.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_access_log::{
    LogBackend, LogFormat, MeshAccessLog, MeshLogs, OtelBackend,
};
use crate::resources::kuma::traffic_log::TrafficLog;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::super::{host_port, is_dns_name, is_ip, must_be_one_of};
use super::connection::connection;
use super::{Gateways, Shape, TOP, for_one_service, policy};

const SHAPE: Shape = Shape {
    top: &TOP,
    to_of_gateway: &["Mesh"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshExternalService",
        "MeshMultiZoneService",
        "MeshHTTPRoute",
    ],
    from: &["Mesh"],
    gateways: Gateways::All,
    is_never_empty: true,
    mixes_rules_and_to: false,
    has_strict_matches: false,
};

impl Validate for MeshAccessLog {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        for_one_service(report, self, |_| "the logs");
        let effect =
            "not served: nothing is logged for clients with one identity of the mesh alone";
        for (index, rule) in self.rules.iter().enumerate() {
            let path = Path::of("rules").index(index).field("matches");
            for (index, client) in rule.matches.iter().enumerate() {
                if client.spiffe_id.is_some() {
                    let finding = Diagnostic::warning(Code::NotServedField, effect);
                    report.say(&path.index(index).field("spiffeID"), finding);
                }
            }
        }
    }
}

fn conf(report: &mut Report<'_>, path: &Path, conf: &MeshLogs, _: &str) {
    let path = path.field("backends");
    let Some(backends) = &conf.backends else {
        return report.violation(&path, "must be defined");
    };
    for (index, entry) in backends.iter().enumerate() {
        backend(report, &path.index(index), entry);
    }
}

fn backend(report: &mut Report<'_>, path: &Path, backend: &LogBackend) {
    let missing = match backend.kind.as_str() {
        "File" if backend.file.is_none() => "file",
        "Tcp" if backend.tcp.is_none() => "tcp",
        "OpenTelemetry" if backend.open_telemetry.is_none() => "openTelemetry",
        "File" | "Tcp" | "OpenTelemetry" => "",
        other => {
            return report.advise(
                &path.field("type"),
                format!("unknown value \"{other}\""),
                "one of File, Tcp, OpenTelemetry",
            );
        }
    };
    if !missing.is_empty() {
        return report.violation(&path.field(missing), "must be defined");
    }
    match backend.kind.as_str() {
        "File" => {
            if let Some(file) = &backend.file {
                let path = path.field("file");
                format(report, &path.field("format"), file.format.as_ref());
                if !file.path.starts_with('/') {
                    report.violation(&path.field("path"), "file backend requires a valid path");
                }
            }
        }
        "Tcp" => {
            if let Some(tcp) = &backend.tcp {
                let path = path.field("tcp");
                format(report, &path.field("format"), tcp.format.as_ref());
                let path = path.field("address");
                let text = "tcp backend requires valid address";
                if !is_url(&tcp.address) {
                    report.advise(&path, text, "write `host:port`");
                } else if !is_address(&tcp.address) {
                    let finding = Diagnostic::error(Code::InvalidValue, text);
                    report.beyond(&path, finding.help("write `host:port`"));
                }
            }
        }
        _ => {
            if let Some(otel) = &backend.open_telemetry {
                collector(report, &path.field("openTelemetry"), otel);
            }
        }
    }
}

/// `govalidator.IsURL`, as far as addresses are concerned: any scheme, user, port and path.
fn is_url(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let is_host = |host: &str| is_ip(host) || is_dns_name(host);
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    text.len() > 3
        && (is_host(rest)
            || host_port(rest).is_some_and(|(host, port)| is_host(host) && is_port(port)))
}

/// `host:port`. Kuma takes other URLs too, and then finds nobody to connect to.
fn is_address(text: &str) -> bool {
    let is_host = |host: &str| is_ip(host) || is_dns_name(host);
    host_port(text)
        .is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn collector(report: &mut Report<'_>, path: &Path, otel: &OtelBackend) {
    let both = "endpoint, backendRef";
    match &otel.backend_ref {
        Some(_) if !otel.endpoint.is_empty() => {
            let text = format!("openTelemetry must have only one type defined: {both}");
            report.violation(path, text);
        }
        None if otel.endpoint.is_empty() => {
            let text = format!("openTelemetry must have exactly one defined: {both}");
            report.violation(path, text);
        }
        Some(reference) => {
            let path = path.field("backendRef");
            must_be_one_of(
                report,
                &path.field("kind"),
                &reference.kind,
                &["MeshOpenTelemetryBackend"],
            );
            if reference.labels.is_empty() {
                report.violation(&path, "backendRef must have exactly one defined: labels");
            }
        }
        None if otel.endpoint.contains(['/', '?', '#']) => {
            report.violation(
                &path.field("endpoint"),
                "must be in host:port format, not a URL",
            );
        }
        None => {}
    }
    for (index, attribute) in otel.attributes.iter().flatten().enumerate() {
        attribute_name(
            report,
            &path.field("attributes").index(index).field("key"),
            &attribute.key,
        );
    }
}

/// `ValidateOtelAttributeName`.
fn attribute_name(report: &mut Report<'_>, path: &Path, name: &str) {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.is_empty() {
        report.violation(path, "must be defined");
    } else if name.contains('%') {
        report.violation(path, "must be a static OpenTelemetry attribute name; placeholders are only supported in values");
    } else if name.starts_with("otel.") {
        report.violation(
            path,
            "must not use the reserved OpenTelemetry prefix 'otel.'",
        );
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.split(['.', '_']).all(is_word)
    {
        report.violation(
            path,
            "must start with a lowercase letter, use only lowercase letters, digits, '.' or '_', avoid consecutive delimiters, and end with a letter or digit",
        );
    }
}

fn format(report: &mut Report<'_>, path: &Path, format: Option<&LogFormat>) {
    let Some(format) = format else { return };
    match format.kind.as_str() {
        "Plain" => match format.plain.as_deref() {
            None => report.violation(&path.field("plain"), "must be defined"),
            Some("") => report.violation(&path.field("plain"), "must not be empty"),
            Some(_) => {}
        },
        "Json" => match format.json.as_deref() {
            None => report.violation(&path.field("json"), "must be defined"),
            Some([]) => report.violation(&path.field("json"), "must not be empty"),
            Some(fields) => {
                for (index, field) in fields.iter().enumerate() {
                    let path = path.field("json").index(index);
                    if field.key.is_empty() {
                        report.violation(&path.field("key"), "key cannot be empty");
                    }
                    if field.value.is_empty() {
                        report.violation(&path.field("value"), "value cannot be empty");
                    }
                    let object = format!("{{\"{}\": \"{}\"}}", field.key, field.value);
                    if serde_json::from_str::<serde_json::Value>(&object).is_err() {
                        report.violation(&path, "is not a valid JSON object");
                    }
                }
            }
        },
        other => report.advise(
            &path.field("type"),
            format!("unknown value \"{other}\""),
            "one of Plain, Json",
        ),
    }
}

impl Validate for TrafficLog {
    fn validate(&self, report: &mut Report<'_>) {
        connection(report, self);
    }
}
