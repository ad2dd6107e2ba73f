//! `Dataplane` (Kuma `api/mesh/v1alpha1/dataplane.proto`): a proxy, and the service behind it.

use std::collections::BTreeMap;

use policy::Tags;
use serde::Deserialize;

use crate::resources::decode::Anything;

/// A proxy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dataplane {
    /// Its addresses and what it is.
    pub networking: Networking,
    /// Ports for probes of the application, on sidecars.
    pub probes: Option<Probes>,
    /// Where the proxy's metrics are read.
    pub metrics: Option<Metrics>,
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
    /// The services that it calls.
    pub outbound: Vec<Outbound>,
    /// Ports of a zone's proxy.
    pub listeners: Vec<ZoneListener>,
    /// How a sidecar catches connections.
    #[serde(rename = "transparentProxying", alias = "transparent_proxying")]
    pub transparent_proxying: Option<TransparentProxying>,
    /// Envoy's own port.
    pub admin: Option<Admin>,
}

impl Networking {
    /// Whether the connections that the service opens are caught (by iptables) and handed to the proxy's port for them.
    /// Listeners for addresses that no machine has are found from there, and open nothing themselves.
    pub fn catches_outbound(&self) -> bool {
        let transparent = self.transparent_proxying.as_ref();
        transparent.is_some_and(|transparent| transparent.redirect_port_outbound != 0)
    }
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
    /// Whether the service takes requests, as Kuma on Kubernetes writes it.
    pub health: Option<Health>,
    /// How Kuma finds out whether the service takes requests.
    #[serde(rename = "serviceProbe", alias = "service_probe")]
    pub service_probe: Option<ServiceProbe>,
    /// Whether the service takes requests.
    pub state: State,
    /// The name of the port.
    pub name: String,
    /// What it speaks, in place of the tag `kuma.io/protocol`.
    pub protocol: String,
}

impl Inbound {
    /// Whether requests are sent to it (Kuma `api/mesh/v1alpha1/dataplane_helpers.go` at 2.14.3).
    pub fn takes_requests(&self) -> bool {
        self.state == State::Ready && self.health.as_ref().is_none_or(|health| health.ready)
    }
}

/// `Dataplane.Networking.Inbound.Health`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Whether the service takes requests.
    pub ready: bool,
}

/// `Dataplane.Networking.Inbound.State`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum State {
    /// It takes requests.
    #[default]
    #[serde(alias = "0")]
    Ready,
    /// It takes none now.
    #[serde(alias = "1")]
    NotReady,
    /// It is no part of the mesh.
    #[serde(alias = "2")]
    Ignored,
}

/// `Dataplane.Networking.Inbound.ServiceProbe`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct ServiceProbe {
    pub interval: Option<String>,
    pub timeout: Option<String>,
    #[serde(rename = "unhealthyThreshold", alias = "unhealthy_threshold")]
    pub unhealthy_threshold: Option<u32>,
    #[serde(rename = "healthyThreshold", alias = "healthy_threshold")]
    pub healthy_threshold: Option<u32>,
    pub tcp: Anything,
}

/// `Dataplane.Networking.Outbound`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// The address that the service next to the proxy calls; 127.0.0.1 if empty.
    pub address: String,
    /// The port that it calls.
    pub port: u32,
    /// What it reaches there: endpoints with these tags.
    pub tags: Tags,
    /// What it reaches there, in place of tags.
    #[serde(rename = "backendRef", alias = "backend_ref")]
    pub backend_ref: Option<BackendRef>,
}

/// `Dataplane.Networking.Outbound.BackendRef`, and the same with a namespace.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackendRef {
    /// `MeshService`, `MeshMultiZoneService` or `MeshExternalService`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace; any if empty.
    pub namespace: String,
    /// A port of the service.
    pub port: u32,
    /// Labels, in place of a name.
    pub labels: BTreeMap<String, String>,
}

/// `Dataplane.Networking.Listener`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct ZoneListener {
    #[serde(rename = "type")]
    pub kind: ZoneListenerType,
    pub address: String,
    pub port: u32,
    pub name: String,
    pub state: State,
}

/// `Dataplane.Networking.Listener.Type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub enum ZoneListenerType {
    #[default]
    #[serde(alias = "0")]
    Unspecified,
    #[serde(alias = "1")]
    ZoneIngress,
    #[serde(alias = "2")]
    ZoneEgress,
}

/// `Dataplane.Networking.TransparentProxying`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransparentProxying {
    /// The port that connections to the service are redirected to; none are if 0.
    #[serde(rename = "redirectPortInbound", alias = "redirect_port_inbound")]
    pub redirect_port_inbound: u32,
    /// The port that connections of the service are redirected to; none are if 0.
    #[serde(rename = "redirectPortOutbound", alias = "redirect_port_outbound")]
    pub redirect_port_outbound: u32,
    /// Services whose endpoints are called by their own addresses.
    #[serde(rename = "directAccessServices", alias = "direct_access_services")]
    pub direct_access_services: Vec<String>,
    /// The services that are reached; all if empty.
    #[serde(rename = "reachableServices", alias = "reachable_services")]
    pub reachable_services: Vec<String>,
    /// Which connections are redirected.
    #[serde(rename = "ipFamilyMode", alias = "ip_family_mode")]
    pub ip_family_mode: IpFamilyMode,
    /// The services that are reached, by resource; all if absent.
    #[serde(rename = "reachableBackends", alias = "reachable_backends")]
    pub reachable_backends: Option<ReachableBackends>,
}

/// `Dataplane.Networking.TransparentProxying.IpFamilyMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum IpFamilyMode {
    /// As `DualStack`.
    #[default]
    #[serde(alias = "0")]
    UnSpecified,
    /// Those to IPv4 and to IPv6 addresses.
    #[serde(alias = "1")]
    DualStack,
    /// Those to IPv4 addresses.
    #[serde(alias = "2")]
    IPv4,
    /// As `DualStack`: Kuma knows the name and does not tell the two apart.
    #[serde(alias = "3")]
    IPv6,
}

/// `Dataplane.Networking.TransparentProxying.ReachableBackends`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct ReachableBackends {
    pub refs: Vec<BackendRef>,
}

/// `EnvoyAdmin`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Admin {
    pub port: u32,
}

/// `Dataplane.Probes`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Probes {
    pub port: u32,
    pub endpoints: Vec<ProbeEndpoint>,
}

/// `Dataplane.Probes.Endpoint`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct ProbeEndpoint {
    #[serde(rename = "inboundPort", alias = "inbound_port")]
    pub inbound_port: u32,
    #[serde(rename = "inboundPath", alias = "inbound_path")]
    pub inbound_path: String,
    pub path: String,
}

/// `MetricsBackend`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct Metrics {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub conf: MetricsConf,
}

/// `PrometheusMetricsBackendConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MetricsConf {
    pub port: Anything,
    pub path: Anything,
    pub tags: Anything,
    #[serde(rename = "skipMTLS")]
    pub skip_mtls: Anything,
    pub aggregate: Vec<MetricsAggregate>,
    pub envoy: Anything,
    pub tls: Anything,
}

/// `PrometheusAggregateMetricsConfig`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "known for the rules of Kuma's validator only")]
pub struct MetricsAggregate {
    pub name: String,
    pub port: u32,
    pub path: String,
    pub enabled: Anything,
    pub address: String,
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
