//! `cross_mesh`: gateways of meshes, by hostname.

use serde::{Deserialize, Serialize};

/// Gateways of meshes that requests are sent to by hostname.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CrossMeshConfig {
    /// The gateways' listeners. A host of none of them is refused with 404, or left to `external_access`.
    pub gateways: Vec<CrossMeshGatewayConfig>,
}

/// A listener of a gateway that takes requests of other meshes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CrossMeshGatewayConfig {
    /// The gateway's mesh.
    pub mesh: String,
    /// The gateway's name in counters, e.g. its `kuma.io/service`.
    pub gateway: String,
    /// Its hostnames, without wildcards: the listener's own, or `internal.<gateway>.<mesh>.mesh`.
    pub hostnames: Vec<String>,
    /// The port that a request has to name, where gateways share a hostname. Left out: the gateway takes every port
    /// of the hostname that no other one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The cluster, which the filter writes into the header `x-meshgate-cluster` for a route with `cluster_header`.
    pub cluster: String,
}
