//! `ExternalService` (Kuma `api/mesh/v1alpha1/externalservice.proto`): an endpoint outside of the mesh.

use policy::Tags;
use serde::Deserialize;

use super::mesh_gateway::DataSource;
use crate::resources::decode::Anything;

/// A service outside of the mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ExternalService {
    /// Where it is.
    pub networking: Option<Networking>,
    /// What it is: `kuma.io/service`, `kuma.io/protocol` and the user's own.
    pub tags: Tags,
}

/// `ExternalService.Networking`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Networking {
    /// `host:port`.
    pub address: String,
    /// The TLS that it wants.
    pub tls: Tls,
    /// Whether the mesh's DNS leaves it out.
    #[serde(rename = "disableHostDNSEntry")]
    pub disable_host_dns_entry: Anything,
}

impl Networking {
    /// The host, without the brackets of an IPv6 address, and the port.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        let (host, port) = self.address.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        Some((bare.unwrap_or(host), port.parse().ok()?))
    }
}

/// `ExternalService.Networking.TLS`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Tls {
    /// Whether it is spoken.
    pub enabled: bool,
    /// Who signs the service's certificate; it is not looked at without.
    #[serde(alias = "ca_cert")]
    pub ca_cert: Option<DataSource>,
    /// The gateway's certificate.
    #[serde(alias = "client_cert")]
    pub client_cert: Option<DataSource>,
    /// The key of the gateway's certificate.
    #[serde(alias = "client_key")]
    pub client_key: Option<DataSource>,
    /// Whether the service may negotiate again.
    #[serde(alias = "allow_renegotiation")]
    pub allow_renegotiation: bool,
    /// The name that is asked for and expected, in place of the address.
    #[serde(alias = "server_name")]
    pub server_name: Option<String>,
    /// Nothing: Kuma's own examples have it, and its schema has not.
    pub sni: Anything,
    /// Whether the name in the certificate does not matter.
    #[serde(alias = "skip_hostname_verification")]
    pub skip_hostname_verification: bool,
}
