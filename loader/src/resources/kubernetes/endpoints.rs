//! `Endpoints` (`v1`): the addresses of a Service, the older form.

use serde::Deserialize;

/// Addresses with ports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// Every address of a subset has every port of it.
    pub subsets: Vec<Subset>,
}

/// `EndpointSubset`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Subset {
    /// Those that are ready.
    pub addresses: Vec<Address>,
    /// The ports.
    pub ports: Vec<Port>,
}

/// `EndpointAddress`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Address {
    /// The address.
    pub ip: String,
    /// Which Pod it is, for its labels.
    pub target_ref: Option<TargetRef>,
    /// The Node.
    pub node_name: String,
}

/// `EndpointPort`, in both forms of endpoints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Port {
    /// The name of the Service's port.
    pub name: String,
    /// The port of the endpoint.
    pub port: u32,
    /// `TCP` (which is meant if empty), `UDP` or `SCTP`.
    pub protocol: String,
}

/// `ObjectReference`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TargetRef {
    /// `Pod`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; that of the endpoints if empty.
    pub namespace: String,
}
