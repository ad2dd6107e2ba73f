//! `TrafficPermission` (Kuma `api/mesh/v1alpha1/traffic_permission.proto`).

use serde::Deserialize;

use super::mesh_gateway::Selector;

/// Who may call whom.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct TrafficPermission {
    pub sources: Vec<Selector>,
    pub destinations: Vec<Selector>,
}
