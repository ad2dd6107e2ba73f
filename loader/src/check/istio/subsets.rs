//! DestinationRules for services and Pods that are not there (`analyzers/destinationrule/subset.go`).

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::model::istio::label_index::{LabelIndex, Labels};
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::istio::service_entry::ServiceEntry;
use crate::resources::{Resource, Resources};
use crate::source::Path;

use super::registry::{Registry, Service, full, users};
use super::workloads::workloads;

/// Labels that Istio gives to endpoints by the Node that they are on.
const OF_NODES: [&str; 6] = [
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
    "topology.istio.io/cluster",
    "topology.istio.io/network",
    "kubernetes.io/hostname",
];

pub(super) fn check(resources: &Resources, findings: &mut Vec<Diagnostic>) {
    let registry = Registry::new(resources);
    let mut workloads = Workloads::new(resources);
    for rule in &resources.istio.destination_rules {
        let path = Path::of("host");
        if rule.place.is_faulty(&path) {
            continue;
        }
        let own = rule.meta.namespace();
        let host = full(&rule.spec.host, own);
        let users = users(&rule.spec.export_to, own);
        let found = registry.find(&host, &users);
        let is_wildcard = host.starts_with('*');
        let held = || is_wildcard.then(|| registry.held_by(&host, &users))?;
        let Some(service) = found.or_else(held) else {
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
        subsets(&mut workloads, rule, service, findings);
    }
}

/// Whatever may be behind a service, by its labels.
struct Workloads<'r> {
    all: LabelIndex<'r>,
    /// The endpoints of ServiceEntries, by the places of those.
    endpoints: HashMap<*const Resource<ServiceEntry>, LabelIndex<'r>>,
}

impl<'r> Workloads<'r> {
    fn new(resources: &'r Resources) -> Self {
        let of_pods = workloads(&resources.kubernetes).map(|workload| workload.labels);
        let of_entries = resources.istio.workload_entries.iter();
        let of_entries = of_entries.map(|entry| &entry.spec.labels);
        Self {
            all: LabelIndex::new(of_pods.chain(of_entries).map(|labels| ("", labels))),
            endpoints: HashMap::new(),
        }
    }

    /// Whether any of them, or an endpoint of the service, has these labels.
    fn have(&mut self, service: &Service<'r>, wanted: &Labels) -> bool {
        let has = |all: &LabelIndex<'_>| all.selected(None, wanted).next().is_some();
        let own = service.entry.is_some_and(|entry| {
            let endpoints = entry.spec.endpoints.iter();
            let labels = endpoints.map(|one| ("", &one.labels));
            let known = self.endpoints.entry(std::ptr::from_ref(entry));
            has(known.or_insert_with(|| LabelIndex::new(labels)))
        });
        own || has(&self.all)
    }
}

fn subsets<'r>(
    workloads: &mut Workloads<'r>,
    rule: &Resource<DestinationRule>,
    service: &Service<'r>,
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
        if workloads.have(service, &wanted) || rule.place.is_faulty(&path) {
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
