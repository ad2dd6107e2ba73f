//! `MeshPassthrough` (Kuma `pkg/plugins/policies/meshpassthrough/api/v1alpha1`).

use serde::Deserialize;

use super::mesh_http_route::TargetRef;
use crate::resources::decode::Anything;

/// What may leave the mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MeshPassthrough {
    pub target_ref: Option<TargetRef>,
    #[serde(rename = "default")]
    pub conf: Conf,
}

/// The destinations.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Conf {
    pub passthrough_mode: Anything,
    pub append_match: Vec<Match>,
}

/// A destination.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Match {
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
    pub port: Option<u32>,
    pub protocol: String,
}
