//! `MeshTrafficPermission` (Kuma `pkg/plugins/policies/meshtrafficpermission/api/v1alpha1`).

use policy::Tags;
use serde::Deserialize;

use super::mesh_http_route::TargetRef;

/// Who may call whom.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshTrafficPermission {
    /// Whom; all of the mesh if absent.
    pub target_ref: Option<TargetRef>,
    /// Who, by tags.
    pub from: Vec<From>,
    /// Who, by identities.
    pub rules: Vec<Rule>,
}

/// An entry of `from`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct From {
    /// Who.
    pub target_ref: TargetRef,
    /// What happens to their requests.
    #[serde(rename = "default")]
    pub conf: Conf,
}

/// What happens to some clients.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Conf {
    /// `Allow`, `Deny` or `AllowWithShadowDeny`.
    pub action: String,
}

/// An entry of `rules`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Who.
    #[serde(rename = "default")]
    pub conf: RuleConf,
}

/// Clients by what happens to them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RuleConf {
    /// These are refused, whatever else is said.
    pub deny: Vec<Match>,
    /// These are let in, and counted as if they were refused.
    pub allow_with_shadow_deny: Vec<Match>,
    /// These are let in.
    pub allow: Vec<Match>,
}

/// Which clients.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// What they prove to be.
    #[serde(rename = "spiffeID")]
    pub spiffe_id: Option<SpiffeId>,
    /// What they ask for.
    pub sni: Option<Sni>,
    /// Tags that their certificates prove, all of them. Beyond Kuma, and for services outside of the mesh only, as the
    /// following ones.
    pub tags: Tags,
    /// Methods, one of which the request has; any if empty.
    pub methods: Vec<String>,
    /// Paths, at or below one of which the request's path is; any if empty.
    pub path_prefixes: Vec<String>,
}

/// An identity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct SpiffeId {
    /// `Exact` or `Prefix`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The identity, or its beginning.
    pub value: String,
}

/// A server name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Sni {
    /// `Exact`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name.
    pub value: String,
}
