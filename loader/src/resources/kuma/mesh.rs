//! `Mesh` (Kuma `api/mesh/v1alpha1/mesh.proto`).

use policy::Tags;
use serde::Deserialize;

use crate::resources::decode::Anything;

/// A mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Mesh {
    pub mtls: Option<Mtls>,
    pub tracing: Tracing,
    pub logging: Logging,
    pub metrics: Metrics,
    pub networking: Anything,
    pub routing: Routing,
    pub constraints: Constraints,
    #[serde(alias = "skip_creating_initial_policies")]
    pub skip_creating_initial_policies: Anything,
    #[serde(alias = "mesh_services")]
    pub mesh_services: Anything,
}

/// `Mesh.Mtls`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Mtls {
    #[serde(alias = "enabled_backend")]
    pub enabled_backend: String,
    pub backends: Vec<Authority>,
    #[serde(alias = "skip_validation")]
    pub skip_validation: Anything,
}

/// `CertificateAuthorityBackend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Authority {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Anything,
    #[serde(alias = "dp_cert")]
    pub dp_cert: Option<DpCert>,
    pub conf: Anything,
    pub mode: Anything,
    #[serde(alias = "root_chain")]
    pub root_chain: Anything,
}

/// `CertificateAuthorityBackend.DpCert`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct DpCert {
    pub rotation: Rotation,
    #[serde(alias = "request_timeout")]
    pub request_timeout: Anything,
}

/// `CertificateAuthorityBackend.DpCert.Rotation`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Rotation {
    pub expiration: String,
}

/// `Logging`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Logging {
    #[serde(alias = "default_backend")]
    pub default_backend: String,
    pub backends: Vec<LoggingBackend>,
}

impl Logging {
    /// The backend of this name, or the default one for none.
    pub(crate) fn backend(&self, name: &str) -> Option<&LoggingBackend> {
        let name = match name {
            "" => &self.default_backend,
            name => name,
        };
        self.backends.iter().find(|backend| backend.name == name)
    }
}

/// `LoggingBackend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct LoggingBackend {
    pub name: String,
    pub format: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub conf: LoggingConf,
}

/// `FileLoggingBackendConfig` and `TcpLoggingBackendConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct LoggingConf {
    pub path: String,
    pub address: String,
}

/// `Tracing`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Tracing {
    #[serde(alias = "default_backend")]
    pub default_backend: String,
    pub backends: Vec<TracingBackend>,
}

/// `TracingBackend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct TracingBackend {
    pub name: String,
    pub sampling: f64,
    #[serde(rename = "type")]
    pub kind: String,
    pub conf: TracingConf,
}

/// `ZipkinTracingBackendConfig` and `DatadogTracingBackendConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct TracingConf {
    pub url: String,
    #[serde(rename = "traceId128bit")]
    pub trace_id_128bit: Anything,
    #[serde(alias = "api_version")]
    pub api_version: String,
    #[serde(alias = "shared_span_context")]
    pub shared_span_context: Anything,
    pub address: String,
    pub port: u32,
    #[serde(alias = "split_service")]
    pub split_service: Anything,
}

/// `Metrics`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Metrics {
    #[serde(alias = "enabled_backend")]
    pub enabled_backend: String,
    pub backends: Vec<MetricsBackend>,
}

/// `MetricsBackend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MetricsBackend {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub conf: MetricsConf,
}

/// `PrometheusMetricsBackendConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MetricsConf {
    pub port: Anything,
    pub path: Anything,
    pub tags: Anything,
    #[serde(rename = "skipMTLS")]
    pub skip_mtls: Option<bool>,
    pub aggregate: Vec<Aggregate>,
    pub envoy: Anything,
    pub tls: Option<MetricsTls>,
}

/// `PrometheusAggregateMetricsConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Aggregate {
    pub name: String,
    pub port: Anything,
    pub path: Anything,
    pub enabled: Anything,
    pub address: Anything,
}

/// `PrometheusTlsConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MetricsTls {
    pub mode: String,
}

/// `Routing`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Routing {
    #[serde(alias = "locality_aware_load_balancing")]
    pub locality_aware_load_balancing: Anything,
    #[serde(alias = "zone_egress")]
    pub zone_egress: bool,
    #[serde(alias = "default_forbid_mesh_external_service_access")]
    pub default_forbid_mesh_external_service_access: Anything,
}

/// `Mesh.Constraints`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Constraints {
    #[serde(alias = "dataplane_proxy")]
    pub dataplane_proxy: DataplaneProxy,
}

/// `Mesh.DataplaneProxyConstraints`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct DataplaneProxy {
    pub requirements: Vec<Rules>,
    pub restrictions: Vec<Rules>,
}

/// `Mesh.DataplaneProxyConstraints.Rules`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Rules {
    pub tags: Tags,
}
