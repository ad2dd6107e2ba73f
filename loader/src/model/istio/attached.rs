//! Which policies are for a workload (`getConfigsForWorkload` in `pilot/pkg/model/authentication.go` and
//! `policyattachment.go` at 1.32).

use std::collections::{BTreeSet, HashMap};

use super::label_index::{LabelIndex, Labels, SelectorIndex};
use super::names;
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Resource;
use crate::resources::istio::request_authentication::{Attached, TargetRef};
use crate::source::Path;

/// The namespace whose resources are for all others, too.
const ROOT: &str = "istio-system";

/// The label of workloads that are gateways of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The group of those gateways.
const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// All resources of a kind in Istio's order, by what they are for.
#[derive(Debug)]
pub(super) struct Policies<'a, T> {
    all: Vec<&'a Resource<T>>,
    by_label: SelectorIndex<'a>,
    /// Those without a selector, by their namespaces.
    unselective: HashMap<&'a str, Vec<usize>>,
    /// Those with targets, by their namespaces and the gateways of the Gateway API that they name.
    by_gateway: HashMap<(&'a str, &'a str), BTreeSet<usize>>,
}

impl<'a, T: Attached> Policies<'a, T> {
    pub(super) fn new(all: &'a [Resource<T>]) -> Self {
        let mut all: Vec<_> = all.iter().collect();
        all.sort_by(|a, b| names::order(a, b));
        let mut unselective: HashMap<_, Vec<_>> = HashMap::new();
        let mut by_gateway: HashMap<_, BTreeSet<_>> = HashMap::new();
        let mut selectors = Vec::new();
        for (place, &own) in all.iter().enumerate() {
            let namespace = own.meta.namespace();
            let targets = own.spec.targets();
            match own.spec.selector() {
                _ if !targets.is_empty() => {
                    for target in targets.into_iter().filter(|target| is_gateway(target)) {
                        let name = (namespace, target.name.as_str());
                        by_gateway.entry(name).or_default().insert(place);
                    }
                }
                Some(selector) => selectors.push((place, namespace, &selector.match_labels)),
                None => unselective.entry(namespace).or_default().push(place),
            }
        }
        Self {
            all,
            by_label: SelectorIndex::new(selectors.into_iter()),
            unselective,
            by_gateway,
        }
    }

    /// The resources that are for a workload: those of its namespace, then those of the root namespace. Targets are
    /// for gateways of the Gateway API in their namespace, and for no other workload (`ShouldAttachPolicy`).
    pub(super) fn to(&self, workload: &Workload) -> Vec<&'a Resource<T>> {
        let own = workload.namespace.as_str();
        let mut namespaces = vec![own, ROOT];
        namespaces.dedup();
        let mut attached = Vec::new();
        for namespace in namespaces {
            let by_label = self.by_label.selecting(namespace, &workload.labels);
            let mut places: BTreeSet<usize> = by_label.collect();
            places.extend(self.unselective.get(namespace).into_iter().flatten());
            if namespace == own
                && let Some(gateway) = workload.labels.get(GATEWAY_NAME)
            {
                let named = self.by_gateway.get(&(namespace, gateway.as_str()));
                places.extend(named.into_iter().flatten());
            }
            attached.extend(places.into_iter().filter_map(|place| self.all.get(place)));
        }
        attached
    }
}

fn is_gateway(target: &TargetRef) -> bool {
    target.group == GATEWAY_API && target.kind == "Gateway"
}

/// Names the resources that are for none of the workloads: nothing looks at what they say.
pub(super) fn unused<T: Attached>(
    all: &[Resource<T>],
    workloads: &[Workload],
    findings: &mut Vec<Diagnostic>,
) {
    let labels = workloads.iter();
    let by_label = LabelIndex::new(labels.map(|own| (own.namespace.as_str(), &own.labels)));
    let has_one = |namespace: Option<&str>, wanted: &Labels| {
        by_label.selected(namespace, wanted).next().is_some()
    };
    for own in all {
        let namespace = own.meta.namespace();
        let targets = own.spec.targets();
        let is_for_one = if targets.is_empty() {
            let around = Some(namespace).filter(|namespace| *namespace != ROOT);
            let selector = own.spec.selector();
            selector.map_or_else(
                || has_one(around, &Labels::new()),
                |selector| has_one(around, &selector.match_labels),
            )
        } else {
            let mut gateways = targets.iter().filter(|target| is_gateway(target));
            gateways.any(|target| {
                let label = (GATEWAY_NAME.to_owned(), target.name.clone());
                has_one(Some(namespace), &Labels::from([label]))
            })
        };
        if is_for_one {
            continue;
        }
        let path = Path::of(if targets.is_empty() {
            "selector"
        } else if own
            .place
            .root
            .at(&own.place.spec.field("targetRef"))
            .is_some()
        {
            "targetRef"
        } else {
            "targetRefs"
        });
        findings.push(if targets.iter().any(|target| is_gateway(target)) {
            let text = "the gateway is none of the Gateway API: Istio does not attach this to it, and requests that it \
                        refuses get in";
            let finding = own.error(Code::UnattachedPolicy, &path, text);
            finding.help("write `selector: {matchLabels: …}` with the labels of the gateway's workload")
        } else {
            let text = "no gateway is selected, so that nothing is refused";
            let finding = own.warning(Code::UnattachedPolicy, &path, text);
            finding.help(format!(
                "compare the labels with those of the gateway's workload, and put it into the namespace of that or into {ROOT}; \
                 for proxies next to services nothing is made here"
            ))
        });
    }
}
