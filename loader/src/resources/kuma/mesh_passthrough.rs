//! `MeshPassthrough` (Kuma `pkg/plugins/policies/meshpassthrough/api/v1alpha1`).

use serde::Deserialize;

use super::mesh_http_route::TargetRef;

/// What may leave the mesh without being a service of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct MeshPassthrough {
    /// The proxies; all of the mesh if absent.
    pub target_ref: Option<TargetRef>,
    /// The destinations.
    #[serde(rename = "default")]
    pub conf: Conf,
}

/// The destinations.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Conf {
    /// `All`, `Matched` or `None`; `Matched` if empty.
    pub passthrough_mode: String,
    /// Those of `Matched`.
    pub append_match: Vec<Match>,
}

/// A destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Match {
    /// `Domain`, `IP` or `CIDR`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The domain, which may begin with `*.`, the address or the range.
    pub value: String,
    /// The port; every port if absent.
    pub port: Option<u32>,
    /// `tcp`, `tls`, `http`, `http2`, `grpc` or `mysql`.
    pub protocol: String,
}
