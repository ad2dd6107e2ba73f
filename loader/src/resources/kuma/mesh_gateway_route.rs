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
    /// Rules for connections.
    pub tcp: Option<TcpRoute>,
}

/// `MeshGatewayRoute.TcpRoute`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpRoute {
    /// The rules; all of them apply.
    pub rules: Vec<TcpRule>,
}

/// `MeshGatewayRoute.TcpRoute.Rule`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpRule {
    /// Where connections go.
    pub backends: Vec<Backend>,
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
    /// What is done to them.
    pub filters: Vec<Filter>,
    /// Where they go.
    pub backends: Vec<Backend>,
}

/// `MeshGatewayRoute.HttpRoute.Match`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// The path.
    pub path: Option<PathMatch>,
    /// The method.
    pub method: Method,
    /// Headers, all of them.
    pub headers: Vec<HeaderMatch>,
    /// Parameters of the query, all of them.
    #[serde(rename = "queryParameters", alias = "query_parameters")]
    pub query_parameters: Vec<QueryMatch>,
}

/// `HttpMethod`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "HTTP's own names")]
pub enum Method {
    #[default]
    #[serde(alias = "0")]
    None,
    #[serde(alias = "1")]
    Connect,
    #[serde(alias = "2")]
    Delete,
    #[serde(alias = "3")]
    Get,
    #[serde(alias = "4")]
    Head,
    #[serde(alias = "5")]
    Options,
    #[serde(alias = "6")]
    Patch,
    #[serde(alias = "7")]
    Post,
    #[serde(alias = "8")]
    Put,
    #[serde(alias = "9")]
    Trace,
}

impl Method {
    /// The method; nothing if all are meant.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::Connect => "CONNECT",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Trace => "TRACE",
        })
    }
}

/// `MeshGatewayRoute.HttpRoute.Match.Header`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderMatch {
    /// How `value` is compared.
    #[serde(rename = "match")]
    pub kind: HeaderMatchKind,
    /// The header.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `MeshGatewayRoute.HttpRoute.Match.Header.MatchType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum HeaderMatchKind {
    /// The whole value.
    #[default]
    #[serde(rename = "EXACT", alias = "0")]
    Exact,
    /// A regular expression for the whole value.
    #[serde(rename = "REGEX", alias = "1")]
    Regex,
    /// The header is not there.
    #[serde(rename = "ABSENT", alias = "2")]
    Absent,
    /// The header is there.
    #[serde(rename = "PRESENT", alias = "3")]
    Present,
}

/// `MeshGatewayRoute.HttpRoute.Match.Query`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryMatch {
    /// How `value` is compared.
    #[serde(rename = "match")]
    pub kind: QueryMatchKind,
    /// The parameter.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// `MeshGatewayRoute.HttpRoute.Match.Query.MatchType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum QueryMatchKind {
    /// The whole value.
    #[default]
    #[serde(rename = "EXACT", alias = "0")]
    Exact,
    /// A regular expression for the whole value.
    #[serde(rename = "REGEX", alias = "1")]
    Regex,
}

/// `MeshGatewayRoute.HttpRoute.Filter`: one of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct Filter {
    #[serde(rename = "requestHeader", alias = "request_header")]
    pub request_header: Option<HeaderFilter>,
    #[serde(rename = "responseHeader", alias = "response_header")]
    pub response_header: Option<HeaderFilter>,
    pub mirror: Option<Mirror>,
    pub redirect: Option<Redirect>,
    pub rewrite: Option<Rewrite>,
}

/// `MeshGatewayRoute.HttpRoute.Filter.HeaderFilter`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct HeaderFilter {
    pub set: Vec<Header>,
    pub add: Vec<Header>,
    pub remove: Vec<String>,
}

/// `MeshGatewayRoute.HttpRoute.Filter.HeaderFilter.Header`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// `MeshGatewayRoute.HttpRoute.Filter.Mirror`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct Mirror {
    pub backend: Option<Backend>,
    pub percentage: Option<f64>,
}

/// `MeshGatewayRoute.HttpRoute.Filter.Rewrite`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct Rewrite {
    #[serde(rename = "replaceFull", alias = "replace_full")]
    pub replace_full: Option<String>,
    #[serde(rename = "replacePrefixMatch", alias = "replace_prefix_match")]
    pub replace_prefix_match: Option<String>,
    #[serde(rename = "hostToBackendHostname", alias = "host_to_backend_hostname")]
    pub host_to_backend_hostname: bool,
}

/// `MeshGatewayRoute.HttpRoute.Filter.Redirect`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct Redirect {
    pub scheme: String,
    pub hostname: String,
    pub port: u32,
    #[serde(rename = "statusCode", alias = "status_code")]
    pub status_code: u32,
    pub path: Option<Rewrite>,
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
