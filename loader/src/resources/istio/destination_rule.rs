//! `DestinationRule` (`networking/v1alpha3/destination_rule.proto`): how a service is reached, and its subsets.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::traffic_policy::TrafficPolicy;

/// What holds for the connections to a host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct DestinationRule {
    /// A name in the registry, which may begin with `*`.
    pub host: String,
    /// What holds for the whole service.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Parts of the service.
    pub subsets: Vec<Subset>,
    /// The namespaces that may use it, as in a VirtualService.
    pub export_to: Vec<String>,
    /// The clients for which it holds; all of them if absent.
    pub workload_selector: Option<WorkloadSelector>,
}

/// Endpoints of a service that have certain labels.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Subset {
    /// A DNS label.
    pub name: String,
    /// All of them; every endpoint if there are none.
    pub labels: BTreeMap<String, String>,
    /// What holds instead of the service's.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// `istio.type.v1beta1.WorkloadSelector`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// All of them.
    pub match_labels: BTreeMap<String, String>,
}
