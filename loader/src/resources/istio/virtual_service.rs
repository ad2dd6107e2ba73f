//! `VirtualService` (`networking/v1alpha3/virtual_service.proto`): where requests and connections for hosts go.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::http_route::HttpRoute;

/// Routes for some hosts, at some gateways.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct VirtualService {
    /// Names, which may begin with `*`; none for a delegate.
    pub hosts: Vec<String>,
    /// `name`, `namespace/name` or `mesh`; the mesh only if there are none.
    pub gateways: Vec<String>,
    /// Routes for requests.
    pub http: Vec<HttpRoute>,
    /// Routes for TLS connections that are passed through.
    pub tls: Vec<TlsRoute>,
    /// Routes for connections.
    pub tcp: Vec<TcpRoute>,
    /// The namespaces that may use it: `*` (which is meant if there are none), `.` or names.
    pub export_to: Vec<String>,
}

/// A service, or one of its subsets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Destination {
    /// A name in the registry; without dots it is one of the namespace of the VirtualService.
    pub host: String,
    /// The name of a subset in a DestinationRule.
    pub subset: String,
    /// The port; the service's only one if absent.
    pub port: Option<PortSelector>,
}

/// `PortSelector`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortSelector {
    /// 1 to 65535.
    pub number: u32,
}

/// A destination of connections, with its share of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteDestination {
    /// Required.
    pub destination: Option<Destination>,
    /// The share among all weights.
    pub weight: i32,
}

/// `TLSRoute`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsRoute {
    /// Any of these; required.
    #[serde(rename = "match")]
    pub matches: Vec<TlsMatch>,
    /// Where the connections go.
    pub route: Vec<RouteDestination>,
}

/// `TLSMatchAttributes`: all of these have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsMatch {
    /// Names, which may begin with `*`; each within the hosts of the VirtualService.
    pub sni_hosts: Vec<String>,
    /// Not looked at by gateways.
    pub destination_subnets: Vec<String>,
    /// The port of the server.
    pub port: u32,
    /// Not looked at by gateways.
    pub source_labels: BTreeMap<String, String>,
    /// Instead of those of the VirtualService.
    pub gateways: Vec<String>,
    /// Not looked at by gateways.
    pub source_namespace: String,
}

/// `TCPRoute`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpRoute {
    /// Any of these; every connection if there are none.
    #[serde(rename = "match")]
    pub matches: Vec<L4Match>,
    /// Where the connections go.
    pub route: Vec<RouteDestination>,
}

/// `L4MatchAttributes`: all of these have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct L4Match {
    /// Not looked at by gateways.
    pub destination_subnets: Vec<String>,
    /// The port of the server.
    pub port: u32,
    /// Not looked at by Istio at all.
    pub source_subnet: String,
    /// Not looked at by gateways.
    pub source_labels: BTreeMap<String, String>,
    /// Instead of those of the VirtualService.
    pub gateways: Vec<String>,
    /// Not looked at by gateways.
    pub source_namespace: String,
}
