//! `Service` (`v1`): a name and its ports.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::resources::decode::NumberOrText;

/// The `spec` of a Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`; the first if empty.
    #[serde(rename = "type")]
    pub kind: String,
    /// Labels of the Pods behind it.
    pub selector: BTreeMap<String, String>,
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// The address, or `None`.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// Another name for it, where the type says so.
    pub external_name: String,
    /// `PreferSameZone`, `PreferSameNode` or `PreferClose`, which is as the first; any endpoint if empty.
    pub traffic_distribution: String,
}

/// An entry of `ports`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// The name, whose beginning says the protocol: `http-web`.
    pub name: String,
    /// The port.
    pub port: u32,
    /// `TCP` (which is meant if empty), `UDP` or `SCTP`.
    pub protocol: String,
    /// The port of the Pods, by number or name; `port` if absent.
    pub target_port: Option<NumberOrText>,
    /// What is spoken, before what the name says.
    pub app_protocol: String,
}
