//! `MeshOpenTelemetryBackend` (Kuma `pkg/core/resources/apis/meshopentelemetrybackend/api/v1alpha1`).

use serde::Deserialize;

use crate::resources::decode::Anything;

/// A collector that policies refer to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeshOpenTelemetryBackend {
    /// Where it is.
    pub endpoint: Option<Endpoint>,
    /// `grpc` or `http`; the first if absent.
    pub protocol: Option<String>,
    /// What `kuma-dp` takes from its environment.
    pub env: Option<Env>,
}

/// Where a collector is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// A name or an IP address; this machine if absent.
    pub address: Option<String>,
    /// 4317 if absent.
    pub port: Option<i32>,
    /// The path before `/v1/logs`, for `http`.
    pub path: Option<String>,
}

/// What `kuma-dp` takes from its environment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Env {
    /// `Disabled`, `Optional` or `Required`.
    pub mode: String,
    /// `ExplicitFirst` or `EnvFirst`.
    pub precedence: String,
    /// Whether a signal may have a collector of its own.
    pub allow_signal_overrides: Anything,
}
