//! `MeshTrafficPermission` (Kuma `pkg/plugins/policies/meshtrafficpermission/api/v1alpha1`).

use serde::Deserialize;

use super::mesh_http_route::TargetRef;
use crate::resources::decode::Anything;

/// Who may call whom.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MeshTrafficPermission {
    pub target_ref: Option<TargetRef>,
    pub from: Vec<From>,
    pub rules: Vec<Rule>,
}

/// An entry of `from`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct From {
    pub target_ref: TargetRef,
    #[serde(rename = "default")]
    pub conf: Conf,
}

/// What happens to some clients.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Conf {
    pub action: String,
}

/// An entry of `rules`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Rule {
    #[serde(rename = "default")]
    pub conf: RuleConf,
}

/// Clients by what happens to them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct RuleConf {
    pub deny: Vec<Match>,
    pub allow_with_shadow_deny: Vec<Match>,
    pub allow: Vec<Match>,
}

/// Which clients.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Match {
    #[serde(rename = "spiffeID")]
    pub spiffe_id: Option<SpiffeId>,
    pub sni: Option<Sni>,
}

/// An identity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct SpiffeId {
    #[serde(rename = "type")]
    pub kind: Anything,
    pub value: String,
}

/// A server name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Sni {
    #[serde(rename = "type")]
    pub kind: String,
    pub value: String,
}
