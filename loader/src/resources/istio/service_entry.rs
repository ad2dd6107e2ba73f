//! `ServiceEntry` (`networking/v1alpha3/service_entry.proto`): a service that no Kubernetes knows.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Hosts with their ports and endpoints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceEntry {
    /// Names, which may begin with `*`.
    pub hosts: Vec<String>,
    /// Addresses by which sidecars know the service.
    pub addresses: Vec<String>,
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// Whether it is a part of the mesh.
    pub location: Location,
    /// How the endpoints are found.
    pub resolution: Resolution,
    /// Where it is.
    pub endpoints: Vec<WorkloadEntry>,
    /// Labels of WorkloadEntries and Pods that are endpoints.
    pub workload_selector: Option<WorkloadSelector>,
    /// The namespaces that may use it, as in a VirtualService.
    pub export_to: Vec<String>,
    /// One of these has to be in the service's certificate.
    pub subject_alt_names: Vec<String>,
}

/// `ServicePort`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct ServicePort {
    /// 1 to 65535.
    pub number: u32,
    /// What is spoken.
    pub protocol: String,
    /// A label.
    pub name: String,
    /// The port of the endpoints; `number` if 0.
    pub target_port: u32,
}

/// `ServiceEntry.Location`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Location {
    /// Outside.
    #[default]
    #[serde(rename = "MESH_EXTERNAL", alias = "0")]
    External,
    /// Inside.
    #[serde(rename = "MESH_INTERNAL", alias = "1")]
    Internal,
}

/// `ServiceEntry.Resolution`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Resolution {
    /// The address that the client asked for; a gateway has none.
    #[default]
    #[serde(rename = "NONE", alias = "0")]
    None,
    /// The endpoints' addresses.
    #[serde(rename = "STATIC", alias = "1")]
    Static,
    /// All addresses that DNS gives.
    #[serde(rename = "DNS", alias = "2")]
    Dns,
    /// One address that DNS gives.
    #[serde(rename = "DNS_ROUND_ROBIN", alias = "3")]
    DnsRoundRobin,
    /// What DNS gives for the host of each request.
    #[serde(rename = "DYNAMIC_DNS", alias = "4")]
    DynamicDns,
}

/// `WorkloadEntry`: one endpoint.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct WorkloadEntry {
    /// An IP address, a DNS name or `unix:///path`.
    pub address: String,
    /// Ports by the names of the service's.
    pub ports: BTreeMap<String, u32>,
    /// Labels for subsets.
    pub labels: BTreeMap<String, String>,
    /// The network, for several clusters.
    pub network: String,
    /// `region/zone/subzone`.
    pub locality: String,
    /// The share among the endpoints; 1 if 0.
    pub weight: u32,
    /// The identity.
    pub service_account: String,
}

/// `WorkloadSelector`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkloadSelector {
    /// All of them.
    pub labels: BTreeMap<String, String>,
}
