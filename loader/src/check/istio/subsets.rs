//! DestinationRules for services and Pods that are not there (`analyzers/destinationrule/subset.go`).

use std::collections::BTreeMap;

use policy::istio::subset_of;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::registry::{Registry, Service, full, users};
use super::workloads::{selects, workloads};

/// Labels that Istio gives to endpoints by the Node that they are on.
const OF_NODES: [&str; 6] = [
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
    "topology.istio.io/cluster",
    "topology.istio.io/network",
    "kubernetes.io/hostname",
];

type Labels = BTreeMap<String, String>;

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let registry = Registry::new(resources);
    for rule in &resources.istio.destination_rules {
        let path = Path::of("host");
        if rule.place.is_faulty(&path) {
            continue;
        }
        let own = rule.meta.namespace();
        let host = full(&rule.spec.host, own);
        let users = users(&rule.spec.export_to, own);
        let covered = |service: &&Service<'_>| subset_of(&service.host, &host);
        let found = registry.find(&host, &users);
        let Some(service) = found.or_else(|| registry.visible(&users).into_iter().find(covered))
        else {
            let text = format!(
                "The host {} defined in the DestinationRule does not match any services in the mesh. [IST0174]",
                rule.spec.host
            );
            let finding = rule.warning(Code::RuleWithoutService, &path, text);
            findings.push(finding.help(format!(
                "add a Service or a ServiceEntry for `{host}`, or correct the host: the rule acts on nothing"
            )));
            continue;
        };
        subsets(resources, rule, service, findings);
    }
}

fn subsets(
    resources: &Resources,
    rule: &Resource<DestinationRule>,
    service: &Service<'_>,
    findings: &mut Vec<Diagnostic>,
) {
    for (index, subset) in rule.spec.subsets.iter().enumerate() {
        let path = Path::of("subsets").index(index).field("labels");
        // What a Node says is not known here, but for labels that it has without a value, which do not count.
        let is_of_node = |(name, value): &(&String, &String)| {
            OF_NODES.contains(&name.as_str()) && !value.is_empty()
        };
        let wanted: Labels = subset
            .labels
            .iter()
            .filter(|label| !is_of_node(label))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let of_pods = workloads(&resources.kubernetes).map(|workload| workload.labels);
        let mut all = of_pods.chain(service.endpoints.iter().copied());
        if all.any(|labels| selects(&wanted, labels)) || rule.place.is_faulty(&path) {
            continue;
        }
        let text = format!(
            "The Subset {} defined in the DestinationRule does not select any pods. Which may lead to 503 UH \
             (NoHealthyUpstream). [IST0173]",
            subset.name
        );
        let finding = rule.warning(Code::SubsetWithoutPods, &path, text);
        findings.push(finding.help(
            "compare the labels with those of the Pods, or of the endpoints of the ServiceEntry",
        ));
    }
}
