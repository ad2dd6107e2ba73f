//! `MeshRetry` (Kuma `pkg/plugins/policies/meshretry/api/v1alpha1`) and `Retry` (`api/mesh/v1alpha1`).

use serde::Deserialize;

use super::mesh_http_route::HeaderMatch;
use super::policy::{Connection, Duration, Policy, overlay};

/// `MeshRetry`.
pub type MeshRetry = Policy<MeshRetries>;
/// `Retry`.
pub type Retry = Connection<Retries>;

/// What is tried again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshRetries {
    /// Connections.
    pub tcp: Option<TcpRetries>,
    /// Requests.
    pub http: Option<HttpRetries>,
    /// Calls to services of which all endpoints speak gRPC.
    pub grpc: Option<GrpcRetries>,
}

/// How often a connection is tried.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TcpRetries {
    /// The first attempt counts.
    pub max_connect_attempt: Option<u32>,
}

/// When and how often a request is tried again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpRetries {
    /// Without the first attempt; 0 switches retries off.
    pub num_retries: Option<u32>,
    /// How long an attempt may take.
    pub per_try_timeout: Option<Duration>,
    /// How long to wait.
    pub back_off: Option<BackOff>,
    /// How long to wait if the backend says so.
    pub rate_limited_back_off: Option<RateLimitedBackOff>,
    /// `5xx`, `GatewayError`, …, `HttpMethodGet`, …, or a status.
    pub retry_on: Option<Vec<String>>,
    /// Responses with any of these are tried again.
    pub retriable_response_headers: Option<Vec<HeaderMatch>>,
    /// Only requests with any of these are tried again.
    pub retriable_request_headers: Option<Vec<HeaderMatch>>,
    /// Which endpoints are left out.
    pub host_selection: Option<Vec<HostSelection>>,
    /// How often another endpoint is looked for.
    pub host_selection_max_attempts: Option<i64>,
}

/// When and how often a call is tried again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct GrpcRetries {
    /// Without the first attempt; 0 switches retries off.
    pub num_retries: Option<u32>,
    /// How long an attempt may take.
    pub per_try_timeout: Option<Duration>,
    /// How long to wait.
    pub back_off: Option<BackOff>,
    /// How long to wait if the backend says so.
    pub rate_limited_back_off: Option<RateLimitedBackOff>,
    /// `Canceled`, `DeadlineExceeded`, `Internal`, `ResourceExhausted` or `Unavailable`.
    pub retry_on: Option<Vec<String>>,
}

/// How long to wait before an attempt.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct BackOff {
    /// Before the first one; grows from there.
    #[serde(alias = "base_interval")]
    pub base_interval: Option<Duration>,
    /// At most.
    #[serde(alias = "max_interval")]
    pub max_interval: Option<Duration>,
}

/// How long to wait if the backend says so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RateLimitedBackOff {
    /// Where it says so.
    pub reset_headers: Option<Vec<ResetHeader>>,
    /// At most.
    pub max_interval: Option<Duration>,
}

/// A header with a time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResetHeader {
    /// The header.
    pub name: String,
    /// `Seconds` or `UnixTimestamp`.
    pub format: String,
}

/// Which endpoints are left out in a further attempt.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HostSelection {
    /// `OmitPreviousHosts`, `OmitHostsWithTags` or `OmitPreviousPriorities`.
    pub predicate: String,
    /// Tags, for `OmitHostsWithTags`.
    pub tags: policy::Tags,
    /// After how many attempts priorities are computed anew.
    pub update_frequency: i32,
}

overlay! {
    MeshRetries { tcp, http, grpc }
    TcpRetries { max_connect_attempt }
    HttpRetries {
        num_retries, per_try_timeout, back_off, rate_limited_back_off, retry_on, retriable_response_headers,
        retriable_request_headers, host_selection, host_selection_max_attempts,
    }
    GrpcRetries { num_retries, per_try_timeout, back_off, rate_limited_back_off, retry_on }
    BackOff { base_interval, max_interval }
    RateLimitedBackOff { reset_headers, max_interval }
}

/// What is tried again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retries {
    /// Requests.
    pub http: Option<LegacyHttpRetries>,
    /// Connections.
    pub tcp: Option<LegacyTcpRetries>,
    /// Calls to services of which all endpoints speak gRPC.
    pub grpc: Option<LegacyGrpcRetries>,
}

/// How often a connection is tried.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyTcpRetries {
    /// The first attempt counts.
    #[serde(rename = "maxConnectAttempts", alias = "max_connect_attempts")]
    pub max_connect_attempts: u32,
}

/// When and how often a call is tried again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyGrpcRetries {
    /// `cancelled`, `deadline_exceeded`, …
    #[serde(rename = "retryOn", alias = "retry_on")]
    pub retry_on: Vec<String>,
    /// Without the first attempt.
    #[serde(rename = "numRetries", alias = "num_retries")]
    pub num_retries: Option<u32>,
    /// How long an attempt may take.
    #[serde(rename = "perTryTimeout", alias = "per_try_timeout")]
    pub per_try_timeout: Option<Duration>,
    /// How long to wait.
    #[serde(rename = "backOff", alias = "back_off")]
    pub back_off: Option<BackOff>,
}

/// When and how often a request is tried again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyHttpRetries {
    /// Without the first attempt.
    #[serde(rename = "numRetries", alias = "num_retries")]
    pub num_retries: Option<u32>,
    /// How long an attempt may take.
    #[serde(rename = "perTryTimeout", alias = "per_try_timeout")]
    pub per_try_timeout: Option<Duration>,
    /// How long to wait.
    #[serde(rename = "backOff", alias = "back_off")]
    pub back_off: Option<BackOff>,
    /// Statuses that are tried again.
    #[serde(rename = "retriableStatusCodes", alias = "retriable_status_codes")]
    pub retriable_status_codes: Vec<u32>,
    /// Only requests with these methods are tried again.
    #[serde(rename = "retriableMethods", alias = "retriable_methods")]
    pub retriable_methods: Vec<String>,
    /// `all_5xx`, `gateway_error`, …
    #[serde(rename = "retryOn", alias = "retry_on")]
    pub retry_on: Vec<String>,
}
