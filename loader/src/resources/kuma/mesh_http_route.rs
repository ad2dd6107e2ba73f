//! `MeshHTTPRoute` (Kuma `pkg/plugins/policies/meshhttproute/api/v1alpha1`): where requests go.

use std::collections::BTreeMap;

use policy::Tags;
use serde::Deserialize;

use crate::resources::decode::NumberOrText;

/// Rules for requests through some gateways.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshHttpRoute {
    /// Whose requests.
    pub target_ref: Option<TargetRef>,
    /// Which requests.
    pub to: Vec<To>,
}

/// A reference to what a policy is for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TargetRef {
    /// `Mesh`, `MeshGateway`, `MeshService`, …
    pub kind: String,
    /// The name, for kinds that have one.
    pub name: String,
    /// Tags that it has to have.
    pub tags: Tags,
    /// Another mesh; Kuma allows it nowhere.
    pub mesh: String,
    /// `Sidecar` and `Gateway`; both if absent.
    pub proxy_types: Option<Vec<String>>,
    /// The namespace of the resource.
    pub namespace: String,
    /// Labels of the resource, in place of its name.
    pub labels: BTreeMap<String, String>,
    /// The name of a port.
    pub section_name: String,
}

/// An entry of `to`.
#[derive(Clone, Debug, Default, Deserialize)]
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
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Which requests: any of these.
    pub matches: Vec<Match>,
    /// What happens.
    #[serde(rename = "default")]
    pub conf: RuleConf,
}

/// Which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// The path.
    pub path: Option<PathMatch>,
    /// The method.
    pub method: Option<String>,
    /// Parameters of the query, all of them.
    pub query_params: Vec<QueryMatch>,
    /// Headers, all of them.
    pub headers: Vec<HeaderMatch>,
}

/// A parameter of the query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct QueryMatch {
    /// `Exact` or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The parameter.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HeaderMatch {
    /// `Exact` (also if absent), `Present`, `RegularExpression`, `Absent` or `Prefix`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The header.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PathMatch {
    /// `Exact`, `PathPrefix` or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path, prefix or expression.
    pub value: String,
}

/// What happens to a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RuleConf {
    /// What is done to it.
    pub filters: Option<Vec<Filter>>,
    /// Where it goes.
    pub backend_refs: Option<Vec<BackendRef>>,
}

/// A backend with its share of the requests.
#[derive(Clone, Debug, Default, Deserialize)]
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
    /// The port of a resource; with it, `name` is no tag but the name of a resource.
    pub port: Option<u32>,
    /// Another mesh; Kuma allows it nowhere.
    pub mesh: String,
    /// Allowed nowhere.
    pub proxy_types: Option<Vec<String>>,
    /// The namespace of the resource.
    pub namespace: String,
    /// Labels of the resource, in place of its name.
    pub labels: BTreeMap<String, String>,
    /// The name of a port.
    pub section_name: String,
}

impl BackendRef {
    /// What it refers to.
    pub(crate) fn target(&self) -> TargetRef {
        TargetRef {
            kind: self.kind.clone(),
            name: self.name.clone(),
            tags: self.tags.clone(),
            mesh: self.mesh.clone(),
            proxy_types: self.proxy_types.clone(),
            namespace: self.namespace.clone(),
            labels: self.labels.clone(),
            section_name: self.section_name.clone(),
        }
    }
}

/// What is done to a request or its response.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct Filter {
    #[serde(rename = "type")]
    pub kind: String,
    pub request_header_modifier: Option<HeaderModifier>,
    pub response_header_modifier: Option<HeaderModifier>,
    pub request_redirect: Option<RequestRedirect>,
    pub url_rewrite: Option<UrlRewrite>,
    pub request_mirror: Option<RequestMirror>,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct HeaderModifier {
    pub set: Option<Vec<Header>>,
    pub add: Option<Vec<Header>>,
    pub remove: Option<Vec<String>>,
}

/// A header.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// An answer that sends the client elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct RequestRedirect {
    pub scheme: Option<String>,
    pub hostname: Option<String>,
    pub path: Option<PathRewrite>,
    pub port: Option<u32>,
    pub status_code: Option<u32>,
}

/// Another path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct PathRewrite {
    #[serde(rename = "type")]
    pub kind: String,
    pub replace_full_path: Option<String>,
    pub replace_prefix_match: Option<String>,
}

/// Another host or path for the backend.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct UrlRewrite {
    pub hostname: Option<String>,
    pub path: Option<PathRewrite>,
    pub host_to_backend_hostname: Option<bool>,
}

/// A copy of the request for another backend.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are named as in Kuma's documents")]
pub struct RequestMirror {
    pub percentage: Option<NumberOrText>,
    pub backend_ref: BackendRef,
}
