//! Where the gateway and endpoints are, as Istio reads it (`getPodLocality` in
//! `pilot/pkg/serviceregistry/kube/controller/controller.go`, `localityFromProxyLabels` in `pilot/pkg/xds/ads.go` and
//! `AugmentLabels` in `pilot/pkg/serviceregistry/util/label` at 1.32).

use std::collections::{BTreeMap, HashMap};

use crate::model::Locality;
use crate::resources::kubernetes::{Kubernetes, Node, Pod};
use crate::resources::{Meta, Resource};

type Labels = BTreeMap<String, String>;

/// What says where something is; the first one comes first.
const WHERE: [&str; 2] = ["topology.istio.io/locality", "istio-locality"];
/// Labels of Nodes for each part of a locality, the newer name first.
const REGION: [&str; 2] = [
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/region",
];
const ZONE: [&str; 2] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
];
const SUBZONE: &str = "topology.istio.io/subzone";
const HOST: &str = "kubernetes.io/hostname";
const NETWORK: &str = "topology.istio.io/network";

/// What a label says. Kubernetes allows no slash there, so a dot may stand for it.
pub(super) fn of_labels(labels: &Labels) -> Option<Locality> {
    let text = WHERE.iter().find_map(|name| labels.get(*name))?;
    if text.contains('/') {
        Locality::read(text)
    } else {
        Locality::read(&text.replace('.', "/"))
    }
}

/// Where a Node with these labels is.
fn of_topology(labels: &Labels) -> Option<Locality> {
    let first = |names: &[&str]| {
        let found = names.iter().find_map(|name| labels.get(*name));
        found.cloned().unwrap_or_default()
    };
    let locality = Locality {
        region: first(&REGION),
        zone: first(&ZONE),
        subzone: first(&[SUBZONE]),
    };
    (locality != Locality::default()).then_some(locality)
}

/// Where the Node of this name is, if there is one.
fn of_node(of: &Kubernetes, name: &str) -> Option<Locality> {
    of_topology(&of.nodes.find("", name)?.meta.labels)
}

/// Where a Pod is.
pub(super) fn of_pod(of: &Kubernetes, pod: &Resource<Pod>) -> Option<Locality> {
    of_labels(&pod.meta.labels).or_else(|| of_node(of, &pod.spec.node_name))
}

/// Nodes by the zone that they are in, of several the first.
pub(super) struct Zones<'a> {
    of: &'a Kubernetes,
    nodes: HashMap<&'a str, &'a Resource<Node>>,
}

impl<'a> Zones<'a> {
    pub(super) fn new(of: &'a Kubernetes) -> Self {
        let mut nodes = HashMap::new();
        for node in &of.nodes {
            let labels = &node.meta.labels;
            if let Some(zone) = ZONE.iter().find_map(|name| labels.get(*name)) {
                nodes.entry(zone.as_str()).or_insert(node);
            }
        }
        Self { of, nodes }
    }

    /// Where an address is of which no Pod is known. A zone without a Node tells nothing about its region.
    pub(super) fn of_address(&self, node: &str, zone: &str) -> Option<Locality> {
        if let Some(known) = of_node(self.of, node) {
            return Some(known);
        }
        let region = self.nodes.get(zone);
        let region = region.and_then(|node| of_topology(&node.meta.labels));
        (!zone.is_empty()).then(|| Locality {
            region: region.map(|own| own.region).unwrap_or_default(),
            zone: zone.to_owned(),
            subzone: String::new(),
        })
    }
}

/// Where a workload with these labels is, and with this Pod if it has one: also the labels of Nodes on a Pod count, and
/// those that its Node has to have.
pub(super) fn of_workload(of: &Kubernetes, labels: &Labels, pod: &Pod) -> Option<Locality> {
    of_labels(labels)
        .or_else(|| of_node(of, &pod.node_name))
        .or_else(|| of_topology(labels))
        .or_else(|| of_topology(&pod.node_selector))
}

/// The labels by which a service prefers near endpoints, as its field or else its annotation says
/// (`GetTrafficDistribution` in `pilot/pkg/model/service.go` and `GetEffectiveLbSetting` at 1.32); none for any endpoint.
pub(super) fn preferred(meta: &Meta, field: &str) -> &'static [&'static str] {
    const ANNOTATION: &str = "networking.istio.io/traffic-distribution";
    const NODE: [&str; 5] = [NETWORK, REGION[0], ZONE[0], SUBZONE, HOST];
    const ZONES: [&str; 3] = [NETWORK, REGION[0], ZONE[0]];
    let annotation = meta.annotations.get(ANNOTATION);
    let annotation = annotation.map(|text| text.to_ascii_lowercase());
    let said = match (field, annotation.as_deref()) {
        ("PreferClose" | "PreferSameZone" | "PreferSameNode", _) => field.to_ascii_lowercase(),
        (_, text) => text.unwrap_or_default().to_owned(),
    };
    match said.as_str() {
        "preferclose" | "prefersamezone" => &ZONES,
        "prefersamenode" => &NODE,
        _ => &[],
    }
}

/// The labels, with those that say where what has them is.
pub(super) fn added(
    labels: &Labels,
    locality: Option<&Locality>,
    node: &str,
    network: &str,
) -> Labels {
    let mut labels = labels.clone();
    let nowhere = Locality::default();
    let locality = locality.unwrap_or(&nowhere);
    for (name, value) in [
        (REGION[0], locality.region.as_str()),
        (ZONE[0], &locality.zone),
        (SUBZONE, &locality.subzone),
        (HOST, node),
    ] {
        if !value.is_empty() {
            labels.insert(name.to_owned(), value.to_owned());
        }
    }
    if !network.is_empty() {
        let own = labels.entry(NETWORK.to_owned()).or_default();
        if own.is_empty() {
            network.clone_into(own);
        }
    }
    labels
}
