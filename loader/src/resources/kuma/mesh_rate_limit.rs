//! `MeshRateLimit` (Kuma `pkg/plugins/policies/meshratelimit/api/v1alpha1`) and `RateLimit` (`api/mesh/v1alpha1`).

use serde::Deserialize;

use super::policy::{Connection, Duration, Policy, overlay};

/// `MeshRateLimit`.
pub type MeshRateLimit = Policy<MeshRates>;
/// `RateLimit`.
pub type RateLimit = Connection<Rates>;

/// How much each proxy lets through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshRates {
    /// Counted by each proxy for itself.
    pub local: Option<Local>,
}

/// Counted by each proxy for itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Local {
    /// Requests.
    pub http: Option<LocalHttp>,
    /// Connections.
    pub tcp: Option<LocalTcp>,
}

/// Requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LocalHttp {
    /// Whether there is no limit.
    pub disabled: Option<bool>,
    /// The limit.
    pub request_rate: Option<Rate>,
    /// The answer beyond it.
    pub on_rate_limit: Option<OnRateLimit>,
}

/// Connections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct LocalTcp {
    /// Whether there is no limit.
    pub disabled: Option<bool>,
    /// The limit.
    pub connection_rate: Option<Rate>,
}

/// So many in a time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// How many.
    pub num: Option<u32>,
    /// In which time.
    pub interval: Option<Duration>,
}

/// The answer to what is too much.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnRateLimit {
    /// 429 if absent.
    pub status: Option<u32>,
    /// Headers of the answer.
    pub headers: Option<Headers>,
}

/// Headers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Headers {
    /// In place of those that are there.
    pub set: Option<Vec<Header>>,
    /// Beside those that are there.
    pub add: Option<Vec<Header>>,
}

/// A header.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

overlay! {
    MeshRates { local }
    Local { http, tcp }
    LocalHttp { disabled, request_rate, on_rate_limit }
    LocalTcp { disabled, connection_rate }
    Rate { num, interval }
    OnRateLimit { status, headers }
    Headers { set, add }
}

/// How much each proxy lets through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Requests.
    pub http: Option<HttpRate>,
}

/// So many requests in a time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpRate {
    /// How many.
    pub requests: u32,
    /// In which time.
    pub interval: Option<Duration>,
    /// The answer beyond it.
    #[serde(rename = "onRateLimit", alias = "on_rate_limit")]
    pub on_rate_limit: Option<LegacyOnRateLimit>,
}

/// The answer to what is too much.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyOnRateLimit {
    /// 429 if absent.
    pub status: Option<u32>,
    /// Headers of the answer.
    pub headers: Vec<LegacyHeader>,
}

/// A header.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyHeader {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Whether it comes beside those that are there.
    pub append: bool,
}
