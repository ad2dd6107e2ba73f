//! `MeshAccessLog`.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_access_log::{LogBackend, LogFormat, MeshAccessLog, MeshLogs};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{Shape, ignored, policy};

const SHAPE: Shape = Shape {
    to_of_gateway: &["Mesh"],
    to: &[
        "Mesh",
        "MeshService",
        "MeshExternalService",
        "MeshMultiZoneService",
    ],
    is_inbound: true,
};

impl Validate for MeshAccessLog {
    fn validate(&self, report: &mut Report<'_>) {
        policy(report, self, &SHAPE, conf);
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        ignored(report, self);
        let to = self.to.iter().map(|entry| &entry.conf);
        let from = self.from.iter().map(|entry| &entry.conf);
        let rules = self.rules.iter().map(|rule| &rule.conf);
        unserved(report, "to", to);
        unserved(report, "from", from);
        unserved(report, "rules", rules);
    }
}

/// Stock Envoy cannot write lines to a TCP server: Kuma's own process beside it does that.
fn unserved<'c>(report: &mut Report<'_>, field: &str, confs: impl Iterator<Item = &'c MeshLogs>) {
    for (entry, conf) in confs.enumerate() {
        for (index, backend) in conf.backends.iter().flatten().enumerate() {
            if matches!(backend.kind.as_str(), "Tcp" | "OpenTelemetry") {
                let path = Path::of(field)
                    .index(entry)
                    .field("default")
                    .field("backends");
                let message = format!(
                    "not served: nothing is written to a {} backend",
                    backend.kind
                );
                report.say(
                    &path.index(index).field("type"),
                    Diagnostic::warning(Code::NotServedField, message),
                );
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
    if let Some(file) = &backend.file {
        let path = path.field("file");
        if let Some(entry) = &file.format {
            format(report, &path.field("format"), entry);
        }
        if !file.path.starts_with('/') {
            report.violation(&path.field("path"), "file backend requires a valid path");
        }
    }
}

fn format(report: &mut Report<'_>, path: &Path, format: &LogFormat) {
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
