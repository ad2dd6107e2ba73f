//! `TrafficLog` (Kuma `api/mesh/v1alpha1/traffic_log.proto`).

use serde::Deserialize;

use super::policy::Connection;

/// `TrafficLog`.
pub type TrafficLog = Connection<LogConf>;

/// Where a line for each request goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConf {
    /// A logging backend of the mesh; its default one if empty.
    pub backend: String,
}
