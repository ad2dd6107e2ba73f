//! `ExternalService` (Kuma `api/mesh/v1alpha1/externalservice.proto`).

use policy::Tags;
use serde::Deserialize;

use super::mesh_gateway::DataSource;
use crate::resources::decode::Anything;

/// A service outside of the mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct ExternalService {
    pub networking: Option<Networking>,
    pub tags: Tags,
}

/// `ExternalService.Networking`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Networking {
    pub address: String,
    pub tls: Tls,
    #[serde(rename = "disableHostDNSEntry")]
    pub disable_host_dns_entry: Anything,
}

/// `ExternalService.Networking.TLS`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Tls {
    pub enabled: Anything,
    #[serde(alias = "ca_cert")]
    pub ca_cert: Option<DataSource>,
    #[serde(alias = "client_cert")]
    pub client_cert: Option<DataSource>,
    #[serde(alias = "client_key")]
    pub client_key: Option<DataSource>,
    #[serde(alias = "allow_renegotiation")]
    pub allow_renegotiation: Anything,
    #[serde(alias = "server_name")]
    pub server_name: Option<String>,
    #[serde(alias = "skip_hostname_verification")]
    pub skip_hostname_verification: Anything,
}
