//! `MeshHTTPRoute` (Kuma `pkg/plugins/policies/meshhttproute/api/v1alpha1`): where requests go.

use policy::Tags;
use serde::Deserialize;

/// Rules for requests through some gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshHttpRoute {
    /// Whose requests.
    pub target_ref: Option<TargetRef>,
    /// Which requests.
    pub to: Vec<To>,
}

/// A reference to what a policy is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TargetRef {
    /// `Mesh`, `MeshGateway`, `MeshService`, …
    pub kind: String,
    /// The name, for kinds that have one.
    pub name: String,
    /// Tags that it has to have.
    pub tags: Tags,
}

/// An entry of `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct To {
    /// The hosts that the rules are for; all of the listener's if empty.
    pub hostnames: Vec<String>,
    /// `Mesh` on gateways.
    pub target_ref: Option<TargetRef>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// What happens to some requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Which requests: any of these.
    pub matches: Vec<Match>,
    /// What happens.
    #[serde(rename = "default")]
    pub conf: RuleConf,
}

/// Which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// The path.
    pub path: Option<PathMatch>,
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PathMatch {
    /// `Exact`, `PathPrefix` or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path, prefix or expression.
    pub value: String,
}

/// What happens to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RuleConf {
    /// Where it goes.
    pub backend_refs: Option<Vec<BackendRef>>,
}

/// A backend with its share of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct BackendRef {
    /// `MeshService` or `MeshServiceSubset`.
    pub kind: String,
    /// The value of `kuma.io/service`.
    pub name: String,
    /// More tags, for `MeshServiceSubset`.
    pub tags: Tags,
    /// The share, 1 if absent.
    pub weight: Option<u32>,
}
