//! The workload that is a gateway.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::label_index::{LabelIndex, SelectorIndex, selects};
use super::localities;
use crate::model::Locality;
use crate::resources::Resources;
use crate::resources::kubernetes::Pod;

/// The service account that Kubernetes gives a Pod that names none.
const DEFAULT_ACCOUNT: &str = "default";

/// A workload, which may be a gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Its namespace: credentials are looked up in it, and VirtualServices have to be exported to it.
    pub namespace: String,
    /// Its labels, by which Gateways select it.
    pub labels: BTreeMap<String, String>,
    /// Whether a resource stands for it.
    pub is_written: bool,
    /// Its service account, which names it in mTLS.
    pub service_account: String,
    /// The address that ports without `bind` are opened on; all addresses if absent.
    pub address: Option<IpAddr>,
    /// The Node that it runs on; empty if nobody says it.
    pub node: String,
    /// Where it is, if that is known.
    pub locality: Option<Locality>,
}

impl Workload {
    /// Whether it has all these labels; every workload has none.
    pub fn is_selected_by(&self, selector: &BTreeMap<String, String>) -> bool {
        selects(selector, &self.labels)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The workloads in the resources that a Gateway selects by label: Deployments, Pods without one, and, where a selector
/// fits none of them, one that has just its labels, in the namespace of the Gateway.
pub fn workloads(resources: &Resources) -> Vec<Workload> {
    let mut all = written(resources);
    let gateways = resources.istio.gateways.iter();
    let gateways: Vec<_> = gateways
        .filter(|gateway| !gateway.spec.selector.is_empty())
        .collect();
    let selectors = gateways.iter().map(|gateway| &gateway.spec.selector);
    let by_selector = SelectorIndex::new(selectors.clone().map(|own| (0, "", own)));
    all.retain(|workload| by_selector.first_selecting("", &workload.labels).is_some());
    // One that an earlier selector tells of may fit later ones.
    let own: Vec<_> = all.iter().map(|workload| workload.labels.clone()).collect();
    let labels = own.iter().chain(selectors).map(|labels| ("", labels));
    let by_label = LabelIndex::new(labels);
    for (place, gateway) in (own.len()..).zip(gateways) {
        let selector = &gateway.spec.selector;
        if by_label.selected(None, selector).next() == Some(place) {
            all.push(Workload {
                name: gateway.meta.name.clone(),
                namespace: gateway.meta.namespace().to_owned(),
                labels: selector.clone(),
                service_account: DEFAULT_ACCOUNT.to_owned(),
                locality: localities::of_workload(&resources.kubernetes, selector, &Pod::default()),
                ..Workload::default()
            });
        }
    }
    all
}

/// All workloads that resources stand for: Deployments, and Pods without one.
pub(super) fn written(resources: &Resources) -> Vec<Workload> {
    let mut all: Vec<Workload> = Vec::new();
    let kubernetes = &resources.kubernetes;
    for deployment in &kubernetes.deployments {
        let template = &deployment.spec.template;
        let labels = &template.metadata.labels;
        all.push(Workload {
            name: deployment.meta.name.clone(),
            namespace: deployment.meta.namespace().to_owned(),
            labels: labels.clone(),
            service_account: account(&template.spec),
            is_written: true,
            locality: localities::of_workload(kubernetes, labels, &template.spec),
            ..Workload::default()
        });
    }
    // What has the labels of one before it, it or its Deployment is a part of.
    let deployments = kubernetes.deployments.iter();
    let labels = deployments.map(|own| (own.meta.namespace(), &own.spec.template.metadata.labels));
    let pods = kubernetes.pods.iter();
    let labels = labels.chain(pods.map(|own| (own.meta.namespace(), &own.meta.labels)));
    let labels = labels.enumerate();
    let by_selector = SelectorIndex::new(labels.map(|(place, (around, own))| (place, around, own)));
    for (place, pod) in (kubernetes.deployments.len()..).zip(&kubernetes.pods) {
        let (namespace, labels) = (pod.meta.namespace(), &pod.meta.labels);
        if by_selector.first_selecting(namespace, labels) != Some(place) {
            continue;
        }
        all.push(Workload {
            name: pod.meta.name.clone(),
            namespace: pod.meta.namespace().to_owned(),
            labels: pod.meta.labels.clone(),
            service_account: account(&pod.spec),
            is_written: true,
            node: pod.spec.node_name.clone(),
            locality: localities::of_workload(kubernetes, &pod.meta.labels, &pod.spec),
            ..Workload::default()
        });
    }
    all
}

fn account(pod: &Pod) -> String {
    match pod.service_account_name.as_str() {
        "" => DEFAULT_ACCOUNT.to_owned(),
        name => name.to_owned(),
    }
}

/// A workload with these labels that no resource stands for, in this namespace or else that of the first Gateway that
/// selects it; nothing if none does.
pub fn named(
    resources: &Resources,
    labels: BTreeMap<String, String>,
    namespace: Option<&str>,
) -> Option<Workload> {
    let mut workload = Workload {
        locality: localities::of_workload(&resources.kubernetes, &labels, &Pod::default()),
        labels,
        service_account: DEFAULT_ACCOUNT.to_owned(),
        ..Workload::default()
    };
    let mut gateways = resources.istio.gateways.iter();
    let gateway = gateways.find(|gateway| workload.is_selected_by(&gateway.spec.selector))?;
    workload.name.clone_from(&gateway.meta.name);
    workload.namespace = namespace.unwrap_or(gateway.meta.namespace()).to_owned();
    Some(workload)
}
