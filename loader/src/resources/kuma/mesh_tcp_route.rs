//! `MeshTCPRoute` (Kuma `pkg/plugins/policies/meshtcproute/api/v1alpha1`): where connections go.

use serde::Deserialize;

use super::mesh_http_route::{BackendRef, TargetRef};

/// Rules for connections through some gateways.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshTcpRoute {
    /// Whose connections.
    pub target_ref: Option<TargetRef>,
    /// Which connections.
    pub to: Vec<To>,
}

/// An entry of `to`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct To {
    /// `Mesh` on gateways.
    pub target_ref: TargetRef,
    /// At most one.
    pub rules: Vec<Rule>,
}

/// What happens to connections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// What happens.
    #[serde(rename = "default")]
    pub conf: RuleConf,
}

/// What happens to a connection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RuleConf {
    /// Where it goes.
    pub backend_refs: Vec<BackendRef>,
}
