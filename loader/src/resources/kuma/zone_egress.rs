//! `ZoneEgress` (Kuma `api/mesh/v1alpha1/zoneegress.proto`).

use serde::Deserialize;

use super::dataplane::Admin;

/// The proxy through which a zone is left. It is in no mesh, and serves all that have mTLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ZoneEgress {
    /// The zone that it is in; services of this zone alone are reached by others' egresses.
    pub zone: String,
    /// Where it listens.
    pub networking: Networking,
}

/// `ZoneEgress.Networking`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Networking {
    /// The address that it listens on and that others reach it at.
    pub address: String,
    /// The port.
    pub port: u32,
    /// Envoy's own port.
    pub admin: Option<Admin>,
}
