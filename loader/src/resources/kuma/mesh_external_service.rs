//! `MeshExternalService` (Kuma `pkg/core/resources/apis/meshexternalservice/api/v1alpha1`).

use serde::Deserialize;

use super::hostname_generator::Extension;
use super::mesh_gateway::DataSource;

/// A service outside of the mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshExternalService {
    /// How the mesh calls it.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Another kind of service, which only a control plane with that extension knows.
    pub extension: Option<Extension>,
    /// Where it is.
    pub endpoints: Vec<Endpoint>,
    /// TLS to it.
    pub tls: Option<Tls>,
}

/// How the mesh calls it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// `HostnameGenerator`, or empty for the same.
    #[serde(rename = "type")]
    pub kind: String,
    /// The port by which routes and outbounds name it.
    pub port: u32,
    /// `tcp`, `http`, `http2` or `grpc`.
    pub protocol: String,
}

/// Where it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Endpoint {
    /// An IP address, a DNS name, or `unix://` with the path of a socket.
    pub address: String,
    /// The port; none of a socket.
    pub port: u32,
    /// 0 to 128: those with a greater one are for when those with smaller ones are not healthy.
    pub priority: Option<u32>,
}

/// TLS to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// Whether it is spoken.
    pub enabled: bool,
    /// Versions of TLS.
    pub version: Option<Version>,
    /// Whether the service may negotiate again, up to TLS 1.2.
    pub allow_renegotiation: bool,
    /// Who it has to be, and who the mesh is.
    pub verification: Option<Verification>,
}

/// Versions of TLS: `TLSAuto`, `TLS10`, `TLS11`, `TLS12` or `TLS13`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Version {
    /// The oldest.
    pub min: String,
    /// The newest.
    pub max: String,
}

/// Who it has to be, and who the mesh is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Verification {
    /// `Secured`, `SkipSAN`, `SkipCA` or `SkipAll`; empty for the first.
    pub mode: String,
    /// The name that is asked for.
    pub server_name: Option<String>,
    /// The names that its certificate may be for.
    pub subject_alt_names: Vec<SanMatch>,
    /// Who signs its certificate; the CAs of the system if absent.
    pub ca_cert: Option<DataSource>,
    /// The certificate of the mesh's side.
    pub client_cert: Option<DataSource>,
    /// Its key.
    pub client_key: Option<DataSource>,
}

/// A name that its certificate may be for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SanMatch {
    /// `Exact` or `Prefix`; empty for the first.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name, or its beginning.
    pub value: String,
}
