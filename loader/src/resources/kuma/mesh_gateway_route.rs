//! `MeshGatewayRoute` (Kuma `api/mesh/v1alpha1/gateway_route.proto`): where requests go, the older kind.

use policy::Tags;
use serde::Deserialize;

use super::mesh_gateway::Selector;

/// Rules for requests through some listeners.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshGatewayRoute {
    /// Tags of the listeners; one matching selector suffices.
    pub selectors: Vec<Selector>,
    /// The rules.
    pub conf: Option<Conf>,
}

/// `MeshGatewayRoute.Conf`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conf {
    /// Rules for HTTP.
    pub http: Option<HttpRoute>,
}

/// `MeshGatewayRoute.HttpRoute`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpRoute {
    /// The hosts that the rules are for; all of the listener's if empty.
    pub hostnames: Vec<String>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// `MeshGatewayRoute.HttpRoute.Rule`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Which requests: any of these.
    pub matches: Vec<Match>,
    /// Where they go.
    pub backends: Vec<Backend>,
}

/// `MeshGatewayRoute.HttpRoute.Match`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The path.
    pub path: Option<PathMatch>,
}

/// `MeshGatewayRoute.HttpRoute.Match.Path`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathMatch {
    /// How `value` is compared.
    #[serde(rename = "match")]
    pub kind: PathMatchKind,
    /// The path, prefix or expression.
    pub value: String,
}

/// `MeshGatewayRoute.HttpRoute.Match.Path.MatchType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum PathMatchKind {
    /// The whole path.
    #[default]
    #[serde(rename = "EXACT", alias = "0")]
    Exact,
    /// The first segments.
    #[serde(rename = "PREFIX", alias = "1")]
    Prefix,
    /// A regular expression for the whole path.
    #[serde(rename = "REGEX", alias = "2")]
    Regex,
}

/// `MeshGatewayRoute.Backend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backend {
    /// The share of the requests.
    pub weight: u32,
    /// Tags of the endpoints, `kuma.io/service` among them.
    pub destination: Tags,
}
