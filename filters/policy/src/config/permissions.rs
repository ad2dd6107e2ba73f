//! `permissions`: which clients may send what.

use serde::{Deserialize, Serialize};

/// Which clients may send what: one of `deny` forbids, else one of `shadow_deny` or `allow` permits, and what none of
/// them matches is forbidden (Kuma's `MeshTrafficPermission`,
/// `pkg/plugins/policies/meshtrafficpermission/xds/rbac_configurer.go` at 2.14.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PermissionsConfig {
    /// Forbidden, whatever the others say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<RuleConfig>,
    /// Permitted, but counted and marked as requests in audit mode are (Kuma's `allowWithShadowDeny`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow_deny: Vec<RuleConfig>,
    /// Permitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<RuleConfig>,
}

/// A set of requests. What is left out does not narrow it: the empty rule matches every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// URIs of the client's certificate, each of which it has to have: `spiffe://<mesh>/<service>`,
    /// `kuma://<tag>/<value>`, or the beginning of one with `*` after it: `spiffe://<mesh>/*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<String>,
    /// Methods, one of which the request has to have. They are compared as they are: `GET`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Paths, at or below one of which the request's path has to be: `/v1` holds `/v1` and `/v1/users`, not `/v10`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}
