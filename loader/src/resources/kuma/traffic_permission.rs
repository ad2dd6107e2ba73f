//! `TrafficPermission` (Kuma `api/mesh/v1alpha1/traffic_permission.proto`).

use serde::Deserialize;

use super::mesh_gateway::Selector;

/// Who may call whom.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TrafficPermission {
    /// Who may call: clients with the tags of one of these.
    pub sources: Vec<Selector>,
    /// Whom: inbounds with the tags of one of these.
    pub destinations: Vec<Selector>,
}
