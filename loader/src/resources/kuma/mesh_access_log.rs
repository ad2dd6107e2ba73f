//! `MeshAccessLog` (Kuma `pkg/plugins/policies/meshaccesslog/api/v1alpha1`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::policy::{Policy, overlay};

/// `MeshAccessLog`.
pub type MeshAccessLog = Policy<MeshLogs>;

/// Where a line for each request goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshLogs {
    /// All of these.
    pub backends: Option<Vec<LogBackend>>,
}

overlay! { MeshLogs { backends } }

/// Where lines go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LogBackend {
    /// `File`, `Tcp` or `OpenTelemetry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A file.
    pub file: Option<FileBackend>,
    /// A server that takes lines.
    pub tcp: Option<TcpBackend>,
    /// A collector.
    pub open_telemetry: Option<OtelBackend>,
}

/// A server that takes lines.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpBackend {
    /// What is in a line; Kuma's own format if absent.
    pub format: Option<LogFormat>,
    /// `host:port`.
    pub address: String,
}

/// A collector of OpenTelemetry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OtelBackend {
    /// What comes with each record.
    pub attributes: Option<Vec<LogField>>,
    /// A record: a value in OTLP's JSON, or anything else as the text that it is; Kuma's own format if absent.
    pub body: Option<serde_json::Value>,
    /// `host:port`; the port is 4317 if absent.
    pub endpoint: String,
    /// A collector by its labels.
    pub backend_ref: Option<BackendRef>,
}

/// A `MeshOpenTelemetryBackend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackendRef {
    /// `MeshOpenTelemetryBackend`.
    pub kind: String,
    /// All of these.
    pub labels: BTreeMap<String, String>,
}

/// A file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileBackend {
    /// What is in a line; Kuma's own format if absent.
    pub format: Option<LogFormat>,
    /// The file, as Envoy finds it.
    pub path: String,
}

/// What is in a line, in Envoy's commands and Kuma's `%KUMA_…%`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LogFormat {
    /// `Plain` or `Json`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A text.
    pub plain: Option<String>,
    /// The fields of an object.
    pub json: Option<Vec<LogField>>,
    /// Whether commands without a value leave nothing, and not `-`.
    pub omit_empty_values: bool,
}

/// A field of an object, or an attribute.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogField {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}
