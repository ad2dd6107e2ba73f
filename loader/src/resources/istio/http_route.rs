//! `HTTPRoute` of a VirtualService: which requests, and what becomes of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::virtual_service::Destination;
use crate::resources::Duration;

/// An entry of `http`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpRoute {
    /// Names the route in Envoy.
    pub name: String,
    /// Any of these; every request if there are none.
    #[serde(rename = "match")]
    pub matches: Vec<HttpMatch>,
    /// Where the requests go.
    pub route: Vec<HttpRouteDestination>,
    /// They are sent elsewhere.
    pub redirect: Option<HttpRedirect>,
    /// They are answered here.
    pub direct_response: Option<HttpDirectResponse>,
    /// Another VirtualService says where they go.
    pub delegate: Option<Delegate>,
    /// Path and authority that the service sees.
    pub rewrite: Option<HttpRewrite>,
    /// For the whole request; none if absent.
    pub timeout: Option<Duration>,
    /// Which failures are tried again.
    pub retries: Option<HttpRetry>,
    /// Failures and delays that are made up.
    pub fault: Option<HttpFaultInjection>,
    /// Who gets a copy of the requests.
    pub mirror: Option<Destination>,
    /// Who else does.
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// Whole percents, the older form.
    pub mirror_percent: Option<u32>,
    /// How many of the requests are copied; all if absent.
    pub mirror_percentage: Option<Percent>,
    /// What other sites may do.
    pub cors_policy: Option<CorsPolicy>,
    /// Changes of headers.
    pub headers: Option<Headers>,
}

/// `HTTPMatchRequest`: all of these have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpMatch {
    /// Becomes a part of the route's name.
    pub name: String,
    /// The path, without the query.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// The method.
    pub method: Option<StringMatch>,
    /// The host, with the port that the client sent.
    pub authority: Option<StringMatch>,
    /// Headers in lower case; an empty match asks for presence.
    pub headers: BTreeMap<String, StringMatch>,
    /// The port of the server.
    pub port: u32,
    /// Labels of the gateway's workload.
    pub source_labels: BTreeMap<String, String>,
    /// Instead of those of the VirtualService.
    pub gateways: Vec<String>,
    /// Parameters of the query.
    pub query_params: BTreeMap<String, StringMatch>,
    /// Whether `exact` and `prefix` of `uri` take both cases of letters.
    pub ignore_uri_case: bool,
    /// Headers that must not match.
    pub without_headers: BTreeMap<String, StringMatch>,
    /// The namespace of the gateway's workload.
    pub source_namespace: String,
    /// Names the statistics.
    pub stat_prefix: String,
}

/// One of the three; presence if there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StringMatch {
    /// The whole text.
    pub exact: Option<String>,
    /// Its beginning.
    pub prefix: Option<String>,
    /// RE2 for the whole text.
    pub regex: Option<String>,
}

/// An entry of `route`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpRouteDestination {
    /// Required.
    pub destination: Option<Destination>,
    /// The share among all weights.
    pub weight: i32,
    /// Changes of headers for this destination.
    pub headers: Option<Headers>,
}

/// `Delegate`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delegate {
    /// The name of the VirtualService.
    pub name: String,
    /// Its namespace; the one of the root if empty.
    pub namespace: String,
}

/// `Headers`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Headers {
    /// Before the service sees the request.
    pub request: Option<HeaderOperations>,
    /// Before the client sees the response.
    pub response: Option<HeaderOperations>,
}

/// `Headers.HeaderOperations`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderOperations {
    /// Instead of what was there.
    pub set: BTreeMap<String, String>,
    /// Beside what was there.
    pub add: BTreeMap<String, String>,
    /// Taken away.
    pub remove: Vec<String>,
}

/// `HTTPRedirect`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpRedirect {
    /// Instead of the whole path.
    pub uri: String,
    /// Instead of the host.
    pub authority: String,
    /// The port; not with `derive_port`.
    pub port: Option<u32>,
    /// Where the port comes from.
    pub derive_port: Option<RedirectPort>,
    /// `http` or `https`.
    pub scheme: String,
    /// 301 if 0.
    pub redirect_code: u32,
    /// Instead of the part of the path that matched.
    pub prefix_rewrite: String,
}

/// `HTTPRedirect.RedirectPortSelection`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum RedirectPort {
    /// 80 or 443.
    #[default]
    #[serde(rename = "FROM_PROTOCOL_DEFAULT", alias = "0")]
    ProtocolDefault,
    /// The one of the server.
    #[serde(rename = "FROM_REQUEST_PORT", alias = "1")]
    RequestPort,
}

/// `HTTPDirectResponse`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpDirectResponse {
    /// 200 to 600.
    pub status: u32,
    /// The body.
    pub body: Option<HttpBody>,
}

/// `HTTPBody`: one of the two.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpBody {
    /// Text.
    pub string: Option<String>,
    /// Base64.
    pub bytes: Option<String>,
}

/// `HTTPRewrite`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpRewrite {
    /// Instead of the part of the path that matched.
    pub uri: String,
    /// Instead of the host.
    pub authority: String,
    /// Instead of what a pattern finds in the path.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// `RegexRewrite`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RegexRewrite {
    /// RE2.
    #[serde(rename = "match")]
    pub pattern: String,
    /// What takes its place, with `\1` for groups.
    pub rewrite: String,
}

/// `HTTPRetry`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpRetry {
    /// How often it is tried again; never if 0.
    pub attempts: i32,
    /// For each attempt.
    pub per_try_timeout: Option<Duration>,
    /// Envoy's conditions and status codes, joined by commas.
    pub retry_on: String,
    /// Whether endpoints in other places are tried.
    pub retry_remote_localities: Option<bool>,
    /// Whether endpoints that failed are left out.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// The first pause.
    pub backoff: Option<Duration>,
}

/// `CorsPolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct CorsPolicy {
    /// Exact origins, the older form.
    pub allow_origin: Vec<String>,
    /// Origins.
    pub allow_origins: Vec<StringMatch>,
    /// Methods.
    pub allow_methods: Vec<String>,
    /// Headers of requests.
    pub allow_headers: Vec<String>,
    /// Headers of responses that scripts may see.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer; whole seconds.
    pub max_age: Option<Duration>,
    /// Whether cookies may be sent.
    pub allow_credentials: Option<bool>,
    /// What becomes of questions about other origins.
    pub unmatched_preflights: UnmatchedPreflights,
}

/// `CorsPolicy.UnmatchedPreflights`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum UnmatchedPreflights {
    /// As `FORWARD`.
    #[default]
    #[serde(rename = "UNSPECIFIED", alias = "0")]
    Unspecified,
    /// The service gets them.
    #[serde(rename = "FORWARD", alias = "1")]
    Forward,
    /// The gateway answers.
    #[serde(rename = "IGNORE", alias = "2")]
    Ignore,
}

/// `HTTPFaultInjection`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpFaultInjection {
    /// Requests that wait.
    pub delay: Option<Delay>,
    /// Requests that fail.
    pub abort: Option<Abort>,
}

/// `HTTPFaultInjection.Delay`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Delay {
    /// Whole percents, the older form.
    pub percent: i32,
    /// How long.
    pub fixed_delay: Option<Duration>,
    /// Not supported by Istio.
    pub exponential_delay: Option<Duration>,
    /// How many of the requests; none if absent.
    pub percentage: Option<Percent>,
}

/// `HTTPFaultInjection.Abort`: one of the first three.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Abort {
    /// The status.
    pub http_status: Option<i32>,
    /// The name of gRPC's status.
    pub grpc_status: Option<String>,
    /// Not supported by Istio.
    #[serde(alias = "http2_error")]
    pub http2_error: Option<String>,
    /// How many of the requests; none if absent.
    pub percentage: Option<Percent>,
}

/// `HTTPMirrorPolicy`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpMirrorPolicy {
    /// Required.
    pub destination: Option<Destination>,
    /// How many of the requests; all if absent.
    pub percentage: Option<Percent>,
}

/// `Percent`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Percent {
    /// 0 to 100.
    pub value: f64,
}
