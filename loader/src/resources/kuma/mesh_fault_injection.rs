//! `MeshFaultInjection` (Kuma `pkg/plugins/policies/meshfaultinjection/api/v1alpha1`).

use serde::Deserialize;

use super::policy::{Duration, Fraction, Policy, overlay};

/// `MeshFaultInjection`.
pub type MeshFaultInjection = Policy<MeshFaults>;

/// What goes wrong on purpose.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshFaults {
    /// With requests.
    pub http: Option<Vec<HttpFault>>,
}

overlay! { MeshFaults { http } }

/// What goes wrong with some requests.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpFault {
    /// They are answered.
    pub abort: Option<Abort>,
    /// They wait.
    pub delay: Option<Delay>,
    /// Their responses come slowly.
    pub response_bandwidth: Option<ResponseBandwidth>,
}

/// Some requests are answered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Abort {
    /// With this status.
    pub http_status: u32,
    /// How many, in percent.
    pub percentage: Fraction,
}

/// Some requests wait.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delay {
    /// How long.
    pub value: Option<Duration>,
    /// How many, in percent.
    pub percentage: Fraction,
}

/// Some responses come slowly.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseBandwidth {
    /// `<n> kbps`, `<n> Mbps` or `<n> Gbps`.
    pub limit: String,
    /// How many, in percent.
    pub percentage: Fraction,
}
