//! `external_access`: what may be reached outside the mesh.

use serde::{Deserialize, Serialize};

use super::named::named;
use super::{PermissionsConfig, is_default};

/// What may be reached outside the mesh, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExternalAccessConfig {
    /// Access to services without `permissions` (Kuma's `defaultForbidMeshExternalServiceAccess`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub default: Access,
    /// External services with names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ExternalServiceConfig>,
    /// Which destinations without a service may be reached (Kuma's `MeshPassthrough`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub passthrough: Passthrough,
    /// The destinations of the mode `matched`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<PassthroughConfig>,
    /// The cluster of the destinations of the mode `all`: see [`ExternalServiceConfig::cluster`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The URIs of the one client that this filter serves, where that is known beforehand: the proxy of a service
    /// gives those of its own certificate. Left out: those of each connection's certificate, which Envoy has to put
    /// into the filter state `meshgate.client`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Vec<String>>,
}

/// Whether a service may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// By everybody.
    #[default]
    Allow,
    /// By nobody.
    Forbid,
}

/// Which destinations without a service may be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Passthrough {
    /// All of them.
    All,
    /// Those in `matches`.
    Matched,
    /// None.
    #[default]
    None,
}

/// A service outside the mesh: Kuma's `MeshExternalService`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExternalServiceConfig {
    /// The name in logs and counters.
    pub name: String,
    /// Its hostnames and IP addresses, without wildcards. A service that filter chains belong to (`chain`) may have
    /// none, and then takes every host on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// The port that a request has to name, where services share a hostname. Left out: the service takes every port
    /// of the hostname that no other one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The cluster, which the filter writes into the header `x-meshgate-cluster` for a route with `cluster_header`.
    /// If one service or match has a cluster, the others' requests lose that header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Which clients may send what. Left out: as `default` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionsConfig>,
}

/// Destinations of the mode `matched`: a domain, an address or a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PassthroughConfig {
    /// `name`, `*.name`, an IP address, or a range of them: `10.0.0.0/8`.
    pub destination: String,
    /// The port. Left out: every port. A request that names none goes to port 80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What is spoken there. Requests are matched by `http`, `http2` and `grpc`, connections by the others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
    /// The cluster: see [`ExternalServiceConfig::cluster`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// The protocol of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    #[default]
    Tcp,
    Tls,
    Mysql,
    Http,
    Http2,
    Grpc,
}

named!(Access { "allow" => Allow, "forbid" => Forbid });
named!(Passthrough { "all" => All, "matched" => Matched, "none" => None });
named!(Protocol {
    "tcp" => Tcp, "tls" => Tls, "mysql" => Mysql, "http" => Http, "http2" => Http2, "grpc" => Grpc,
});
