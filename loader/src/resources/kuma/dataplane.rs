//! `Dataplane` (Kuma `api/mesh/v1alpha1/dataplane.proto`): a proxy, and the service behind it.

use policy::Tags;
use serde::Deserialize;

/// A proxy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dataplane {
    /// Its addresses and what it is.
    pub networking: Networking,
}

/// `Dataplane.Networking`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Networking {
    /// The address that it listens on and that others reach it at.
    pub address: String,
    /// The address that others reach it at, if it is another one.
    #[serde(rename = "advertisedAddress", alias = "advertised_address")]
    pub advertised_address: String,
    /// The services behind it.
    pub inbound: Vec<Inbound>,
    /// Set on gateways.
    pub gateway: Option<Gateway>,
}

/// `Dataplane.Networking.Inbound`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbound {
    /// The port that others reach the service at.
    pub port: u32,
    /// The port of the service itself, if it is another one.
    #[serde(rename = "servicePort", alias = "service_port")]
    pub service_port: u32,
    /// The address of the service itself.
    #[serde(rename = "serviceAddress", alias = "service_address")]
    pub service_address: String,
    /// The address that others reach the service at, if it is not the Dataplane's.
    pub address: String,
    /// What the service is: `kuma.io/service`, `kuma.io/protocol` and the user's own.
    pub tags: Tags,
}

/// `Dataplane.Networking.Gateway`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Tags by which a MeshGateway is chosen.
    pub tags: Tags,
    /// Who is the gateway.
    #[serde(rename = "type")]
    pub kind: GatewayType,
}

/// `Dataplane.Networking.Gateway.GatewayType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum GatewayType {
    /// Somebody else's proxy.
    #[default]
    #[serde(rename = "DELEGATED", alias = "0")]
    Delegated,
    /// Envoy, by a MeshGateway.
    #[serde(rename = "BUILTIN", alias = "1")]
    Builtin,
}
