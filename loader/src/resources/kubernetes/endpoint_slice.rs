//! `EndpointSlice` (`discovery.k8s.io/v1`): a part of the addresses of a Service.

use serde::Deserialize;

use super::endpoints::{Port, TargetRef};

/// The label with the name of the Service.
pub const SERVICE: &str = "kubernetes.io/service-name";

/// Addresses with ports; the label [`SERVICE`] says of which Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EndpointSlice {
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Every endpoint has all of them.
    pub ports: Vec<Port>,
}

/// `Endpoint`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoint {
    /// Addresses that may stand for each other; the first is used.
    pub addresses: Vec<String>,
    /// Whether it takes requests.
    pub conditions: Conditions,
    /// Which Pod it is, for its labels.
    pub target_ref: Option<TargetRef>,
    /// The zone.
    pub zone: String,
    /// The Node.
    pub node_name: String,
}

/// `EndpointConditions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// Absent means yes.
    pub ready: Option<bool>,
}
