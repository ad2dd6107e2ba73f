//! `ZoneIngress` (Kuma `api/mesh/v1alpha1/zone_ingress.proto`).

use policy::Tags;
use serde::Deserialize;

use super::dataplane::Admin;

/// The proxy through which a zone is entered from others.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ZoneIngress {
    /// The zone that it is in.
    pub zone: String,
    /// Where it listens.
    pub networking: Networking,
    /// What is behind it, which a control plane writes there.
    #[serde(alias = "available_services")]
    pub available_services: Vec<AvailableService>,
}

/// `ZoneIngress.Networking`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Networking {
    /// The address that it listens on.
    pub address: String,
    /// The address that other zones reach it at; none of them do without.
    #[serde(alias = "advertised_address")]
    pub advertised_address: String,
    /// The port that it listens on.
    pub port: u32,
    /// The port that other zones reach it at.
    #[serde(alias = "advertised_port")]
    pub advertised_port: u32,
    /// Envoy's own port.
    pub admin: Option<Admin>,
}

/// `ZoneIngress.AvailableService`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct AvailableService {
    /// The tags that its endpoints have in common.
    pub tags: Tags,
    /// How many endpoints there are.
    pub instances: u32,
    /// Its mesh.
    pub mesh: String,
    /// Whether it is outside of the mesh, and reached by an egress over there.
    #[serde(alias = "external_service")]
    pub external_service: bool,
}
