//! `Mesh` (Kuma `api/mesh/v1alpha1/mesh.proto`).

use policy::Tags;
use serde::Deserialize;

use super::mesh_gateway::DataSource;
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
    pub networking: Networking,
    pub routing: Routing,
    pub constraints: Constraints,
    #[serde(alias = "skip_creating_initial_policies")]
    pub skip_creating_initial_policies: Anything,
    #[serde(alias = "mesh_services")]
    pub mesh_services: Anything,
}

/// `Networking`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Networking {
    /// What leaves proxies.
    pub outbound: NetworkingOutbound,
}

/// `Networking.Outbound`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkingOutbound {
    /// Whether connections go on that are for nothing in the mesh; they do if absent.
    pub passthrough: Option<bool>,
}

/// `Mesh.Mtls`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Mtls {
    /// The backend that signs; there is no mTLS without.
    #[serde(alias = "enabled_backend")]
    pub enabled_backend: String,
    /// Where certificates come from.
    pub backends: Vec<Authority>,
    /// Whether a CA counts that is none by the rules of SPIFFE.
    #[serde(alias = "skip_validation")]
    pub skip_validation: bool,
}

impl Mtls {
    /// The backend that signs, with its number in the list.
    pub fn enabled(&self) -> Option<(usize, &Authority)> {
        let mut backends = self.backends.iter().enumerate();
        let name = self.enabled_backend.as_str();
        backends
            .find(|(_, backend)| backend.name == name)
            .filter(|_| !name.is_empty())
    }
}

/// `CertificateAuthorityBackend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Authority {
    /// The name.
    pub name: String,
    /// `builtin`, `provided`, or a plugin of somebody else.
    #[serde(rename = "type")]
    pub kind: String,
    /// The certificates that it signs.
    #[serde(alias = "dp_cert")]
    pub dp_cert: Option<DpCert>,
    /// What the type wants to know.
    pub conf: AuthorityConf,
    /// Whether proxies refuse what comes without TLS.
    pub mode: Mode,
    /// How long a control plane waits: nothing here does.
    #[serde(alias = "root_chain")]
    pub root_chain: Anything,
}

/// `CertificateAuthorityBackend.Mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Mode {
    /// Inbounds take TLS only.
    #[default]
    #[serde(rename = "STRICT", alias = "0")]
    Strict,
    /// Inbounds take TLS and what comes without.
    #[serde(rename = "PERMISSIVE", alias = "1")]
    Permissive,
}

/// `ProvidedCertificateAuthorityConfig` and `BuiltinCertificateAuthorityConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AuthorityConf {
    /// The certificates of a provided CA, the one that signs first.
    pub cert: Option<DataSource>,
    /// Its key.
    pub key: Option<DataSource>,
    /// The certificate of a builtin CA.
    #[serde(alias = "ca_cert")]
    pub ca_cert: CaCert,
}

/// `BuiltinCertificateAuthorityConfig.CaCert`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaCert {
    /// The length of its RSA key.
    #[serde(rename = "RSAbits", alias = "RSABits", alias = "rsaBits")]
    pub rsa_bits: Option<u32>,
    /// How long it is valid, a number and a unit.
    pub expiration: String,
}

/// `CertificateAuthorityBackend.DpCert`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DpCert {
    /// When they are made again.
    pub rotation: Rotation,
    /// How long a control plane waits: nothing here does.
    #[serde(alias = "request_timeout")]
    pub request_timeout: Anything,
}

/// `CertificateAuthorityBackend.DpCert.Rotation`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rotation {
    /// How long a certificate is valid, a number and a unit.
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
    pub default_forbid_mesh_external_service_access: bool,
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
