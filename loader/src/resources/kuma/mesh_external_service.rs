//! `MeshExternalService` (Kuma `pkg/core/resources/apis/meshexternalservice/api/v1alpha1`).

use serde::Deserialize;

use super::hostname_generator::Extension;
use super::mesh_gateway::DataSource;
use crate::resources::decode::Anything;

/// A service outside of the mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MeshExternalService {
    #[serde(rename = "match")]
    pub matching: Match,
    pub extension: Option<Extension>,
    pub endpoints: Vec<Endpoint>,
    pub tls: Option<Tls>,
}

/// How the mesh calls it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Match {
    #[serde(rename = "type")]
    pub kind: String,
    pub port: u32,
    pub protocol: String,
}

/// Where it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Endpoint {
    pub address: String,
    pub port: u32,
    pub priority: Option<u32>,
}

/// TLS to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Tls {
    pub enabled: Anything,
    pub version: Option<Version>,
    pub allow_renegotiation: Anything,
    pub verification: Option<Verification>,
}

/// Versions of TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Version {
    pub min: String,
    pub max: String,
}

/// Who it has to be, and who the mesh is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Verification {
    pub mode: String,
    pub server_name: Option<String>,
    pub subject_alt_names: Vec<SanMatch>,
    pub ca_cert: Option<DataSource>,
    pub client_cert: Option<DataSource>,
    pub client_key: Option<DataSource>,
}

/// A name that it has to have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct SanMatch {
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
}
